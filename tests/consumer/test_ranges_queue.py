"""The transfer function's own queue: steps there and back, and nothing else taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.errors import HydrationError
from consumer_replicator.ranges_queue import RangesQueue, Step
from tests.consumer.test_queue import FAILURES, SENT

URL = "https://sqs.us-east-1.amazonaws.com/222222222222/ranges"


@pytest.fixture
def stub(stubbed):
    """(the ranges queue, its Stubber)"""
    client, stubber = stubbed("sqs")
    return RangesQueue(client, URL), stubber


COUNTS = st.integers(0, 10**9)


@given(st.builds(Step, st.text(), st.none() | COUNTS, COUNTS, st.none() | COUNTS))
def test_a_step_survives_its_message(step):
    body = step.to_body()
    assert Step.from_body(body) == step
    assert body.isascii()


@pytest.mark.parametrize(
    ("step", "body"), [(Step("r", 200_003), '{"run": "r", "range": 200003}'), (Step("r"), '{"run": "r"}')]
)
def test_a_step_is_a_range_of_a_run_or_the_run_s_next_phase(stub, step, body):
    queue, stubber = stub
    stubber.add_response("send_message", SENT, {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0})
    queue.send(step)


@pytest.mark.parametrize(("delay", "seconds"), [(-1, 0), (0.2, 1), (900, 900), (86_400, 900)])
def test_a_step_is_delayed_by_as_much_as_sqs_delays_at_most(stub, delay, seconds):
    queue, stubber = stub
    stubber.add_response(
        "send_message", SENT, {"QueueUrl": URL, "MessageBody": '{"run": "r"}', "DelaySeconds": seconds}
    )
    queue.send(Step("r"), delay)


def test_a_step_that_got_no_id_is_not_taken_for_sent(stub):
    queue, stubber = stub
    stubber.add_response("send_message", {})
    with pytest.raises(HydrationError) as raised:
        queue.send(Step("r"))
    assert raised.value.code == "truncated"


def test_fields_of_a_later_release_are_no_harm():
    assert Step.from_body('{"run": "r", "range": 1, "since": 2}') == Step("r", 1)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "null",
        '"run"',
        "{}",
        '{"run": 7}',
        '{"run": null}',
        '{"range": 1}',
        '{"run": "r", "range": "1"}',
        '{"run": "r", "range": 1.5}',
        '{"run": ["r"]}',
        json.dumps({"s3-hydration-hint": 1, "kind": "plain", "bucket": "b", "key": "k", "id": "i"}),
        "[" * 100_000,
        "\ud800",
    ],
)
def test_what_is_no_step_is_refused_and_not_repeated(body):
    with pytest.raises(HydrationError) as raised:
        Step.from_body(body)
    assert raised.value.code == "bad-hint"
    assert str(raised.value) == "The message is no step of a run."


@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_queue_that_refuses_says_why(stub, code, status, expected):
    queue, stubber = stub
    stubber.add_client_error("send_message", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        queue.send(Step("r"))
    assert raised.value.code == expected
