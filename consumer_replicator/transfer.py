"""Runs of the transfer function, from the question to the report: each step repeatable, none counted twice.

`ask` answers a person or the schedule. A small key space is worked through, settled and reported within that one
invocation; a large one goes on through the ranges queue, range by range and phase by phase, each `step` an invocation
of its own. Whoever moves a run from one phase to the next does so under its version, so two invocations cannot both.

Where something has to be waited for, one continuation at a time is on its way, however often the run is asked for.
While a run settles, whoever sends it has written first, under the run's version, when it is due (`next_poll`), and a
step that has seen less than that ends. A paced range is due when its pace says so. What is overdue was lost: the next
ask, or a message that came back, takes it up. One that comes back before that waits until then, since nobody else may
have what it was stopped at.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from consumer_replicator import breaker, key_ranges
from consumer_replicator.answers import Answer, Answers
from consumer_replicator.deadline import Deadline
from consumer_replicator.drift_record import DriftRecord
from consumer_replicator.errors import ErrorClass, HydrationError, RowMoved
from consumer_replicator.key_ranges import KeyRange
from consumer_replicator.listing import Listing
from consumer_replicator.manifest import Manifest
from consumer_replicator.payload import Mode, Payload, new_run_id
from consumer_replicator.queue import Queue
from consumer_replicator.range_worker import RangeWorker, hint_of
from consumer_replicator.ranges_queue import RangesQueue, Step
from consumer_replicator.reporting import Reporting, total
from consumer_replicator.run import Phase, RangeState, Run, WholeRun
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.settling import Settled, any_waiting, settle, unsettled
from consumer_replicator.sweep import Sweep
from consumer_replicator.watermarking import Watermarking

PARTS = 16
"""Ranges that a large key space is cut into; they run side by side as far as the function's concurrency allows."""
FEW_RANGES = 4
KEYS_WORTH_A_RANGE = 50_000
"""A smaller key space is listed faster by one than it is cut, queued and put together again."""
PLANS = 100_000
FIRST_POLL, LAST_POLL = 15.0, 600.0
OVERDUE = 30.0
"""Seconds after which a continuation that has not come is lost, to a message that waits for nothing else."""
STEP_TRIES = 8
SETTLE_WITHIN = 6 * 3600.0
"""Seconds after which a run is closed although hints are still waiting; its report then says that it does not close."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a transfer is put together from. `unique`: text that no other run id has."""

    listing: Listing
    worker: RangeWorker
    manifest: Manifest
    queue: Queue
    ranges_queue: RangesQueue
    runs: Runs
    files: RunFiles
    reporting: Reporting
    sweep: Sweep
    watermarking: Watermarking


