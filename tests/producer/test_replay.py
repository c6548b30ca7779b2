"""Replayed events: what they say, how they are sent, and that no key is lost on the way."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from producer_events.object_event import BadEvent, parse_object_event
from producer_events.replay import ATTEMPTS, NotSent, Sent, Source, body, envelope, replay
from tests.odd_keys import ODD_KEYS

NOW = datetime(2026, 11, 24, 8, 30, 15, 999, tzinfo=UTC)
SOURCE = Source("source-bucket", "111111111111", "us-east-1")
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/222222222222/objects"


class Queue:
    """Takes batches and answers each with the next of `answers`: positions to refuse, or an exception to raise."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.batches = []

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803 AWS's names
        self.batches.append({entry["Id"]: json.loads(entry["MessageBody"]) for entry in Entries})
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        failed = [{"Id": id_, **answer[id_]} for id_ in self.batches[-1] if answer.get(id_)]
        accepted = [{"Id": id_, "MessageId": f"m-{id_}"} for id_ in self.batches[-1] if id_ not in answer]
        return {"Successful": accepted, "Failed": failed}


BUSY = {"Code": "ServiceUnavailable", "Message": "later", "SenderFault": False}
INVALID = {"Code": "InvalidMessageContents", "Message": "no", "SenderFault": True}


def replayed(keys, queue, **options):
    return list(replay(keys, SOURCE, queue, QUEUE_URL, now=lambda: NOW, **{"pause": lambda _: None, **options}))


@pytest.mark.parametrize("name", ODD_KEYS)
def test_the_consumer_reads_a_replayed_event_as_it_reads_s3s(name):
    event = parse_object_event(body(envelope(SOURCE, ODD_KEYS[name], now=NOW, event_id="an-id")))
    assert event.detail_type == "Object Created"
    assert (event.account, event.bucket, event.key) == ("111111111111", "source-bucket", ODD_KEYS[name])
    assert event.time == NOW.replace(microsecond=0)
    assert event.reason == "Replay"


def test_a_replayed_event_has_no_sequencer_so_that_nothing_supersedes_it():
    assert parse_object_event(envelope(SOURCE, "k", now=NOW, event_id="an-id")).sequencer is None


@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_message_has_only_characters_that_sqs_takes(name):
    text = body(envelope(SOURCE, ODD_KEYS[name], now=NOW, event_id="an-id"))
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize("key", ["", "k" * 1025, "\udc80"])
def test_what_is_no_key_makes_no_event(key):
    with pytest.raises(BadEvent):
        envelope(SOURCE, key, now=NOW, event_id="an-id")


def test_keys_go_in_batches_of_ten_and_each_ends_as_sent():
    queue = Queue()
    keys = [f"key-{number}" for number in range(23)]
    ends = replayed(keys, queue)
    assert [len(batch) for batch in queue.batches] == [10, 10, 3]
    assert [event["detail"]["object"]["key"] for batch in queue.batches for event in batch.values()] == keys
    assert [end.key for end in ends if isinstance(end, Sent)] == keys


def test_every_event_has_an_id_of_its_own():
    queue = Queue()
    replayed(["a", "a", "b"], queue)
    assert len({event["id"] for event in queue.batches[0].values()}) == 3


def test_what_the_queue_could_not_take_is_sent_again_and_only_that():
    queue = Queue({"1": BUSY}, {"1": BUSY})
    pauses = []
    ends = replayed(["a", "b", "c"], queue, pause=pauses.append)
    assert [list(batch) for batch in queue.batches] == [["0", "1", "2"], ["1"], ["1"]]
    assert sorted(ends, key=lambda end: end.key) == [Sent("a", "m-0"), Sent("b", "m-1"), Sent("c", "m-2")]
    assert pauses == [1, 2]


def test_what_the_queue_refuses_for_good_is_not_sent_again():
    queue = Queue({"0": INVALID})
    assert replayed(["a"], queue) == [NotSent("a", "InvalidMessageContents: no")]
    assert len(queue.batches) == 1


