"""CloudFormation in the emulator takes what the products are made of."""

import json
from typing import Any

from tests.sandbox.bare_accounts import BareAccounts


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