class Transfer:
    """`patience`: seconds that `ask` waits for its hints to settle. `prefixes`: those of the scope."""

    def __init__(
        self,
        parts: Parts,
        *,
        bucket: str,
        prefixes: tuple[str, ...],
        limits: breaker.Limits,
        unique: Callable[[], str],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = 30.0,
    ) -> None:
        self._parts = parts
        self._bucket = bucket
        self._prefixes = prefixes
        self._limits = limits
        self._unique = unique
        self._now = now
        self._sleep = sleep
        self._patience = patience
        self._answer = Answers(parts.runs, parts.files).of

    # -- questions -------------------------------------------------------------------------------------------------

    def ask(self, payload: Payload, deadline: Deadline) -> Answer:
        """Starts, goes on with, or stops a run, or tells the watermark. The answer is small JSON.

        :raises HydrationError: nothing could be read or written at all.
        """
        if payload.mode is Mode.WATERMARK:
            return self._parts.watermarking.tell()
        run = self._parts.runs.read(payload.run_id) if payload.run_id else None
        if payload.stop:
            return self._stop(run)
        if run is None:
            return self._begin(payload, deadline)
        if run.phase is Phase.DONE:
            return self._answer(run, "The run is done already; another one needs another run_id.")
        return self._go_on(run, deadline)

    def step(self, step: Step, deadline: Deadline, *, redelivered: bool = False) -> Answer:
        """Goes on with a range or a phase, as a message of the ranges queue says; answers as `ask` does.
        `redelivered`: the message has come before, so a function may have been killed at it.

        After a transient failure it is sent again, delayed: the queue alone would bring it back only after its
        visibility timeout, which is six times the function's.

        :raises HydrationError: the step has failed too often; it ends in the dead-letter queue.
        """
        run = self._parts.runs.read(step.run_id)
        if run is None:
            return {"run_id": step.run_id, "state": "unknown", "note": "There is no run of this id."}
        if run.rests:
            return {"run_id": run.id, "state": "at rest", "note": f"The run is {run.phase.value}."}
        try:
            return self._answer(
                self._guarded(run, lambda: self._step(run, step, deadline, redelivered=redelivered)) or run
            )
        except HydrationError as error:
            if step.tries >= STEP_TRIES:
                raise
            self._parts.ranges_queue.send(self._again(run, step), FIRST_POLL * 2**step.tries)
            return {"run_id": run.id, "state": "interrupted", "note": str(error)}

    # -- starting, stopping ----------------------------------------------------------------------------------------

    def _begin(self, payload: Payload, deadline: Deadline) -> Answer:
        now = self._now()
        whole = self._parts.runs.last_whole()
        run = Run(
            id=payload.run_id or new_run_id(now, self._unique()),
            payload=payload,
            started=now,
            since_run=whole.started if whole else None,
            listed_before=whole.listed if whole else None,
        )
        if self._written(run) is None:
            return {"run_id": run.id, "state": "refused", "note": "Another invocation has just started this run."}
        return self._go_on(run, deadline)

    def _go_on(self, run: Run, deadline: Deadline) -> Answer:
        rested = run.rests
        if run.rests and run.resumes is not None:
            resumed = self._written(run.moved(run.resumes, resumes=None, failure=None, finished=None))
            if resumed is None:
                return self._answer(self._stored(run), "Another invocation was faster.")
            run = resumed
        try:
            ended = self._guarded(run, lambda: self._drive(run, deadline, rested=rested))
        except HydrationError as error:
            self._go_on_later(run.id)
            return self._answer(self._stored(run), f"Interrupted, goes on by itself: {error}")
        return self._answer(ended or run)

    def _go_on_later(self, run_id: str) -> None:
        """Through the ranges queue: every range that is left, or the next phase."""
        run = self._parts.runs.read(run_id)
        left = [state for state in self._parts.runs.ranges(run) if not state.done] if run else []
        phase = Step(run_id, seen=run.version if run else None)
        for step in [_range_step(run_id, state) for state in left] or [phase]:
            self._parts.ranges_queue.send(step, FIRST_POLL)

    def _again(self, run: Run, step: Step) -> Step:
        """The step for its next try, with what is stored now: it may have failed just after it had moved that on."""
        stored, tries = self._stored(run), step.tries + 1
        if step.range is None or stored.phase is not Phase.LISTING:
            return Step(run.id, tries=tries, seen=stored.version)
        state = self._parts.runs.read_range(run.id, step.range)
        return replace(step, tries=tries, seen=state.chunks if state else None)

    def _stop(self, run: Run | None) -> Answer:
        if run is None:
            return {"state": "unknown", "note": "There is no run of this id."}
        if run.rests:
            return self._answer(run, "The run is at rest already.")
        stopped = self._written(run.moved(Phase.STOPPED, resumes=run.phase, finished=self._now()))
        if stopped is None:
            return self._answer(self._stored(run), "The run has just moved on: ask again.")
        return self._answer(stopped, "Hints that were sent go on; what is not listed yet stays so until it goes on.")

    def _guarded(self, run: Run, act: Callable[[], Run | None]) -> Run | None:
        """A source that cannot be read ends the run with a report, and never looks like an empty one."""
        try:
            return act()
        except RowMoved:
            return self._parts.runs.read(run.id)  # somebody else is further
        except HydrationError as error:
            if error.error_class is not ErrorClass.PERMANENT:
                raise
            return self._fail(run.id, str(error))

    def _fail(self, run_id: str, sentence: str) -> Run | None:
        run = self._parts.runs.read(run_id)
        if run is None or run.rests:
            return run
        failed = self._written(run.moved(Phase.FAILED, resumes=run.phase, failure=sentence, finished=self._now()))
        if failed is None:
            return self._stored(run)
        states = self._parts.runs.ranges(failed)
        settled = settle(self._parts.manifest, self._records(failed), held=False)
        self._parts.reporting.write(failed, states, settled, watermark=self._parts.watermarking.proven(), swept=0)
        return failed

    def _written(self, run: Run) -> Run | None:
        """The run, one version on; None: somebody else was faster."""
        try:
            return self._parts.runs.write(run)
        except RowMoved:
            return None

    def _stored(self, run: Run) -> Run:
        """The run as whoever was faster has left it."""
        return self._parts.runs.read(run.id) or run

    # -- phases ----------------------------------------------------------------------------------------------------

    def _drive(self, run: Run, deadline: Deadline, *, rested: bool = False) -> Run:
        """As far as this invocation gets; what is left is put on the ranges queue. `rested`: nothing is on its way."""
        if run.phase is Phase.PLANNING:
            run = self._plan(run)
        if run.phase is Phase.LISTING:
            left = [state for state in self._parts.runs.ranges(run) if not state.done]
            here = left if len(left) <= FEW_RANGES else []
            for state in left:
                pause = self._parts.worker.pause(run, state)
                if pause > 0 and not rested:
                    continue  # its continuation is on its way
                if pause > 0 or state not in here or deadline.remaining() <= 0:
                    self._parts.ranges_queue.send(_range_step(run.id, state), pause)
                else:
                    self._work(run, state, deadline)
            run = self._stored(run)
        return self._advance(run, deadline, patience=self._patience)

    def _step(self, run: Run, step: Step, deadline: Deadline, *, redelivered: bool) -> Run | None:
        if run.phase is Phase.PLANNING:
            return self._drive(run, deadline)
        if step.range is not None and run.phase is Phase.LISTING:
            state = self._parts.runs.read_range(run.id, step.range)
            if state is None or self._came_early(run, state, step, redelivered=redelivered):
                return run
            if not self._work(run, state, deadline).done:
                return run
        if step.seen == run.version:
            run = replace(run, next_poll=None)  # the continuation that was on its way is this one
        elif self._is_polled(run):
            if redelivered:
                self._parts.ranges_queue.send(step, (run.next_poll or 0.0) - self._now() + OVERDUE)
            return run
        return self._advance(run, deadline, patience=0.0)

    def _came_early(self, run: Run, state: RangeState, step: Step, *, redelivered: bool) -> bool:
        """Whether a paced range is not due yet. Then the step that goes on with it waits again, and one that came
        before waits with it, since it may have been stopped before it sent that; any other ends.
        """
        pause = 0.0 if state.done else self._parts.worker.pause(run, state)
        if pause > 0 and (redelivered or step.seen in (None, state.chunks)):
            self._parts.ranges_queue.send(_range_step(run.id, state), pause)
        return pause > 0

    def _plan(self, run: Run) -> Run:
        """Cuts the key space and numbers its ranges. Claimed first: of two that plan, only one writes ranges."""
        claimed = self._parts.runs.write(run.moved(Phase.PLANNING))
        first = claimed.version * PLANS
        ranges = self._ranges(claimed.payload)
        for number, keys in enumerate(ranges, start=first):
            self._parts.runs.checkpoint(claimed, RangeState(number, keys))
        return self._parts.runs.write(claimed.moved(Phase.LISTING, ranges=len(ranges), first_range=first))

    def _ranges(self, payload: Payload) -> list[KeyRange]:
        """By the boundaries that the last whole run remembered, else by probing. A limited run is not cut."""
        wholes = key_ranges.of_prefixes(payload.prefix or self._prefixes)
        if payload.max_objects is not None and len(wholes) == 1:
            return wholes
        remembered = self._parts.runs.boundaries()
        parts = max(1, PARTS // len(wholes))
        return [
            keys
            for whole in wholes
            for keys in (self._parts.listing.discover(parts, whole) if remembered is None else whole.cut(remembered))
        ]

    def _work(self, run: Run, state: RangeState, deadline: Deadline) -> RangeState:
        state = self._parts.worker.work(run, state, deadline)
        if not state.done:
            self._parts.ranges_queue.send(_range_step(run.id, state), self._parts.worker.pause(run, state))
        return state

    def _advance(self, run: Run, deadline: Deadline, patience: float) -> Run:
        """From phase to phase, until something has to be waited for."""
        if run.phase is Phase.LISTING:
            states = self._parts.runs.ranges(run)
            if len(states) < run.ranges or not all(state.done for state in states):
                return run
            run = self._parts.runs.write(run.moved(Phase.DELETING))
        if run.phase is Phase.DELETING:
            run = self._delete(run)
        if run.phase is Phase.SETTLING:
            run = self._settle(run, deadline, patience)
        return run

    def _delete(self, run: Run) -> Run:
        """The breaker sees the total of extras; then their hints are sent, or held."""
        tally = total(self._parts.runs.ranges(run))
        seen = breaker.Seen(
            extra=tally["extra"],
            rows=tally["rows"],
            listed=tally["listed"],
            listed_before=run.listed_before if run.payload.sees_everything else None,
        )
        held = breaker.held_because(seen, self._limits)
        if not held and run.payload.sends_hints and tally["extra"]:
            hints = [hint_of(self._bucket, run, record.key) for record in self._records(run) if not record.hinted]
            self._parts.queue.send_hints(hints, group=f"run-{run.id}")
        return self._parts.runs.write(run.moved(Phase.SETTLING, held=held, settle_from=self._now()))

    def _settle(self, run: Run, deadline: Deadline, patience: float) -> Run:
        """Waits a little for the hinted keys to come to their end, then goes on later, then closes the books anyway."""
        if not run.payload.sends_hints:
            return self._finish(run, unsettled(self._records(run)))
        since = self._now()
        while (settled := self._settled(run)) is None:
            now = self._now()
            waited = now - (run.settle_from or run.started)
            if waited > SETTLE_WITHIN:
                settled = settle(self._parts.manifest, self._records(run), held=bool(run.held))
                break
            if now - since >= patience or deadline.remaining() <= 0:
                return run if self._is_polled(run) else self._poll_later(run, _poll_after(waited))
            self._sleep(min(1.0, patience))
        return self._finish(run, settled)

    def _settled(self, run: Run) -> Settled | None:
        """What became of the hinted keys; None: one is on its way, or is so again since the first of the two looks."""
        if any_waiting(self._parts.manifest, self._records(run), extras=not run.held):
            return None
        settled = settle(self._parts.manifest, self._records(run), held=bool(run.held))
        return None if settled.waiting else settled

    def _is_polled(self, run: Run) -> bool:
        """Whether a continuation of a settling run is on its way; one that is overdue has been lost."""
        return run.next_poll is not None and 0 < run.next_poll - self._now() <= LAST_POLL

    def _poll_later(self, run: Run, delay: float) -> Run:
        """Written first, so that of many invocations one sends.

        :raises RowMoved: another has.
        """
        polled = self._parts.runs.write(run.moved(Phase.SETTLING, next_poll=self._now() + delay))
        self._parts.ranges_queue.send(Step(run.id, seen=polled.version), delay)
        return polled

    def _finish(self, run: Run, settled: Settled) -> Run:
        """Report, watermark, boundaries, sweep. All of it may be repeated, until the run is written done."""
        done = run.moved(Phase.DONE, finished=self._now())
        states = self._parts.runs.ranges(run)
        tally = total(states)
        whole = run.payload.sees_everything
        swept = self._parts.sweep.run(self._now()) if whole else 0
        proof = whole and settled.all_here and not run.held
        if whole:
            self._parts.watermarking.after(run, proof=proof and not tally["unproven"])
            self._parts.runs.remember_boundaries(_boundaries(states, tally["listed"]))
            self._parts.runs.remember_whole(WholeRun(tally["listed"], run.started))
        self._parts.reporting.write(done, states, settled, watermark=self._parts.watermarking.proven(), swept=swept)
        return self._parts.runs.write(done)

    def _records(self, run: Run) -> Iterator[DriftRecord]:
        """The drifted keys, read anew from their files at every pass over them."""
        return self._parts.files.drift(run.id, self._parts.runs.ranges(run))


def _range_step(run_id: str, state: RangeState) -> Step:
    return Step(run_id, state.number, seen=state.chunks)


def _poll_after(waited: float) -> float:
    """Seconds until the next look at what is still waiting: as long again as it has taken so far."""
    return min(LAST_POLL, max(FIRST_POLL, waited))


def _boundaries(states: list[RangeState], listed: int) -> list[str]:
    samples = [state.sample for state in states if state.sample.keys]
    return key_ranges.boundaries(samples, min(PARTS, listed // KEYS_WORTH_A_RANGE))
