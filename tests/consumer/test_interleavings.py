"""The invariants under real interleavings: two copiers, one key, every call a point where the turn may change.

Events are duplicated, reordered, worked on side by side; workers crash before any call and calls take effect although
their answer is lost. After every step CLAIM and MONO, at quiescence COVER, after a reconcile's hint QUIET. A failure
names its seed and prints its schedule.
"""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import parse_hint
from consumer_replicator.plan import DeletePolicy
from tests.consumer.fake_aws import PRODUCER, QUEUE, SOURCE, Call, World, refuse
from tests.consumer.interleaver import Crash, Interleaver, Worker
from tests.consumer.rig import Rig, event

KEY = "k"
SCRIPTS: dict[str, list[str]] = {
    "put, overwrite": ["put", "put"],
    "put, overwrite, overwrite": ["put", "put", "put"],
    "put, delete": ["put", "delete"],
    "put, overwrite, delete": ["put", "put", "delete"],
    "put, delete, re-create": ["put", "delete", "put"],
    "put, overwrite, delete, re-create": ["put", "put", "delete", "put"],
    "put, delete, re-create, delete": ["put", "delete", "put", "delete"],
    "rollback": ["put", "put", "rollback"],
    "undelete": ["put", "delete", "rollback"],
}
SEEDS = range(60)
STEPS = 600


class Schedule:
    """One seeded run. `losses`: events that never arrive; then only QUIET is owed."""

    def __init__(self, seed: int, script: list[str], *, versioned: bool, crashes: int, losses: int) -> None:
        self.random = random.Random(seed)
        self.world = World(versioned=versioned)
        self.rig = Rig(self.world, policy=DeletePolicy.MIRROR)
        self.interleaver = Interleaver(self.world)
        self.script = list(script)
        self.bodies = iter(f"body {n}".encode() for n in range(1, 10))
        self.workers: dict[str, Worker] = {}
        self.crashes, self.losses, self.duplicates, self.lost_answers = crashes, losses, 1, crashes
        self.story: list[str] = []
        self.world.after = self._after
        self.lose_answer_of: str | None = None

    def _after(self, call: Call) -> None:
        if self.lose_answer_of is not None and call.operation in ("PutObject", "PutItem", "DeleteObject"):
            operation, self.lose_answer_of = call.operation, None
            code = "ConditionalCheckFailedException" if operation == "PutItem" else "PreconditionFailed"
            raise refuse(operation, code, 400 if operation == "PutItem" else 412)

    # -- what may happen next --------------------------------------------------------------------------------------

    def actions(self) -> list[Callable[[], None]]:
        actions: list[Callable[[], None]] = []
        if self.script:
            actions.append(self.produce)
        visible = [m for m in self.world.queues[QUEUE] if m.visible_at <= self.world.now]
        if visible and len(self.workers) < 2:
            actions += [self.receive] * 2
        for worker in self.workers.values():
            actions += [lambda worker=worker: self.step(worker)] * 3
            if self.crashes:
                actions.append(lambda worker=worker: self.crash(worker))
            if self.lost_answers and worker.waiting and worker.waiting.operation.startswith(("Put", "Delete")):
                actions.append(lambda worker=worker: self.step_without_answer(worker))
        if not actions and self.world.queues[QUEUE]:
            actions.append(self.pass_time)
        return actions

    def produce(self) -> None:
        operation = self.script.pop(0)
        if operation == "put":
            sequencer = self.world.upload(KEY, next(self.bodies))
        elif operation == "delete":
            sequencer = self.world.remove(KEY)
        else:
            sequencer = self.world.rollback(KEY)
        self.story.append(f"source: {operation}")
        if self.losses and self.random.random() < 0.4:
            self.losses -= 1
            self.story.append("  its event is lost")
            return
        for _ in range(2 if self.duplicates and self.random.random() < 0.3 else 1):
            self.world.send(event(KEY, sequencer))

    def receive(self) -> None:
        visible = [m for m in self.world.queues[QUEUE] if m.visible_at <= self.world.now]
        message = self.random.choice(visible)
        message.receive_count += 1
        message.visible_at = float("inf")
        name = f"W{len(self.story)}"

        def act() -> None:
            hint = parse_hint(message.body, bucket=SOURCE, account=PRODUCER, receive_count=message.receive_count)
            try:
                self.rig.converger.converge(hint, self.rig.manifest.read(KEY), Deadline(60))
            except HydrationError:
                message.visible_at = self.world.now
            else:
                self.world.acknowledge({message.id})

        self.story.append(f"{name}: receives {message.body[-60:] if 'hint' in message.body else 'event'}")
        worker = self.interleaver.start(name, act)
        worker.message = message  # type: ignore[attr-defined]
        self.workers[name] = worker

    def step(self, worker: Worker) -> None:
        self.story.append(f"{worker.name}: {worker.waiting.operation if worker.waiting else '?'}")
        worker.step()
        self.tidy(worker)

    def step_without_answer(self, worker: Worker) -> None:
        self.lost_answers -= 1
        self.lose_answer_of = worker.name
        self.step(worker)
        self.lose_answer_of = None
        self.story[-1] += " (answer lost, retry refused)"

    def crash(self, worker: Worker) -> None:
        self.crashes -= 1
        self.story.append(f"{worker.name}: CRASH before {worker.waiting.operation if worker.waiting else '?'}")
        worker.crash()
        worker.message.visible_at = self.world.now  # type: ignore[attr-defined]
        self.tidy(worker)

    def pass_time(self) -> None:
        """Only while nobody works: an invocation never outlives the confirm delay."""
        self.world.now = min(message.visible_at for message in self.world.queues[QUEUE])
        self.story.append("time passes")

    def tidy(self, worker: Worker) -> None:
        if not worker.alive:
            del self.workers[worker.name]
            if worker.error is not None and not isinstance(worker.error, Crash):
                raise worker.error

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        for _ in range(STEPS):
            actions = self.actions()
            if not actions:
                return
            self.random.choice(actions)()
            self.rig.assert_claims()
            self.rig.assert_monotonic(KEY)
        raise AssertionError("TERM: not finished")


