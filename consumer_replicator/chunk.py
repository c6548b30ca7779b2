"""A chunk of a range: what has been found since the last checkpoint, counted, and the keys to be hinted. Pure."""

from dataclasses import dataclass, field

from consumer_replicator.comparison import Answer, Verified, cannot_tell
from consumer_replicator.drift import (
    Current,
    Drift,
    DriftKind,
    Filtered,
    Finding,
    LeftAlone,
    LeftReason,
    Rules,
    Unclaimed,
    Unreadable,
)
from consumer_replicator.drift_record import DriftRecord
from consumer_replicator.estimate import Load
from consumer_replicator.key_ranges import Sampler
from consumer_replicator.payload import Mode
from consumer_replicator.run import Run
from consumer_replicator.tally import Tally
from producer_events.scope import InScope

SAMPLED_KEYS = 64
"""Of a range, for the next run's boundaries: 1 KB each, in JSON up to six times that, in an item of at most 400 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
LOST_EVENTS = (DriftKind.MISSING, DriftKind.STALE)


@dataclass
class Chunk:
    """`tally`: see there. `records`: lines of the drift file. `hinted`: keys that a hint is due for, in order; `strays`
    those of them whose replica is not the row's."""

    run: Run
    rules: Rules
    tally: Tally = field(default_factory=Tally)
    records: list[DriftRecord] = field(default_factory=list)
    hinted: list[str] = field(default_factory=list)
    strays: set[str] = field(default_factory=set)
    sampler: Sampler = field(default_factory=lambda: Sampler(SAMPLED_KEYS))
    last_key: str = ""
    findings: int = 0

    def count(self, finding: Finding | Verified) -> None:
        self.findings += 1
        self.last_key = finding.key
        self.sampler.see(finding.key)
        tally, listed = self.tally, finding.listed
        if listed is not None:
            tally["listed"] += 1
            tally["changed"] += self.run.since_run is not None and listed.last_modified >= self.run.since_run
        match finding:
            case Current():
                self._count_current(finding)
            case Verified():
                self._count_verified(finding)
            case Filtered(reason=reason):
                tally[f"filtered:{reason}" if listed else "filtered-rows"] += 1
            case LeftAlone(reason=reason):
                tally[f"skipped:{reason.value}" if listed else f"left:{reason.value}"] += 1
                tally["unproven"] += _is_unproven(finding, self.rules)
                tally["rows"] += listed is None
            case Unclaimed(key):
                tally["unclaimed"] += isinstance(self.rules.scope.judge(key), InScope)
            case Drift():
                self._count_drift(finding)

    def _count_current(self, current: Current) -> None:
        tally = self.tally
        tally["rows"] += 1
        if self.run.payload.mode is not Mode.VERIFY:
            tally["current"] += 1
            tally[f"proof:{current.row.proof or 'unknown'}"] += 1
        elif self.run.samples(current.key):  # and was not compared: the run is dry
            tally["planned"] += 1
            tally["bytes"] += current.listed.size
        else:
            tally["skipped:not-sampled"] += 1

    def _count_verified(self, verified: Verified) -> None:
        self.tally["rows"] += 1
        self._count_told(verified)

    def _count_told(self, verified: Verified) -> None:
        tally, told = self.tally, verified.comparison
        tally[f"{told.answer.value}:{told.why}"] += 1
        tally["bodies-read"] += verified.read > 0
        tally["bytes-read"] += verified.read
        if told.answer is Answer.SAME:
            return
        repaired = told.answer is Answer.DIFFERENT and self.run.payload.repair
        self.records.append(DriftRecord.of_verified(verified, hinted=repaired))
        if repaired:
            tally["hinted"] += 1
            self.hinted.append(verified.key)

    def _count_drift(self, drift: Drift) -> None:
        tally, payload, extra = self.tally, self.run.payload, drift.kind is DriftKind.EXTRA
        tally["rows"] += drift.row is not None
        if drift.outgrown:
            tally[f"filtered:{drift.outgrown}"] += 1
        if extra and payload.mode is not Mode.RECONCILE:
            tally["left:extra"] += 1
            return
        if payload.mode is Mode.VERIFY:
            self._count_unverified(drift)
            return
        if extra:
            tally["extra"] += 1
        elif drift.listed is not None and not drift.outgrown:
            tally["hinted"] += 1
            tally["bytes"] += drift.listed.size
            load = Load.of(drift.listed.size)
            tally["large"] += load.large
            tally["large-bytes"] += load.large_bytes
            tally["parts"] += load.parts
        if drift.kind in LOST_EVENTS and not drift.forced and drift.listed is not None:
            tally["overdue"] += drift.listed.last_modified >= (self.run.since_run or 0)
        self.records.append(DriftRecord.of(drift, hinted=not extra))
        if not extra and not payload.dry_run:
            self.hinted.append(drift.key)
            self.strays.update([drift.key] if drift.stray else [])

    def _count_unverified(self, drift: Drift) -> None:
        """The manifest itself does not call it current: that is a reconcile's to repair, and nothing to compare."""
        if drift.listed is None or drift.outgrown:
            self.tally["left:unfinished"] += drift.listed is None
            return
        why = "bad-row" if isinstance(drift.row, Unreadable) else drift.kind.value
        generation = 0 if drift.row is None or isinstance(drift.row, Unreadable) else drift.row.generation
        self._count_told(Verified(drift.key, drift.listed, generation, cannot_tell(why)))


def _is_unproven(left: LeftAlone, rules: Rules) -> bool:
    """Whether a key that was left alone keeps the run from proving that everything older than it is here."""
    if left.reason in (LeftReason.KEPT, LeftReason.TOMBSTONE):
        return False
    return left.listed is None or rules.now - left.listed.last_modified > rules.lag_objective
