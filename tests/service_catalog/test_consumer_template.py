"""The consumer's function: its settings, its queue's times, its permissions, its network."""

import pytest

from consumer_replicator.carried import PRESERVE, WRITABLE_STORAGE_CLASSES
from consumer_replicator.settings import ENVIRONMENT, Settings
from tests.service_catalog.policies import statements
from tests.service_catalog.template import CONSUMER, CONSUMER_ACCOUNT, PRODUCER, PRODUCER_ACCOUNT, REGION

STACK = CONSUMER.resolve()
POLICIES = list(statements(STACK))
TIMEOUTS = [str(each) for each in CONSUMER.body["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]]
NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
GATEWAYS = ["CreateS3Endpoint", "CreateDynamoDBEndpoint"]
INTERFACES = ["CreateStsEndpoint", "CreateSqsEndpoint"]


def environment(stack):
    return stack.properties("Replicator")["Environment"]["Variables"]


def settings(**parameters):
    known = {
        **environment(CONSUMER.resolve(**parameters)),
        # What only AWS knows, in the form that AWS gives it.
        "HYDRATION_REPLICA_KMS_KEY_ARN": f"arn:aws:kms:{REGION}:{CONSUMER_ACCOUNT}:key/1234abcd",
        "HYDRATION_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{CONSUMER_ACCOUNT}/s3-hydration-objects",
        "HYDRATION_DEAD_LETTER_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{CONSUMER_ACCOUNT}/s3-hydration-dead",
    }
    return Settings.from_environment({name: str(value) for name, value in known.items()})


def granted(stack, kind="identity", where="ReplicatorRole"):
    return {
        a
        for each in statements(stack)
        if each.allows and (each.kind, each.where) == (kind, where)
        for a in each.actions
    }


# --- The function's settings


def test_the_function_is_given_every_setting_that_it_reads_and_no_other():
    powertools = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
    assert set(environment(STACK)) == set(ENVIRONMENT.values()) | powertools


def test_the_settings_accept_the_templates_defaults():
    found = settings()
    assert found.source_bucket == PRODUCER.resolve().output("BucketName")
    assert found.source_role_arn == PRODUCER.resolve().output("RoleArn")
    assert found.replica_bucket == STACK.output("ReplicaBucketName")
    assert (found.source_account_id, found.replica_account_id) == (PRODUCER_ACCOUNT, CONSUMER_ACCOUNT)


def test_the_templates_defaults_are_the_settings_defaults():
    defaults = {name: field.default for name, field in Settings.model_fields.items() if not field.is_required()}
    found = settings()
    assert {name: getattr(found, name) for name in defaults} == defaults


def test_the_scope_parameters_reach_the_scope():
    scope = settings(
        ScopePrefixes="raw/, curated/",
        ScopeSuffixes=".csv",
        ScopeExclusions="raw/tmp/,*.tmp.csv",
        ScopeMinBytes="1",
        ScopeMaxBytes="100",
    ).scope
    assert (scope.prefixes, scope.suffixes) == (("raw/", "curated/"), (".csv",))
    assert scope.exclusions == ("raw/tmp/", "*.tmp.csv")
    assert (scope.min_bytes, scope.max_bytes) == (1, 100)


@pytest.mark.parametrize("policy", CONSUMER.body["Parameters"]["DeletePolicy"]["AllowedValues"])
def test_every_delete_policy_on_offer_is_one_that_the_settings_know(policy):
    assert settings(DeletePolicy=policy).delete_policy == policy


def test_every_storage_class_on_offer_can_be_written_and_read_at_once():
    offered = set(CONSUMER.body["Parameters"]["StorageClass"]["AllowedValues"]) - {PRESERVE}
    assert offered <= set(WRITABLE_STORAGE_CLASSES) - {"GLACIER", "DEEP_ARCHIVE"}


def test_the_handler_is_a_function_of_the_code():
    path, name = STACK.properties("Replicator")["Handler"].rsplit(".", 1)
    source = CONSUMER.path.parents[2].joinpath(*path.split(".")).with_suffix(".py").read_text()
    assert f"def {name}(" in source


# --- Its queue


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_message_stays_hidden_for_six_times_the_functions_timeout(seconds):
    stack = CONSUMER.resolve(FunctionTimeoutSeconds=seconds)
    assert stack.properties("ObjectsQueue")["VisibilityTimeout"] == str(6 * int(seconds))
    assert stack.properties("Replicator")["Timeout"] == seconds


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_the_largest_object_leaves_two_thirds_of_the_timeout_as_a_margin(seconds):
    """Lambda gives a function inside a VPC 625 Mbps, about 78 MB/s."""
    largest = settings(FunctionTimeoutSeconds=seconds).max_object_bytes
    assert 0.25 < largest / 78e6 / int(seconds) < 0.34


def test_a_message_is_tried_at_least_five_times_then_kept_apart():
    redrive = STACK.properties("ObjectsQueue")["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": "DeadLetterQueue.Arn", "maxReceiveCount": "10"}
    assert CONSUMER.body["Parameters"]["MaxReceiveCount"]["MinValue"] >= 5


def test_the_mapping_returns_single_messages_and_bounds_the_concurrency():
    mapping = STACK.properties("ReplicatorMapping")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": "50"}
    assert "ProvisionedPollerConfig" not in mapping  # Lambda refuses it beside MaximumConcurrency


@pytest.mark.parametrize("queue", ["ObjectEventsQueuePolicy", "UndeliveredEventsQueuePolicy"])
def test_only_the_rule_may_write_to_a_queue_from_outside(queue):
    (grant,) = [each for each in POLICIES if each.where == queue and each.allows]
    assert (grant.principals, grant.actions) == (["events.amazonaws.com"], ["sqs:SendMessage"])
    assert grant.condition("ArnEquals", "aws:SourceArn") == "ObjectEvents.Arn"


def test_the_bus_admits_object_events_of_the_producers_rule_and_organisation_only():
    (grant,) = [each for each in POLICIES if each.kind == "bus"]
    assert (grant.principals, grant.actions) == ([f"arn:aws:iam::{PRODUCER_ACCOUNT}:root"], ["events:PutEvents"])
    assert grant.body["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/s3-hydration-forwarder"},
        "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        "ForAllValues:StringEquals": {"events:source": "aws.s3"},
    }


# --- Its permissions


def test_the_function_may_do_what_its_calls_need_and_nothing_more():
    """Of the source nothing: that is the read role's. S3's implicit needs are explained in the template."""
    assert granted(STACK) - NETWORK == {
        "sts:AssumeRole",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility",
        "sqs:SendMessage",
        "s3:AbortMultipartUpload",
        "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_the_function_may_delete_replicas_only_where_deletes_are_mirrored():
    assert granted(CONSUMER.resolve(DeletePolicy="mirror")) - granted(STACK) == {"s3:DeleteObject"}


def test_no_policy_ever_allows_deleting_a_version():
    mirroring = statements(CONSUMER.resolve(DeletePolicy="mirror"))
    allowed = {action for each in mirroring if each.allows for action in each.actions}
    assert "s3:DeleteObject" in allowed
    assert "s3:DeleteObjectVersion" not in allowed


def test_no_action_is_a_wildcard_but_the_accounts_own_on_its_key():
    wild = [(each.where, each.actions) for each in POLICIES if each.allows and any("*" in a for a in each.actions)]
    assert wild == [("ReplicaKey", ["kms:*"])]


def test_the_key_is_nobodys_outside_the_account():
    assert [each.principals for each in POLICIES if each.kind == "key"] == [[f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"]]


def test_only_the_making_of_network_interfaces_knows_no_resource():
    everywhere = [each for each in POLICIES if each.kind == "identity" and "*" in each.resources]
    assert {action for each in everywhere for action in each.actions} == NETWORK


def test_the_functions_own_code_may_not_touch_network_interfaces():
    (denied,) = [each for each in POLICIES if each.kind == "identity" and not each.allows]
    assert set(denied.actions) == NETWORK
    function = STACK.properties("Replicator")["FunctionName"]
    assert denied.condition("ArnEquals", "lambda:SourceFunctionArn").endswith(f":function:{function}")


def test_the_function_assumes_no_other_role_than_the_read_role():
    (grant,) = [each for each in POLICIES if each.kind == "identity" and each.actions == ["sts:AssumeRole"]]
    assert grant.resources == [PRODUCER.resolve().output("RoleArn")]


@pytest.mark.parametrize(
    "where",
    ["ReplicaBucketPolicy", "ObjectEventsQueuePolicy", "UndeliveredEventsQueuePolicy", "DeadLetterQueuePolicy"],
)
def test_plain_http_is_refused(where):
    denied = [each for each in POLICIES if each.where == where and not each.allows]
    assert any(each.condition("Bool", "aws:SecureTransport") in (False, "false") for each in denied)


@pytest.mark.parametrize(
    ("sid", "key", "value"),
    [
        ("OnlyTheOrganisation", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        ("OnlyUnderKms", "s3:x-amz-server-side-encryption", "aws:kms"),
        ("OnlyThisKey", "s3:x-amz-server-side-encryption-aws-kms-key-id", "ReplicaKey.Arn"),
    ],
)
def test_the_replica_bucket_refuses_what_differs_from_its_own(sid, key, value):
    (statement,) = [each for each in POLICIES if each.body.get("Sid") == sid]
    assert (statement.body["Effect"], statement.principals) == ("Deny", ["*"])
    assert statement.condition("StringNotEquals", key) == value


# --- Its table


def test_the_manifest_is_keyed_as_the_rows_are_and_can_be_had_back():
    table = STACK.properties("Manifest")
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "x", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


# --- Its network


@pytest.mark.parametrize("parameter", GATEWAYS + INTERFACES)
def test_an_endpoint_that_the_vpc_has_already_is_not_made_again(parameter):
    stack = CONSUMER.resolve(**{parameter: "false"})
    made, fewer = (dict(each.of_type("AWS::EC2::VPCEndpoint")) for each in (STACK, stack))
    assert set(made) - set(fewer) == {parameter.removeprefix("Create")}


def test_without_interface_endpoints_there_are_no_groups_for_them():
    stack = CONSUMER.resolve(CreateStsEndpoint="false", CreateSqsEndpoint="false")
    assert list(dict(stack.of_type("AWS::EC2::SecurityGroup"))) == ["FunctionSecurityGroup"]
    assert len(stack.properties("Replicator")["VpcConfig"]["SecurityGroupIds"]) == 1


@pytest.mark.parametrize(
    ("parameters", "closed"),
    [
        ({"S3PrefixListId": "pl-1", "DynamoDBPrefixListId": "pl-2"}, True),
        ({"S3PrefixListId": "pl-1"}, False),
        ({"S3PrefixListId": "pl-1", "DynamoDBPrefixListId": "pl-2", "CreateSqsEndpoint": "false"}, False),
        ({}, False),
    ],
    ids=["all known", "one prefix list", "an endpoint of the VPC's own", "nothing known"],
)
def test_the_function_reaches_addresses_beyond_its_endpoints_only_where_these_are_not_known(parameters, closed):
    rules = CONSUMER.resolve(**parameters).properties("FunctionSecurityGroup")["SecurityGroupEgress"]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in rules} == {(443, 443)}
    assert any("CidrIp" in rule for rule in rules) is not closed
    assert len(rules) == (3 if closed else 1)


def test_nothing_may_call_the_functions():
    assert "SecurityGroupIngress" not in STACK.properties("FunctionSecurityGroup")


@pytest.mark.parametrize("name", ["S3Endpoint", "DynamoDBEndpoint"])
def test_a_gateway_endpoint_is_on_the_given_route_tables(name):
    endpoint = STACK.properties(name)
    assert (endpoint["VpcEndpointType"], endpoint["RouteTableIds"]) == ("Gateway", ["rtb-0123456789abcdef0"])


@pytest.mark.parametrize("name", ["StsEndpoint", "SqsEndpoint"])
def test_an_interface_endpoint_is_in_the_functions_subnets_and_answers_the_functions_only(name):
    endpoint = STACK.properties(name)
    assert endpoint["VpcEndpointType"] == "Interface"
    assert endpoint["SubnetIds"] == STACK.properties("Replicator")["VpcConfig"]["SubnetIds"]
    assert endpoint["PrivateDnsEnabled"] is True
    assert endpoint["SecurityGroupIds"] == ["EndpointSecurityGroup.GroupId"]
    (rule,) = STACK.properties("EndpointSecurityGroup")["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] in STACK.properties("Replicator")["VpcConfig"]["SecurityGroupIds"]


def test_the_first_batch_comes_after_the_endpoints_stand():
    """A reference makes CloudFormation wait; DependsOn cannot name a resource that may not exist."""
    tags = {tag["Key"]: tag["Value"] for tag in STACK.properties("ReplicatorMapping")["Tags"]}
    assert tags == {name: name for name, _ in STACK.of_type("AWS::EC2::VPCEndpoint")}


def test_the_s3_endpoint_admits_at_each_bucket_what_its_role_may_do_and_no_more():
    mirroring = CONSUMER.resolve(DeletePolicy="mirror")
    source, replica = [each for each in statements(mirroring) if each.where == "S3Endpoint"]
    reading = granted(PRODUCER.resolve(), where="ReadRole")
    assert set(source.actions) == {action for action in reading if action.startswith("s3:")}
    assert set(replica.actions) == {action for action in granted(mirroring) if action.startswith("s3:")}
    assert source.resources[0] == PRODUCER.resolve().output("BucketArn")
    assert replica.resources[0] == STACK.output("ReplicaBucketArn")


def test_the_s3_endpoint_leads_to_the_two_buckets_only():
    resources = {r for each in POLICIES if each.where == "S3Endpoint" for r in each.resources}
    buckets = {PRODUCER.resolve().output("BucketArn"), STACK.output("ReplicaBucketArn")}
    assert resources == buckets | {f"{bucket}/*" for bucket in buckets}


def test_the_dynamodb_endpoint_leads_to_the_manifest_only():
    (grant,) = [each for each in POLICIES if each.where == "DynamoDBEndpoint"]
    assert grant.resources == ["Manifest.Arn"]
    assert set(grant.actions) == {action for action in granted(STACK) if action.startswith("dynamodb:")}
