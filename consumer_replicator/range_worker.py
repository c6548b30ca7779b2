"""Works through one range of keys: source, manifest and replica side by side, drift into hints, chunk by chunk.

A chunk ends in this order: hints sent, drift file written, cursor and counts written in one conditional write. A crash
in between repeats the chunk: its hints twice (they are idempotent), its file under another name, its counts once. The
checkpoint names whose file counts, so that two workers on one range leave the books of one.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import batched
from math import inf

from consumer_replicator.deadline import Deadline
from consumer_replicator.delay import MAX_DELAY_SECONDS
from consumer_replicator.drift import (
    Current,
    Drift,
    DriftKind,
    Filtered,
    Finding,
    LeftAlone,
    LeftReason,
    NotAscending,
    Rules,
    findings,
)
from consumer_replicator.drift_record import DriftRecord
from consumer_replicator.errors import HydrationError
from consumer_replicator.estimate import Load
from consumer_replicator.hint import PlainHint
from consumer_replicator.key_ranges import KeySample, Sampler
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan, Pair
from consumer_replicator.parts import DEFAULT_PART_BYTES
from consumer_replicator.payload import Mode
from consumer_replicator.queue import Queue
from consumer_replicator.replica_check import with_replicas
from consumer_replicator.row import Row, State
from consumer_replicator.run import RangeState, Run
from consumer_replicator.run_facts import LAG_BOUNDS
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.tally import Tally

CHUNK = 10_000
"""Findings between two checkpoints: ten pages of the listing."""
SAMPLED_KEYS = 64
"""Of a range, for the next run's boundaries: 1 KB each, in JSON up to six times that, in an item of at most 400 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
WRITER_CHARACTERS = 8
PACE_STEP_SECONDS = 5
LOST_EVENTS = (DriftKind.MISSING, DriftKind.STALE)


@dataclass
class _Chunk:
    """What has been found since the last checkpoint."""

    rules: Rules
    tally: Tally = field(default_factory=Tally)
    records: list[DriftRecord] = field(default_factory=list)
    hints: list[PlainHint] = field(default_factory=list)
    sampler: Sampler = field(default_factory=lambda: Sampler(SAMPLED_KEYS))
    last_key: str = ""
    findings: int = 0


