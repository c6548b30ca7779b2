"""What holds for both templates: form, parameters, what survives, what the person woken reads."""

import re
import tomllib
from fnmatch import fnmatchcase

import pytest
import yaml

from tests.service_catalog.policies import listed, statements
from tests.service_catalog.template import BOTH, CONSUMER, PRODUCER, SERVICE_CATALOG

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_INLINE_BYTES = 51_200
MAX_BYTES_FROM_S3 = 1_048_576
MAX_ALARM_TEXT = 1024
STATEFUL = {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key", "AWS::DynamoDB::Table"}
PLAIN_TYPES = re.compile(
    r"AWS::((S3|KMS|IAM|Events|Scheduler|SQS|SNS|SSM|CloudWatch|DynamoDB|Lambda|Logs|EC2)::\w+"
    r"|CloudFormation::CustomResource)"
)
WATCHING = "WatchingKey"
WORKED_OFF = {"ObjectsQueue", "RangesQueue"}

both = pytest.mark.parametrize("template", BOTH, ids=["producer", "consumer"])


def parameters(template):
    return [
        pytest.param(template, name, id=f"{template.path.parent.name}-{name}") for name in template.body["Parameters"]
    ]


each_parameter = pytest.mark.parametrize(("template", "name"), [p for template in BOTH for p in parameters(template)])


def test_the_producers_template_can_be_given_inline():
    assert PRODUCER.path.stat().st_size < MAX_INLINE_BYTES


def test_the_consumers_template_can_be_given_from_a_bucket():
    """More than 51,200 bytes: two functions with a permission and a reason for each call, alarms that speak to whoever
    is woken, a dashboard, three documents. Service Catalog takes templates from a bucket anyway."""
    assert CONSUMER.path.stat().st_size < MAX_BYTES_FROM_S3 / 5


@both
def test_a_template_is_plain_cloudformation(template):
    assert "Transform" not in template.body
    assert "Fn::Transform" not in template.path.read_text()
    for resource in template.body["Resources"].values():
        assert PLAIN_TYPES.fullmatch(resource["Type"])


@both
def test_a_template_has_no_yaml_aliases(template):
    """CloudFormation does not support them.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html"""
    tokens = {type(token) for token in yaml.scan(template.path.read_text())}
    assert tokens & {yaml.AnchorToken, yaml.AliasToken} == set()
    assert yaml.ScalarToken in tokens


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (PRODUCER, {"ConsumerAccountId", "OrganisationId", "ExternalId"}),
        (
            CONSUMER,
            {
                "ProducerAccountId",
                "ProducerBucketName",
                "ProducerBucketArn",
                "CrossAccountRoleArn",
                "ProducerKmsKeyArn",
                "OrganisationId",
                "ExternalId",
                "VpcId",
                "SubnetIds",
                "RouteTableIds",
                "LambdaS3Bucket",
                "LambdaS3Key",
            },
        ),
    ],
    ids=["producer", "consumer"],
)
def test_only_the_parameters_of_the_contract_must_be_given(template, names):
    assert {name for name, each in template.body["Parameters"].items() if "Default" not in each} == names


def test_an_e_mail_address_for_alarms_is_a_parameter_of_the_contract_that_may_be_empty():
    assert CONSUMER.body["Parameters"]["AlarmEmail"]["Default"] == ""


def test_the_producers_outputs_are_those_of_the_contract():
    assert {"BucketArn", "BucketName", "RoleArn", "KmsKeyArn", "KmsKeyId", "TemplateVersion"} <= set(
        PRODUCER.body["Outputs"]
    )


@both
def test_a_template_says_the_projects_version(template):
    project = tomllib.loads((SERVICE_CATALOG.parent / "pyproject.toml").read_text())["project"]
    assert template.resolve().output("TemplateVersion") == project["version"]


@each_parameter
def test_a_parameter_says_what_it_is_with_an_example_or_its_choices(template, name):
    declaration = template.body["Parameters"][name]
    has_choices = "AllowedValues" in declaration
    assert has_choices or re.search(r"\bexample\b|Empty means", declaration["Description"]) or "Default" in declaration
    assert declaration["Description"].endswith((".", ")"))


