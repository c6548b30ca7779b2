"""What is known of a run when its report is written: plain values, gathered by the transfer function. Pure.

Times are seconds since the epoch, sizes bytes, durations seconds. Everything is bounded: a run over a billion objects
has facts as small as one over ten (see `drift_tally` for how the details are bounded).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from consumer_replicator.estimate import Architecture, Estimate

type Kind = str
"""missing, stale, extra, failed or unfinished: a `DriftKind`, or its text as it comes back from a drift file."""

LAG_BOUNDS: Final = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 21600, 86400)
"""Upper ends, inclusive, of the lag histogram's classes in seconds; one class more is open."""


@dataclass(frozen=True, slots=True)
class Lags:
    """A histogram of lags: counts by class of `LAG_BOUNDS` and the longest. Adds up, so ranges can be counted apart."""

    counts: tuple[int, ...] = (0,) * (len(LAG_BOUNDS) + 1)
    longest: float = 0.0

    @classmethod
    def of(cls, samples: Iterable[float]) -> "Lags":
        counts, longest = [0] * (len(LAG_BOUNDS) + 1), 0.0
        for lag in samples:
            counts[bisect_left(LAG_BOUNDS, lag)] += 1
            longest = max(longest, lag)
        return cls(tuple(counts), longest)

    def __add__(self, other: "Lags") -> "Lags":
        return Lags(tuple(map(sum, zip(self.counts, other.counts, strict=True))), max(self.longest, other.longest))

    @property
    def objects(self) -> int:
        return sum(self.counts)

    def percentile(self, share: float) -> float:
        """Seconds that `share` (0 to 1) of the lags do not exceed: the upper end of a class, or the longest lag."""
        passed, wanted = 0, share * self.objects
        for count, bound in zip(self.counts, LAG_BOUNDS, strict=False):
            passed += count
            if passed >= wanted:
                return min(float(bound), self.longest)
        return self.longest


@dataclass(frozen=True, slots=True)
class BookCounts:
    """Where each listed object went. Exactly one entry per listed object:

    listed = current + skipped + filtered + planned + copied + uploading + failed + waiting
    listed = same + different + cannot_tell + skipped + filtered + planned, in a verify

    `current` counts also what the copier found current after all. `planned`: would be copied, but the run is dry.
    `uploading`: hinted, and under way in an upload that several invocations carry. `waiting`: hinted, and not settled
    when the report was written.
    """

    listed: int = 0
    copied: int = 0
    uploading: int = 0
    current: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)  # by reason
    failed: Mapping[str, int] = field(default_factory=dict)  # by failure code
    filtered: Mapping[str, int] = field(default_factory=dict)  # by reason
    planned: int = 0
    waiting: int = 0
    same: Mapping[str, int] = field(default_factory=dict)  # by what told
    different: Mapping[str, int] = field(default_factory=dict)  # by what told
    cannot_tell: Mapping[str, int] = field(default_factory=dict)  # by reason


@dataclass(frozen=True, slots=True)
class ExtraCounts:
    """Where each extra went: in the replica, not at the source.

    found = deleted + kept + planned + failed + waiting + held

    `kept`: by policy `retain`, or because the source is back. `held`: the breaker did not let them go; `held_because`
    is its sentence.
    """

    found: int = 0
    deleted: int = 0
    kept: int = 0
    planned: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)  # by failure code
    waiting: int = 0
    held: int = 0
    held_because: str = ""


@dataclass(frozen=True, slots=True)
class KindCount:
    objects: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class PrefixCount:
    """Drift below `prefix`; `rest`: only what no other prefix of the list has."""

    prefix: str
    objects: int
    bytes: int
    kinds: Mapping[str, int]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """One drifted key. `size`, `last_modified`: of the source object, None for an extra. `code`: why it failed."""

    kind: Kind
    key: str
    size: int | None = None
    last_modified: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyCounts:
    """Of a verify: bodies that were read because no checksum told, and what became of the repairs, by ending."""

    bodies_read: int = 0
    bytes_read: int = 0
    repairs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LossCounts:
    """`overdue`: missing or stale, changed after `since` and longer ago than the lag objective.

    `changed`: objects changed after `since`, None when not counted. `since`: the start of the last whole run, None
    where there was none.
    """

    overdue: int = 0
    changed: int | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the run itself used: API operation to count, DynamoDB request units, Lambda GB-seconds."""

    calls: Mapping[str, int] = field(default_factory=dict)
    read_units: float = 0.0
    write_units: float = 0.0
    gb_seconds: float = 0.0
    architecture: Architecture = "arm64"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """`mode`: reconcile, backfill, verify. `state`: done, stopped, failed; `failure`: the sentence that ended a failed
    run. `watermark`: all that the source had before it is here, or None.

    `proofs`: current objects by how their replica was proven. `verify`: of a verify alone.
    `plan`: of a dry run, what running it would take. `swept`: multipart uploads aborted because no row names them.
    `unclaimed`: replicas in scope that have neither a source nor a row.
    `notes`: sentences for the reader, in order.
    """

    run_id: str
    mode: str
    dry_run: bool = False
    state: str
    failure: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    started: float
    finished: float
    source_bucket: str
    replica_bucket: str
    lag_objective: float
    books: BookCounts
    extras: ExtraCounts = ExtraCounts()
    drift: Mapping[Kind, KindCount] = field(default_factory=dict)
    prefixes: Sequence[PrefixCount] = ()
    biggest: Sequence[DriftEntry] = ()
    oldest: Sequence[DriftEntry] = ()
    lags: Lags = Lags()
    loss: LossCounts = LossCounts()
    usage: Usage = Usage()
    watermark: float | None = None
    proofs: Mapping[str, int] = field(default_factory=dict)
    verify: VerifyCounts | None = None
    plan: Estimate | None = None
    swept: int = 0
    unclaimed: int = 0
    notes: Sequence[str] = ()
