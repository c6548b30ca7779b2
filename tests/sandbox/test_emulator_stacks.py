"""CloudFormation in the emulator takes what the products are made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.bare_accounts import BareAccounts
from tests.sandbox.emulator_process import SandboxError
from tests.sandbox.stacks import deploy


def deployed(aws: BareAccounts, name: str, **resources: Any) -> Any:
    """Creates a stack of the producer's and returns its outputs' source, the CloudFormation client."""
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    return cloudformation


def test_a_bucket_has_the_default_encryption_of_its_template(aws: BareAccounts) -> None:
    key = aws.key()
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": default}
    properties = {
        "BucketName": "from-template",
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]},
    }
    deployed(aws, "bucket", Bucket={"Type": "AWS::S3::Bucket", "Properties": properties})
    put = aws.client("s3").put_object(Bucket="from-template", Key="a", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", key, True)


def test_composite_alarms_and_metric_math_are_deployed_and_deleted(aws: BareAccounts) -> None:
    queries = [
        {"Id": "rate", "Expression": "errors / 2", "ReturnData": True},
        {
            "Id": "errors",
            "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        },
    ]
    compared = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "EvaluationPeriods": 3}
    math = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "math", "Metrics": queries, **compared}}
    rule = {"AlarmName": "any", "AlarmRule": 'ALARM("math")'}
    composite = {"Type": "AWS::CloudWatch::CompositeAlarm", "DependsOn": "Math", "Properties": rule}
    cloudformation = deployed(aws, "alarms", Math=math, Any=composite)
    kinds = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    found = aws.client("cloudwatch").describe_alarms(**kinds)
    assert [query["Id"] for query in found["MetricAlarms"][0]["Metrics"]] == ["rate", "errors"]
    assert found["MetricAlarms"][0]["EvaluationPeriods"] == 3
    assert found["CompositeAlarms"][0]["AlarmRule"] == rule["AlarmRule"]
    cloudformation.delete_stack(StackName="alarms")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="alarms", WaiterConfig={"Delay": 0.1})
    assert aws.client("cloudwatch").describe_alarms(**kinds)["CompositeAlarms"] == []


def test_a_function_may_loop_if_its_template_says_so(aws: BareAccounts) -> None:
    properties = {"Role": "arn:aws:iam::111111111111:role/any", "Code": {"ZipFile": "x"}, "Runtime": "python3.13"}
    functions = {
        name: {"Type": "AWS::Lambda::Function", "Properties": {**properties, "FunctionName": name, **more}}
        for name, more in {"looping": {"RecursiveLoop": "Allow"}, "straight": {}}.items()
    }
    deployed(aws, "loops", **functions)
    lambda_ = aws.client("lambda")
    found = {name: lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] for name in functions}
    assert found == {"looping": "Allow", "straight": "Terminate"}


def test_an_archive_of_a_bus_is_made_changed_and_deleted(aws: BareAccounts) -> None:
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "kept"}}

    def resources(days: int) -> dict[str, Any]:
        kept = {"SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]}, "EventPattern": {"source": ["aws.s3"]}}
        archive = {"ArchiveName": "kept", "RetentionDays": days, **kept}
        return {"Bus": bus, "Archive": {"Type": "AWS::Events::Archive", "Properties": archive}}

    cloudformation, events = deployed(aws, "archives", **resources(14)), aws.client("events")
    found = events.describe_archive(ArchiveName="kept")
    assert (found["RetentionDays"], json.loads(found["EventPattern"])) == (14, {"source": ["aws.s3"]})
    cloudformation.update_stack(StackName="archives", TemplateBody=json.dumps({"Resources": resources(30)}))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="archives", WaiterConfig={"Delay": 0.1})
    assert events.describe_archive(ArchiveName="kept")["RetentionDays"] == 30
    cloudformation.delete_stack(StackName="archives")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="archives", WaiterConfig={"Delay": 0.1})
    assert events.list_archives()["Archives"] == []


def test_a_document_that_names_a_step_which_is_not_there_is_refused(aws: BareAccounts, tmp_path: Path) -> None:
    choosing = {"name": "choose", "action": "aws:branch", "inputs": {"Choices": [], "Default": "nowhere"}}
    content = {"schemaVersion": "0.3", "mainSteps": [choosing]}
    document = {"Type": "AWS::SSM::Document", "Properties": {"Name": "broken", "Content": content}}
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"Resources": {"Document": document}}))
    with pytest.raises(SandboxError, match=r"Document .*choose names \{'nowhere'\}"):
        deploy(aws.client("cloudformation"), "documents", template, {})
