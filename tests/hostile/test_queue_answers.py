"""What SQS answers, and what Lambda hands over, with anything in it: nothing is taken for sent that is not said to be.

Through the real client: botocore parses these answers.
"""

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer_replicator.batch import LAST_RETRY_SECONDS
from consumer_replicator.handlers import replicator
from consumer_replicator.handlers.telemetry import Telemetry
from consumer_replicator.hint import PlainHint
from consumer_replicator.queue import Message, Queue
from consumer_replicator.ranges_queue import RangesQueue, Step
from tests.consumer.clouds import Context
from tests.consumer.fake_aws import QUEUE, World, refuse
from tests.consumer.rig import Rig, event
from tests.consumer.wire import Answer, Wire
from tests.hostile.damage import damaged
from tests.hostile.outcomes import outcome_of

MESSAGE = Message("m", "receipt", "body", 1)
NAMES = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
SENT = json.dumps({"MessageId": "m-1", "MD5OfMessageBody": "x"}).encode()
TAKEN = json.dumps({"Successful": [{"Id": "0", "MessageId": "m-1", "MD5OfMessageBody": "x"}], "Failed": []}).encode()
COUNTS = json.dumps({"Attributes": dict.fromkeys(NAMES, "0")}).encode()
CALLS = {
    "SendMessage of a hint": ("SendMessage", SENT, b'"m-1"', lambda queue, _: queue.send_plain("k", "e")),
    "SendMessage of a step": ("SendMessage", SENT, b'"m-1"', lambda _, ranges: ranges.send(Step("r"))),
    "SendMessage of a bad message": (
        "SendMessage",
        SENT,
        b'"m-1"',
        lambda queue, _: queue.set_aside(MESSAGE, "bad-hint", "x"),
    ),
    "SendMessageBatch": (
        "SendMessageBatch",
        TAKEN,
        b'"0"',
        lambda queue, _: queue.send_hints([PlainHint("source-bucket", "k", "e")], "g"),
    ),
    "ChangeMessageVisibilityBatch": (
        "ChangeMessageVisibilityBatch",
        TAKEN,
        None,
        lambda queue, _: queue.give_back({"r": 5}),
    ),
}


@pytest.fixture
def queues(aws):
    """(the objects queue, the ranges queue, their wire)"""
    client = aws("sqs")
    url = "https://sqs.us-east-1.amazonaws.com/222222222222/q"
    return Queue(client, url, f"{url}-dead", "source-bucket"), RangesQueue(client, url), Wire(client)


@pytest.mark.parametrize("name", CALLS)
def test_a_damaged_answer_of_the_queue_is_never_taken_for_sent(queues, name):
    objects, ranges, wire = queues
    operation, golden, proof, call = CALLS[name]
    outcomes = []
    for body in itertools.islice(damaged(golden, 1, (b'"m-1"', b'"0"', b'"x"', b"[", b"{", b'"MessageId"')), 400):
        wire.answer(operation, Answer(body))
        outcomes.append(outcome_of(lambda: call(objects, ranges)))
        if proof and outcomes[-1] is None:
            document = json.loads(body)
            known = document.get("MessageId") or document.get("Successful")
            assert known, body
    assert None in outcomes
    assert proof is None or len({getattr(each, "code", each) for each in outcomes}) > 1


ABSURD = (None, "", "-1", "1.5", "NaN", "\u0661", "9" * 5_000, "x", " 0", [], {}, True, 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ABSURD, ids=lambda value: ascii(value)[:20])
def test_a_count_of_messages_that_is_none_is_never_taken_for_an_empty_queue(queues, name, value):
    """Everything is here" would be said of a queue that nobody has counted."""
    objects, _, wire = queues
    wire.answer(
        "GetQueueAttributes", Answer(json.dumps({"Attributes": {**dict.fromkeys(NAMES, "0"), name: value}}).encode())
    )
    rests = outcome_of(objects.at_rest)
    assert rests is not True or (isinstance(value, str) and value.strip() == "0") or value in (0, True)


@pytest.mark.parametrize(
    "answer",
    [b"null", b"[]", b"{}", b"7", b"", b"{", b"\xff", b'{"Attributes": []}', b'{"Attributes": null}', b"[" * 100_000],
    ids=lambda answer: answer[:20].decode("latin-1"),
)
def test_an_answer_without_counts_is_never_taken_for_an_empty_queue(queues, answer):
    objects, _, wire = queues
    wire.answer("GetQueueAttributes", Answer(answer))
    assert outcome_of(objects.at_rest) not in (True, False)


# -- what Lambda hands over --------------------------------------------------------------------------------------------

IDS = st.sampled_from(["m1", "m2", "", "\x1b[2J", "m" * 500])
COUNTS_RECEIVED = st.sampled_from(["1", "2", "9", "10", "11", "64", "1000", str(2**31), str(10**12)])
BODIES = st.sampled_from([event("in/a"), event("in/b"), "", "rubbish", "{}", event("in/a")[:-5]])
RECORDS = st.lists(
    st.builds(
        lambda message_id, count, body, more: {
            "messageId": message_id,
            "receiptHandle": f"receipt {message_id}",
            "body": body,
            "attributes": {"ApproximateReceiveCount": count, **more},
            "eventSource": "aws:sqs",
            **more,
        },
        IDS,
        COUNTS_RECEIVED,
        BODIES,
        st.dictionaries(st.sampled_from(["SentTimestamp", "MessageGroupId", "zz"]), st.text(max_size=5), max_size=2),
    ),
    max_size=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS)
def test_a_batch_with_equal_ids_unknown_attributes_and_any_count_is_answered(monkeypatch, records):
    rig = Rig(World())
    rig.world.upload("in/a", b"x")
    monkeypatch.setattr(replicator, "_application", lambda _: (rig.batch, Telemetry("hostile-records")))
    answer = replicator.handler({"Records": records}, Context())
    back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    assert back <= {record["messageId"] for record in records}


@pytest.mark.parametrize("count", [0, -1, 1, 33, 1000, 2**31, 10**12])
def test_a_message_that_comes_back_waits_no_longer_than_it_may_however_often_it_came(count):
    """Doubling that often would take as many bits as the number says; and no mate is harmed."""
    rig = Rig(World())

    def fail(call):
        if call.operation in ("BatchGetItem", "SendMessage"):
            raise refuse(call.operation, "ThrottlingException", 400)

    rig.world.before = fail
    rig.world.send(event("in/a"))
    (record,) = rig.world.receive(1)
    record["attributes"]["ApproximateReceiveCount"] = str(count)
    (done,) = rig.work([record])
    assert (done.outcome.code, done.comes_back) == ("throttled", True)
    (waiting,) = rig.world.queues[QUEUE]
    assert 0 < waiting.visible_at - rig.world.now <= 1.5 * LAST_RETRY_SECONDS
