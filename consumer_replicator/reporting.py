"""From what a run left behind to its report: facts gathered, both forms written, the summary kept for the next one."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from consumer_replicator.comparison import Answer
from consumer_replicator.drift_record import Ending
from consumer_replicator.estimate import (
    RANGES_AT_ONCE,
    Architecture,
    Capacity,
    Estimate,
    Load,
    estimate,
    estimate_verify,
)
from consumer_replicator.payload import Mode, Payload
from consumer_replicator.run import Phase, RangeState, Run
from consumer_replicator.run_facts import (
    LAG_BOUNDS,
    BookCounts,
    ExtraCounts,
    Lags,
    LossCounts,
    RunFacts,
    Usage,
    VerifyCounts,
)
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.settling import Settled
from consumer_replicator.tally import Tally, kinds

PREVIOUS_RUNS = 12


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a report says of where the run ran. `capacity`: of the copier, for the estimate of a dry run."""

    source_bucket: str
    replica_bucket: str
    lag_objective: float
    capacity: Capacity
    memory_gb: float
    architecture: Architecture = "arm64"


@dataclass(frozen=True, slots=True)
class Written:
    """Where the report is: s3:// addresses of its two forms."""

    json: str
    page: str


class Reporting:
    def __init__(
        self, runs: Runs, files: RunFiles, surroundings: Surroundings, now: Callable[[], float] = time.time
    ) -> None:
        self._runs = runs
        self._files = files
        self._surroundings = surroundings
        self._now = now

    def write(
        self, run: Run, states: Sequence[RangeState], settled: Settled, *, watermark: float | None, swept: int
    ) -> Written:
        """Writes both forms and keeps the summary. Repeated, it writes them over themselves."""
        # Loaded only when a report is written: templates and charts have no part in a copy.
        from consumer_replicator import report, report_page  # noqa: PLC0415
        from consumer_replicator.report_model import PreviousRun  # noqa: PLC0415

        made = report.build(self.facts(run, states, settled, watermark=watermark, swept=swept))
        summaries = self._runs.summaries(PREVIOUS_RUNS + 1)
        previous = []
        for summary in summaries:
            with suppress(ValueError):  # of another release: a comparison less
                previous.append(PreviousRun.model_validate(summary))
        previous = [each for each in previous if each.id != run.id]
        written = Written(
            json=self._files.write_report(run.id, "report.json", report.to_json(made)),
            page=self._files.write_report(run.id, "report.html", report_page.page(made, previous[:PREVIOUS_RUNS])),
        )
        self._runs.summarise(run, PreviousRun.of(made).model_dump(mode="json"))
        return written

    def facts(
        self, run: Run, states: Sequence[RangeState], settled: Settled, *, watermark: float | None, swept: int
    ) -> RunFacts:
        tally = total(states)
        return RunFacts(
            run_id=run.id,
            mode=run.payload.mode.value,
            dry_run=run.payload.dry_run,
            state="failed" if run.phase is Phase.FAILED else "stopped" if run.phase is Phase.STOPPED else "done",
            failure=run.failure or "",
            payload=run.payload.model_dump(mode="json", exclude_defaults=True),
            started=run.started,
            finished=run.finished or self._now(),
            source_bucket=self._surroundings.source_bucket,
            replica_bucket=self._surroundings.replica_bucket,
            lag_objective=self._surroundings.lag_objective,
            books=books(run.payload, tally, settled),
            extras=extras(run, settled),
            drift=settled.drift.kinds,
            prefixes=settled.drift.prefixes(),
            biggest=settled.drift.biggest,
            oldest=settled.drift.oldest,
            lags=_lags(tally),
            loss=LossCounts(
                overdue=tally["overdue"],
                changed=tally["changed"] if run.since_run is not None else None,
                since=run.since_run,
            ),
            usage=self._usage(run, tally),
            watermark=watermark,
            proofs=kinds(tally, "proof"),
            verify=_verify(run.payload, tally, settled),
            plan=self._plan(run, tally),
            swept=swept,
            unclaimed=tally["unclaimed"],
        )

    def _usage(self, run: Run, tally: Tally) -> Usage:
        calls = kinds(tally, "calls")
        return Usage(
            calls=calls,
            read_units=tally["read-half-units"] / 2,
            write_units=calls.get("PutItem", 0),
            gb_seconds=max(0.0, (run.finished or self._now()) - run.started) * self._surroundings.memory_gb,
            architecture=self._surroundings.architecture,
        )

    def _plan(self, run: Run, tally: Tally) -> Estimate | None:
        if not run.payload.dry_run:
            return None
        capacity = self._surroundings.capacity
        if run.payload.mode is Mode.VERIFY:
            to_read = tally["bytes"] if run.payload.read_bytes else 0
            memory_mb = round(self._surroundings.memory_gb * 1024)
            functions = max(1, min(run.ranges, RANGES_AT_ONCE))
            return estimate_verify(
                Load(objects=tally["planned"], bytes=to_read),
                replace(capacity, functions=functions, memory_mb=memory_mb),
            )
        load = Load(
            objects=tally["hinted"],
            bytes=tally["bytes"],
            large=tally["large"],
            parts=tally["parts"],
            large_bytes=tally["large-bytes"],
        )
        return estimate(load, replace(capacity, objects_per_second=run.payload.objects_per_second))


