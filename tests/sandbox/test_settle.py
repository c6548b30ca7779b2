"""A stage is followed to its end on a fake watch, which tells what it is told to."""

import io
import json
import threading

import pytest
from rich.console import Console

from consumer_replicator.row import Row, State
from tests.sandbox import settle
from tests.sandbox.books import Books
from tests.sandbox.settle import Follower, Stage, Stopped, Stuck
from tests.sandbox.watch import Depths


DRAINED = Depths()


class FakeWatch:
    """Answers in turn from the lists; the last answer stays."""

    def __init__(self, depths=(DRAINED,), lines=((),), rows=({},)):
        self._answers = {"depths": list(depths), "new_lines": list(lines), "rows": list(rows)}

    def __getattr__(self, name):
        answers = self._answers[name]
        return lambda: answers.pop(0) if len(answers) > 1 else answers[0]


def replicated(event_id, lag=0.5, key="k"):
    return json.dumps({"message": "replicated", "event_id": event_id, "key": key, "lag": lag, "bytes": 3})


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(settle, "LOOK_EVERY_SECONDS", 0.005)


def follower(watch, patience=5.0, **more):
    return Follower(watch, Books(), Console(file=io.StringIO(), width=200), patience, **more)


def one_change(stage):
    return lambda: stage.changed("k", 3)


def test_a_stage_is_over_when_every_change_has_its_end():
    follow = follower(FakeWatch(lines=[[], [], [replicated("a", 0.25)], []]))
    stage = Stage("uploading", 1)
    assert follow.run(stage, one_change(stage)) is stage
    assert follow.books.equation() == "1 sent = 1 replicated"
    assert (stage.made, stage.made_bytes, list(stage.finished_at), stage.event_lags) == (1, 3, ["k"], [0.25])


def test_a_stage_adds_to_the_books_of_those_before_it():
    follow = follower(FakeWatch(lines=[[replicated("a")], [replicated("b")], []]))
    for _ in range(2):
        stage = Stage("uploading", 1)
        follow.run(stage, one_change(stage))
    assert follow.books.equation() == "2 sent = 2 replicated"


@pytest.mark.parametrize("busy", [Depths(waiting=1), Depths(in_flight=1), Depths(delayed=1)])
def test_messages_that_are_left_are_waited_for(busy):
    seen = []
    watch = FakeWatch(depths=[busy, busy, busy, Depths()], lines=[[replicated("a")], []])
    counted = watch.depths
    watch.depths = lambda: seen.append(1) or counted()
    stage = Stage("uploading", 1)
    follower(watch).run(stage, one_change(stage))
    assert len(seen) >= 4


def test_rows_that_are_unsettled_are_waited_for():
    deleting, deleted = {"k": Row(1, State.DELETING, 0.0)}, {"k": Row(2, State.DELETED, 0.0)}
    watch = FakeWatch(lines=[[replicated("a")], []], rows=[deleting, deleting, deleted])
    stage = Stage("deletes", 1)
    follower(watch).run(stage, one_change(stage))
    assert watch.rows() == deleted


def test_nothing_moving_for_too_long_is_told_by_name():
    rows = {f"k{n}": Row(1, State.DELETING, 0.0) for n in range(6)} | {"\x1b[0m": Row(1, State.PENDING, 0.0)}
    watch = FakeWatch(depths=[Depths(1, 2, 3, 4)], rows=[rows])
    stage = Stage("uploading", 1)
    with pytest.raises(Stuck) as stuck:
        follower(watch, patience=0.05).run(stage, one_change(stage))
    told = str(stuck.value)
    assert told.isprintable()
    for part in (
        "Nothing has moved",
        "1 messages wait, 2 are in flight, 3 are delayed",
        "4 are in the dead-letter queue",
        "0 of 1 changes have come to an end",
        "\\x1b[0m is PENDING; k0 is DELETING",
        "and 2 more rows",
    ):
        assert part in told


def test_failures_are_named_when_it_is_stuck():
    line = json.dumps({"message": "failed", "event_id": "a", "code": "throttled"})
    stage = Stage("uploading", 2)
    with pytest.raises(Stuck, match="failing: throttled 1"):
        follower(FakeWatch(depths=[Depths(waiting=1)], lines=[[line], []]), patience=0.05).run(stage, one_change(stage))


def test_what_stops_the_work_is_raised():
    def work():
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        follower(FakeWatch()).run(Stage("uploading", 1), work)


def test_the_work_stops_at_its_next_change_when_following_ends():
    stage, stopped = Stage("uploading", 1_000_000), threading.Event()

    def work():
        try:
            while True:
                stage.changed("k", 1)
        except Stopped:
            stopped.set()

    watch = FakeWatch()
    watch.depths = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        follower(watch).run(stage, work)
    assert stopped.wait(5)


def test_the_function_is_roused_only_once_all_messages_are_done_with_and_lines_are_owed():
    owed = []
    watch = FakeWatch(depths=[Depths(waiting=1), Depths(waiting=1), Depths()])

    def rouse():
        owed.append(1)
        watch._answers["new_lines"] = [[replicated("a")], []]

    stage = Stage("uploading", 1)
    follower(watch, rouse=rouse).run(stage, one_change(stage))
    assert owed == [1]
