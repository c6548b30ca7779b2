"""One key, two copiers, every call a point where the turn may change: seeded schedules, and the story of each.

Events are duplicated, reordered, worked on side by side; workers crash before any call, calls take effect although
their answer is lost, somebody aborts an upload. After every step CLAIM, MONO and MIX. A failure names its seed and
prints its schedule.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Self

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import parse_hint
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.splitting import Splitting
from tests.consumer.fake_aws import PRODUCER, QUEUE, SOURCE, Call, Version, World, refuse
from tests.consumer.interleaver import Crash, Interleaver, Worker
from tests.consumer.rig import Rig, event

KEY = "k"
STEPS = 1_500
PART = 4
BIG, SMALL = 2 * PART, 3
"""Bytes: two ranges of one part each, and what goes whole."""
SPLITTING = Splitting(threshold=BIG - 1, bandwidth=1e12, small=0, least_range=PART, stagger=0)
LOST = {
    "PutObject": ("PreconditionFailed", 412),
    "DeleteObject": ("PreconditionFailed", 412),
    "PutItem": ("ConditionalCheckFailedException", 400),
    "CompleteMultipartUpload": ("NoSuchUpload", 404),
}
"""What the client's own retry is answered with, where the first answer was lost."""


class InLine:
    """A pool of no threads: a part's calls are its worker's own, so that the turn may change between them."""

    def submit[T](self, act: Callable[..., T], *arguments: object) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(act(*arguments))
        except Exception as error:  # noqa: BLE001 - as a pool does
            future.set_exception(error)
        return future

    def map[A, T](self, act: Callable[[A], T], each: Iterable[A]) -> Iterator[T]:
        return map(act, each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class Schedule:
    """One seeded run. `losses`: events that never arrive; then only QUIET is owed. `aborts`: uploads that vanish."""

    def __init__(
        self, seed: int, script: list[str], *, versioned: bool, crashes: int, losses: int = 0, aborts: int = 0
    ) -> None:
        self.random = random.Random(seed)
        self.world = World(versioned=versioned, least_part_bytes=1)
        self.rig = Rig(self.world, policy=DeletePolicy.MIRROR, splitting=SPLITTING, part_bytes=PART)
        self.rig.copier._pool = InLine()  # type: ignore[assignment]
        self.interleaver = Interleaver(self.world)
        self.script = list(script)
        self.names = iter(b"123456789")
        self.states: list[Version | None] = []
        self.workers: dict[str, Worker] = {}
        self.aborts = aborts
        self.crashes, self.losses, self.duplicates, self.lost_answers = crashes, losses, 1, crashes
        self.story: list[str] = []
        self.world.after = self._after
        self.lose_answer_of: str | None = None

    def _after(self, call: Call) -> None:
        if self.lose_answer_of is not None and call.operation in LOST:
            self.lose_answer_of = None
            raise refuse(call.operation, *LOST[call.operation])

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
            if self.lost_answers and worker.waiting and worker.waiting.operation in LOST:
                actions.append(lambda worker=worker: self.step_without_answer(worker))
        if self.aborts and self.world.replica.uploads:
            actions.append(self.abort)
        if not actions and self.world.queues[QUEUE]:
            actions.append(self.pass_time)
        return actions

    def produce(self) -> None:
        operation = self.script.pop(0)
        if operation in ("put", "big"):
            size = BIG if operation == "big" else SMALL
            sequencer = self.world.upload(KEY, bytes([next(self.names)]) * size)
        elif operation == "delete":
            sequencer = self.world.remove(KEY)
        elif self.world.source.versioned:
            sequencer = self.world.rollback(KEY)
        else:
            sequencer = self.bring_back()
        self.states.append(self.world.source.current(KEY))
        self.story.append(f"source: {operation}")
        if self.losses and self.random.random() < 0.4:
            self.losses -= 1
            self.story.append("  its event is lost")
            return
        for _ in range(2 if self.duplicates and self.random.random() < 0.3 else 1):
            self.world.send(event(KEY, sequencer))

    def bring_back(self) -> str:
        """What a bucket without versions was before: the same bytes in the same second, so the very same identity."""
        before = self.states[-2]
        if before is None:
            return self.world.remove(KEY)
        self.world.source.keys[KEY] = [before]
        self.world.history[KEY].append(before.body)
        return self.world.sequencer()

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

        self.story.append(f"{name}: receives {message.body[-70:] if 'hint' in message.body else 'event'}")
        worker = self.interleaver.start(name, act)
        worker.message = message  # type: ignore[attr-defined]
        self.workers[name] = worker

    def abort(self) -> None:
        """Not by any copier: by hand, or by the bucket's lifecycle rule."""
        self.aborts -= 1
        upload_id = self.random.choice(list(self.world.replica.uploads))
        del self.world.replica.uploads[upload_id]
        self.story.append(f"somebody aborts {upload_id}")

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


def check(seed: int, script: list[str], *, versioned: bool, **faults: int) -> Schedule:
    """Runs one schedule to its end: TERM, and COVER where no event was lost. `faults`: crashes, losses, aborts."""
    schedule = Schedule(seed, script, versioned=versioned, **{"crashes": 0, **faults})
    try:
        schedule.run()
        if not faults.get("losses"):
            schedule.rig.assert_covered(KEY)
    except AssertionError as error:
        raise AssertionError(f"{error}\nseed {seed}:\n  " + "\n  ".join(schedule.story)) from error
    return schedule
