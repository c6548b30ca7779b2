"""Watching through the AWS APIs of the consumer's account; moto stands for them."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from consumer_replicator.identity import SourceIdentity
from consumer_replicator.row import Row, State
from consumer_replicator.row_item import address, to_item
from tests.sandbox.watch import DeadLetter, Depths, Watch, unsettled_rows

NOW = int(time.time() * 1000)  # CloudWatch Logs refuses what is older than a fortnight
GROUP = "/aws/lambda/s3-hydration-replicator"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        logs = boto3.client("logs", region_name="us-east-1")
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(
            TableName="manifest",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        objects, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects", "dead"))
        yield Watch(sqs, logs, dynamodb, objects, dead, "manifest", GROUP)


def wrote(watch: Watch, stream: str, *messages: str, at: int = NOW) -> None:
    if not watch.logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        watch.logs.create_log_group(logGroupName=GROUP)
    known = watch.logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    if stream not in {each["logStreamName"] for each in known}:
        watch.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    events: Any = [{"timestamp": at, "message": message} for message in messages]
    watch.logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_depths_tell_what_messages_are_doing(watch: Watch) -> None:
    for _ in range(3):
        watch.sqs.send_message(QueueUrl=watch.queue_url, MessageBody="x")
    watch.sqs.send_message(QueueUrl=watch.queue_url, MessageBody="x", DelaySeconds=60)
    watch.sqs.receive_message(QueueUrl=watch.queue_url)
    watch.sqs.send_message(QueueUrl=watch.dead_letter_queue_url, MessageBody="x")
    assert watch.depths() == Depths(waiting=2, in_flight=1, delayed=1, dead_letters=1)


@pytest.mark.parametrize("depths", [Depths(waiting=1), Depths(in_flight=1), Depths(delayed=1)])
def test_a_queue_with_any_message_is_not_drained(depths: Depths) -> None:
    assert not depths.drained


def test_dead_letters_are_no_reason_to_wait() -> None:
    assert Depths(dead_letters=1).drained


def test_a_function_that_has_never_run_has_no_lines(watch: Watch) -> None:
    assert watch.new_lines() == []


def test_every_line_is_answered_once_also_those_of_one_millisecond_and_of_equal_text(watch: Watch) -> None:
    wrote(watch, "a", "same", "same")
    assert watch.new_lines() == ["same", "same"]
    assert watch.new_lines() == []
    wrote(watch, "b", "same", "other")
    assert watch.new_lines() == ["same", "other"]
    assert watch.new_lines() == []


def test_a_line_that_comes_late_is_not_lost(watch: Watch) -> None:
    wrote(watch, "a", "newer", at=NOW + 1_000)
    assert watch.new_lines() == ["newer"]
    wrote(watch, "b", "older", at=NOW)
    assert watch.new_lines() == ["older"]


def test_rows_are_read_by_key(watch: Watch) -> None:
    source = SourceIdentity("v1", "e", 1, 2)
    rows = {"a": Row(3, State.LIVE, 5.0, source), "b\n": Row(1, State.DELETING, 6.0)}
    for key, row in rows.items():
        watch.dynamodb.put_item(TableName="manifest", Item={**address("source", key, 16), **to_item(row, None)})
    assert watch.rows() == rows
    assert unsettled_rows(watch.rows()) == {"b\n": State.DELETING}


@pytest.mark.parametrize("partition", ["source#run#20261124-085000-1a2b3c", "source#runs", "source#watermark"])
def test_what_a_run_keeps_beside_the_rows_is_none(watch: Watch, partition: str) -> None:
    watch.dynamodb.put_item(TableName="manifest", Item={"pk": {"S": partition}, "sk": {"S": "run"}})
    assert watch.rows() == {}


@pytest.mark.parametrize("state", [State.LIVE, State.DELETED, State.GONE, State.FAILED])
def test_a_row_whose_state_is_final_is_settled(state: State) -> None:
    assert unsettled_rows({"k": Row(1, state, 0.0)}) == {}


def test_dead_letters_are_read_with_their_reasons_and_left_there(watch: Watch) -> None:
    told = {"hydration-error-code": "not-json", "hydration-error": "The message is not JSON."}
    attributes: Any = {name: {"DataType": "String", "StringValue": text} for name, text in told.items()}
    watch.sqs.send_message(QueueUrl=watch.dead_letter_queue_url, MessageBody="{", MessageAttributes=attributes)
    for number in range(11):
        watch.sqs.send_message(QueueUrl=watch.dead_letter_queue_url, MessageBody=f"gave up {number}")
    letters = watch.dead_letters()
    assert len(letters) == 12
    assert DeadLetter("{", "not-json", "The message is not JSON.") in letters
    assert DeadLetter("gave up 3", "", "") in letters
    counted = watch.sqs.get_queue_attributes(QueueUrl=watch.dead_letter_queue_url, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessagesNotVisible"] == "12"
