"""When a call is made again, and when not: as botocore does it, attempt for attempt."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.retries.bucket import TokenBucket
from botocore.retries.quota import RetryQuota

from consumer_replicator.lean.s3 import LeanS3
from tests.consumer.http_server import HttpServer, Talk, answer, verbatim
from tests.consumer.lean_rig import botocores, lean

GET = {"Bucket": "b", "Key": "k"}
ITEM = {"TableName": "t", "Key": {"pk": {"S": "a"}}}
STANDARD = {"mode": "standard", "total_max_attempts": 4}
ADAPTIVE = {"mode": "adaptive", "total_max_attempts": 4}


def xml(code):
    return f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()


def typed(name):
    return b'{"__type": "com.amazonaws.dynamodb.v20120810#%s"}' % name.encode()


S3_ANSWERS = {
    "internal": (500, xml("InternalError")),
    "bad gateway": (502, b"<html>"),
    "slow down": (503, xml("SlowDown")),
    "unavailable": (503, b""),
    "gateway timeout": (504, b""),
    "not implemented": (501, xml("NotImplemented")),
    "too many": (429, xml("TooManyRequests")),
    "request timeout": (400, xml("RequestTimeout")),
    "expired": (400, xml("ExpiredToken")),
    "skewed clock": (403, xml("RequestTimeTooSkewed")),
    "bad digest": (400, xml("BadDigest")),
    "denied": (403, xml("AccessDenied")),
    "absent": (404, xml("NoSuchKey")),
    "conflict": (409, xml("OperationAborted")),
    "precondition": (412, xml("PreconditionFailed")),
}
DYNAMO_ANSWERS = {
    "throughput": (400, typed("ProvisionedThroughputExceededException")),
    "limit": (400, typed("RequestLimitExceeded")),
    "throttled": (400, typed("ThrottlingException")),
    "condition": (400, typed("ConditionalCheckFailedException")),
    "conflict": (400, typed("TransactionConflictException")),
    "in progress": (400, typed("TransactionInProgressException")),
    "internal": (500, typed("InternalServerError")),
    "denied": (400, typed("AccessDeniedException")),
    "invalid": (400, typed("ValidationException")),
}


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that were slept, none of them in fact."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.fixture
def server():
    with HttpServer() as server:
        yield server


def attempts(server, client, operation, call):
    server.received.clear()
    with pytest.raises((ClientError, BotoCoreError)) as raised:
        getattr(client, operation)(**call)
    return len(server.received), str(raised.value)


@pytest.mark.parametrize(("status", "body"), S3_ANSWERS.values(), ids=S3_ANSWERS)
def test_s3s_answers_are_tried_again_as_botocore_does(server, pauses, status, body):
    server.script(answer(status, body))
    theirs = attempts(server, botocores("s3", server.url, retries=STANDARD), "get_object", GET)
    with lean("s3", server.url, retries=STANDARD) as ours:
        assert attempts(server, ours, "get_object", GET) == theirs


@pytest.mark.parametrize(("status", "body"), DYNAMO_ANSWERS.values(), ids=DYNAMO_ANSWERS)
def test_dynamodbs_answers_are_tried_again_as_botocore_does(server, pauses, status, body):
    server.script(answer(status, body))
    theirs = attempts(server, botocores("dynamodb", server.url, retries=STANDARD), "get_item", ITEM)
    slept = pauses.copy()
    pauses.clear()
    with lean("dynamodb", server.url, retries=STANDARD) as ours:
        assert attempts(server, ours, "get_item", ITEM) == theirs
    assert len(pauses) == len(slept)


def assert_within(pauses, most):
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, most, strict=True))


FAULTS = {
    "closed": (lambda talk: (talk.request(), talk.close()), 10),
    "reset": (lambda talk: (talk.request(), talk.reset()), 10),
    "garbage": (verbatim(b"garbage\r\n\r\n", then=Talk.close), 10),
    "silent": (Talk.request, 0.5),
}
"""And the seconds that the client waits."""


@pytest.mark.parametrize(("fault", "patience"), FAULTS.values(), ids=FAULTS)
def test_connections_that_fail_are_tried_again(server, pauses, fault, patience):
    server.script(fault, fault, fault, answer(body=b"data"))
    with lean("s3", server.url, retries=STANDARD, read_timeout=patience) as s3:
        answered = s3.get_object(**GET)
        assert answered["Body"].read() == b"data"
    assert answered["ResponseMetadata"]["RetryAttempts"] == 3
    assert_within(pauses, [0.05, 0.1, 0.2])


def test_after_the_last_attempt_the_failure_is_told(server, pauses):
    server.script(answer(503, xml("SlowDown")))
    with lean("s3", server.url, retries=STANDARD) as s3, pytest.raises(ClientError) as raised:
        s3.get_object(**GET)
    metadata = raised.value.response["ResponseMetadata"]
    assert (metadata["RetryAttempts"], metadata["MaxAttemptsReached"]) == (3, True)
    assert len(server.received) == 4
    assert_within(pauses, [1, 2, 4])  # longer, since it was throttled


def test_every_attempt_is_signed_anew(server, pauses, monkeypatch):
    moments = iter([1_800_000_000, 1_800_000_007])
    server.script(answer(500), answer(body=b"data"))
    with lean("s3", server.url, retries=STANDARD) as s3:
        s3.put_object(**GET, Body=b"first")  # learns where the bucket is
        server.received.clear()
        server.script(answer(500), answer())
        monkeypatch.setattr("time.time", lambda: next(moments))
        s3.put_object(**GET, Body=b"data")
    first, second = (request.headers for request in server.received)
    assert (first["x-amz-date"], second["x-amz-date"]) == ("20270115T080000Z", "20270115T080007Z")
    assert first["authorization"] != second["authorization"]


def test_a_held_body_is_sent_whole_again(server, pauses):
    server.script(answer(500), answer())
    with lean("s3", server.url, retries=STANDARD) as s3:
        s3.put_object(**GET, Body=memoryview(b"x" * 100_000))
    assert [request.body for request in server.received] == [b"x" * 100_000] * 2


def test_calls_stop_being_retried_when_the_quota_is_used_up(server, pauses):
    server.script(answer(500, xml("InternalError")))
    with lean("s3", server.url, retries=STANDARD) as s3:
        made = [attempts(server, s3, "get_object", GET)[0] for _ in range(20)]
        assert (made[0], made[-1]) == (4, 1)
        assert sum(made) - len(made) == RetryQuota.INITIAL_CAPACITY // 14
        server.script(answer(body=b"data"))
        for _ in range(28):
            s3.get_object(**GET)["Body"].read()
        server.script(answer(500, xml("InternalError")))
        assert attempts(server, s3, "get_object", GET)[0] == 3  # two retries of 14 were earned back


def test_after_a_throttled_answer_all_calls_wait_for_their_turn(server, pauses, monkeypatch):
    turns = []
    monkeypatch.setattr(TokenBucket, "acquire", lambda _self, *_args, **_options: turns.append(1))
    with lean("s3", server.url, retries=ADAPTIVE) as s3:
        server.script(answer(), answer(500), answer())
        s3.put_object(**GET, Body=b"data")
        s3.put_object(**GET, Body=b"data")
        assert turns == []
        server.script(answer(503, xml("SlowDown")), answer())
        s3.put_object(**GET, Body=b"data")
        s3.put_object(**GET, Body=b"data")
        assert turns == [1, 1]


def test_standard_mode_has_no_pace(server, pauses, monkeypatch):
    monkeypatch.setattr(TokenBucket, "acquire", lambda *_args, **_options: pytest.fail("waited"))
    server.script(answer(503, xml("SlowDown")), answer())
    with lean("s3", server.url, retries=STANDARD) as s3:
        for _ in range(3):
            s3.put_object(**GET, Body=b"data")


def test_a_call_is_counted_once_whatever_its_attempts(server, pauses):
    counted = []
    s3 = LeanS3(botocores("s3", server.url, retries=STANDARD), counted.append)
    server.script(answer(500), answer(404), answer())
    with pytest.raises(ClientError):
        s3.get_object(**GET)
    s3.put_object(**GET)
    s3.head_object(**GET)  # the wrapped client's own, counted by its owner
    s3.close()
    assert counted == ["GetObject", "PutObject"]
