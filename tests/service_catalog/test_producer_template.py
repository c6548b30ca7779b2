"""The producer grants reading to two functions of one account, and nothing else."""

import json

import pytest

from producer_events import custom_resource
from producer_events.notifications import LOOKS
from tests.service_catalog.policies import listed, statements
from tests.service_catalog.template import (
    CONSUMER,
    CONSUMER_ACCOUNT,
    PRODUCER,
    PRODUCER_ACCOUNT,
    REGION,
    SERVICE_CATALOG,
)

READING = {
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:ListBucket",
    "kms:Decrypt",
}
STACK = PRODUCER.resolve()
READ_ROLE = STACK.output("RoleArn")
POLICIES = list(statements(STACK))


def named(statement):
    return CONSUMER_ACCOUNT in str(statement.principals) or READ_ROLE in statement.principals


def is_the_read_roles(statement):
    return (statement.where, statement.kind) == ("ReadRole", "identity")


def test_whatever_a_principal_of_the_consumer_may_do_is_reading():
    granted = {
        action
        for each in POLICIES
        if each.allows and (named(each) or (each.kind == "identity" and each.where == "ReadRole"))
        for action in each.actions
    }
    assert granted == READING | {"sts:AssumeRole"}


def test_no_statement_allows_anything_to_everybody():
    assert [each for each in POLICIES if each.allows and "*" in each.principals] == []


def test_no_action_is_a_wildcard_but_the_accounts_own_on_its_key():
    wild = [(each.where, each.actions) for each in POLICIES if each.allows and any("*" in a for a in each.actions)]
    assert [each for each in wild if each[0] != "WatchingKey"] == [("SourceKey", ["kms:*"])]


def test_the_key_is_the_accounts_own_apart_from_the_read_role():
    principals = {tuple(each.principals) for each in POLICIES if each.where == "SourceKey"}
    assert principals == {(f"arn:aws:iam::{PRODUCER_ACCOUNT}:root",), (READ_ROLE,)}