@each_parameter
def test_a_parameter_that_can_be_refused_says_why(template, name):
    declaration = template.body["Parameters"][name]
    if {"AllowedPattern", "MinValue", "MaxValue", "MinLength"} & set(declaration):
        assert declaration["ConstraintDescription"]
    elif not declaration["Type"].startswith(("AWS::", "List<AWS::")):
        assert declaration["AllowedValues"]


@both
def test_every_parameter_is_in_one_group_and_has_a_label(template):
    interface = template.body["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template.body["Parameters"])
    assert set(interface["ParameterLabels"]) == set(template.body["Parameters"])


@both
def test_the_external_id_is_never_shown_and_long_enough(template):
    declaration = template.body["Parameters"]["ExternalId"]
    assert declaration["NoEcho"] in (True, "true")
    assert declaration["MinLength"] >= 16
    assert not any("ExternalId" in str(output) for output in template.body["Outputs"].values())
    secrets = [body for name, body in template.body["Parameters"].items() if name.endswith("ExternalId")]
    assert all(body["NoEcho"] is True for body in secrets)


def places(node, secret, path=()):
    """Where in it the secret is."""
    if isinstance(node, dict):
        return [found for key, each in node.items() for found in places(each, secret, (*path, key))]
    if isinstance(node, list):
        return [found for each in node for found in places(each, secret, path)]
    return ["/".join(path)] if secret in str(node) else []


@pytest.mark.parametrize(
    ("template", "given", "known"),
    [
        (PRODUCER, {"NextExternalId": "the-next-external-id"}, "AssumeRolePolicyDocument/Statement/Condition"),
        (CONSUMER, {}, "Environment/Variables"),
    ],
    ids=["producer", "consumer"],
)
def test_an_external_id_is_where_it_is_compared_and_where_it_is_said_and_nowhere_else(template, given, known):
    stack = template.resolve(**given)
    secrets = [value for name, value in stack.parameters.items() if name.endswith("ExternalId")]
    for secret in secrets:
        found = [each for name in stack.resources for each in places(stack.properties(name), secret, (name,))]
        holders = {"producer": ["ReadRole"], "consumer": ["Replicator", "Transfer"]}[template.path.parent.name]
        assert [each.partition("/")[0] for each in found] == holders
        assert all(each.partition("/")[2].startswith(known) for each in found)


@pytest.mark.parametrize("name", ["ab", "Upper", "-first", "last-", "under_score", "a" * 27])
@both
def test_an_instance_name_that_cannot_name_a_bucket_is_refused(template, name):
    with pytest.raises(AssertionError, match="InstanceName"):
        _ = template.resolve(InstanceName=name).parameters


@both
def test_the_longest_instance_name_still_gives_a_bucket_name_in_the_longest_region(template):
    buckets = dict(template.resolve(InstanceName="a" * 26).of_type("AWS::S3::Bucket"))
    assert len(buckets) == 2
    for bucket in buckets.values():
        assert len(bucket["BucketName"].replace("eu-west-1", "ap-southeast-1")) <= 63


@both
def test_data_and_the_key_to_it_outlive_the_product(template):
    resources = template.body["Resources"]
    stateful = {name for name, each in resources.items() if each["Type"] in STATEFUL} - {WATCHING}
    assert stateful
    for name in stateful:
        assert (resources[name]["DeletionPolicy"], resources[name]["UpdateReplacePolicy"]) == ("Retain", "Retain")


@both
def test_the_key_of_what_watches_goes_with_the_product_and_so_does_all_that_is_encrypted_with_it(template):
    resources = template.body["Resources"]
    assert resources[WATCHING]["DeletionPolicy"] == "Delete"
    users = {name for name, each in resources.items() if f"'{WATCHING}'" in str(each.get("Properties"))}
    assert "AlarmTopic" in users
    assert {resources[name].get("DeletionPolicy", "Delete") for name in users} == {"Delete"}


@both
def test_a_bucket_of_objects_is_hardened(template):
    bucket = next(each for _, each in template.resolve().of_type("AWS::S3::Bucket"))
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"].endswith("Key.Arn")
    assert rule["BlockedEncryptionTypes"] == {"EncryptionType": ["SSE-C"]}
    assert bucket["LoggingConfiguration"]["DestinationBucketName"].startswith("s3-hydration-logs-")


@both
def test_every_bucket_is_closed_versioned_and_does_not_keep_unfinished_uploads(template):
    buckets = dict(template.resolve().of_type("AWS::S3::Bucket"))
    assert len(buckets) == 2
    for bucket in buckets.values():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert any("AbortIncompleteMultipartUpload" in each for each in bucket["LifecycleConfiguration"]["Rules"])
        assert any("NoncurrentVersionExpiration" in each for each in bucket["LifecycleConfiguration"]["Rules"])


@both
def test_only_s3_itself_may_write_access_logs_and_only_those_of_this_bucket(template):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html"""
    stack = template.resolve()
    (grant,) = [each for each in statements(stack) if each.where == "AccessLogsBucketPolicy" and each.allows]
    name, bucket = next(iter(stack.of_type("AWS::S3::Bucket")))
    assert (grant.principals, grant.actions) == (["logging.s3.amazonaws.com"], ["s3:PutObject"])
    assert grant.resources[0].endswith("/" + bucket["LoggingConfiguration"]["LogFilePrefix"] + "*")
    assert grant.condition("ArnEquals", "aws:SourceArn") == stack.value({"Fn::GetAtt": [name, "Arn"]})
    assert grant.condition("StringEquals", "aws:SourceAccount") == template.account


@both
def test_access_logs_go_to_the_bucket_that_is_given_and_then_none_is_made(template):
    buckets = dict(template.resolve(AccessLogsBucketName="acme-logs").of_type("AWS::S3::Bucket"))
    ((_, bucket),) = buckets.items()
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == "acme-logs"


@both
def test_a_key_rotates(template):
    keys = dict(template.resolve().of_type("AWS::KMS::Key"))
    assert len(keys) == 2
    assert all(key["EnableKeyRotation"] is True for key in keys.values())


@both
def test_alarms_reach_their_topic_although_it_is_encrypted(template):
    """CloudWatch cannot publish under alias/aws/sns.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html"""
    stack = template.resolve()
    assert stack.properties("AlarmTopic")["KmsMasterKeyId"] == f"{WATCHING}.Arn"
    service = ["cloudwatch.amazonaws.com"]
    using, publishing = [each for each in statements(stack) if each.allows and each.principals == service]
    assert (using.where, using.actions) == (WATCHING, ["kms:Decrypt", "kms:GenerateDataKey*"])
    assert (publishing.where, publishing.actions) == ("AlarmTopicPolicy", ["sns:Publish"])
    for each in (using, publishing):
        assert each.condition("StringEquals", "aws:SourceAccount") == template.account


@both
def test_every_alarm_may_publish(template):
    stack = template.resolve()
    (grant,) = [each for each in statements(stack) if each.where == "AlarmTopicPolicy" and each.allows]
    pattern = grant.condition("ArnLike", "aws:SourceArn").rpartition(":alarm:")[2]
    names = [alarm["AlarmName"] for _, alarm in stack.of_type("AWS::CloudWatch::Alarm")]
    assert [name for name in names if not fnmatchcase(name, pattern)] == []


@both
def test_the_default_parameters_contradict_nothing(template):
    assert template.resolve().refusals() == []


@both
def test_a_rule_uses_only_what_cloudformation_takes_in_rules(template):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-rules.html"""
    used = set(re.findall(r"'(Fn::\w+)'", str(template.body["Rules"])))
    assert used
    assert used <= {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::EachMemberIn", "Fn::RefAll", "Fn::ValueOfAll"}


@both
def test_queues_keep_what_failed_for_fourteen_days_and_are_encrypted(template):
    queues = dict(template.resolve().of_type("AWS::SQS::Queue"))
    assert queues
    for queue in queues.values():
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["SqsManagedSseEnabled"] is True


@both
def test_a_rule_retries_as_long_as_eventbridge_can_and_keeps_what_it_could_not_deliver(template):
    ((_, rule),) = template.resolve().of_type("AWS::Events::Rule")
    (target,) = rule["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": "UndeliveredEvents.Arn"}


@both
def test_an_alarm_speaks_to_the_person_woken_and_ends_in_its_runbook_section(template):
    alarms = dict(template.resolve(AlarmEmail="on-call@example.org").of_type("AWS::CloudWatch::Alarm"))
    assert alarms
    for name, alarm in alarms.items():
        assert alarm["AlarmDescription"].endswith(f". Runbook section: {name}")
        assert len(alarm["AlarmDescription"]) <= MAX_ALARM_TEXT
        assert alarm["AlarmActions"] == [alarm["OKActions"][0]]


@both
def test_an_alarm_watches_every_queue_of_what_failed(template):
    stack = template.resolve()
    alarms = [alarm for _, alarm in stack.of_type("AWS::CloudWatch::Alarm")]
    watched = {dimension["Value"] for alarm in alarms for dimension in alarm.get("Dimensions", [])}
    failed = {queue["QueueName"] for name, queue in stack.of_type("AWS::SQS::Queue") if name not in WORKED_OFF}
    assert failed
    assert failed <= watched


@both
def test_the_first_message_in_a_queue_of_what_failed_wakes_somebody_within_minutes_and_an_idle_queue_nobody(template):
    stack = template.resolve()
    alarms = [each for name, each in stack.of_type("AWS::CloudWatch::Alarm") if name.endswith("NotEmpty")]
    assert alarms
    for alarm in alarms:
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
        assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
            "Maximum",
            "GreaterThanThreshold",
            0,
        )
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 300
        assert alarm["TreatMissingData"] == "notBreaching"


@both
def test_a_rule_is_switched_on(template):
    ((_, rule),) = template.resolve().of_type("AWS::Events::Rule")
    assert rule["State"] == "ENABLED"


@both
def test_nobody_is_subscribed_without_an_address(template):
    assert list(template.resolve().of_type("AWS::SNS::Subscription")) == []
    ((_, subscription),) = template.resolve(AlarmEmail="on-call@example.org").of_type("AWS::SNS::Subscription")
    assert subscription["Endpoint"] == "on-call@example.org"


@both
def test_a_write_under_aws_kms_without_a_key_is_refused_because_it_would_mean_the_accounts_own(template):
    """Nobody in another account can be given aws/s3: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    (statement,) = [each for each in statements(template.resolve()) if each.body.get("Sid") == "NotTheAccountsKey"]
    assert (statement.body["Effect"], statement.principals) == ("Deny", ["*"])
    assert "aws:kms" in listed(statement.condition("StringEquals", "s3:x-amz-server-side-encryption"))
    assert statement.condition("Null", "s3:x-amz-server-side-encryption-aws-kms-key-id") in (True, "true")


@both
def test_an_object_is_not_moved_to_another_key_in_place(template):
    """Nothing tells of it: no event, the same ETag. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html"""
    (statement,) = [each for each in statements(template.resolve()) if each.body.get("Sid") == "OnlyThisKey"]
    assert (statement.body["Effect"], statement.principals) == ("Deny", ["*"])
    assert "s3:UpdateObjectEncryption" in statement.actions


@pytest.mark.parametrize(
    ("template", "functions", "given"),
    [
        (CONSUMER, ["Replicator", "Transfer"], {}),
        (PRODUCER, ["SwitchOn"], {"ExistingBucketName": "acme-exports", "LambdaS3Bucket": "acme-artifacts"}),
    ],
    ids=["consumer", "producer"],
)
def test_a_function_is_made_of_the_very_version_of_the_zip_that_is_given(template, functions, given):
    """Whoever may write to the bucket of zips can put another one under the key, never under a version of it."""
    pinned, latest = template.resolve(**given, LambdaS3ObjectVersion="a1B2.c3D4"), template.resolve(**given)
    assert sorted(name for name, _ in pinned.of_type("AWS::Lambda::Function")) == functions
    for name in functions:
        code = latest.properties(name)["Code"]
        assert set(code) == {"S3Bucket", "S3Key"}
        assert pinned.properties(name)["Code"] == {**code, "S3ObjectVersion": "a1B2.c3D4"}
