"""The watermark is never ahead of the truth, whatever the timeline; and rules that are a little wrong are found out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from consumer_replicator.watermark import (
    DELIVERY_ALLOWANCE,
    REST_SECONDS,
    Watermark,
    after_a_look_at_the_queue,
    after_a_run,
    outlives_a_proof,
)

LAG_OBJECTIVE = 300
STEP = 20
NOW = 1_800_000_000.0


# -- step by step ------------------------------------------------------------------------------------------------------


def look(watermark, now, *, at_rest=True, failures=False):
    return after_a_look_at_the_queue(watermark, at_rest=at_rest, failures=failures, now=now)


def test_a_queue_seen_at_rest_once_tells_nothing_yet():
    assert look(Watermark(), NOW) == Watermark(rest_since=NOW, version=1)


def test_a_queue_that_stays_at_rest_moves_the_live_watermark_to_where_the_rest_began_less_the_allowance():
    first = look(Watermark(), NOW)
    assert look(first, NOW + REST_SECONDS - 1).live is None
    second = look(first, NOW + REST_SECONDS)
    assert second.live == NOW - DELIVERY_ALLOWANCE
    assert look(second, NOW + 2 * REST_SECONDS).live == NOW + REST_SECONDS - DELIVERY_ALLOWANCE


@pytest.mark.parametrize("trouble", [{"at_rest": False}, {"failures": True}])
def test_a_rest_that_is_broken_begins_anew(trouble):
    broken = look(look(Watermark(live=1.0), NOW), NOW + 30, **trouble)
    assert broken.rest_since is None
    assert broken.live == 1.0
    assert look(broken, NOW + REST_SECONDS).live == 1.0


def test_neither_answer_ever_goes_back():
    ahead = Watermark(proven=NOW, live=NOW, rest_since=NOW - 1000)
    assert look(ahead, NOW - 500).live == NOW
    assert after_a_run(ahead, started=NOW - 1000, lag_objective=10, settled=True).proven == NOW


def test_a_settled_run_proves_what_was_older_than_the_lag_objective_when_it_began():
    run = {"started": NOW, "lag_objective": 60.0}
    assert after_a_run(Watermark(), settled=True, **run).proven == NOW - 60
    assert after_a_run(Watermark(proven=5.0), settled=False, **run).proven == 5.0


def test_every_move_is_one_version_on_and_leaves_the_other_answer_alone():
    watermark = Watermark(proven=1.0, live=2.0, rest_since=3.0, version=7)
    assert replace(look(watermark, NOW), live=2.0, rest_since=3.0, version=7) == watermark
    ran = after_a_run(watermark, started=NOW, lag_objective=1, settled=True)
    assert replace(ran, proven=1.0, version=7) == watermark
    assert look(watermark, NOW).version == look(watermark, NOW, at_rest=False).version == ran.version == 8


@pytest.mark.parametrize(
    ("proven", "live", "age"), [(None, None, None), (90.0, None, 10.0), (None, 80.0, 20.0), (90.0, 95.0, 5.0)]
)
def test_the_age_is_that_of_the_better_answer(proven, live, age):
    assert Watermark(proven, live).age(100.0) == age


def test_an_age_is_never_negative_where_clocks_differ():
    assert Watermark(proven=100.0).age(99.0) == 0.0


def test_a_watermark_survives_being_stored():
    watermark = Watermark(1.25, None, NOW, 3)
    assert Watermark(**json.loads(watermark.to_json())) == watermark


@pytest.mark.parametrize(("failed", "outlives"), [(-301, False), (-300, False), (-299, True), (0, True), (9, True)])
def test_a_failure_of_what_the_run_may_have_left_alone_as_young_is_not_forgotten(failed, outlives):
    assert outlives_a_proof(NOW + failed, started=NOW, lag_objective=LAG_OBJECTIVE) is outlives


# -- timelines ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A new object: its event takes `travels` (None: lost) to the queue and `works` to be worked off, or to fail."""

    at: int
    travels: int | None
    works: int
    fails: bool = False


@dataclass(frozen=True)
class Look:
    """At the queue's counts, which are `stale` seconds old."""

    at: int
    stale: int


