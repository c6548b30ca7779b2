"""The report says what is wrong, to a person and to a program alike."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.sandbox.books import Books
from tests.sandbox.check import Difference, Verdict
from tests.sandbox.demo_report import Lag, Report
from tests.sandbox.runs import RunShown
from tests.sandbox.watch import DeadLetter


def lines(*facts: dict[str, Any]) -> list[str]:
    return [json.dumps({"level": "INFO", "event_id": str(n), **fact}) for n, fact in enumerate(facts)]


def books(sent: int = 3) -> Books:
    kept = Books(sent=sent)
    kept.enter(
        lines(
            {"message": "replicated", "bytes": 5},
            {"message": "skipped", "reason": "superseded"},
            {"message": "failed", "code": "not-json"},
        )
    )
    return kept


def run(**answer: Any) -> RunShown:
    ended = {
        "state": "done",
        "books": {"listed": 9, "copied": 2, "failed": {}, "closes": True},
        "extras": {"deleted": 1, "closes": True},
        "drift": {"missing": 2, "extra": 1},
    }
    return RunShown("reconcile", {}, {**ended, **answer}, 3.4, {"missing": 2, "extra": 1}, "reconcile.html")


RIGHT = Report(
    books=books(),
    runs=[run()],
    keys=2,
    rows={"LIVE": 1, "DELETED": 1},
    lags={"in turn": Lag([0.5, 1.5], [1.0]), "all at once": Lag([], [])},
    calls={"s3:GetObject": 1.0, "dynamodb:BatchGetItem": 0.111},
    small_objects=2,
    tagged_objects=1,
    dead_letters=[DeadLetter("{", "not-json", "The message is not JSON.")],
    expected_dead_letters={"not-json": 1},
    forged="Not authorized.",
    verdict=Verdict(1, 5, ()),
    seconds=61.26,
)
DIFFERENCE = Difference("k", "bytes", "a", "b")


def shown(report: Report) -> str:
    output = io.StringIO()
    console = Console(file=output, width=120)
    for table in report.lines():
        console.print(table)
    return output.getvalue()


def test_a_demo_that_went_well_has_no_problem() -> None:
    assert RIGHT.problems() == []
    assert RIGHT.document()["ok"] is True


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"books": books(sent=4)}, "The books do not close: 4 sent ≠ 1 replicated"),
        ({"books": books(sent=2)}, "The books do not close: 2 sent ≠ 1 replicated"),
        ({"runs": [run(state="failed", failure="It may not.")]}, "The run reconcile is failed: It may not."),
        ({"runs": [run(state="refused", problems=["no"])]}, "The run reconcile is refused: {"),
        ({"runs": [run(books={"closes": False})]}, "The books of the run reconcile do not close"),
        ({"runs": [run(extras={"closes": False})]}, "The books of the run reconcile do not close"),
        ({"runs": [run(drift={"missing": 2})]}, "found {'missing': 2}, not {'missing': 2, 'extra': 1}"),
        ({"keys": 3}, "3 keys were written, and the manifest has 2 rows."),
        ({"dead_letters": []}, "The dead-letter queue holds {}, not {'not-json': 1}."),
        ({"dead_letters": [*RIGHT.dead_letters, DeadLetter("x", "", "")]}, "'gave up': 1"),
        ({"forged": None}, "The bus took an event"),
        ({"verdict": Verdict(1, 5, (DIFFERENCE,))}, "Differences between the buckets: 1."),
        ({"expected_dead_letters": {}}, "Failures by code are {'not-json': 1}, not {}."),
    ],
)
def test_each_thing_that_is_wrong_is_told_and_fails_the_demo(wrong: dict[str, Any], told: str) -> None:
    report = replace(RIGHT, **wrong)
    assert any(told in problem for problem in report.problems())
    assert report.document()["ok"] is False


def test_the_document_is_json_and_holds_every_figure() -> None:
    document = json.loads(json.dumps(replace(RIGHT, verdict=Verdict(1, 5, (DIFFERENCE,))).document()))
    assert document["books"] == {
        "closed": True,
        "sent": 3,
        "replicated": 1,
        "tags_replicated": 0,
        "deleted": 0,
        "skipped": {"superseded": 1},
        "failed": {"not-json": 1},
        "bytes_replicated": 5,
    }
    assert document["lag_seconds"]["in turn"] == {
        "from_put": {"p50": 0.5, "p99": 1.5},
        "from_event_time": {"p50": 1.0, "p99": 1.0},
    }
    assert document["lag_seconds"]["all at once"]["from_put"] == {"p50": None, "p99": None}
    assert document["calls_per_small_object"] == {"s3:GetObject": 1.0, "dynamodb:BatchGetItem": 0.111}
    assert document["dead_letters"] == [{"code": "not-json", "reason": "The message is not JSON."}]
    assert document["check"]["differences"] == [{"key": "k", "aspect": "bytes", "source": "a", "replica": "b"}]
    assert document["seconds"] == 61.3
    (told,) = document["runs"]
    assert (told["name"], told["answer"]["state"], told["page"]) == ("reconcile", "done", "reconcile.html")


@pytest.mark.parametrize(
    "told",
    [
        "3 changes and messages sent, 3 came to an end",
        "1 replicated",
        "1 skipped (superseded)",
        "1 LIVE",
        "reconcile of 9 listed: missing 2, extra 1; copied 2, deleted 1 (3 s)",
        "p50 0.50 s, p99 1.50 s  (p50 1.00 s, p99 1.00 s)",
        "p50 unknown",
        "per object, for 2 of one PUT, 1 of them tagged",
        "1.00 s3:GetObject",
        "objects read from both buckets: 1, 5 B; equal",
    ],
)
def test_a_person_is_told_every_figure(told: str) -> None:
    assert told in shown(RIGHT)


def test_differences_are_shown_up_to_a_number_and_then_counted() -> None:
    many = tuple(replace(DIFFERENCE, key=f"[red]{n}") for n in range(25))
    text = shown(replace(RIGHT, verdict=Verdict(25, 5, many)))
    assert text.count("'[red]") == 20
    assert "and 5 more, all of them with --json" in text
