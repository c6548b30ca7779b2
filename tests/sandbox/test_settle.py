"""A stage is followed to its end on a fake watch, which tells what it is told to."""

import io
import json
import threading
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

from consumer_replicator.row import Row, State
from tests.sandbox import settle
from tests.sandbox.books import Books
from tests.sandbox.settle import Follower, Stage, Stopped, Stuck
from tests.sandbox.watch import Depths, Watch

DRAINED = Depths()
NOTHING: list[str] = []


class FakeWatch(Watch):
    """Answers in turn from the lists; the last answer stays."""

    def __init__(
        self,
        depths: Sequence[Depths] = (DRAINED,),
        lines: Sequence[list[str]] = (NOTHING,),
        rows: Sequence[dict[str, Row]] = ({},),
    ) -> None:
        self.every_depths, self.every_lines, self.every_rows = list(depths), list(lines), list(rows)
        self.looks = 0

    def depths(self) -> Depths:
        self.looks += 1
        return following(self.every_depths)

    def new_lines(self) -> list[str]:
        return following(self.every_lines)

    def rows(self) -> dict[str, Row]:
        return following(self.every_rows)


def following[T](answers: list[T]) -> T:
    return answers.pop(0) if len(answers) > 1 else answers[0]


class Interrupted(FakeWatch):
    def depths(self) -> Depths:
        raise KeyboardInterrupt


def replicated(event_id: str, lag: float = 0.5) -> str:
    return json.dumps({"message": "replicated", "event_id": event_id, "key": "k", "lag": lag, "bytes": 3})


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "LOOK_EVERY_SECONDS", 0.005)


def follower(watch: Watch, patience: float = 5.0, rouse: Callable[[], None] = lambda: None) -> Follower:
    return Follower(watch, Books(), Console(file=io.StringIO(), width=200), patience, rouse)


def one_change(stage: Stage) -> Callable[[], None]:
    return lambda: stage.changed("k", 3)


def test_a_stage_is_over_when_every_change_has_its_end() -> None:
    follow = follower(FakeWatch(lines=[[], [], [replicated("a", 0.25)], []]))
    stage = Stage("uploading", 1)
    assert follow.run(stage, one_change(stage)) is stage
    assert follow.books.equation() == "1 sent = 1 replicated"
    assert (stage.made, stage.made_bytes, list(stage.finished_at), stage.event_lags) == (1, 3, ["k"], [0.25])


def test_a_stage_adds_to_the_books_of_those_before_it() -> None:
    follow = follower(FakeWatch(lines=[[replicated("a")], [replicated("b")], []]))
    for _ in range(2):
        stage = Stage("uploading", 1)
        follow.run(stage, one_change(stage))
    assert follow.books.equation() == "2 sent = 2 replicated"


@pytest.mark.parametrize("busy", [Depths(waiting=1), Depths(in_flight=1), Depths(delayed=1)])
def test_messages_that_are_left_are_waited_for(busy: Depths) -> None:
    watch = FakeWatch(depths=[busy, busy, busy, DRAINED], lines=[[replicated("a")], []])
    stage = Stage("uploading", 1)
    follower(watch).run(stage, one_change(stage))
    assert watch.looks >= 4


def test_rows_that_are_unsettled_are_waited_for() -> None:
    deleting, deleted = {"k": Row(1, State.DELETING, 0.0)}, {"k": Row(2, State.DELETED, 0.0)}
    watch = FakeWatch(lines=[[replicated("a")], []], rows=[deleting, deleting, deleted])
    stage = Stage("deletes", 1)
    follower(watch).run(stage, one_change(stage))
    assert watch.rows() == deleted


def test_nothing_moving_for_too_long_is_told_by_name() -> None:
    rows = {f"k{n}": Row(1, State.DELETING, 0.0) for n in range(6)} | {"\x1b[0m": Row(1, State.PENDING, 0.0)}
    watch = FakeWatch(depths=[Depths(1, 2, 3, 4)], rows=[rows])
    stage = Stage("uploading", 1)
    with pytest.raises(Stuck) as stuck:
        follower(watch, patience=0.05).run(stage, one_change(stage))
    told = str(stuck.value)
    assert told.isprintable()
    for part in (
        "Nothing has moved",
        "messages waiting 1, in flight 2, delayed 3",
        "in the dead-letter queue 4",
        "0 of 1 changes have come to an end",
        "\\x1b[0m is PENDING; k0 is DELETING",
        "and 2 more rows",
    ):
        assert part in told


def test_failures_are_named_when_it_is_stuck() -> None:
    line = json.dumps({"message": "failed", "event_id": "a", "code": "throttled"})
    stage = Stage("uploading", 2)
    with pytest.raises(Stuck, match="failing: throttled 1"):
        follower(FakeWatch(depths=[Depths(waiting=1)], lines=[[line], []]), patience=0.05).run(stage, one_change(stage))


def test_what_stops_the_work_is_raised() -> None:
    def work() -> None:
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        follower(FakeWatch()).run(Stage("uploading", 1), work)


def test_the_work_stops_at_its_next_change_when_following_ends() -> None:
    stage, stopped = Stage("uploading", 1_000_000), threading.Event()

    def work() -> None:
        try:
            while True:
                stage.changed("k", 1)
        except Stopped:
            stopped.set()

    with pytest.raises(KeyboardInterrupt):
        follower(Interrupted()).run(stage, work)
    assert stopped.wait(5)


def test_the_function_is_roused_only_once_all_messages_are_done_with_and_lines_are_owed() -> None:
    roused = []
    watch = FakeWatch(depths=[Depths(waiting=1), Depths(waiting=1), Depths()])

    def rouse() -> None:
        roused.append(1)
        watch.every_lines = [[replicated("a")], []]

    stage = Stage("uploading", 1)
    follower(watch, rouse=rouse).run(stage, one_change(stage))
    assert roused == [1]