@dataclass(frozen=True)
class Run:
    """Reads each object at some moment of its `lasts` seconds, hints what is old and not there, waits for the rest.

    `repairs`: whether a hinted object is copied, fails, or is still waiting in the end. `retries`: a failure is due.
    """

    at: int
    lasts: int
    reads: int
    repairs: str
    retries: bool


@dataclass(frozen=True)
class Timeline:
    changes: tuple[Change, ...]
    looks: tuple[Look, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Protocol:
    """The rules under test: each may be replaced by one that is a little wrong."""

    look: Callable[..., Watermark] = after_a_look_at_the_queue
    run: Callable[..., Watermark] = after_a_run
    keeps: Callable[..., bool] = outlives_a_proof
    notes_latest: bool = True


@dataclass
class Simulation:
    """Plays a timeline; `lies` is what the watermark said that was not so."""

    timeline: Timeline
    protocol: Protocol
    watermark: Watermark = field(default_factory=Watermark)
    noted: float | None = None
    here: dict[Change, float] = field(default_factory=dict)
    failed: dict[Change, float] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)

    def play(self):
        steps = [(change.at + change.travels + change.works, 0, change) for change in self._delivered()]
        steps += [(run.at + run.lasts, 1, run) for run in self.timeline.runs]
        steps += [(each.at, 2, each) for each in self.timeline.looks]
        for now, _, step in sorted(steps, key=lambda item: item[:2]):
            match step:
                case Change():
                    self._end(step, now, fails=step.fails)
                case Run():
                    self._run(step, now)
                case Look():
                    self._look(step, now)
        return self.lies

    def _delivered(self):
        return [change for change in self.timeline.changes if change.travels is not None]

    def _end(self, change, now, *, fails):
        if change in self.here:
            return
        if fails:
            self.failed[change] = now
            if self.noted is None or self.protocol.notes_latest:
                self.noted = now
        else:
            self.here[change] = now

    def _look(self, each, now):
        moment = now - each.stale
        waiting = any(
            change.at + change.travels <= moment < change.at + change.travels + change.works
            for change in self._delivered()
        )
        failures = self.noted is not None
        self._said(self.protocol.look(self.watermark, at_rest=not waiting, failures=failures, now=now), now)

    def _run(self, run, now):
        settled = True
        for change in self.timeline.changes:
            read = run.at + min(run.reads, run.lasts)
            old = change.at <= read and run.at - change.at > LAG_OBJECTIVE
            if not old or self.here.get(change, now + 1) <= read:
                continue
            if self.failed.get(change, now + 1) <= read and not run.retries:
                settled = False  # left alone, and it says so
            elif run.repairs != "waits":
                self._end(change, now, fails=run.repairs == "fails")
            settled = settled and change in self.here
        if (
            settled
            and self.noted is not None
            and not self.protocol.keeps(self.noted, started=run.at, lag_objective=LAG_OBJECTIVE)
        ):
            self.noted = None
        ran = self.protocol.run(self.watermark, started=run.at, lag_objective=LAG_OBJECTIVE, settled=settled)
        self._said(ran, now)

    def _said(self, watermark, now):
        self.watermark = watermark
        for answer in ("proven", "live"):
            moment = getattr(watermark, answer)
            if moment is not None and any(
                change.at < moment and self.here.get(change, now + 1) > now for change in self.timeline.changes
            ):
                self.lies.add(answer)


