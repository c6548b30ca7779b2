"""Queues in the emulator: delays and attributes hold, dead letters can be redriven."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.bare_accounts import BareAccounts, Mailbox
from tests.sandbox.test_emulator_events import put_own, rule


@pytest.fixture(scope="module")
def sqs(aws: BareAccounts) -> Any:
    return aws.client("sqs")


def test_a_delayed_message_comes_late_with_its_attributes(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="delayed")["QueueUrl"]
    attributes = {"hydration-error-code": {"DataType": "String", "StringValue": "malformed"}}
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1, MessageAttributes=attributes)
    began = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"])
    assert time.monotonic() - began >= 0.9
    assert answer["Messages"][0]["MessageAttributes"] == attributes


def test_dead_letters_go_back_to_the_queue_they_came_from(sqs: Any) -> None:
    letters = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    queue = sqs.create_queue(QueueName="source", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    for _ in range(2):  # received once, and once too often
        sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
    sqs.start_message_move_task(SourceArn=arn)
    assert sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]["ApproximateNumberOfMessagesMoved"] == 1
    assert "Messages" not in sqs.receive_message(QueueUrl=letters)
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "again"


def test_what_a_rule_could_not_deliver_cannot_be_redriven(aws: BareAccounts, sqs: Any) -> None:
    letters = Mailbox(aws, "rule-letters")
    target = {"Arn": letters.arn + "-gone", "DeadLetterConfig": {"Arn": letters.arn}}
    with rule(aws, "to-nowhere", {"source": ["test.nowhere"]}, target):
        put_own(aws, "test.nowhere")
        with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
            sqs.start_message_move_task(SourceArn=letters.arn)
        letters.take(1)
