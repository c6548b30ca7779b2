"""Events in the emulator: S3's as documented, rules that reach another account or say why not. No product here."""

import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.accounts import CONSUMER_ACCOUNT, ORGANISATION_ID, PRODUCER_ACCOUNT, REGION
from tests.sandbox.bare_accounts import BareAccounts, Mailbox

STRANGER = "333333333333"
BUS_ARN = f"arn:aws:events:{REGION}:{CONSUMER_ACCOUNT}:event-bus/objects"


@pytest.fixture(scope="module")
def s3(aws: BareAccounts) -> Any:
    return aws.bucket("events", versioned=True, key=aws.key(), events=True)


@pytest.fixture(scope="module")
def consumer(aws: BareAccounts) -> Mailbox:
    """Whatever reaches the consumer's bus."""
    events = aws.client("events", CONSUMER_ACCOUNT)
    events.create_event_bus(Name="objects")
    box = Mailbox(aws, "objects", CONSUMER_ACCOUNT)
    events.put_rule(Name="all", EventBusName="objects", EventPattern=json.dumps({"source": [{"prefix": ""}]}))
    events.put_targets(Rule="all", EventBusName="objects", Targets=[{"Id": "box", "Arn": box.arn}])
    return box


class TestBucketEvents:
    @pytest.fixture
    def mailbox(self, aws: BareAccounts, request: pytest.FixtureRequest) -> Iterator[Mailbox]:
        """What the default bus gets about the bucket while one test runs."""
        name = f"seen-{zlib.crc32(request.node.name.encode())}"
        box = Mailbox(aws, name)
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["events"]}}}
        with rule(aws, name, pattern, {"Arn": box.arn}):
            yield box

    def test_created_names_version_etag_size_and_a_time_of_whole_seconds(self, s3: Any, mailbox: Mailbox) -> None:
        put = s3.put_object(Bucket="events", Key="a+b c/%2F", Body=b"hello")
        (event,) = mailbox.events(1)
        detail = event["detail"]
        sequencer = detail["object"].pop("sequencer")
        assert detail["object"] == {
            "key": "a+b c/%2F",
            "size": 5,
            "etag": put["ETag"].strip('"'),
            "version-id": put["VersionId"],
        }
        assert (event["detail-type"], detail["reason"]) == ("Object Created", "PutObject")
        assert int(sequencer, 16) > 0
        assert time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
        assert (event["account"], event["resources"]) == (PRODUCER_ACCOUNT, ["arn:aws:s3:::events"])

    def test_sequencers_of_a_key_rise(self, s3: Any, mailbox: Mailbox) -> None:
        versions = [s3.put_object(Bucket="events", Key="rising", Body=b"x")["VersionId"] for _ in range(5)]
        seen = {event["detail"]["object"]["version-id"]: event for event in mailbox.events(5)}
        sequencers = [seen[version]["detail"]["object"]["sequencer"] for version in versions]
        assert sequencers == sorted(set(sequencers))

    def test_a_delete_marker_has_neither_size_nor_etag(self, s3: Any, mailbox: Mailbox) -> None:
        s3.put_object(Bucket="events", Key="gone", Body=b"x")
        marker = s3.delete_object(Bucket="events", Key="gone")["VersionId"]
        deleted = only(mailbox.events(2), "Object Deleted")
        assert deleted["detail"]["deletion-type"] == "Delete Marker Created"
        assert deleted["detail"]["object"].keys() == {"key", "version-id", "sequencer"}
        assert deleted["detail"]["object"]["version-id"] == marker

    def test_a_deleted_version_is_permanently_deleted(self, s3: Any, mailbox: Mailbox) -> None:
        version = s3.put_object(Bucket="events", Key="version", Body=b"x")["VersionId"]
        s3.delete_object(Bucket="events", Key="version", VersionId=version)
        deleted = only(mailbox.events(2), "Object Deleted")
        assert deleted["detail"]["deletion-type"] == "Permanently Deleted"
        assert deleted["detail"]["object"]["version-id"] == version

    def test_tags_added_and_deleted_are_told_without_size_and_sequencer(self, s3: Any, mailbox: Mailbox) -> None:
        put = s3.put_object(Bucket="events", Key="tags", Body=b"x")
        s3.put_object_tagging(Bucket="events", Key="tags", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
        s3.delete_object_tagging(Bucket="events", Key="tags")
        told = mailbox.events(3)
        for kind in ("Object Tags Added", "Object Tags Deleted"):
            detail = only(told, kind)["detail"]
            expected = {"key": "tags", "etag": put["ETag"].strip('"'), "version-id": put["VersionId"]}
            assert detail["object"] == expected
            assert "reason" not in detail

    def test_a_completed_upload_is_one_event_with_the_final_etag(self, s3: Any, mailbox: Mailbox) -> None:
        place = {"Bucket": "events", "Key": "upload"}
        place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
        part = {"PartNumber": 1, "ETag": s3.upload_part(**place, PartNumber=1, Body=b"x")["ETag"]}
        done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [part]})
        (event,) = mailbox.events(1)
        assert event["detail"]["reason"] == "CompleteMultipartUpload"
        assert event["detail"]["object"]["etag"] == done["ETag"].strip('"')


