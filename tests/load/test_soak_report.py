"""A soak's report says what is not right, and accounts for every event."""

from dataclasses import replace
from typing import Any

import pytest

from tests.load.processes import Process, parsed, workers_of
from tests.load.soak_report import BATCH, STOLEN, UNDELIVERED, UNTOLD, Account, NightlyRun, SoakReport
from tests.sandbox.books import DELETED, FAILED, REPLICATED, SKIPPED, End

QUIET = NightlyRun("soak-1", "done", True, 3.0)
ACCOUNT = Account(
    heard=frozenset("abcdefg"),
    stolen=frozenset("de"),
    undelivered=frozenset("f"),
    ends={
        "a": End("a", REPLICATED),
        "b": End("b", DELETED),
        "c": End("c", SKIPPED, name="superseded"),
        "d": End("d", REPLICATED),  # a copy of it came all the same
        "elsewhere": End("elsewhere", FAILED, name="throttled"),  # not an event: a reconcile's hint
    },
)
GOOD = SoakReport(
    seed=1,
    minutes=1.0,
    seconds=90.0,
    changes={"upload": 6, "delete": 1},
    injected={"kill": 1},
    calls=100,
    faults={"throttled": 2},
    account=ACCOUNT,
    lags=[0.5, 30.0],
    nightly=[replace(QUIET, drift={"missing": 2})],
    last=[replace(QUIET, drift={"stale": 1}), QUIET],
    dead_letters={"not-json": 2},
    poison=2,
    ranges_dead_letters=0,
    kills=1,
    interrupted=1,
    function_memory=100,
    function_memory_limit=200,
    emulator_memory=1000,
    compared=5,
    bytes_compared=50,
    differences=(),
    tags_lost=1,
    unfinished=1,
    unswept=0,
)


def test_every_event_that_was_heard_ends_once():
    sums = {REPLICATED: 2, DELETED: 1, "skipped (superseded)": 1, STOLEN: 1, UNDELIVERED: 1, UNTOLD: 1}
    assert ACCOUNT.sums() == sums
    assert ACCOUNT.sums().total() == len(ACCOUNT.heard)
    assert ACCOUNT.equation().startswith("7 events = 2 replicated + 1 deleted + 1 skipped (superseded) + 1 ")


def test_nothing_is_wrong_with_a_good_soak():
    assert GOOD.problems() == []
    assert GOOD.document()["ok"]
    assert any("equal" in line for line in GOOD.lines())


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"differences": ("'k': bytes: differ",)}, "'k': bytes: differ"),
        ({"compared": 0}, "nothing was there"),
        ({"stuck": ("3 messages are left",)}, "3 messages are left"),
        ({"kills": 0}, "1 events came to no end"),
        ({"nightly": [NightlyRun("soak-2", "failed", True, 1.0)]}, "a nightly reconcile, soak-2, ended failed"),
        ({"nightly": [NightlyRun("soak-2", "done", False, 1.0)]}, "books do not close"),
        ({"last": []}, "no reconcile came to its end"),
        ({"last": [replace(QUIET, drift={"missing": 1})]}, "found nothing, the last {'missing': 1}"),
        ({"dead_letters": {"not-json": 1}}, "1 dead letters of poison, and 2 were put in"),
        ({"dead_letters": {"not-json": 2, "throttled": 1}}, "good messages among the dead letters"),
        ({"ranges_dead_letters": 1}, "ranges queue"),
        ({"function_memory": 201}, "more than Lambda would give"),
        ({"unswept": 1}, "unfinished uploads stay"),
    ],
)
def test_whatever_is_not_right_is_said_once(changed: dict[str, Any], problem: str):
    report = replace(GOOD, **changed)
    (said,) = report.problems()
    assert problem in said
    assert not report.document()["ok"]


def test_many_differences_are_counted_and_some_are_shown():
    report = replace(GOOD, differences=tuple(f"'k{n}': missing" for n in range(25)))
    assert len(report.problems()) == 11
    assert "and 15 more differences" in report.problems()
    assert len(report.document()["check"]["differences"]) == 25


def test_what_a_killed_process_could_not_tell_any_more_is_no_more_than_its_batch():
    untold = frozenset(map(str, range(BATCH - 1)))
    account = replace(ACCOUNT, heard=ACCOUNT.heard | untold)
    assert replace(GOOD, account=account).problems() == []
    assert replace(GOOD, account=replace(account, heard=account.heard | {"more"})).problems()


def test_functions_processes_are_the_emulators_isolated_children():
    table = (
        "    1     0   1024 /sbin/init\n"
        "   70     1   4096 python -m tests.sandbox.emulator\n"
        "   71    70   2048 /usr/bin/python3 -I -S /tmp/worker.py\n"
        "   72     1   2048 /usr/bin/python3 -I -S /tmp/worker.py\n"
        "   73    70      0 [python3]\n"
    )
    assert workers_of(70, parsed(table)) == [Process(71, 70, 2048 * 1024, "/usr/bin/python3 -I -S /tmp/worker.py")]
