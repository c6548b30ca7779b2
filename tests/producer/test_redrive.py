"""A rule's dead letters: each ends on the objects queue or stays where it is, and none is lost in between."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from producer_events.__main__ import main
from producer_events.redrive import Kept, Redriven, redrive
from producer_events.replay import ATTEMPTS, Source, body, envelope
from tests.odd_keys import ODD_KEYS

SOURCE = Source("source-bucket", "111111111111", "us-east-1")


def event(key: str) -> str:
    return body(envelope(SOURCE, key, now=datetime(2026, 11, 24, tzinfo=UTC), event_id="an-id"))


@pytest.fixture
def sqs(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("sqs")


@pytest.fixture
def urls(sqs):
    return [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("letters", "objects")]


def waiting(sqs, url):
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def count(sqs, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def test_every_letter_arrives_as_it_is_and_is_gone_from_its_queue(sqs, urls):
    letters, objects = urls
    bodies = [event(key) for key in ODD_KEYS.values()]
    for each in bodies:
        sqs.send_message(QueueUrl=letters, MessageBody=each)
    ends = list(redrive(sqs, letters, sqs, objects))
    assert sorted(end.key for end in ends if isinstance(end, Redriven)) == sorted(ODD_KEYS.values())
    assert sorted(waiting(sqs, objects)) == sorted(bodies)
    assert count(sqs, letters) == 0


def test_what_is_no_object_event_stays(sqs, urls):
    letters, objects = urls
    for each in ("not JSON", json.dumps({"source": "acme.app"}), event("k")):
        sqs.send_message(QueueUrl=letters, MessageBody=each)
    ends = list(redrive(sqs, letters, sqs, objects))
    assert [end for end in ends if isinstance(end, Redriven)] == [Redriven("k")]
    assert len([end for end in ends if isinstance(end, Kept)]) == 2
    assert waiting(sqs, objects) == [event("k")]
    assert count(sqs, letters) == 2


class Refusing:
    """A queue that takes nothing."""

    def __init__(self):
        self.asked = 0

    def send_message_batch(self, **_):
        self.asked += 1
        raise EndpointConnectionError(endpoint_url="https://sqs")


def test_a_letter_that_the_queue_does_not_take_is_not_deleted(sqs, urls):
    letters, objects = urls
    sqs.send_message(QueueUrl=letters, MessageBody=event("k"))
    refusing = Refusing()
    (end,) = redrive(sqs, letters, refusing, objects, pause=lambda _: None)
    assert isinstance(end, Kept)
    assert "connect" in end.why
    assert refusing.asked == ATTEMPTS
    assert count(sqs, letters) == 1


def test_the_command_says_how_many_and_why_some_were_kept(sqs, urls, capsys):
    letters, objects = urls
    asked = ["redrive", "--from-url", letters, "--queue-url", objects]
    sqs.send_message(QueueUrl=letters, MessageBody=event("k"))
    assert main(asked) == 0
    assert capsys.readouterr().out == "1 redriven, 0 kept.\n"
    sqs.send_message(QueueUrl=letters, MessageBody="not JSON")
    assert main([*asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["redriven"], len(told["kept"])) == (0, 1)