def check(seed: int, script: list[str], *, versioned: bool, crashes: int, losses: int = 0) -> Schedule:
    schedule = Schedule(seed, script, versioned=versioned, crashes=crashes, losses=losses)
    try:
        schedule.run()
        if not losses:
            schedule.rig.assert_covered(KEY)
    except AssertionError as error:
        raise AssertionError(f"{error}\nseed {seed}:\n  " + "\n  ".join(schedule.story)) from error
    return schedule


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_two_copiers_with_duplicates_and_reordering_keep_every_invariant(name: str, versioned: bool):
    if not versioned and "rollback" in SCRIPTS[name]:
        pytest.skip("an unversioned bucket has nothing to roll back to")
    for seed in SEEDS:
        check(seed, SCRIPTS[name], versioned=versioned, crashes=0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_crashes_and_lost_answers_at_any_call_keep_every_invariant(name: str):
    for seed in SEEDS:
        check(1000 + seed, SCRIPTS[name], versioned=True, crashes=2)


@pytest.mark.parametrize("name", SCRIPTS)
def test_lost_events_are_healed_by_the_hint_of_a_reconcile(name: str):
    """QUIET. The reconcile itself is another part; what it owes a copier is one plain hint per difference."""
    lost = 0
    for seed in SEEDS:
        schedule = check(2000 + seed, SCRIPTS[name], versioned=True, crashes=1, losses=2)
        lost += 2 - schedule.losses
        schedule.world.before = lambda _call: None
        schedule.rig.world.send(event(KEY))
        schedule.rig.drain()
        schedule.rig.assert_covered(KEY)
    assert lost, "no event was lost: the test shows nothing"


def test_the_schedules_really_interleave_and_really_crash():
    stories = [check(seed, SCRIPTS["put, overwrite, delete"], versioned=True, crashes=2).story for seed in range(40)]
    assert any(any("CRASH" in line for line in story) for story in stories)
    assert any(any("answer lost" in line for line in story) for story in stories)

    def turns(story: list[str]) -> int:
        names = [line.split(":")[0] for line in story if line.startswith("W")]
        return sum(1 for one, other in pairwise(names) if one != other)

    assert sum(turns(story) > 4 for story in stories) > 10
