"""The queues: hints sent in the form that SQS takes, bad messages set aside with their reason, others given back."""

import json
from hashlib import sha256

import pytest

from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import Hint, PlainHint, RangeHint, parse_hint, to_body
from consumer_replicator.queue import MAX_VISIBILITY_SECONDS, SEND_ROUNDS, Message, Queue
from tests.consumer.fake_aws import PRODUCER, SOURCE
from tests.consumer.refusals import assert_told
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
    wire.answer("SendMessage", Answer(b'{"MessageId": "m"}'))
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


@pytest.mark.parametrize("refusal", FAILURES)
def test_a_queue_that_refuses_says_why(stub, refusal):
    queue, stubber = stub
    calls = {
        "send_message": [
            lambda: queue.send_plain("k", "e"),
            lambda: queue.send_confirm("k", "e", 1, 1),
            lambda: queue.set_aside(BAD, "not-json", "The message is not JSON."),
        ],
        "change_message_visibility_batch": [lambda: queue.give_back({"r": 0})],
    }
    assert_told(stubber, calls, refusal)


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


# -- many hints, and whether anything waits ----------------------------------------------------------------------------


def hints(count, first=0):
    return [PlainHint(bucket=SOURCE, key=f"k{number}", id="run r") for number in range(first, first + count)]


def batch_request(some, delay=0):
    return {
        "QueueUrl": URL,
        "Entries": [
            {"Id": str(number), "MessageBody": to_body(hint), "DelaySeconds": delay, "MessageGroupId": "run-r"}
            for number, hint in enumerate(some)
        ],
    }


def sent(count):
    return [{"Id": str(number), "MessageId": "m", "MD5OfMessageBody": "0" * 32} for number in range(count)]


def refused_entry(number):
    return {"Id": str(number), "SenderFault": False, "Code": "InternalError"}


def test_hints_of_a_run_are_sent_ten_a_request_in_a_group_of_their_own(stub):
    queue, stubber = stub
    for some in (hints(10), hints(10, 10), hints(3, 20)):
        stubber.add_response("send_message_batch", {"Successful": sent(len(some)), "Failed": []}, batch_request(some))
    queue.send_hints(hints(23), group="run-r")


def test_ranges_are_sent_ten_a_request_in_the_group_of_their_upload(stub):
    queue, stubber = stub
    for numbers in (range(1, 11), range(11, 13)):
        request = batch_request([RangeHint(SOURCE, "k", "e-1", "u" * 300, number) for number in numbers])
        for entry in request["Entries"]:
            entry["MessageGroupId"] = f"upload-{sha256(b'u' * 300).hexdigest()[:32]}"
            assert len(entry["MessageGroupId"]) <= 128
        for number, entry in zip(numbers, request["Entries"], strict=True):
            entry["DelaySeconds"] = -(-number // 2)
        answer = {"Successful": sent(len(numbers)), "Failed": []}
        stubber.add_response("send_message_batch", answer, request)
    queue.send_ranges("k", "e-1", "u" * 300, {number: number / 2 for number in range(1, 13)})


def test_a_plain_hint_may_name_an_upload_whose_ranges_are_missing(stub):
    queue, stubber = stub
    body = to_body(PlainHint(SOURCE, "k", "e-1", resend="u-1"))
    request = {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0}
    stubber.add_response("send_message", SENT, request)
    queue.send_plain("k", "e-1", resend="u-1")


def test_a_message_that_got_no_id_is_not_taken_for_sent(stub):
    """As after an answer that was no document: else a delete would lose its confirm hint, and a bad message itself."""
    queue, stubber = stub
    for send in (
        lambda: queue.send_plain("k", "e-1"),
        lambda: queue.send_confirm("k", "e-1", 7, 30),
        lambda: queue.set_aside(BAD, "unexpected", "reason"),
    ):
        stubber.add_response("send_message", {})
        with pytest.raises(HydrationError) as raised:
            send()
        assert raised.value.code == "truncated"


def test_hints_that_sqs_does_not_confirm_are_not_taken_for_sent(stub):
    queue, stubber = stub
    for _ in range(SEND_ROUNDS):
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": []})
    with pytest.raises(HydrationError) as raised:
        queue.send_hints(hints(1), group="run-r")
    assert raised.value.code == "throttled"


def test_no_hints_are_no_request(stub):
    queue, _ = stub
    queue.send_hints([], group="run-r")


@pytest.mark.parametrize(("delay", "seconds"), [(0, 0), (0.2, 1), (900, 900), (5000, 900)])
def test_hints_are_delayed_as_far_as_sqs_delays(stub, delay, seconds):
    queue, stubber = stub
    answer = {"Successful": sent(1), "Failed": []}
    stubber.add_response("send_message_batch", answer, batch_request(hints(1), seconds))
    queue.send_hints(hints(1), group="run-r", delay=delay)


def test_hints_that_sqs_refused_are_sent_again_and_the_others_are_not(stub):
    queue, stubber = stub
    whole = batch_request(hints(3))
    stubber.add_response("send_message_batch", {"Successful": sent(3)[::2], "Failed": [refused_entry(1)]}, whole)
    again = whole | {"Entries": whole["Entries"][1:2]}
    stubber.add_response("send_message_batch", {"Successful": [], "Failed": [refused_entry(1)]}, again)
    stubber.add_response("send_message_batch", {"Successful": sent(2)[1:], "Failed": []}, again)
    queue.send_hints(hints(3), group="run-r")


def test_hints_that_sqs_keeps_refusing_are_a_throttle_and_never_taken_for_sent(stub):
    queue, stubber = stub
    for _ in range(SEND_ROUNDS):
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": [refused_entry(0)]})
    with pytest.raises(HydrationError) as raised:
        queue.send_hints(hints(1), group="run-r")
    assert raised.value.code == "throttled"


@pytest.mark.parametrize("refusal", FAILURES)
def test_a_queue_that_takes_no_hints_or_tells_no_counts_says_why(stub, refusal):
    queue, stubber = stub
    calls = {
        "send_message_batch": [lambda: queue.send_hints(hints(1), group="run-r")],
        "get_queue_attributes": [queue.at_rest],
    }
    assert_told(stubber, calls, refusal)


COUNTS = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]


