"""The consumer's two functions: their settings, queues, permissions, schedules and network."""

import json
import re
from dataclasses import MISSING, fields
from fnmatch import fnmatchcase
from inspect import signature

import pytest

from consumer_replicator.carried import PRESERVE, WRITABLE_STORAGE_CLASSES
from consumer_replicator.comparison import Answer
from consumer_replicator.drift import DriftKind
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.estimate import GB_SECOND, PRICES
from consumer_replicator.handlers.telemetry import NAMESPACE, run_measures
from consumer_replicator.outcome import SkipReason
from consumer_replicator.payload import Mode, Payload
from consumer_replicator.row_item import address
from consumer_replicator.run_files import ROOT
from consumer_replicator.runs import Runs
from consumer_replicator.settings import ENVIRONMENT, Settings
from consumer_replicator.transfer_settings import TRANSFER_ENVIRONMENT, TransferSettings
from tests.service_catalog.policies import statements
from tests.service_catalog.template import CONSUMER, CONSUMER_ACCOUNT, PRODUCER, PRODUCER_ACCOUNT, REGION

STACK = CONSUMER.resolve()
POLICIES = list(statements(STACK))
TIMEOUTS = [str(each) for each in CONSUMER.body["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]]
FUNCTIONS = ["Replicator", "Transfer"]
both_functions = pytest.mark.parametrize("function", FUNCTIONS)
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


def environment(stack, function="Replicator"):
    return stack.properties(function)["Environment"]["Variables"]


def settings(kind=Settings, **parameters):
    function = "Replicator" if kind is Settings else "Transfer"
    known = environment(CONSUMER.resolve(**parameters), function)
    # What only AWS knows, in the form that AWS gives it.
    for name in known:
        if name.endswith("_URL"):
            known[name] = f"https://sqs.{REGION}.amazonaws.com/{CONSUMER_ACCOUNT}/{known[name]}"
    known["HYDRATION_REPLICA_KMS_KEY_ARN"] = f"arn:aws:kms:{REGION}:{CONSUMER_ACCOUNT}:key/1234abcd"
    return kind.from_environment({name: str(value) for name, value in known.items()})


def granted(stack, kind="identity", where="ReplicatorRole"):
    return {
        a
        for each in statements(stack)
        if each.allows and (each.kind, each.where) == (kind, where)
        for a in each.actions
    }


# --- The functions' settings


@pytest.mark.parametrize(
    ("function", "read"), [("Replicator", ENVIRONMENT), ("Transfer", TRANSFER_ENVIRONMENT)], ids=FUNCTIONS
)
def test_a_function_is_given_every_setting_that_it_reads_and_no_other(function, read):
    powertools = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
    assert set(environment(STACK, function)) == set(read.values()) | powertools


def test_what_both_functions_are_given_is_the_same():
    replicator, transfer = (environment(STACK, function) for function in FUNCTIONS)
    assert replicator.items() <= transfer.items()


def test_the_settings_accept_the_templates_defaults():
    found = settings()
    assert found.source_bucket == PRODUCER.resolve().output("BucketName")
    assert found.source_role_arn == PRODUCER.resolve().output("RoleArn")
    assert found.replica_bucket == STACK.output("ReplicaBucketName")
    assert (found.source_account_id, found.replica_account_id) == (PRODUCER_ACCOUNT, CONSUMER_ACCOUNT)


def test_the_templates_defaults_are_the_settings_defaults():
    defaults = {each.name: each.default for each in fields(Settings) if each.default is not MISSING}
    found = settings()
    assert {name: getattr(found, name) for name in defaults} == defaults


def test_the_templates_defaults_of_reconcile_are_the_settings_defaults():
    found, defaults = settings(TransferSettings), {each.name: each.default for each in fields(TransferSettings)}
    for name in ("lag_objective_seconds", "breaker_deletes", "breaker_share_percent", "sweep_hours", "settle_seconds"):
        assert getattr(found, name) == defaults[name]


def test_the_transfer_functions_settings_follow_their_parameters():
    given = {
        "LagObjectiveSeconds": 60,
        "DeleteBreakerNumber": 7,
        "DeleteBreakerSharePercent": 3,
        "SweepHours": 5,
        "MaximumConcurrency": 9,
        "MemorySize": 512,
    }
    found = settings(TransferSettings, **{name: str(value) for name, value in given.items()})
    assert [
        found.lag_objective_seconds,
        found.breaker_deletes,
        found.breaker_share_percent,
        found.sweep_hours,
        found.maximum_concurrency,
        found.replicator_memory_mb,
    ] == list(given.values())


def test_the_transfer_function_knows_how_long_a_copy_may_be_under_way_not_how_long_it_runs_itself():
    found = settings(TransferSettings, FunctionTimeoutSeconds="120", TransferTimeoutSeconds="600")
    assert found.function_timeout_seconds == 120


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


@both_functions
def test_the_handler_is_a_function_of_the_code(function):
    path, name = STACK.properties(function)["Handler"].rsplit(".", 1)
    source = CONSUMER.path.parents[2].joinpath(*path.split(".")).with_suffix(".py").read_text()
    assert f"def {name}(" in source


def test_both_functions_are_one_zip_on_one_processor_in_one_network():
    replicator, transfer = (STACK.properties(function) for function in FUNCTIONS)
    for name in ("Code", "Architectures", "Runtime", "VpcConfig"):
        assert replicator[name] == transfer[name]


@both_functions
def test_a_function_that_goes_on_by_its_own_queue_may_loop(function):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html"""
    assert STACK.properties(function)["RecursiveLoop"] == "Allow"


# --- Their queues


@pytest.mark.parametrize("seconds", TIMEOUTS)
@pytest.mark.parametrize(
    ("function", "queue", "parameter"),
    [
        ("Replicator", "ObjectsQueue", "FunctionTimeoutSeconds"),
        ("Transfer", "RangesQueue", "TransferTimeoutSeconds"),
    ],
    ids=FUNCTIONS,
)
def test_a_message_stays_hidden_for_six_times_its_functions_timeout(function, queue, parameter, seconds):
    stack = CONSUMER.resolve(**{parameter: seconds})
    assert stack.properties(queue)["VisibilityTimeout"] == str(6 * int(seconds))
    assert stack.properties(function)["Timeout"] == seconds


@both_functions
def test_every_timeout_on_offer_is_on_offer_for_both(function):
    parameter = {"Replicator": "FunctionTimeoutSeconds", "Transfer": "TransferTimeoutSeconds"}[function]
    assert [str(each) for each in CONSUMER.body["Parameters"][parameter]["AllowedValues"]] == TIMEOUTS


def test_a_message_is_tried_at_least_five_times_then_kept_apart():
    redrive = STACK.properties("ObjectsQueue")["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": "DeadLetterQueue.Arn", "maxReceiveCount": "10"}
    assert CONSUMER.body["Parameters"]["MaxReceiveCount"]["MinValue"] >= 5


def test_a_step_of_a_run_is_tried_five_times_then_kept_apart():
    redrive = STACK.properties("RangesQueue")["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": "RangesDeadLetterQueue.Arn", "maxReceiveCount": 5}


def test_the_transfer_function_is_given_one_step_at_a_time_and_a_bounded_number_side_by_side():
    mapping = STACK.properties("TransferMapping")
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": "5"}


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


# --- Their permissions


def test_the_replicator_may_do_what_its_calls_need_and_nothing_more():
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
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_the_transfer_function_may_do_what_its_calls_need_and_nothing_more():
    """Of the source nothing: that is the read role's."""
    assert granted(STACK, where="TransferRole") - NETWORK == {
        "sts:AssumeRole",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def transfers(action):
    """The statements that allow the transfer function an action."""
    return [each for each in POLICIES if each.allows and each.where == "TransferRole" and action in each.actions]


def test_the_replicator_does_nothing_below_the_reserved_prefix():
    """Not even for an object of the source that is called so, if the code's own exception failed."""
    (denial,) = [e for e in POLICIES if e.where == "ReplicatorRole" and e.body.get("Sid") == "NeverRunsAndReports"]
    assert (denial.body["Effect"], denial.actions) == ("Deny", ["s3:*"])
    assert denial.resources == [f"{STACK.output('ReplicaBucketArn')}/{ROOT}*"]


def test_the_transfer_function_writes_below_the_reserved_prefix_only():
    (grant,) = transfers("s3:PutObject")
    assert grant.resources == [f"{STACK.output('ReplicaBucketArn')}/{ROOT}*"]


def test_what_a_run_leaves_to_be_read_key_by_key_goes_with_its_rows_and_no_replica_does():
    rules = STACK.properties("ReplicaBucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = [each for each in rules if "ExpirationInDays" in each]
    assert rule["Prefix"] == f"{ROOT}runs/"
    assert rule["ExpirationInDays"] == signature(Runs).parameters["keep_days"].default


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "dynamodb:DeleteItem"])
def test_the_transfer_function_writes_runs_and_never_a_row(action):
    (grant,) = transfers(action)
    allowed = grant.condition("ForAllValues:StringLike", "dynamodb:LeadingKeys")
    bucket = PRODUCER.resolve().output("BucketName")
    rows = {address(bucket, f"key {number}", 16)["pk"]["S"] for number in range(200)}
    assert len(rows) == 16
    assert not [row for row in rows if any(fnmatchcase(row, pattern) for pattern in allowed)]
    for words in ("run#20261124-085000-1a2b3c", "runs", "boundaries", "watermark"):
        assert any(fnmatchcase(f"{bucket}#{words}", pattern) for pattern in allowed)


def test_the_transfer_function_sends_hints_and_never_takes_any():
    (sent,) = [each for each in transfers("sqs:SendMessage") if "ObjectsQueue.Arn" in each.resources]
    assert set(sent.actions) == {"sqs:GetQueueAttributes", "sqs:SendMessage"}


def test_the_schedules_may_start_the_transfer_function_and_nothing_else():
    assert granted(STACK, where="ScheduleRole") == {"lambda:InvokeFunction"}
    (grant,) = [each for each in POLICIES if (each.where, each.kind) == ("ScheduleRole", "identity")]
    assert grant.resources == ["Transfer.Arn"]


def test_only_the_accounts_own_schedules_may_take_their_role():
    (trust,) = [each for each in POLICIES if (each.where, each.kind) == ("ScheduleRole", "trust")]
    assert trust.principals == ["scheduler.amazonaws.com"]
    assert trust.condition("StringEquals", "aws:SourceAccount") == CONSUMER_ACCOUNT
    group = trust.condition("StringEquals", "aws:SourceArn")
    assert group == f"arn:aws:scheduler:{REGION}:{CONSUMER_ACCOUNT}:schedule-group/default"


@both_functions
def test_the_producers_read_role_trusts_the_role(function):
    (trust,) = [each for each in statements(PRODUCER.resolve()) if (each.where, each.kind) == ("ReadRole", "trust")]
    assert STACK.properties(function)["Role"] in trust.condition("ArnEquals", "aws:PrincipalArn")


def test_the_function_may_delete_replicas_only_where_deletes_are_mirrored():
    assert granted(CONSUMER.resolve(DeletePolicy="mirror")) - granted(STACK) == {"s3:DeleteObject"}


def test_of_the_source_the_replicator_may_do_nothing_itself_unless_s3_is_to_copy():
    of_the_source = [each for each in POLICIES if PRODUCER_ACCOUNT in str(each.resources) and each.kind == "identity"]
    assert {action for each in of_the_source for action in each.actions} == {"sts:AssumeRole"}


def test_where_s3_is_to_copy_the_replicator_may_read_and_decrypt_at_the_source_and_nothing_more():
    stack = CONSUMER.resolve(CopyMode="server-side")
    known = [each.body for each in POLICIES]
    added = [each for each in statements(stack) if each.body not in known]
    assert [(each.where, each.actions, each.resources) for each in added] == [
        ("ReplicatorRole", ["s3:GetObject", "s3:GetObjectVersion"], [f"{PRODUCER.resolve().output('BucketArn')}/*"]),
        ("ReplicatorRole", ["kms:Decrypt"], [CONSUMER.needed["ProducerKmsKeyArn"]]),
    ]


@pytest.mark.parametrize("mode", CONSUMER.body["Parameters"]["CopyMode"]["AllowedValues"])
def test_every_copy_mode_on_offer_is_one_that_the_settings_know(mode):
    assert settings(CopyMode=mode).copy_mode == mode


@pytest.mark.parametrize("size", ["0", "10000000", "999999999999999"])
def test_the_split_threshold_reaches_the_settings(size):
    assert settings(SplitThresholdBytes=size).split_threshold_bytes == int(size)


@pytest.mark.parametrize("size", ["", "-1", "1", "9999999", "1e9"])
def test_a_split_threshold_that_is_a_slip_is_refused(size):
    with pytest.raises(AssertionError, match="SplitThresholdBytes"):
        settings(SplitThresholdBytes=size)


def test_no_policy_ever_allows_deleting_a_version():
    mirroring = statements(CONSUMER.resolve(DeletePolicy="mirror"))
    allowed = {action for each in mirroring if each.allows for action in each.actions}
    assert "s3:DeleteObject" in allowed
    assert "s3:DeleteObjectVersion" not in allowed


def test_no_action_is_a_wildcard_but_the_accounts_own_on_its_key():
    wild = [(each.where, each.actions) for each in POLICIES if each.allows and any("*" in a for a in each.actions)]
    assert [each for each in wild if each[0] != "WatchingKey"] == [("ReplicaKey", ["kms:*"])]


def test_the_key_is_nobodys_outside_the_account():
    account = f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"
    assert [each.principals for each in POLICIES if each.where == "ReplicaKey"] == [[account]]
    watching = [each.principals for each in POLICIES if each.where == "WatchingKey"]
    assert watching == [[account], ["cloudwatch.amazonaws.com"], [f"logs.{REGION}.amazonaws.com"]]


def test_only_the_making_of_network_interfaces_knows_no_resource():
    everywhere = [each for each in POLICIES if each.kind == "identity" and "*" in each.resources]
    assert {action for each in everywhere for action in each.actions} == NETWORK


@both_functions
def test_a_functions_own_code_may_not_touch_network_interfaces(function):
    role = f"{function}Role"
    known = [each for each in POLICIES if each.body.get("Sid") == "NotForTheFunctionsCode"]
    (denied,) = [each for each in known if (each.kind, each.where, each.allows) == ("identity", role, False)]
    assert set(denied.actions) == NETWORK
    name = STACK.properties(function)["FunctionName"]
    assert denied.condition("ArnEquals", "lambda:SourceFunctionArn").endswith(f":function:{name}")


def test_the_functions_assume_no_other_role_than_the_read_role():
    grants = [each for each in POLICIES if each.kind == "identity" and each.actions == ["sts:AssumeRole"]]
    assert [each.where for each in grants] == ["ReplicatorRole", "TransferRole"]
    assert [each.resources for each in grants] == [[PRODUCER.resolve().output("RoleArn")]] * 2


@pytest.mark.parametrize(
    "where",
    [
        "ReplicaBucketPolicy",
        "ObjectEventsQueuePolicy",
        "UndeliveredEventsQueuePolicy",
        "DeadLetterQueuePolicy",
        "RangesQueuePolicy",
        "RangesDeadLetterQueuePolicy",
    ],
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


# --- The schedules and what is heard of them


@pytest.mark.parametrize(
    ("schedule", "mode"), [("ReconcileSchedule", Mode.RECONCILE), ("WatermarkSchedule", Mode.WATERMARK)]
)
def test_a_schedule_asks_what_the_function_understands(schedule, mode):
    target = STACK.properties(schedule)["Target"]
    assert target["Arn"] == "Transfer.Arn"
    assert Payload.parse(json.loads(target["Input"])) == Payload(mode=mode)


@pytest.mark.parametrize("schedule", ["ReconcileSchedule", "WatermarkSchedule"])
def test_a_schedule_can_be_paused(schedule):
    states = [CONSUMER.resolve(**given).properties(schedule)["State"] for given in ({}, {"ScheduleState": "DISABLED"})]
    assert states == ["ENABLED", "DISABLED"]


@pytest.mark.parametrize("expression", ["cron(30 2 ? * MON *)", "rate(12 hours)"])
def test_the_reconcile_comes_when_the_parameter_says(expression):
    schedule = CONSUMER.resolve(ScheduleExpression=expression).properties("ReconcileSchedule")
    assert schedule["ScheduleExpression"] == expression


@pytest.mark.parametrize("expression", ["", "daily", "at(2026-11-24T03:00:00)", "cron()"])
def test_a_schedule_that_would_not_come_back_is_refused(expression):
    with pytest.raises(AssertionError, match="ScheduleExpression"):
        _ = CONSUMER.resolve(ScheduleExpression=expression).parameters


@pytest.mark.parametrize("hours", ["26", "168"])
def test_silence_about_reconciles_raises_an_alarm_after_the_hours_given(hours):
    """Seven days at most: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    alarm = CONSUMER.resolve(ReconcileAlarmHours=hours).properties("ReconcileMissing")
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("RunsCompleted", "breaching")
    assert alarm["Period"] >= 3600
    assert alarm["Period"] * int(alarm["EvaluationPeriods"]) == int(hours) * 3600 <= 7 * 86_400
    assert "DatapointsToAlarm" not in alarm  # every hour of them


@pytest.mark.parametrize("name", ["DeletesHeld", "ReplicaDiffers"])
def test_what_a_run_found_stays_an_alarm_until_a_run_finds_none(name):
    alarm = STACK.properties(name)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert alarm["TreatMissingData"] == "ignore"


@pytest.mark.parametrize("name", ["DeletesHeld", "ReconcileMissing", "RunsFailed", "WatermarkTooOld"])
def test_an_alarm_on_the_functions_own_metrics_watches_one_that_it_reports(name):
    alarm = STACK.properties(name)
    answers = [
        {"state": "done", "mode": "reconcile", "dry_run": False, "extras": {"held": 1}},
        {"state": "failed"},
        {"state": "watermark", "age_seconds": 1.0},
    ]
    reported = {metric for answer in answers for metric, _, _ in run_measures(answer)}
    assert alarm["MetricName"] in reported
    assert alarm["Namespace"] == NAMESPACE
    assert alarm["Dimensions"] == [{"Name": "service", "Value": environment(STACK)["POWERTOOLS_SERVICE_NAME"]}]


# --- Their table


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


# --- Their network


@pytest.mark.parametrize("parameter", GATEWAYS + INTERFACES)
def test_an_endpoint_that_the_vpc_has_already_is_not_made_again(parameter):
    stack = CONSUMER.resolve(**{parameter: "false"})
    made, fewer = (dict(each.of_type("AWS::EC2::VPCEndpoint")) for each in (STACK, stack))
    assert set(made) - set(fewer) == {parameter.removeprefix("Create")}


def test_without_interface_endpoints_there_are_no_groups_for_them():
    stack = CONSUMER.resolve(CreateStsEndpoint="false", CreateSqsEndpoint="false")
    assert list(dict(stack.of_type("AWS::EC2::SecurityGroup"))) == ["FunctionSecurityGroup"]
    assert [len(stack.properties(each)["VpcConfig"]["SecurityGroupIds"]) for each in FUNCTIONS] == [1, 1]


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


@pytest.mark.parametrize("mapping", ["ReplicatorMapping", "TransferMapping"])
def test_the_first_batch_comes_after_the_endpoints_stand(mapping):
    """A reference makes CloudFormation wait; DependsOn cannot name a resource that may not exist."""
    tags = {tag["Key"]: tag["Value"] for tag in STACK.properties(mapping)["Tags"]}
    assert tags == {name: name for name, _ in STACK.of_type("AWS::EC2::VPCEndpoint")}


@pytest.mark.parametrize("schedule", ["ReconcileSchedule", "WatermarkSchedule"])
def test_the_first_run_comes_after_the_endpoints_stand(schedule):
    assert STACK.resources[schedule]["DependsOn"] == "TransferMapping"


def test_the_s3_endpoint_admits_at_each_bucket_what_its_roles_may_do_and_no_more():
    mirroring = CONSUMER.resolve(DeletePolicy="mirror")
    source, replica = [each for each in statements(mirroring) if each.where == "S3Endpoint"]
    reading = granted(PRODUCER.resolve(), where="ReadRole")
    assert set(source.actions) == {action for action in reading if action.startswith("s3:")}
    writing = granted(mirroring) | granted(mirroring, where="TransferRole")
    assert set(replica.actions) == {action for action in writing if action.startswith("s3:")}
    assert source.resources[0] == PRODUCER.resolve().output("BucketArn")
    assert replica.resources[0] == STACK.output("ReplicaBucketArn")


def test_the_s3_endpoint_leads_to_the_two_buckets_only():
    resources = {r for each in POLICIES if each.where == "S3Endpoint" for r in each.resources}
    buckets = {PRODUCER.resolve().output("BucketArn"), STACK.output("ReplicaBucketArn")}
    assert resources == buckets | {f"{bucket}/*" for bucket in buckets}


def test_the_dynamodb_endpoint_leads_to_the_manifest_only():
    (grant,) = [each for each in POLICIES if each.where == "DynamoDBEndpoint"]
    assert grant.resources == ["Manifest.Arn"]
    keeping = granted(STACK) | granted(STACK, where="TransferRole")
    assert set(grant.actions) == {action for action in keeping if action.startswith("dynamodb:")}


def test_the_s3_endpoint_leads_to_buckets_of_the_two_accounts_only():
    """Whoever takes the name of a bucket that is gone is another account."""
    owners = [e.condition("StringEquals", "aws:ResourceAccount") for e in POLICIES if e.where == "S3Endpoint"]
    assert owners == [PRODUCER_ACCOUNT, CONSUMER_ACCOUNT]


def test_the_sqs_endpoint_leads_to_the_functions_own_queues_and_fetches_nothing():
    (grant,) = [each for each in POLICIES if each.where == "SqsEndpoint"]
    assert grant.resources == ["ObjectsQueue.Arn", "DeadLetterQueue.Arn", "RangesQueue.Arn"]
    fetching = {"sqs:ReceiveMessage", "sqs:DeleteMessage"}  # by Lambda, which is not in the VPC
    sending = (granted(STACK) | granted(STACK, where="TransferRole")) - fetching
    assert set(grant.actions) == {action for action in sending if action.startswith("sqs:")}


def test_the_sts_endpoint_leads_to_the_read_role_only():
    (grant,) = [each for each in POLICIES if each.where == "StsEndpoint"]
    assert (grant.actions, grant.resources) == (["sts:AssumeRole"], [PRODUCER.resolve().output("RoleArn")])


# --- Events are kept, logs are encrypted, traces are asked for


def test_events_are_kept_for_a_replay_as_long_as_the_parameter_says_and_not_at_all_with_none():
    (archive,) = [each for _, each in CONSUMER.resolve(ArchiveDays="30").of_type("AWS::Events::Archive")]
    assert (archive["RetentionDays"], archive["SourceArn"]) == ("30", STACK.output("EventBusArn"))
    assert archive["EventPattern"] == {"account": [PRODUCER_ACCOUNT], "source": ["aws.s3"]}
    assert list(CONSUMER.resolve(ArchiveDays="0").of_type("AWS::Events::Archive")) == []


def test_the_longest_instance_name_still_names_an_archive():
    """48 characters: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateArchive.html"""
    ((_, archive),) = CONSUMER.resolve(InstanceName="a" * 26).of_type("AWS::Events::Archive")
    assert len(archive["ArchiveName"]) <= 48


@both_functions
def test_a_functions_log_is_encrypted_under_a_key_that_admits_exactly_such_logs(function):
    group = STACK.properties(f"{function}Logs")
    assert (group["KmsKeyId"], group["RetentionInDays"]) == ("WatchingKey.Arn", "30")
    (grant,) = [each for each in POLICIES if each.principals == [f"logs.{REGION}.amazonaws.com"]]
    pattern = grant.condition("ArnLike", "kms:EncryptionContext:aws:logs:arn")
    assert fnmatchcase(f"arn:aws:logs:{REGION}:{CONSUMER_ACCOUNT}:log-group:{group['LogGroupName']}", pattern)


@both_functions
def test_nothing_is_traced_unless_it_is_asked_for(function):
    assert STACK.properties(function)["TracingConfig"] == {"Mode": "PassThrough"}
    active = CONSUMER.resolve(TracingMode="Active")
    assert active.properties(function)["TracingConfig"] == {"Mode": "Active"}
    more = granted(active, where=f"{function}Role") - granted(STACK, where=f"{function}Role")
    assert more == {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


def test_the_manifests_throughput_is_bounded_only_where_a_bound_is_given():
    assert "OnDemandThroughput" not in STACK.properties("Manifest")
    bounded = CONSUMER.resolve(ManifestMaxWriteUnits="1000").properties("Manifest")
    assert bounded["OnDemandThroughput"] == {"MaxReadRequestUnits": "-1", "MaxWriteRequestUnits": "1000"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"S3PrefixListId": "pl-63a5400a"}, "or neither"),
        ({"DynamoDBPrefixListId": "pl-02cd2c6b"}, "or neither"),
        ({"BucketName": PRODUCER.resolve().output("BucketName")}, "cannot be the source bucket"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_made(parameters, said):
    (refusal,) = CONSUMER.resolve(**parameters).refusals()
    assert said in refusal


def test_a_read_role_of_another_account_which_no_rule_can_see_is_refused_by_the_functions_settings():
    with pytest.raises(ValueError, match=f"not a role of account {PRODUCER_ACCOUNT}"):
        settings(CrossAccountRoleArn="arn:aws:iam::333333333333:role/s3-hydration-read")


# --- Alarms and dashboard show what the code emits

ALARMS = dict(STACK.of_type("AWS::CloudWatch::Alarm"))
DASHBOARD = json.loads(STACK.properties("Dashboard")["DashboardBody"])
SIMPLE = {"ObjectsReplicated", "BytesReplicated", "ReplicationLag", "TagsReplicated", "DeletesApplied", "WatermarkAge"}
SIMPLE |= {"RunsFailed", "RunsCompleted", "DeletesHeld"}
BY_DIMENSION = {
    "ObjectsFailed": ("code", set(FAILURE_CODES)),
    "ObjectsSkipped": ("reason", {reason.value for reason in SkipReason}),
    "DriftFound": ("kind", {kind.value for kind in DriftKind}),
    "VerifiedObjects": ("result", {answer.value for answer in Answer}),
}


def watched_codes(name):
    metrics = [each["MetricStat"]["Metric"] for each in ALARMS[name]["Metrics"] if "MetricStat" in each]
    return {d["Value"] for metric in metrics for d in metric["Dimensions"] if d["Name"] == "code"}


def widget_metrics():
    """(namespace, name, {dimension: value}) of every metric on the dashboard, but those that are searched for."""
    for widget in DASHBOARD["widgets"]:
        for row in widget["properties"].get("metrics", []):
            if isinstance(row[0], str):
                words = [each for each in row if isinstance(each, str)]
                yield words[0], words[1], dict(zip(words[2::2], words[3::2], strict=True))


def alarm_metrics():
    for alarm in ALARMS.values():
        plain = [alarm] if "MetricName" in alarm else [each["MetricStat"]["Metric"] for each in alarm["Metrics"][1:]]
        for metric in plain:
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], dimensions


@pytest.mark.parametrize("metrics", [alarm_metrics, widget_metrics], ids=["alarms", "dashboard"])
def test_a_metric_that_is_watched_is_one_that_the_code_emits(metrics):
    ours = [(name, dimensions) for namespace, name, dimensions in metrics() if namespace == NAMESPACE]
    assert ours
    for name, dimensions in ours:
        assert dimensions.pop("service") == "s3-hydration"
        if name in BY_DIMENSION:
            dimension, values = BY_DIMENSION[name]
            assert set(dimensions) == {dimension}
            assert dimensions[dimension] in values
        else:
            assert (name in SIMPLE, dimensions) == (True, {})


def test_a_metric_that_is_searched_for_has_the_dimensions_that_the_code_gives_it():
    rows = [row[0] for widget in DASHBOARD["widgets"] for row in widget["properties"].get("metrics", [])]
    searches = [row["expression"] for row in rows if isinstance(row, dict) and "SEARCH" in row["expression"]]
    form = rf"SEARCH\('{{{NAMESPACE},service,(\w+)}} MetricName=\"(\w+)\" service=\"s3-hydration\"', 'Sum', 300\)"
    found = {re.fullmatch(form, each).groups() for each in searches}
    assert found == {(BY_DIMENSION[name][0], name) for name in ("ObjectsFailed", "ObjectsSkipped")}


def test_every_failure_code_but_bad_input_wakes_somebody_and_none_twice():
    """Bad input is in the dead-letter queue, which has an alarm."""
    by_alarm = {name: watched_codes(name) for name in ALARMS if "Metrics" in ALARMS[name]}
    watched = sorted(code for codes in by_alarm.values() for code in codes)
    assert watched == sorted(name for name, code in FAILURE_CODES.items() if code.error_class.value != "bad-input")


def test_kms_has_an_alarm_of_its_own_and_so_have_roles_objects_and_what_passes():
    assert watched_codes("KmsDenied") == {name for name in FAILURE_CODES if "kms" in name}
    assert watched_codes("AccessDenied") == {name for name in FAILURE_CODES if "denied" in name and "kms" not in name}
    permanent = {name for name, code in FAILURE_CODES.items() if code.error_class.value == "permanent"}
    assert watched_codes("ObjectsRefused") == {name for name in permanent if "denied" not in name}


def test_an_alarm_on_metric_math_has_one_answer_and_no_more_metrics_than_cloudwatch_takes():
    """Ten: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html"""
    math = [alarm["Metrics"] for alarm in ALARMS.values() if "Metrics" in alarm]
    assert math
    for metrics in math:
        assert [each["ReturnData"] for each in metrics] == [True] + [False] * (len(metrics) - 1)
        assert len(metrics) - 1 <= 10
        assert all(re.fullmatch(r"[a-z]\w*", each["Id"]) for each in metrics)


def test_the_lag_alarm_is_about_the_slowest_hundredth_and_the_objective():
    alarm = CONSUMER.resolve(LagObjectiveSeconds="60").properties("ReplicationLagTooLong")
    assert (alarm["ExtendedStatistic"], alarm["Threshold"]) == ("p99", "60")


def test_drift_that_nobody_knew_of_is_summed_against_the_parameter():
    """What failed has alarms of its own, and what is unfinished is being worked on."""
    metrics = [each["MetricStat"]["Metric"] for each in ALARMS["DriftAboveThreshold"]["Metrics"][1:]]
    kinds = {each["Value"] for metric in metrics for each in metric["Dimensions"] if each["Name"] == "kind"}
    assert kinds == {kind.value for kind in DriftKind} - {"failed", "unfinished"}
    assert ALARMS["DriftAboveThreshold"]["Threshold"] == STACK.parameters["DriftAlarmObjects"]


def test_a_rule_on_a_bus_of_its_own_is_watched_by_bus_and_rule():
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html"""
    dimensions = {each["Name"]: each["Value"] for each in ALARMS["RuleFailedInvocations"]["Dimensions"]}
    rule = STACK.properties("ObjectEvents")
    assert dimensions == {"EventBusName": rule["EventBusName"], "RuleName": rule["Name"]}


def test_the_dashboard_answers_three_questions_and_shows_every_alarm():
    questions = [each["properties"]["markdown"] for each in DASHBOARD["widgets"] if each["type"] == "text"]
    assert [re.match(r"## ([\w ]+\?)", each)[1] for each in questions] == [
        "Is it keeping up?",
        "What is stuck?",
        "What did it cost?",
    ]
    (shown,) = [each["properties"]["alarms"] for each in DASHBOARD["widgets"] if each["type"] == "alarm"]
    assert sorted(shown) == sorted(f"{name}.Arn" for name in ALARMS)


def test_the_dashboard_shows_drift_of_every_kind():
    shown = {dimensions["kind"] for _, name, dimensions in widget_metrics() if name == "DriftFound"}
    assert shown == {kind.value for kind in DriftKind}


def test_the_dashboards_widgets_do_not_overlap_and_fit_its_grid():
    cells = [
        (x, y)
        for each in DASHBOARD["widgets"]
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize("processor", ["arm64", "x86_64"])
def test_the_dashboards_prices_are_the_estimates_and_the_memory_is_the_functions(processor):
    stack = CONSUMER.resolve(Architecture=processor, MemorySize="512", TransferMemorySize="2048")
    rows = [
        row[0]
        for widget in json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]
        for row in widget["properties"].get("metrics", [])
        if isinstance(row[0], dict)
    ]
    costs = {row["id"]: row["expression"] for row in rows}
    prices = {name: [float(each) for each in re.findall(r"0\.\d+", costs[name])] for name in costs}
    assert prices["lambda"] == pytest.approx([GB_SECOND[processor], PRICES["lambda requests"]])
    assert prices["dynamodb"] == pytest.approx([PRICES["dynamodb writes"], PRICES["dynamodb reads"]])
    assert prices["s3"] == pytest.approx([PRICES["s3 writes and lists"], PRICES["s3 reads"]])
    assert prices["sqs"] == pytest.approx([PRICES["sqs"]])
    assert "* 512 " in costs["lambda"]
    assert "* 2048)" in costs["lambda"]


# --- What an operator starts

DOCUMENTS = {name: each["Content"] for name, each in STACK.of_type("AWS::SSM::Document")}


def steps(document):
    return {step["name"]: step for step in DOCUMENTS[document]["mainSteps"]}


@pytest.mark.parametrize("document", ["BackfillAction", "ReconcileAction", "RedriveAction"])
def test_a_document_does_its_work_in_a_role_that_only_automation_of_this_account_takes(document):
    content = DOCUMENTS[document]
    assert content["assumeRole"] == "{{ AutomationAssumeRole }}"
    assert content["parameters"]["AutomationAssumeRole"]["default"] == STACK.value(
        {"Fn::GetAtt": ["ActionsRole", "Arn"]}
    )
    (trust,) = [each for each in POLICIES if (each.where, each.kind) == ("ActionsRole", "trust")]
    assert trust.principals == ["ssm.amazonaws.com"]
    assert trust.condition("StringEquals", "aws:SourceAccount") == CONSUMER_ACCOUNT
    assert trust.condition("ArnLike", "aws:SourceArn").endswith(f":{CONSUMER_ACCOUNT}:automation-execution/*")


@pytest.mark.parametrize("document", ["BackfillAction", "ReconcileAction", "RedriveAction"])
def test_every_step_ends_the_document_or_chooses_one_that_is_there(document):
    for step in steps(document).values():
        inputs = step["inputs"]
        if step["action"] == "aws:branch":
            assert {inputs["Default"], *(each["NextStep"] for each in inputs["Choices"])} <= set(steps(document))
        else:
            assert step["isEnd"] is True


@pytest.mark.parametrize("prefix", ["raw/2026/", "odd '+%&<>{$}ü/"])
@pytest.mark.parametrize(("step", "dry_run"), [("estimate", True), ("start", False)])
def test_a_backfills_payload_is_one_that_the_function_takes(step, dry_run, prefix):
    asked = json.loads(steps("BackfillAction")[step]["inputs"]["Payload"].replace("{{ Prefix }}", prefix))
    payload = Payload.parse(asked)
    assert (payload.mode, payload.prefix, payload.dry_run) == (Mode.BACKFILL, (prefix,), dry_run)


@pytest.mark.parametrize("prefix", ["", 'a"b', "a\\b", "a\nb", 'x"],"force":true,"prefix":["'])
def test_a_prefix_that_would_break_the_payload_is_refused(prefix):
    pattern = DOCUMENTS["BackfillAction"]["parameters"]["Prefix"]["allowedPattern"]
    assert re.search(pattern, "raw/2026/")
    assert not re.search(pattern, prefix)


def test_a_backfill_is_a_dry_run_unless_it_is_told_otherwise():
    assert DOCUMENTS["BackfillAction"]["parameters"]["DryRun"]["default"] == "true"
    (choice,) = steps("BackfillAction")["choose"]["inputs"]["Choices"]
    assert (choice["NextStep"], choice["StringEquals"]) == ("estimate", "true")


def test_reconcile_now_is_what_the_schedule_does_and_retries_what_has_failed():
    payload = steps("ReconcileAction")["start"]["inputs"]["Payload"]
    scheduled = json.loads(STACK.properties("ReconcileSchedule")["Target"]["Input"])
    assert json.loads(payload) == scheduled | {"retry": True}
    assert Payload.parse(json.loads(payload)).sees_everything


@pytest.mark.parametrize(
    ("step", "source", "destination"),
    [
        ("objects", "DeadLetterQueue.Arn", "ObjectsQueue.Arn"),
        ("ranges", "RangesDeadLetterQueue.Arn", "RangesQueue.Arn"),
    ],
)
def test_a_redrive_moves_to_the_queue_where_the_messages_came_from(step, source, destination):
    inputs = steps("RedriveAction")[step]["inputs"]
    assert (inputs["SourceArn"], inputs["DestinationArn"]) == (source, destination)
    assert inputs["Api"] == "StartMessageMoveTask"


def test_the_role_of_the_documents_starts_the_transfer_function_and_moves_messages_and_nothing_else():
    grants = [each for each in POLICIES if (each.where, each.kind) == ("ActionsRole", "identity")]
    assert [(set(each.actions), set(each.resources)) for each in grants] == [
        ({"lambda:InvokeFunction"}, {"Transfer.Arn"}),
        (
            {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:StartMessageMoveTask"},
            {"DeadLetterQueue.Arn", "RangesDeadLetterQueue.Arn"},
        ),
        ({"sqs:SendMessage"}, {"ObjectsQueue.Arn", "RangesQueue.Arn"}),
    ]