def total(states: Sequence[RangeState]) -> Tally:
    """The tallies of all ranges, added up."""
    whole = Tally()
    for state in states:
        whole += state.tally
    return whole


def books(payload: Payload, tally: Tally, settled: Settled) -> BookCounts:
    """The listed objects, each in one place."""
    if payload.mode is Mode.VERIFY:
        return BookCounts(
            listed=tally["listed"],
            same=kinds(tally, Answer.SAME),
            different=kinds(tally, Answer.DIFFERENT),
            cannot_tell=kinds(tally, Answer.CANNOT_TELL),
            skipped=kinds(tally, "skipped"),
            filtered=kinds(tally, "filtered"),
            planned=tally["planned"],
        )
    ended = settled.listed
    return BookCounts(
        listed=tally["listed"],
        copied=ended[Ending.COPIED],
        uploading=ended[Ending.UPLOADING],
        current=tally["current"] + ended[Ending.CURRENT],
        skipped=kinds(tally, "skipped"),
        filtered=kinds(tally, "filtered"),
        failed=dict(settled.failed),
        planned=ended[Ending.WAITING] if payload.dry_run else 0,
        waiting=0 if payload.dry_run else ended[Ending.WAITING],
    )


def extras(run: Run, settled: Settled) -> ExtraCounts:
    """The rows without a source, each in one place."""
    ended, dry = settled.extras, run.payload.dry_run
    return ExtraCounts(
        found=ended.total(),
        deleted=ended[Ending.DELETED] + ended[Ending.CURRENT],
        kept=ended[Ending.KEPT] + ended[Ending.COPIED],
        planned=ended[Ending.WAITING] if dry else 0,
        failed=dict(settled.failed_extras),
        waiting=0 if dry else ended[Ending.WAITING],
        held=ended[Ending.HELD],
        held_because=run.held or "",
    )


def _verify(payload: Payload, tally: Tally, settled: Settled) -> VerifyCounts | None:
    if payload.mode is not Mode.VERIFY:
        return None
    repairs = {ending.value: count for ending, count in settled.listed.items() if count}
    return VerifyCounts(tally["bodies-read"], tally["bytes-read"], repairs)


def _lags(tally: Tally) -> Lags:
    """The longest lag is not kept, only its class: its upper end stands for it."""
    counts = tuple(tally[f"lag:{place}"] for place in range(len(LAG_BOUNDS) + 1))
    highest = max((place for place, count in enumerate(counts) if count), default=None)
    ends = (*LAG_BOUNDS, 2 * LAG_BOUNDS[-1])
    return Lags(counts, 0.0 if highest is None else float(ends[highest]))