def test_the_read_role_trusts_the_two_functions_of_the_consumer_with_external_id_and_organisation():
    (trust,) = [each for each in POLICIES if each.kind == "trust" and each.where == "ReadRole"]
    assert trust.principals == [f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"]
    assert trust.body["Condition"] == {
        "ArnEquals": {
            "aws:PrincipalArn": [
                f"arn:aws:iam::{CONSUMER_ACCOUNT}:role/s3-hydration-replicator",
                f"arn:aws:iam::{CONSUMER_ACCOUNT}:role/s3-hydration-transfer",
            ]
        },
        "StringEquals": {
            "sts:ExternalId": "an-external-id-of-enough-characters",
            "aws:PrincipalOrgID": "o-a1b2c3d4e5",
        },
    }


@pytest.mark.parametrize(
    ("following", "accepted"),
    [
        ("", "an-external-id-of-enough-characters"),
        ("the-next-external-id", ["an-external-id-of-enough-characters", "the-next-external-id"]),
    ],
)
def test_the_read_role_takes_a_second_external_id_only_while_one_is_given(following, accepted):
    stack = PRODUCER.resolve(NextExternalId=following)
    (trust,) = [each for each in statements(stack) if (each.where, each.kind) == ("ReadRole", "trust")]
    assert trust.condition("StringEquals", "sts:ExternalId") == accepted


def test_two_external_ids_of_the_longest_kind_fit_a_trust_policy():
    """2,048 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    longest = {"ExternalId": "x" * PRODUCER.body["Parameters"]["ExternalId"]["MaxLength"], "NextExternalId": "y" * 800}
    role = PRODUCER.resolve(InstanceName="a" * 26, **longest).properties("ReadRole")
    assert len(json.dumps(role["AssumeRolePolicyDocument"], separators=(",", ":"))) < 2_048


@pytest.mark.parametrize("following", ["too-short", "sixteen characters", "x" * 801])
def test_a_second_external_id_is_as_hard_to_guess_as_the_first(following):
    with pytest.raises(AssertionError, match="NextExternalId"):
        _ = PRODUCER.resolve(NextExternalId=following).parameters


def test_the_read_role_lists_without_a_condition_so_that_a_missing_object_answers_404():
    (listing,) = [each for each in POLICIES if each.allows and "s3:ListBucket" in each.actions]
    assert "Condition" not in listing.body


def test_the_read_role_reads_no_other_bucket():
    resources = {r for each in POLICIES if is_the_read_roles(each) and each.allows for r in each.resources}
    bucket = STACK.output("BucketArn")
    assert resources == {bucket, f"{bucket}/*", "SourceKey.Arn"}


@pytest.mark.parametrize("existing", [False, True])
def test_what_others_allow_to_everybody_of_the_account_the_read_role_is_denied(existing):
    """A topic's default policy lets every principal of its account publish; the consumer acts as one of them.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    stack = ADOPTING if existing else STACK
    bucket = stack.output("BucketArn")
    denied = {e.body["Sid"]: e.body for e in statements(stack) if is_the_read_roles(e) and not e.allows}
    assert set(denied["OnlyReading"]["NotAction"]) == READING
    assert denied["NoOtherBucket"]["NotResource"] == [bucket, f"{bucket}/*"]
    assert denied["NoOtherBucket"]["Action"] == "s3:*"
    assert denied["OnlyThroughS3"]["Action"] == "kms:Decrypt"
    through_s3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    assert denied["OnlyThroughS3"]["Condition"] == {"StringNotEquals": through_s3}
    assert {denied[name]["Resource"] for name in ("OnlyReading", "OnlyThroughS3")} == {"*"}


@pytest.mark.parametrize("bucket", ["", "acme-exports"], ids=["derived name", "given name"])
def test_decryption_is_allowed_through_s3_for_this_bucket_with_and_without_a_bucket_key(bucket):
    stack = PRODUCER.resolve(BucketName=bucket)
    arn = stack.output("BucketArn")
    decrypting = [each for each in statements(stack) if each.allows and each.actions == ["kms:Decrypt"]]
    assert {each.kind for each in decrypting} == {"key", "identity"}
    (denial,) = [each for each in statements(stack) if each.body.get("Sid") == "OnlyThroughS3"]
    through_s3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    assert denial.body["Condition"] == {"StringNotEquals": through_s3}
    for each in decrypting:
        assert each.condition("StringLike", "kms:EncryptionContext:aws:s3:arn") == [arn, f"{arn}/*"]
        assert each.body["Condition"].get("StringEquals", through_s3) == through_s3  # the role's own has the denial
        assert ("StringEquals" in each.body["Condition"]) == (each.kind == "key")


def test_the_bucket_tells_eventbridge_of_its_objects():
    assert STACK.properties("SourceBucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


@pytest.mark.parametrize("where", ["SourceBucketPolicy", "UndeliveredEventsPolicy"])
def test_plain_http_is_refused(where):
    denied = [each for each in POLICIES if each.where == where and not each.allows]
    assert any(each.condition("Bool", "aws:SecureTransport") in (False, "false") for each in denied)


def test_the_bucket_is_closed_to_principals_outside_the_organisation():
    (statement,) = [each for each in POLICIES if each.body.get("Sid") == "OnlyTheOrganisation"]
    assert not statement.allows
    assert statement.condition("StringNotEquals", "aws:PrincipalOrgID") == "o-a1b2c3d4e5"
    assert set(statement.resources) == {STACK.output("BucketArn"), STACK.output("BucketArn") + "/*"}


def test_the_rule_may_put_events_on_the_consumers_bus_and_nothing_else():
    granted = [each for each in POLICIES if each.where == "ForwarderRole" and each.kind == "identity"]
    bus = CONSUMER.resolve().output("EventBusArn")
    assert [(each.actions, each.resources) for each in granted] == [(["events:PutEvents"], [bus])]
    (target,) = STACK.properties("ObjectEvents")["Targets"]
    assert target["Arn"] == bus


def test_only_the_rule_may_take_the_forwarder_role():
    (trust,) = [each for each in POLICIES if each.where == "ForwarderRole" and each.kind == "trust"]
    rule = STACK.properties("ObjectEvents")["Name"]
    assert trust.principals == ["events.amazonaws.com"]
    assert trust.body["Condition"] == {
        "StringEquals": {"aws:SourceAccount": PRODUCER_ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:events:{REGION}:{PRODUCER_ACCOUNT}:rule/{rule}"},
    }


def test_only_the_rule_may_write_to_its_dead_letter_queue():
    (grant,) = [each for each in POLICIES if each.where == "UndeliveredEventsPolicy" and each.allows]
    assert (grant.principals, grant.actions) == (["events.amazonaws.com"], ["sqs:SendMessage"])
    assert grant.condition("ArnEquals", "aws:SourceArn") == "ObjectEvents.Arn"


@pytest.mark.parametrize("name", ["s3-hydration", "another"])
def test_the_names_that_the_two_templates_expect_of_each_other_agree(name):
    producer, consumer = PRODUCER.resolve(InstanceName=name), CONSUMER.resolve(InstanceName=name)
    trust = next(each for each in statements(producer) if each.where == "ReadRole" and each.kind == "trust")
    assert consumer.output("ReplicatorRoleArn") in trust.condition("ArnEquals", "aws:PrincipalArn")
    bus = next(each for each in statements(consumer) if each.kind == "bus")
    assert bus.condition("ArnEquals", "aws:PrincipalArn") == producer.value({"Fn::GetAtt": ["ForwarderRole", "Arn"]})
    (target,) = producer.properties("ObjectEvents")["Targets"]
    assert target["Arn"] == consumer.output("EventBusArn")


# --- Reading within the prefixes


def reading(stack, action):
    (found,) = [
        each for each in statements(stack) if each.where == "ReadRole" and each.allows and action in each.actions
    ]
    return found


@pytest.mark.parametrize("number", range(1, 11))
def test_up_to_ten_prefixes_bound_what_can_be_read(number):
    prefixes = [f"{each}/" for each in range(number)]
    stack = PRODUCER.resolve(ScopePrefixes=",".join(prefixes))
    bucket = stack.output("BucketArn")
    assert set(reading(stack, "s3:GetObject").resources) == {f"{bucket}/{each}*" for each in prefixes}


def test_an_eleventh_prefix_is_refused_by_iam_instead_of_being_left_out():
    """A resource that is no ARN: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
    stack = PRODUCER.resolve(ScopePrefixes=",".join(f"{each}/" for each in range(11)))
    assert "10/" in reading(stack, "s3:GetObject").resources


def test_prefixes_bound_the_listing_and_a_missing_object_still_answers_404():
    """The read of an object names no prefix: IfExists lets it pass."""
    listing = reading(PRODUCER.resolve(ScopePrefixes="raw/,curated/"), "s3:ListBucket")
    assert listing.body["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["raw/*", "curated/*"]}}


@pytest.mark.parametrize("prefixes", ["", "raw/"])
def test_with_an_endpoints_account_objects_and_names_are_read_through_it_only(prefixes):
    stack = PRODUCER.resolve(AllowedVpceAccountId=CONSUMER_ACCOUNT, ScopePrefixes=prefixes)
    for action in ("s3:GetObject", "s3:ListBucket"):
        assert reading(stack, action).condition("StringEquals", "aws:VpceAccount") == CONSUMER_ACCOUNT
    assert "aws:VpceAccount" not in str(reading(stack, "kms:Decrypt").body["Condition"])


# --- Reading for server-side copies

REPLICATOR = f"arn:aws:iam::{CONSUMER_ACCOUNT}:role/s3-hydration-replicator"
OPENED = PRODUCER.resolve(AllowServerSideCopies="true")
DIRECT = {"ReplicatorReadsForServerSideCopies", "ReplicatorDecryptsThroughS3"}


def direct(stack):
    """The statements that let the consumer's replicator in under its own role."""
    return [each for each in statements(stack) if each.body.get("Sid") in DIRECT]


def test_the_consumer_reads_under_its_own_role_only_where_that_is_asked_for():
    assert direct(STACK) == []
    assert {each.body["Sid"] for each in direct(OPENED)} == DIRECT
    assert len(POLICIES) + len(DIRECT) == len(list(statements(OPENED)))


def test_a_direct_read_is_reading_and_nothing_else_by_exactly_one_role():
    granted = {action for each in direct(OPENED) for action in each.actions}
    assert granted == {"s3:GetObject", "s3:GetObjectVersion", "kms:Decrypt"}
    for each in direct(OPENED):
        assert each.allows
        assert each.principals == [f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"]
        assert each.condition("ArnEquals", "aws:PrincipalArn") == REPLICATOR


def test_a_direct_read_decrypts_as_the_read_role_does_through_s3_and_for_this_bucket():
    (own,) = [each for each in direct(OPENED) if each.kind == "key"]
    (the_roles,) = [each for each in statements(OPENED) if each.kind == "key" and READ_ROLE in each.principals]
    for operator, key in (("StringEquals", "kms:ViaService"), ("StringLike", "kms:EncryptionContext:aws:s3:arn")):
        assert own.condition(operator, key) == the_roles.condition(operator, key)
    assert own.condition("StringEquals", "aws:PrincipalOrgID") == "o-a1b2c3d4e5"


@pytest.mark.parametrize("number", [0, *range(1, 11)])
def test_a_direct_read_reaches_what_the_read_role_reaches(number):
    stack = PRODUCER.resolve(AllowServerSideCopies="true", ScopePrefixes=",".join(f"{each}/" for each in range(number)))
    (own,) = [each for each in direct(stack) if each.kind == "resource"]
    assert set(own.resources) == set(reading(stack, "s3:GetObject").resources)


def test_a_direct_read_of_an_eleventh_prefix_is_refused_by_s3_instead_of_being_left_out():
    stack = PRODUCER.resolve(AllowServerSideCopies="true", ScopePrefixes=",".join(f"{each}/" for each in range(11)))
    (own,) = [each for each in direct(stack) if each.kind == "resource"]
    assert "10/" in own.resources


def test_a_direct_read_comes_through_the_endpoint_too_where_one_is_asked_for():
    stack = PRODUCER.resolve(AllowServerSideCopies="true", AllowedVpceAccountId=CONSUMER_ACCOUNT)
    (own,) = [each for each in direct(stack) if each.kind == "resource"]
    assert own.condition("StringEquals", "aws:VpceAccount") == CONSUMER_ACCOUNT


# --- A bucket that exists

EXISTING = {
    "ExistingBucketName": "acme-exports",
    "ExistingKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/1234abcd",
    "LambdaS3Bucket": "acme-artifacts",
    "LambdaS3Key": "s3-hydration/0.1.0/s3-hydration-arm64.zip",
}
ADOPTING = PRODUCER.resolve(**EXISTING)


@pytest.mark.parametrize("prefixes", ["", "raw/", ",".join(f"{each}/" for each in range(10))])
@pytest.mark.parametrize("endpoint", ["", CONSUMER_ACCOUNT])
def test_the_owner_of_an_existing_bucket_is_told_the_statements_that_a_new_one_gets(prefixes, endpoint):
    given = {"AllowServerSideCopies": "true", "ScopePrefixes": prefixes, "AllowedVpceAccountId": endpoint}
    made, told = PRODUCER.resolve(**given), PRODUCER.resolve(**given, **EXISTING)
    assert direct(told) == []
    statements_told = [json.loads(told.output(f"ServerSideStatementForThe{what}")) for what in ("Bucket", "Key")]
    for statement in statements_told:
        (own,) = [each.body for each in direct(made) if each.body["Sid"] == statement["Sid"]]
        as_new = json.loads(json.dumps(statement).replace("acme-exports", made.output("BucketName")))
        # The policy of a bucket that is made here denies other organisations by a statement of its own.
        own["Condition"].setdefault("StringEquals", {})["aws:PrincipalOrgID"] = "o-a1b2c3d4e5"
        own["Resource"], as_new["Resource"] = set(listed(own["Resource"])), set(listed(as_new["Resource"]))
        assert as_new == own


def test_for_an_existing_bucket_neither_bucket_nor_key_is_made():
    assert list(ADOPTING.of_type("AWS::S3::Bucket")) == []
    assert [name for name, _ in ADOPTING.of_type("AWS::KMS::Key")] == ["WatchingKey"]
    assert ADOPTING.refusals() == []


def test_the_outputs_say_the_existing_bucket_and_its_key():
    assert ADOPTING.output("BucketName") == "acme-exports"
    assert ADOPTING.output("BucketArn") == "arn:aws:s3:::acme-exports"
    assert (ADOPTING.output("KmsKeyArn"), ADOPTING.output("KmsKeyId")) == (EXISTING["ExistingKmsKeyArn"], "1234abcd")


def test_the_read_role_reads_the_existing_bucket_under_its_key():
    assert reading(ADOPTING, "s3:GetObject").resources == ["arn:aws:s3:::acme-exports/*"]
    assert reading(ADOPTING, "s3:ListBucket").resources == ["arn:aws:s3:::acme-exports"]
    assert reading(ADOPTING, "kms:Decrypt").resources == [EXISTING["ExistingKmsKeyArn"]]


def test_the_rule_sends_the_existing_buckets_events():
    pattern = json.loads(ADOPTING.properties("ObjectEvents")["EventPattern"])
    assert pattern["detail"]["bucket"]["name"] == ["acme-exports"]


def test_the_statement_for_the_keys_owner_is_the_one_that_a_new_key_has():
    (new,) = [each.body for each in POLICIES if each.body.get("Sid") == "ReadRoleDecryptsThroughS3"]
    theirs = json.loads(ADOPTING.output("StatementForTheKey"))
    bucket = ["arn:aws:s3:::acme-exports", "arn:aws:s3:::acme-exports/*"]
    new["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"] = bucket
    assert theirs == new


def test_the_function_that_switches_on_may_read_and_write_the_notifications_of_that_bucket_only():
    grants = [each for each in statements(ADOPTING) if (each.where, each.kind) == ("SwitchOnRole", "identity")]
    notifications, logs = grants
    assert set(notifications.actions) == {"s3:GetBucketNotification", "s3:PutBucketNotification"}
    assert notifications.resources == ["arn:aws:s3:::acme-exports"]
    assert logs.resources[0].endswith(":log-group:/aws/lambda/s3-hydration-switch-on:*")


def test_the_custom_resource_asks_for_what_its_handler_reads():
    asked = ADOPTING.properties("EventsSwitch")
    decided = custom_resource.decide({"RequestType": "Create", "ResourceProperties": asked})
    assert decided == custom_resource.SwitchOn("acme-exports", PRODUCER_ACCOUNT)
    module, name = ADOPTING.properties("SwitchOn")["Handler"].rsplit(".", 1)
    assert (module, name) == (custom_resource.__name__, custom_resource.handler.__name__)


def test_each_release_looks_at_the_notifications_again():
    assert ADOPTING.properties("EventsSwitch")["TemplateVersion"] == ADOPTING.output("TemplateVersion")


def test_the_function_outlives_the_waiting_for_the_bucket_and_cloudformation_the_function():
    waiting = sum(2**look for look in range(LOOKS - 1))
    timeout = ADOPTING.properties("SwitchOn")["Timeout"]
    assert 2 * waiting < timeout < int(ADOPTING.properties("EventsSwitch")["ServiceTimeout"])


def test_where_somebody_else_owns_the_notifications_nothing_touches_them():
    stack = PRODUCER.resolve(**{**EXISTING, "SwitchEventsOn": "false", "LambdaS3Bucket": "", "LambdaS3Key": ""})
    assert stack.refusals() == []
    kinds = {each["Type"] for each in stack.resources.values()}
    assert kinds & {"AWS::Lambda::Function", "AWS::CloudFormation::CustomResource"} == set()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({**EXISTING, "ExistingKmsKeyArn": ""}, "needs ExistingKmsKeyArn"),
        ({**EXISTING, "BucketName": "acme-new"}, "Give one of them"),
        ({**EXISTING, "AccessLogsBucketName": "acme-logs"}, "Leave AccessLogsBucketName empty"),
        ({**EXISTING, "LambdaS3Key": ""}, "where the function's zip is"),
        ({**EXISTING, "LambdaS3Bucket": ""}, "where the function's zip is"),
        ({"ExistingKmsKeyArn": EXISTING["ExistingKmsKeyArn"]}, "belongs to ExistingBucketName"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_made(parameters, said):
    (refusal,) = PRODUCER.resolve(**parameters).refusals()
    assert said in refusal


# --- What is left when the product is removed


def left_to_the_consumer(**parameters):
    """Statements of what stays with the data that let somebody of the consumer's account do something."""
    stack = PRODUCER.resolve(**parameters)
    staying = {name for name, each in stack.resources.items() if each.get("DeletionPolicy") == "Retain"}
    return [e.body["Sid"] for e in statements(stack) if e.allows and e.where in staying and CONSUMER_ACCOUNT in str(e)]


def test_with_the_product_removed_nobody_of_the_consumers_account_reads_any_more():
    """The read role goes; a role of that name made anew is another principal to the key:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles"""
    assert left_to_the_consumer() == []
    assert "DeletionPolicy" not in STACK.resources["ReadRole"]


def test_server_side_copies_are_taken_back_before_the_product_is_removed_since_they_stay_with_the_data():
    staying = left_to_the_consumer(AllowServerSideCopies="true")
    assert staying == ["ReplicatorDecryptsThroughS3", "ReplicatorReadsForServerSideCopies"]
    removing = (SERVICE_CATALOG / "docs" / "deployment-guide.md").read_text().split("\n## Removing\n")[1]
    before, _, after = removing.partition("**What stays**")
    assert after
    assert "Where `AllowServerSideCopies` is `true`, update the producer's product to `false` first" in before