class RangeWorker:
    """Works for one invocation. `usage` counts what its clients have called so far: operation to count.
    `unique`: text that no other worker has.

    `rules` are made anew for every stretch of work, whose begin is the `now` that they judge by.
    """

    def __init__(
        self,
        listing: Listing,
        replicas: Listing,
        scan: ManifestScan,
        queue: Queue,
        files: RunFiles,
        runs: Runs,
        *,
        bucket: str,
        rules: Callable[[Run, float], Rules],
        usage: Callable[[], Counter[str]],
        unique: Callable[[], str],
        now: Callable[[], float] = time.time,
        chunk: int = CHUNK,
    ) -> None:
        self._listing = listing
        self._replicas = replicas
        self._scan = scan
        self._queue = queue
        self._files = files
        self._runs = runs
        self._bucket = bucket
        self._rules = rules
        self._usage = usage
        self._unique = unique
        self._now = now
        self._chunk = chunk
        self._lags: Tally = Tally()
        self._counted = Tally()
        self._writer = ""

    def work(self, run: Run, state: RangeState, deadline: Deadline) -> RangeState:
        """Goes on with a range until it is done, the time is up, the run is stopped, or its pace asks for a pause.

        :raises RowMoved: somebody else works on this range and got further; nothing is lost.
        :raises HydrationError: the listing or the manifest cannot be read, a hint or a checkpoint not written.
        """
        rest = state.rest
        rules = self._rules(run, self._now())
        chunk, self._writer = _Chunk(rules), self._unique()[:WRITER_CHARACTERS]
        if rest is None:
            return state if state.done else self._checkpoint(run, state, chunk, done=True)
        self._counted = self._used()
        most = self._most(run, state)
        replicas = self._replicas.objects(rest.after, rest.until)
        rows = with_replicas(self._with_lags(self._scan.rows(rest.after, rest.until), run), replicas)
        for finding in _ascending(findings(self._listing.objects(rest.after, rest.until), rows, rules)):
            if state.tally["hinted"] + chunk.tally["hinted"] >= most:
                break
            self._count(run, finding, chunk)
            if chunk.findings >= self._chunk or len(chunk.hints) >= self._most_hints(run):
                state = self._checkpoint(run, state, chunk, done=False)
                chunk = _Chunk(rules)
                if deadline.remaining() <= 0 or self.pause(run, state) > 0 or self._stopped(run):
                    return state
        return self._checkpoint(run, state, chunk, done=True)

    def pause(self, run: Run, state: RangeState) -> float:
        """Seconds that a paced range must wait before more of its hints fit into what SQS can delay."""
        return max(0.0, self._due_in(run, state.tally["hinted"]) - MAX_DELAY_SECONDS)

    # -- finding -----------------------------------------------------------------------------------------------------

    def _with_lags(self, rows: Iterator[Pair], run: Run) -> Iterator[Pair]:
        """The rows as they are, counting on the way how long the copies since the last run took."""
        since = run.since_run or 0.0
        for key, row in rows:
            if isinstance(row, Row) and row.state is State.LIVE and row.event_time and row.written_at >= since:
                self._lags[f"lag:{bisect_left(LAG_BOUNDS, row.written_at - row.event_time)}"] += 1
            yield key, row

    def _count(self, run: Run, finding: Finding, chunk: _Chunk) -> None:
        chunk.findings += 1
        chunk.last_key = finding.key
        chunk.sampler.see(finding.key)
        tally, listed = chunk.tally, finding.listed
        if listed is not None:
            tally["listed"] += 1
            tally["changed"] += run.since_run is not None and listed.last_modified >= run.since_run
        match finding:
            case Current():
                tally["current"] += 1
                tally["rows"] += 1
            case Filtered(reason=reason):
                tally[f"filtered:{reason}" if listed else "filtered-rows"] += 1
            case LeftAlone(reason=reason):
                tally[f"skipped:{reason.value}" if listed else f"left:{reason.value}"] += 1
                tally["unproven"] += _is_unproven(finding, chunk.rules)
                tally["rows"] += listed is None
            case Drift():
                self._count_drift(run, finding, chunk)

    def _count_drift(self, run: Run, drift: Drift, chunk: _Chunk) -> None:
        tally, extra = chunk.tally, drift.kind is DriftKind.EXTRA
        tally["rows"] += drift.row is not None
        if drift.outgrown:
            tally[f"filtered:{drift.outgrown}"] += 1
        if extra and run.payload.mode is Mode.BACKFILL:
            tally["left:extra"] += 1
            return
        if extra:
            tally["extra"] += 1
        elif drift.listed is not None and not drift.outgrown:
            tally["hinted"] += 1
            tally["bytes"] += drift.listed.size
            tally["large"] += drift.listed.size > DEFAULT_PART_BYTES
            tally["parts"] += Load.of(drift.listed.size).parts
        if drift.kind in LOST_EVENTS and not drift.forced and drift.listed is not None:
            tally["overdue"] += drift.listed.last_modified >= (run.since_run or 0)
        chunk.records.append(DriftRecord.of(drift, hinted=not extra))
        if not extra and not run.payload.dry_run:
            chunk.hints.append(hint_of(self._bucket, run, drift.key))

    # -- chunks ------------------------------------------------------------------------------------------------------

    def _checkpoint(self, run: Run, state: RangeState, chunk: _Chunk, *, done: bool) -> RangeState:
        self._send(run, chunk.hints, state.tally["hinted"])
        if chunk.records:
            self._files.write_drift(run.id, state.number, state.chunks, self._writer, chunk.records)
        used, lags = self._used(), self._lags
        after = replace(
            state,
            cursor=chunk.last_key or state.cursor,
            done=done,
            chunks=state.chunks + 1,
            tally=state.tally + chunk.tally + (used - self._counted) + lags,
            sample=joined(state.sample, chunk.sampler.sample()),
            writers=state.signed(self._writer),
        )
        self._runs.checkpoint(run, after)
        self._counted, self._lags = used, Tally()
        return after

    def _used(self) -> Tally:
        """Calls so far, by operation, and the manifest's read units in halves: a tally has whole numbers."""
        used = Tally({f"calls:{operation}": count for operation, count in self._usage().items()})
        used["read-half-units"] = round(2 * self._scan.read_units)
        return used

    def _send(self, run: Run, hints: list[PlainHint], before: int) -> None:
        """In small groups where the run is paced, each delayed until it is due."""
        size = max(10, int((run.payload.objects_per_second or len(hints) or 1) * PACE_STEP_SECONDS))
        for place, some in enumerate(batched(hints, size)):
            delay = self._due_in(run, before + place * size)
            self._queue.send_hints(some, group=f"run-{run.id}", delay=delay)

    def _most_hints(self, run: Run) -> float:
        """Hints of one chunk: of a paced run no more than fit into half of what SQS can delay."""
        pace = run.payload.objects_per_second
        return max(10.0, pace * MAX_DELAY_SECONDS / 2 / max(run.ranges, 1)) if pace else float(self._chunk)

    def _due_in(self, run: Run, hinted: int) -> float:
        """When the next hint of this range is due, so that all ranges together keep to the run's pace."""
        pace = run.payload.objects_per_second
        if not pace:
            return 0.0
        return max(0.0, run.started + hinted * max(run.ranges, 1) / pace - self._now())

    def _most(self, run: Run, state: RangeState) -> float:
        """How many hints this range may send: what the run's other ranges have left of the run's limit."""
        if run.payload.max_objects is None:
            return inf
        others = sum(each.tally["hinted"] for each in self._runs.ranges(run) if each.number != state.number)
        return run.payload.max_objects - others

    def _stopped(self, run: Run) -> bool:
        stored = self._runs.read(run.id)
        return stored is None or stored.phase is not run.phase


def _ascending(found: Iterator[Finding]) -> Iterator[Finding]:
    """A stream out of order says nothing that can be relied on: read it again."""
    try:
        yield from found
    except NotAscending as error:
        raise HydrationError("truncated", str(error)) from error


def hint_of(bucket: str, run: Run, key: str) -> PlainHint:
    """The hint that a run sends for a key; its log lines carry the run's id."""
    return PlainHint(bucket=bucket, key=key, id=f"run {run.id}", force=run.payload.force)


def _is_unproven(left: LeftAlone, rules: Rules) -> bool:
    """Whether a key that was left alone keeps the run from proving that everything older than it is here."""
    if left.reason in (LeftReason.KEPT, LeftReason.TOMBSTONE):
        return False
    return left.listed is None or rules.now - left.listed.last_modified > rules.lag_objective


def joined(one: KeySample, other: KeySample) -> KeySample:
    """Two samples of neighbouring keys as one, at the coarser stride, thinned until it is small enough."""
    sampler = Sampler(SAMPLED_KEYS)
    stride = max(one.stride, other.stride)
    for sample in (one, other):
        step = stride // sample.stride
        for key in sample.keys[step - 1 :: step]:
            sampler.see(key)
    thinned = sampler.sample()
    return KeySample(thinned.stride * stride, thinned.keys)
