"""The queues: hints sent in the form that SQS takes, bad messages set aside with their reason, others given back."""

import json

import pytest

from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import Hint, parse_hint
from consumer_replicator.queue import MAX_VISIBILITY_SECONDS, Message, Queue
from tests.consumer.fake_aws import PRODUCER, SOURCE
from tests.consumer.wire import Answer, Wire
from tests.odd_keys import ODD_KEYS

URL = "https://sqs.us-east-1.amazonaws.com/222222222222/objects"
DEAD = "https://sqs.us-east-1.amazonaws.com/222222222222/dead"
SENT = {"MessageId": "m", "MD5OfMessageBody": "0" * 32}
BAD = Message("m-1", "receipt-1", 'not "JSON" \u00e9\n', 1)
FAILURES = [
    ("RequestThrottled", 403, "throttled"),
    ("InternalFailure", 500, "aws-error"),
    ("AccessDenied", 403, "own-access-denied"),
    ("KMS.ThrottlingException", 400, "throttled"),
    ("AWS.SimpleQueueService.NonExistentQueue", 400, "unexpected"),
]


@pytest.fixture
def stub(stubbed):
    """(the queue, its Stubber)"""
    client, stubber = stubbed("sqs")
    return Queue(client, URL, DEAD, SOURCE), stubber


def test_a_message_is_what_the_function_needs_of_a_record():
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": "Test message.",
        "attributes": {
            "ApproximateReceiveCount": "3",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
        "awsRegion": "us-east-2",
    }
    assert Message.from_record(record) == Message(record["messageId"], record["receiptHandle"], "Test message.", 3)


def test_a_plain_hint_is_sent_to_the_objects_queue_at_once(stub):
    queue, stubber = stub
    body = json.dumps(
        {"s3-hydration-hint": 1, "bucket": SOURCE, "key": "caf\u00e9", "id": "e-1", "kind": "plain"}, ensure_ascii=True
    )
    stubber.add_response("send_message", SENT, {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0})
    queue.send_plain("caf\u00e9", "e-1")


@pytest.mark.parametrize(
    ("delay", "seconds"), [(-5.0, 0), (0.1, 1), (134.2, 135), (899.0, 899), (915.0, 900), (1e9, 900)]
)
def test_a_confirm_hint_is_never_earlier_than_asked_but_for_the_most_that_sqs_delays(aws, delay, seconds):
    client = aws("sqs")
    wire = Wire(client)
    wire.answer("SendMessage", Answer(b"{}"))
    Queue(client, URL, DEAD, SOURCE).send_confirm("k", "e-1", 7, delay)
    sent = json.loads(wire.only("SendMessage").body)
    assert sent["DelaySeconds"] == seconds
    assert sent["QueueUrl"] == URL
    assert parse_hint(sent["MessageBody"], bucket=SOURCE, account=PRODUCER) == Hint("k", "e-1", tombstone=7)


def test_a_bad_message_is_set_aside_verbatim_with_its_reason(stub):
    queue, stubber = stub
    request = {
        "QueueUrl": DEAD,
        "MessageBody": BAD.body,
        "MessageAttributes": {
            "hydration-error-code": {"DataType": "String", "StringValue": "not-json"},
            "hydration-error": {"DataType": "String", "StringValue": "The message is not JSON."},
        },
    }
    stubber.add_response("send_message", SENT, request)
    queue.set_aside(BAD, "not-json", "The message is not JSON.")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("a\x1b[31mb\x00c", "a [31mb c"),
        ("a\nb", "a b"),
        ("\ufffe\ud800", "  "),
        ("caf\u00e9 \U0001f680", "caf\u00e9 \U0001f680"),
    ],
)
def test_a_reason_is_sent_in_characters_that_sqs_takes(stub, reason, sent):
    queue, stubber = stub
    attributes = {
        "hydration-error-code": {"DataType": "String", "StringValue": "unexpected"},
        "hydration-error": {"DataType": "String", "StringValue": sent},
    }
    stubber.add_response(
        "send_message", SENT, {"QueueUrl": DEAD, "MessageBody": BAD.body, "MessageAttributes": attributes}
    )
    queue.set_aside(BAD, "unexpected", reason)


def entries(delays, first=0):
    return [
        {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
        for number, (receipt, seconds) in enumerate(delays, start=first)
    ]


def test_messages_are_given_back_ten_at_a_time_each_with_its_delay(stub):
    queue, stubber = stub
    delays = [(f"r{number}", number * 10) for number in range(21)]
    for some in (delays[:10], delays[10:20], delays[20:]):
        request = {"QueueUrl": URL, "Entries": entries(some)}
        stubber.add_response("change_message_visibility_batch", {"Successful": [], "Failed": []}, request)
    queue.give_back(dict(delays))


def test_a_delay_is_at_most_the_twelve_hours_that_sqs_allows(stub):
    queue, stubber = stub
    request = {"QueueUrl": URL, "Entries": entries([("r", MAX_VISIBILITY_SECONDS)])}
    stubber.add_response("change_message_visibility_batch", {"Successful": [], "Failed": []}, request)
    queue.give_back({"r": MAX_VISIBILITY_SECONDS + 1})


def test_a_message_that_cannot_be_given_back_early_is_no_error(stub):
    queue, stubber = stub
    failed = [{"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]
    stubber.add_response("change_message_visibility_batch", {"Successful": [], "Failed": failed})
    queue.give_back({"r": 0})


def test_nothing_to_give_back_is_no_request(stub):
    queue, _ = stub
    queue.give_back({})


@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_queue_that_refuses_says_why(stub, code, status, expected):
    queue, stubber = stub
    calls = {
        "send_message": [
            lambda: queue.send_plain("k", "e"),
            lambda: queue.send_confirm("k", "e", 1, 1),
            lambda: queue.set_aside(BAD, "not-json", "The message is not JSON."),
        ],
        "change_message_visibility_batch": [lambda: queue.give_back({"r": 0})],
    }
    for operation, some in calls.items():
        for call in some:
            stubber.add_client_error(operation, code, http_status_code=status)
            with pytest.raises(HydrationError) as raised:
                call()
            assert raised.value.code == expected


# -- what results, on moto ---------------------------------------------------------------------------------------------


@pytest.fixture
def sqs(emulated):
    return emulated("sqs")


def receive(sqs, url):
    asked = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"], "MaxNumberOfMessages": 10}
    return sqs.receive_message(QueueUrl=url, **asked).get("Messages", [])


def test_a_hint_arrives_with_its_key_verbatim(sqs):
    url = sqs.create_queue(QueueName="objects")["QueueUrl"]
    queue = Queue(sqs, url, DEAD, SOURCE)
    for key in ODD_KEYS.values():
        queue.send_plain(key, "e-1")
        (message,) = receive(sqs, url)
        assert parse_hint(message["Body"], bucket=SOURCE, account=PRODUCER) == Hint(key, "e-1")


def test_a_message_set_aside_waits_in_the_dead_letter_queue_with_its_reason(sqs):
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    Queue(sqs, URL, url, SOURCE).set_aside(BAD, "not-json", "The message is not JSON.")
    (message,) = receive(sqs, url)
    assert message["Body"] == BAD.body
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"hydration-error-code": "not-json", "hydration-error": "The message is not JSON."}


def test_a_message_given_back_is_visible_again_at_once(sqs):
    url = sqs.create_queue(QueueName="objects", Attributes={"VisibilityTimeout": "5400"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = receive(sqs, url)
    assert receive(sqs, url) == []
    Queue(sqs, url, DEAD, SOURCE).give_back({message["ReceiptHandle"]: 0})
    (again,) = receive(sqs, url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