@pytest.mark.parametrize(
    ("objects", "dead", "rests"),
    [
        ((0, 0, 0), (0, 0, 0), True),
        ((1, 0, 0), (0, 0, 0), False),  # waiting
        ((0, 1, 0), (0, 0, 0), False),  # under way
        ((0, 0, 1), (0, 0, 0), False),  # a confirm hint
        ((0, 0, 0), (1, 0, 0), False),  # given up: not worked off at all
        ((0, 0, 0), (0, 1, 0), False),
    ],
)
def test_the_queues_rest_when_nothing_waits_is_under_way_or_delayed_in_either(stub, objects, dead, rests):
    queue, stubber = stub
    for url, counts in ((URL, objects), (DEAD, dead)):
        answer = {"Attributes": {name: str(count) for name, count in zip(COUNTS, counts, strict=True)}}
        stubber.add_response("get_queue_attributes", answer, {"QueueUrl": url, "AttributeNames": COUNTS})
    assert queue.at_rest() is rests


@pytest.mark.parametrize("answer", [{}, {"Attributes": {}}, {"Attributes": dict.fromkeys(COUNTS, "many")}])
def test_a_queue_whose_counts_cannot_be_read_is_not_at_rest(stub, answer):
    queue, stubber = stub
    stubber.add_response("get_queue_attributes", answer)
    with pytest.raises(HydrationError) as raised:
        queue.at_rest()
    assert raised.value.code == "truncated"


def test_a_batch_whose_answer_does_not_say_which_were_taken_comes_back(aws):
    sqs = aws("sqs")
    Wire(sqs).answer("SendMessageBatch", Answer(b'{"Successful": [{}], "Failed": []}'))
    with pytest.raises(HydrationError) as raised:
        Queue(sqs, URL, DEAD, SOURCE).send_hints(hints(1), group="run-r")
    assert raised.value.code == "truncated"


def test_hints_of_a_run_arrive_with_their_keys_verbatim(sqs):
    url = sqs.create_queue(QueueName="objects")["QueueUrl"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    queue = Queue(sqs, url, dead, SOURCE)
    assert queue.at_rest()
    keys = list(ODD_KEYS.values())[:23]
    queue.send_hints([PlainHint(bucket=SOURCE, key=key, id="run r", force=True) for key in keys], group="run-r")
    assert not queue.at_rest()
    bodies = [message["Body"] for _ in range(3) for message in receive(sqs, url)]
    arrived = [parse_hint(body, bucket=SOURCE, account=PRODUCER) for body in bodies]
    assert arrived == [Hint(key, "run r", force=True) for key in keys]
    assert not queue.at_rest()  # all of them are under way