def test_a_message_that_the_answer_does_not_mention_is_sent_again():
    queue = Queue({"1": None})
    assert [type(end) for end in replayed(["a", "b"], queue)] == [Sent, Sent]
    assert [list(batch) for batch in queue.batches] == [["0", "1"], ["1"]]


def test_a_queue_that_stays_away_fails_every_key_and_says_why():
    away = EndpointConnectionError(endpoint_url="https://queue")
    queue = Queue(*[away] * ATTEMPTS)
    pauses = []
    ends = replayed(["a", "b"], queue, pause=pauses.append)
    assert ends == [NotSent("a", str(away)), NotSent("b", str(away))]
    assert pauses == [1, 2, 4]


def test_one_bad_key_does_not_stop_the_others():
    ends = replayed(["a", "", "b"], Queue())
    assert {end.key: type(end) for end in ends} == {"a": Sent, "": NotSent, "b": Sent}


def test_no_keys_make_no_calls():
    queue = Queue()
    assert replayed([], queue) == []
    assert queue.batches == []


def test_an_end_is_known_before_the_next_batch_is_sent():
    queue = Queue()
    ends = replay((str(number) for number in range(30)), SOURCE, queue, QUEUE_URL)
    seen = [(next(ends), len(queue.batches))[1] for _ in range(30)]
    assert seen == [1] * 10 + [2] * 10 + [3] * 10
    assert all(before <= after for before, after in pairwise(seen))


def test_the_request_is_what_sqs_takes():
    sqs = boto3.client("sqs", **CREDENTIALS)
    with Stubber(sqs) as stub:
        answer = {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": []}
        entries = [{"Id": "0", "MessageBody": ANY}]
        stub.add_response("send_message_batch", answer, {"QueueUrl": QUEUE_URL, "Entries": entries})
        assert replayed(["a"], sqs) == [Sent("a", "m")]
        stub.assert_no_pending_responses()


def test_looking_up_asks_the_source_as_its_owner_and_tells_what_it_found():
    s3 = boto3.client("s3", **CREDENTIALS)
    queue = Queue()
    with Stubber(s3) as stub:
        stub.add_response(
            "head_object",
            {"ContentLength": 5, "ETag": '"e"', "VersionId": "v"},
            {"Bucket": "source-bucket", "Key": "a", "ExpectedBucketOwner": "111111111111"},
        )
        stub.add_response("head_object", {"ContentLength": 0, "ETag": '"f"', "VersionId": "null"})
        replayed(["a", "b"], queue, look_up=s3)
    first, second = (event["detail"]["object"] for event in queue.batches[0].values())
    assert first == {"key": "a", "size": 5, "etag": "e", "version-id": "v"}
    assert second == {"key": "b", "size": 0, "etag": "f"}


@pytest.mark.parametrize(
    ("code", "status", "why"), [("404", 404, "no such object"), ("403", 403, "access denied"), ("500", 500, "An error")]
)
def test_an_object_that_cannot_be_looked_up_is_not_sent_and_says_why(code, status, why):
    s3 = boto3.client("s3", **CREDENTIALS)
    queue = Queue()
    with Stubber(s3) as stub:
        stub.add_client_error("head_object", code, "", status)
        (end,) = replayed(["a"], queue, look_up=s3)
    assert end.why.startswith(why)
    assert queue.batches == []


@mock_aws
def test_every_odd_key_arrives_in_a_queue_as_itself():
    sqs = boto3.client("sqs", **CREDENTIALS)
    queue_url = sqs.create_queue(QueueName="objects")["QueueUrl"]
    keys = list(ODD_KEYS.values())
    assert all(isinstance(end, Sent) for end in replay(keys, SOURCE, sqs, queue_url))
    arrived = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        arrived += [parse_object_event(message["Body"]).key for message in messages]
    assert sorted(arrived) == sorted(keys)