def seconds(most):
    """In steps that divide every allowance, so that timelines often meet their edges."""
    return st.integers(0, most // STEP).map(lambda step: step * STEP)


def timelines(*, lost, most=(3, 8, 2)):
    """Up to half an hour, in which everything is near everything else. `lost`: whether events may be lost or late.

    `most`: changes, looks, runs.
    """
    most_changes, most_looks, most_runs = most
    travels = st.none() | seconds(1800) if lost else seconds(DELIVERY_ALLOWANCE)
    changes = st.builds(Change, seconds(1200), travels, seconds(200), st.booleans())
    looks = st.builds(Look, seconds(1800), seconds(REST_SECONDS))
    repairs = st.sampled_from(["copies", "copies", "fails", "waits"])
    runs = st.builds(Run, seconds(1200), seconds(300), seconds(300), repairs, st.booleans())
    return st.builds(
        Timeline,
        st.lists(changes, min_size=1, max_size=most_changes, unique=True).map(tuple),
        st.lists(looks, max_size=most_looks, unique_by=lambda each: each.at).map(tuple),
        st.lists(runs, max_size=most_runs).map(tuple),
    )


@given(timelines(lost=False))
@settings(max_examples=300, deadline=None)
def test_the_live_watermark_is_never_ahead_of_the_truth_while_no_event_is_lost(timeline):
    assert not Simulation(timeline, Protocol()).play()


@given(timelines(lost=True))
@settings(max_examples=300, deadline=None)
def test_the_proven_watermark_is_never_ahead_of_the_truth_whatever_happens_to_events(timeline):
    assert "proven" not in Simulation(timeline, Protocol()).play()


def without_the_allowance(watermark, **seen):
    after = after_a_look_at_the_queue(watermark, **seen)
    moved = after.live is not None and after.live != watermark.live
    return replace(after, live=after.live + DELIVERY_ALLOWANCE) if moved else after


def believing_a_single_look(watermark, *, now, **seen):
    first = after_a_look_at_the_queue(replace(watermark, rest_since=None), now=now, **seen)
    return first if first.rest_since is None else replace(first, live=now - DELIVERY_ALLOWANCE)


def from_the_second_look(watermark, *, now, **seen):
    after = after_a_look_at_the_queue(watermark, now=now, **seen)
    return after if after.live == watermark.live else replace(after, live=now - DELIVERY_ALLOWANCE)


def ignoring_failures(watermark, **seen):
    return after_a_look_at_the_queue(watermark, **seen | {"failures": False})


def without_the_lag_objective(watermark, **run):
    return after_a_run(watermark, **run | {"lag_objective": 0})


def whether_settled_or_not(watermark, **run):
    return after_a_run(watermark, **run | {"settled": True})


WRONG = {
    "no allowance for delivery": ("live", Protocol(look=without_the_allowance)),
    "counts believed at once": ("live", Protocol(look=believing_a_single_look)),
    "failures ignored": ("live", Protocol(look=ignoring_failures)),
    "failures forgotten up to the run's start": (
        "live",
        Protocol(keeps=lambda failed, *, started, lag_objective: failed >= started),
    ),
    "young objects claimed too": ("proven", Protocol(run=without_the_lag_objective)),
    "unsettled runs believed": ("proven", Protocol(run=whether_settled_or_not)),
}


@pytest.mark.parametrize(("answer", "protocol"), WRONG.values(), ids=WRONG.keys())
def test_a_rule_that_is_a_little_wrong_is_found_out_by_the_same_timelines(answer, protocol):
    found = find(
        timelines(lost=answer == "proven", most=(2, 5, 1)),
        lambda timeline: answer in Simulation(timeline, protocol).play(),
        settings=settings(
            max_examples=50_000,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert answer not in Simulation(found, Protocol()).play()


RARE = {
    "counts believed from their second look on": (
        Protocol(look=from_the_second_look),
        Timeline((Change(at=470, travels=120, works=200),), (Look(0, stale=0), Look(600, stale=60)), ()),
    ),
    "the first failure alone noted: another comes while a run repairs the first": (
        Protocol(notes_latest=False),
        Timeline(
            (Change(0, travels=0, works=0, fails=True), Change(420, travels=0, works=20, fails=True)),
            (Look(700, stale=0), Look(760, stale=0)),
            (Run(400, lasts=200, reads=0, repairs="copies", retries=True),),
        ),
    ),
}


@pytest.mark.parametrize(("protocol", "timeline"), RARE.values(), ids=RARE.keys())
def test_a_rule_that_is_seldom_wrong_is_found_out_by_the_timeline_made_for_it(protocol, timeline):
    assert Simulation(timeline, protocol).play() == {"live"}
    assert not Simulation(timeline, Protocol()).play()
