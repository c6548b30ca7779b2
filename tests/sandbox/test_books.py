"""The books are closed from log lines and numbers alone."""

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.sandbox.books import Books, End, calls_per_object, percentile
from tests.sandbox.calls import Call


def logged(message: str, event_id: str = "e1", **facts: Any) -> str:
    return json.dumps({"level": "INFO", "message": message, "event_id": event_id, **facts})


def books_of(*lines: str, sent: int = 1) -> Books:
    books = Books(sent=sent)
    books.enter(lines)
    return books


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 1 Version: $LATEST",
        "",
        "{not json",
        "{}",
        '{"message": "replicated"}',
        '{"_aws": {}, "ObjectsReplicated": 1}',
        logged("cold start"),
    ],
)
def test_a_line_that_tells_of_no_outcome_is_passed_over(line: str) -> None:
    assert End.of_line(line) is None


def test_an_outcome_is_read_with_its_facts() -> None:
    assert End.of_line(logged("replicated", key="k", bytes=5, lag=0.25)) == End("e1", "replicated", "k", "", 5, 0.25)
    assert End.of_line(logged("skipped", key="k", reason="current")) == End("e1", "skipped", "k", "current")
    assert End.of_line(logged("failed", code="not-json")) == End("e1", "failed", "", "not-json")


def test_a_message_that_is_no_event_goes_by_its_own_id() -> None:
    line = json.dumps({"message": "failed", "message_id": "m", "code": "not-json"})
    assert End.of_line(line) == End("m", "failed", name="not-json")


def test_the_books_close_when_every_change_has_an_end() -> None:
    books = books_of(logged("replicated", "a"), logged("skipped", "b", reason="current"), sent=3)
    assert not books.close
    books.enter([logged("failed", "c", code="not-json")])
    assert books.close


def test_books_with_more_ends_than_changes_do_not_close() -> None:
    assert not books_of(logged("replicated", "a"), logged("replicated", "b"), sent=1).close


def test_the_equation_names_every_reason_and_code() -> None:
    books = books_of(
        logged("replicated", "a"),
        logged("tagsreplicated", "b"),
        logged("deleted", "c"),
        logged("skipped", "d", reason="superseded"),
        logged("skipped", "e", reason="current"),
        logged("failed", "f", code="not-json"),
        sent=6,
    )
    assert books.equation() == (
        "6 sent = 1 replicated + 1 tags replicated + 1 deleted + 1 skipped (current) + 1 skipped (superseded) "
        "+ 1 failed (not-json)"
    )


def test_an_equation_that_does_not_hold_says_so() -> None:
    assert books_of(logged("replicated"), sent=2).equation() == "2 sent ≠ 1 replicated"
    assert books_of(sent=2).equation() == "2 sent ≠ 0"


def test_a_delete_ends_as_deleted_once_its_confirmation_came() -> None:
    waiting = logged("skipped", reason="delete-pending")
    assert books_of(waiting).names("skipped") == {"delete-pending": 1}
    assert books_of(waiting, logged("deleted")).equation() == "1 sent = 1 deleted"


def test_a_second_delivery_of_one_event_is_no_second_end() -> None:
    lines = [logged("replicated", bytes=5), logged("skipped", reason="current")]
    for _ in range(4):
        random.shuffle(lines)
        books = books_of(*lines)
        assert books.equation() == "1 sent = 1 replicated"
        assert books.bytes_replicated() == 5


def test_a_failure_that_was_overcome_is_no_failure() -> None:
    assert books_of(logged("failed", code="throttled"), logged("replicated")).equation() == "1 sent = 1 replicated"


def test_a_failure_that_came_back_is_none_once_another_copier_has_done_it() -> None:
    came_back = logged("failed", code="contended", final=False)
    done = logged("skipped", reason="superseded")
    for lines in ((came_back, done), (done, came_back)):
        assert books_of(*lines).equation() == "1 sent = 1 skipped (superseded)"
    assert books_of(came_back).equation() == "1 sent = 1 failed (contended)"
    assert books_of(done, logged("failed", code="too-bad", final=True)).equation() == "1 sent = 1 failed (too-bad)"


def test_every_outcome_that_is_entered_is_counted_and_answered() -> None:
    books = Books(sent=1)
    assert [end.kind for end in books.enter([logged("failed", code="throttled"), "noise", logged("replicated")])] == [
        "failed",
        "replicated",
    ]
    assert books.entered == 2


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.5, 7), ([7], 0.99, 7), ([3, 1, 2], 0.5, 2), (range(1, 101), 0.99, 99), ([1, 2], 1.0, 2)],
)
def test_a_percentile_is_a_value_that_was_seen(values: Sequence[float], share: float, expected: float | None) -> None:
    assert percentile(list(values), share) == expected


def test_calls_per_object_counts_what_roles_did_and_leaves_out_people() -> None:
    role = "arn:aws:sts::222222222222:assumed-role/s3-hydration-replicator/session"

    def call(service: str, operation: str, principal: str = role) -> Call:
        return Call(1.0, 2.0, service, operation, "222222222222", principal, 200)

    calls = [
        call("s3", "PutObject"),
        call("s3", "PutObject"),
        call("dynamodb", "BatchGetItem"),
        call("s3", "PutObject", "arn:aws:iam::111111111111:root"),
    ]
    assert calls_per_object(calls, 2) == {"dynamodb:BatchGetItem": 0.5, "s3:PutObject": 1.0}


def test_no_objects_make_no_division() -> None:
    assert calls_per_object([], 0) == {}
