"""The producer grants reading to two functions of one account, and nothing else."""

import pytest

from tests.service_catalog.policies import statements
from tests.service_catalog.template import CONSUMER, CONSUMER_ACCOUNT, PRODUCER, PRODUCER_ACCOUNT, REGION

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
    assert wild == [("SourceKey", ["kms:*"])]


def test_the_key_is_the_accounts_own_apart_from_the_read_role():
    principals = {tuple(each.principals) for each in POLICIES if each.kind == "key"}
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


def test_the_read_role_lists_without_a_condition_so_that_a_missing_object_answers_404():
    (listing,) = [each for each in POLICIES if each.allows and "s3:ListBucket" in each.actions]
    assert "Condition" not in listing.body


def test_the_read_role_reads_no_other_bucket():
    resources = {r for each in POLICIES if each.where == "ReadRole" and each.kind == "identity" for r in each.resources}
    bucket = STACK.output("BucketArn")
    assert resources == {bucket, f"{bucket}/*", "SourceKey.Arn"}


@pytest.mark.parametrize("bucket", ["", "acme-exports"], ids=["derived name", "given name"])
def test_decryption_is_allowed_through_s3_for_this_bucket_with_and_without_a_bucket_key(bucket):
    stack = PRODUCER.resolve(BucketName=bucket)
    arn = stack.output("BucketArn")
    decrypting = [each for each in statements(stack) if "kms:Decrypt" in each.actions]
    assert {each.kind for each in decrypting} == {"key", "identity"}
    for each in decrypting:
        assert each.body["Condition"] == {
            "StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [arn, f"{arn}/*"]},
        }


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
