"""Works through one range of keys: source, manifest and replica side by side, drift into hints, chunk by chunk.

A chunk ends in this order: hints sent, drift file written, cursor and counts written in one conditional write. A crash
in between repeats the chunk: its hints twice (they are idempotent), its file under another name, its counts once. The
checkpoint names whose file counts, so that two workers on one range leave the books of one.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import batched
from math import inf

from consumer_replicator.chunk import SAMPLED_KEYS, Chunk
from consumer_replicator.comparison import Verified
from consumer_replicator.deadline import Deadline
from consumer_replicator.delay import MAX_DELAY_SECONDS
from consumer_replicator.drift import Finding, NotAscending, Rules, findings
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import PlainHint
from consumer_replicator.key_ranges import KeyRange, KeySample, Sampler
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan, Pair
from consumer_replicator.payload import Mode
from consumer_replicator.queue import Queue
from consumer_replicator.replica_check import with_replicas
from consumer_replicator.row import Row, State
from consumer_replicator.run import RangeState, Run
from consumer_replicator.run_facts import LAG_BOUNDS
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.tally import Tally
from consumer_replicator.verifier import NotNow, Verifier

CHUNK = 10_000
"""Findings between two checkpoints: ten pages of the listing."""
CHUNK_VERIFIED = 2_000
"""The same of a verify, which makes two calls for each."""
WRITER_CHARACTERS = 8
PACE_STEP_SECONDS = 5


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
        verifier: Verifier,
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
        self._verifier = verifier
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
        chunk, self._writer = Chunk(run, rules), self._unique()[:WRITER_CHARACTERS]
        if rest is None:
            return state if state.done else self._checkpoint(run, state, chunk, done=True)
        self._counted = self._used()
        most = self._most(run, state)
        try:
            for finding in self._found(run, rest, rules, deadline):
                if state.tally["hinted"] + chunk.tally["hinted"] >= most:
                    break
                chunk.count(finding)
                if self._is_full(run, chunk):
                    state = self._checkpoint(run, state, chunk, done=False)
                    chunk = Chunk(run, rules)
                    if deadline.remaining() <= 0 or self.pause(run, state) > 0 or self._stopped(run):
                        return state
        except NotNow:
            return self._checkpoint(run, state, chunk, done=False)
        return self._checkpoint(run, state, chunk, done=True)

    def pause(self, run: Run, state: RangeState) -> float:
        """Seconds that a paced range must wait before more of its hints fit into what SQS can delay."""
        return max(0.0, self._due_in(run, state.tally["hinted"]) - MAX_DELAY_SECONDS)

    # -- finding -----------------------------------------------------------------------------------------------------

    def _found(self, run: Run, rest: KeyRange, rules: Rules, deadline: Deadline) -> Iterator[Finding | Verified]:
        """What the listing and the manifest say of each key: side by side with the replicas' own listing, or, in a
        verify, with a look at each replica itself."""
        listed, payload = self._listing.objects(rest.after, rest.until), run.payload
        if payload.mode is not Mode.VERIFY:
            rows = self._with_lags(self._scan.rows(rest.after, rest.until), run)
            replicas = self._replicas.objects(rest.after, rest.until)
            return _ascending(findings(listed, with_replicas(rows, replicas), rules))
        found = _ascending(findings(listed, self._scan.rows(rest.after, rest.until, checksums=True), rules))
        if payload.dry_run:
            return found
        return self._verifier.verified(found, deadline, wanted=run.samples, read_bytes=payload.read_bytes)

    def _is_full(self, run: Run, chunk: Chunk) -> bool:
        most = min(self._chunk, CHUNK_VERIFIED) if run.payload.mode is Mode.VERIFY else self._chunk
        return chunk.findings >= most or len(chunk.hinted) >= self._most_hints(run)

    def _with_lags(self, rows: Iterator[Pair], run: Run) -> Iterator[Pair]:
        """The rows as they are, counting on the way how long the copies since the last run took."""
        since = run.since_run or 0.0
        for key, row in rows:
            if isinstance(row, Row) and row.state is State.LIVE and row.event_time and row.written_at >= since:
                self._lags[f"lag:{bisect_left(LAG_BOUNDS, row.written_at - row.event_time)}"] += 1
            yield key, row

    # -- chunks ------------------------------------------------------------------------------------------------------

    def _checkpoint(self, run: Run, state: RangeState, chunk: Chunk, *, done: bool) -> RangeState:
        self._send(run, chunk, state.tally["hinted"])
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

    def _send(self, run: Run, chunk: Chunk, before: int) -> None:
        """In small groups where the run is paced, each delayed until it is due."""
        size = max(10, int((run.payload.objects_per_second or len(chunk.hinted) or 1) * PACE_STEP_SECONDS))
        for place, some in enumerate(batched(chunk.hinted, size)):
            delay = self._due_in(run, before + place * size)
            hints = [hint_of(self._bucket, run, key, stray=key in chunk.strays) for key in some]
            self._queue.send_hints(hints, group=f"run-{run.id}", delay=delay)

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


def hint_of(bucket: str, run: Run, key: str, *, stray: bool = False) -> PlainHint:
    """The hint that a run sends for a key; its log lines carry the run's id."""
    force = run.payload.force or run.payload.repair
    return PlainHint(bucket=bucket, key=key, id=f"run {run.id}", force=force, stray=stray)


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