class TestBusOfAnotherAccount:
    """A rule of the producer's default bus forwards `test.*` to the consumer's bus `objects`."""

    @pytest.fixture
    def undelivered(self, aws: BareAccounts, consumer: Mailbox, request: pytest.FixtureRequest) -> Iterator[Mailbox]:
        """The rule, and its dead-letter queue. `forwarder` is its role unless the test is given another."""
        name = f"undelivered-{zlib.crc32(request.node.name.encode())}"
        box = Mailbox(aws, name)
        role = getattr(request, "param", None) or forwarder(aws, f"forwarder-{name}")
        target = {"Arn": BUS_ARN, "RoleArn": role, "DeadLetterConfig": {"Arn": box.arn}}
        with rule(aws, name, {"source": ["test.app"]}, target):
            yield box

    def admit(self, aws: BareAccounts, **statement: Any) -> None:
        """Replaces the bus policy: the producer's account, unless the statement says otherwise."""
        everything = {"Sid": "only", "Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN}
        everything |= {"Principal": {"AWS": f"arn:aws:iam::{PRODUCER_ACCOUNT}:root"}} | statement
        template = {
            "Resources": {
                "Policy": {
                    "Type": "AWS::Events::EventBusPolicy",
                    "Properties": {"EventBusName": "objects", "StatementId": "only", "Statement": everything},
                }
            }
        }
        stack(aws, "bus-policy", template)

    def put(self, aws: BareAccounts, account: str = PRODUCER_ACCOUNT, bus: str = "default") -> str:
        entry = {"Source": "test.app", "DetailType": "Greeting", "Detail": '{"say": "hello"}', "EventBusName": bus}
        answer = aws.client("events", account).put_events(Entries=[entry | {"Resources": ["arn:aws:s3:::b"]}])
        return str(answer["Entries"][0]["EventId"])

    def test_an_event_arrives_as_it_was_sent(self, aws: BareAccounts, consumer: Mailbox, undelivered: Mailbox) -> None:
        self.admit(aws, Condition={"StringEquals": {"aws:PrincipalOrgID": ORGANISATION_ID}})
        event_id = self.put(aws)
        (event,) = consumer.events(1)
        assert (event["id"], event["account"]) == (event_id, PRODUCER_ACCOUNT)
        assert (event["resources"], event["detail"]) == (["arn:aws:s3:::b"], {"say": "hello"})
        undelivered.take(0)

    @pytest.mark.parametrize(
        "statement",
        [
            {"Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"}},
            {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-another0000"}}},
            {"Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/another"}}},
            {"Condition": {"ForAllValues:StringEquals": {"events:source": "aws.s3"}}},
            {"Action": "events:PutRule"},
            {"Resource": BUS_ARN + "-2"},
        ],
        ids=["principal", "organisation", "role", "source", "action", "resource"],
    )
    def test_an_event_that_the_bus_policy_does_not_admit_is_dead_lettered(
        self, aws: BareAccounts, consumer: Mailbox, undelivered: Mailbox, statement: dict[str, Any]
    ) -> None:
        self.admit(aws, **statement)
        event_id = self.put(aws)
        (letter,) = undelivered.take(1)
        assert json.loads(letter["Body"])["id"] == event_id
        attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
        assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
        assert attributes["TARGET_ARN"] == BUS_ARN
        assert attributes["RULE_ARN"].startswith(f"arn:aws:events:{REGION}:{PRODUCER_ACCOUNT}:rule/undelivered-")
        assert "does not let" in attributes["ERROR_MESSAGE"]
        consumer.take(0)

    @pytest.mark.parametrize("undelivered", [f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/nobody"], indirect=True)
    def test_a_rule_without_a_role_that_may_put_events_is_dead_lettered(
        self, aws: BareAccounts, consumer: Mailbox, undelivered: Mailbox
    ) -> None:
        self.admit(aws)
        self.put(aws)
        (letter,) = undelivered.take(1)
        assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "FAILED_TO_ASSUME_ROLE"
        consumer.take(0)

    def test_a_caller_that_the_bus_policy_does_not_name_is_refused(self, aws: BareAccounts, consumer: Mailbox) -> None:
        self.admit(aws)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            self.put(aws, STRANGER, BUS_ARN)
        consumer.take(0)

    def test_a_caller_that_the_bus_policy_names_is_not(self, aws: BareAccounts, consumer: Mailbox) -> None:
        self.admit(aws)
        self.put(aws, PRODUCER_ACCOUNT, BUS_ARN)
        (event,) = consumer.events(1)
        assert event["account"] == PRODUCER_ACCOUNT

    def test_nobody_forges_an_event_of_aws(self, aws: BareAccounts, consumer: Mailbox) -> None:
        self.admit(aws)
        entry = {"Source": "aws.s3", "DetailType": "Object Created", "Detail": "{}", "EventBusName": BUS_ARN}
        answer = aws.client("events").put_events(Entries=[entry])
        assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
        consumer.take(0)


class TestQueueTargets:
    def test_a_queue_whose_policy_does_not_name_events_gets_none(self, aws: BareAccounts) -> None:
        closed, letters = Mailbox(aws, "closed", closed=True), Mailbox(aws, "closed-letters")
        target = {"Arn": closed.arn, "DeadLetterConfig": {"Arn": letters.arn}}
        with rule(aws, "to-closed", {"source": ["test.closed"]}, target):
            put_own(aws, "test.closed")
            (letter,) = letters.take(1)
        assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
        closed.take(0)

    def test_an_event_for_a_queue_that_is_gone_is_dead_lettered(self, aws: BareAccounts) -> None:
        letters = Mailbox(aws, "gone-letters")
        target = {"Arn": letters.arn.replace("gone-letters", "gone"), "DeadLetterConfig": {"Arn": letters.arn}}
        with rule(aws, "to-gone", {"source": ["test.gone"]}, target):
            put_own(aws, "test.gone")
            (letter,) = letters.take(1)
        assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"


class rule:  # noqa: N801
    """A rule of the producer's default bus with one target, while it is entered."""

    def __init__(self, aws: BareAccounts, name: str, pattern: dict[str, Any], target: dict[str, Any]) -> None:
        self._events, self._name = aws.client("events"), name
        self._events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self._events.put_targets(Rule=name, Targets=[{"Id": "target", **target}])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._events.remove_targets(Rule=self._name, Ids=["target"])
        self._events.delete_rule(Name=self._name)


def put_own(aws: BareAccounts, source: str) -> None:
    aws.client("events").put_events(Entries=[{"Source": source, "DetailType": "Greeting", "Detail": "{}"}])


def forwarder(aws: BareAccounts, name: str) -> str:
    """ARN of a role with which EventBridge may put events on the consumer's bus."""
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    put = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN}
    iam.put_role_policy(RoleName=name, PolicyName="put", PolicyDocument=json.dumps({"Statement": [put]}))
    return str(arn)


def stack(aws: BareAccounts, name: str, template: dict[str, Any]) -> None:
    """Puts a stack of the consumer's in the place of the one that has its name."""
    cloudformation = aws.client("cloudformation", CONSUMER_ACCOUNT)
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})


def only(events: list[dict[str, Any]], detail_type: str) -> dict[str, Any]:
    (event,) = [event for event in events if event["detail-type"] == detail_type]
    return event
