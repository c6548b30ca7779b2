"""Queues in the emulator: nothing is lost between threads, delays and attributes hold, dead letters can be redriven."""

import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.bare_accounts import BareAccounts, Mailbox
from tests.sandbox.test_emulator_events import put_own, rule


@pytest.fixture(scope="module")
def sqs(aws: BareAccounts) -> Any:
    return aws.client("sqs")


def test_no_event_is_lost_while_messages_are_deleted(aws: BareAccounts, sqs: Any) -> None:
    box = Mailbox(aws, "busy")
    done = threading.Event()

    def keep_deleting() -> None:
        while not done.is_set():
            sqs.send_message(QueueUrl=box.url, MessageBody="noise")
            for message in sqs.receive_message(QueueUrl=box.url, MaxNumberOfMessages=10).get("Messages", []):
                if message["Body"] == "noise":
                    sqs.delete_message(QueueUrl=box.url, ReceiptHandle=message["ReceiptHandle"])
                else:
                    seen.append(message["MessageId"])

    seen: list[str] = []
    deleting = threading.Thread(target=keep_deleting)
    deleting.start()
    s3 = aws.bucket("busy", events=True)
    with rule(aws, "to-busy", {"source": ["aws.s3"]}, {"Arn": box.arn}):
        for number in range(100):
            s3.put_object(Bucket="busy", Key=str(number), Body=b"")
        deadline = time.monotonic() + 10
        while len(seen) < 100 and time.monotonic() < deadline:
            time.sleep(0.05)
    done.set()
    deleting.join()
    assert len(set(seen)) == 100


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
