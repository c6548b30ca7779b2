"""Drift: where the source's listing and the manifest disagree. Pure: two sorted streams in, one finding per key out.

What is found becomes a hint and no more; the copier looks again and decides. So a finding may be wrong on the side of
too much: what cannot be told (a row without an identity, a row that cannot be read) is drift, never "current".
Whatever is younger than the lag objective is left alone, since its own event is still on its way.

The truth table. Listed = an entry in scope and in the window; *young* = changed within the lag objective.

    row           listed                                         not listed
    ------------  ---------------------------------------------  ---------------------------------------------------
    none          missing; young: left alone                     -
    LIVE          same: current (force: stale); other, unknown:  extra; young row: left alone
                  stale; young entry or row: left alone
    FAILED        failed when its retry is due, or the entry is  extra; young row: left alone
                  newer than the failure, or force, or retry; else
                  retry-not-due; young entry: left alone
    PENDING       unfinished when older than the lag objective,  extra; young row: left alone
                  else in-flight; young entry: left alone
    UPLOADING     unfinished when older than `unfinished_after`, extra; young row: left alone
                  else in-flight; young entry: left alone
    DELETING      unfinished when older than the lag objective and the confirm delay, else in-flight
                  (young entry: left alone)
    DELETED       missing; young entry or row: left alone        tombstone
    GONE          missing; young entry or row: left alone        retain: kept; mirror: extra, young row: left alone
    unreadable    stale; young entry: left alone                 extra

An entry out of scope, or out of the window, is filtered and its row ignored, with one exception: an object that
outgrew (or shrank out of) the scope is as good as deleted to the copier, so its row is judged as not listed and the
drift says `outgrown`. A row whose key is out of scope is filtered too: the copier would refuse the hint.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from consumer_replicator.identity import Sameness, SourceIdentity
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row import Row, State
from producer_events.scope import InScope, Reason, Scope


class DriftKind(StrEnum):
    MISSING = "missing"  # listed, and no replica is known
    STALE = "stale"  # listed, and the replica is of another object, or that cannot be told
    EXTRA = "extra"  # a row, and no object in scope
    FAILED = "failed"  # its copy failed, and the retry is due
    UNFINISHED = "unfinished"  # begun, and not ended in its time


class LeftReason(StrEnum):
    YOUNG = "young"  # changed within the lag objective: its event may be on its way
    IN_FLIGHT = "in-flight"  # a copy or a delete is under way
    RETRY_NOT_DUE = "retry-not-due"  # failed; tried again later, with growing spacing
    KEPT = "kept"  # the source is gone, the replica is kept (policy `retain`)
    TOMBSTONE = "tombstone"  # deleted here as there


type FilterReason = Reason | Literal["window"]
"""Why an entry is not ours: its scope's reason, or LastModified outside since/until."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of ListObjectsV2: `etag` without quotes, `last_modified` in whole epoch seconds, `size` in bytes."""

    key: str
    etag: str
    last_modified: int
    size: int
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A manifest row that is damaged, or of a newer release, and why."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Stray:
    """A replica that its row does not name, and that row; None where there is none."""

    row: Row | Unreadable | None


type Known = Row | Unreadable | Stray


@dataclass(frozen=True, slots=True)
class Drift:
    """A key that needs a hint. `forced`: current, but a copy was asked for. `stray`: a replica that the row does not
    name is there.

    `outgrown`: the entry is out of scope by its size, so that the books count it as filtered; the row is what drifts.
    """

    kind: DriftKind
    key: str
    listed: Listed | None
    row: Row | Unreadable | None
    forced: bool = False
    stray: bool = False
    outgrown: FilterReason | None = None


@dataclass(frozen=True, slots=True)
class Current:
    """The row says that the replica was made from what is listed."""

    key: str
    listed: Listed
    row: Row


@dataclass(frozen=True, slots=True)
class LeftAlone:
    key: str
    listed: Listed | None
    reason: LeftReason


@dataclass(frozen=True, slots=True)
class Filtered:
    key: str
    listed: Listed | None
    reason: FilterReason


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A replica that has neither an entry nor a row: it may be anybody's, and is left alone."""

    key: str
    listed: None = None


type Finding = Drift | Current | LeftAlone | Filtered | Unclaimed


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run judges by. Times in epoch seconds, durations in seconds.

    `now` is when the run began to read, not the time of each judgement: whatever changed since then is young, so that
    a page read earlier than a row cannot make drift. `since` is inclusive, `until` exclusive, both on LastModified.
    `confirm_delay`: how long a row DELETING waits by design. `force`: hint what is current, retry every failure now.
    `retry`: the latter alone.
    """

    now: float
    lag_objective: float
    policy: DeletePolicy
    scope: Scope
    since: float | None = None
    until: float | None = None
    force: bool = False
    retry: bool = False
    first_retry_seconds: float = 3_600
    last_retry_seconds: float = 7 * 86_400
    unfinished_after: float = 86_400
    confirm_delay: float = 0


class NotAscending(ValueError):
    """A stream that must be in ascending key order is not; whatever was judged from it would be wrong."""


SIZE_REASONS: Final[frozenset[FilterReason]] = frozenset({"too-small", "too-large"})
MOST_DOUBLINGS = 32


def findings(listed: Iterable[Listed], rows: Iterable[tuple[str, Known]], rules: Rules) -> Iterator[Finding]:
    """One finding for each key of either stream, in key order, holding one entry and one row at a time.

    Text compares by code point, which is the order of UTF-8 bytes, which is that of S3 listings and of sort keys
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).

    :raises NotAscending: a stream repeats a key or goes back.
    """
    entries, known = iter(listed), iter(rows)
    entry, pair = next(entries, None), next(known, None)
    while entry is not None or pair is not None:
        if pair is None or (entry is not None and entry.key < pair[0]):
            assert entry is not None
            yield judge(entry, None, entry.key, rules)
            entry = _next_entry(entries, entry)
        elif entry is None or pair[0] < entry.key:
            yield Unclaimed(pair[0]) if pair[1] == Stray(None) else _judge_known(None, pair[1], pair[0], rules)
            pair = _next_pair(known, pair)
        else:
            yield _judge_known(entry, pair[1], entry.key, rules)
            entry, pair = _next_entry(entries, entry), _next_pair(known, pair)


def _next_entry(entries: Iterator[Listed], before: Listed) -> Listed | None:
    entry = next(entries, None)
    if entry is not None and entry.key <= before.key:
        raise NotAscending("The source's listing is not in ascending order of its keys.")
    return entry


def _judge_known(listed: Listed | None, known: Known, key: str, rules: Rules) -> Finding:
    if not isinstance(known, Stray):
        return judge(listed, known, key, rules)
    finding = judge(listed, known.row, key, rules)
    return replace(finding, stray=True) if isinstance(finding, Drift) else finding


def _next_pair(pairs: Iterator[tuple[str, Known]], before: tuple[str, Known]) -> tuple[str, Known] | None:
    pair = next(pairs, None)
    if pair is not None and pair[0] <= before[0]:
        raise NotAscending("The manifest's rows are not in ascending order of their keys.")
    return pair


def judge(listed: Listed | None, row: Row | Unreadable | None, key: str, rules: Rules) -> Finding:
    """The truth table above, for one key that at least one of the two sides has."""
    judged = rules.scope.judge(key, None if listed is None else listed.size)
    if not isinstance(judged, InScope):
        return _out_of_scope(listed, row, key, judged.reason, rules)
    if listed is None:
        return _not_listed(row, key, rules)
    if (rules.since is not None and listed.last_modified < rules.since) or (
        rules.until is not None and listed.last_modified >= rules.until
    ):
        return Filtered(key, listed, "window")
    return _listed(listed, row, key, rules)


def _out_of_scope(
    listed: Listed | None, row: Row | Unreadable | None, key: str, reason: FilterReason, rules: Rules
) -> Finding:
    if listed is not None and row is not None and reason in SIZE_REASONS and not _is_young(listed, rules):
        finding = _not_listed(row, key, rules)
        if isinstance(finding, Drift):
            return replace(finding, listed=listed, outgrown=reason)
    return Filtered(key, listed, reason)


def _listed(listed: Listed, row: Row | Unreadable | None, key: str, rules: Rules) -> Finding:
    if isinstance(row, Row) and row.state is State.LIVE and sameness(listed, row.source) is Sameness.SAME:
        return Drift(DriftKind.STALE, key, listed, row, forced=True) if rules.force else Current(key, listed, row)
    if _is_young(listed, rules):
        return LeftAlone(key, listed, LeftReason.YOUNG)
    if row is None:
        return Drift(DriftKind.MISSING, key, listed, row)
    if isinstance(row, Unreadable):
        return Drift(DriftKind.STALE, key, listed, row)
    return _listed_with_row(listed, row, key, rules)


def _listed_with_row(listed: Listed, row: Row, key: str, rules: Rules) -> Finding:
    match row.state:
        case State.FAILED:
            if rules.force or rules.retry or listed.last_modified > row.written_at or _retry_is_due(row, rules):
                return Drift(DriftKind.FAILED, key, listed, row)
            return LeftAlone(key, listed, LeftReason.RETRY_NOT_DUE)
        case State.PENDING | State.UPLOADING | State.DELETING:
            if _age(row, rules) > _time_allowed(row, rules):
                return Drift(DriftKind.UNFINISHED, key, listed, row)
            return LeftAlone(key, listed, LeftReason.IN_FLIGHT)
        case State.LIVE | State.DELETED | State.GONE:
            if _age(row, rules) <= rules.lag_objective:
                return LeftAlone(key, listed, LeftReason.YOUNG)
            return Drift(DriftKind.STALE if row.state is State.LIVE else DriftKind.MISSING, key, listed, row)


def _not_listed(row: Row | Unreadable | None, key: str, rules: Rules) -> Finding:
    if row is None:
        raise AssertionError("neither listed nor in the manifest: there is nothing to judge")
    if isinstance(row, Row):
        reason = _why_not_extra(row, rules)
        if reason is not None:
            return LeftAlone(key, None, reason)
        if row.state is State.DELETING:
            return Drift(DriftKind.UNFINISHED, key, None, row)
    return Drift(DriftKind.EXTRA, key, None, row)


def _why_not_extra(row: Row, rules: Rules) -> LeftReason | None:
    match row.state:
        case State.DELETED:
            return LeftReason.TOMBSTONE
        case State.GONE if rules.policy is DeletePolicy.RETAIN:
            return LeftReason.KEPT
        case State.DELETING:
            return None if _age(row, rules) > _time_allowed(row, rules) else LeftReason.IN_FLIGHT
        case _:
            return None if _age(row, rules) > rules.lag_objective else LeftReason.YOUNG


def sameness(listed: Listed, source: SourceIdentity | None) -> Sameness:
    """Whether the replica was made from the listed object, by (ETag, LastModified, size): listings have no versions."""
    if source is None:
        return Sameness.UNKNOWN
    if listed.etag == source.etag and listed.last_modified == source.last_modified and listed.size == source.size:
        return Sameness.SAME
    return Sameness.DIFFERENT


def _is_young(listed: Listed, rules: Rules) -> bool:
    return rules.now - listed.last_modified <= rules.lag_objective


def _age(row: Row, rules: Rules) -> float:
    return rules.now - row.written_at


def _time_allowed(row: Row, rules: Rules) -> float:
    """Seconds for what is under way to end."""
    match row.state:
        case State.UPLOADING:
            return rules.unfinished_after
        case State.DELETING:
            return rules.lag_objective + rules.confirm_delay
        case _:
            return rules.lag_objective


def _retry_is_due(row: Row, rules: Rules) -> bool:
    """The spacing doubles with every attempt, from the first to the last."""
    doublings = 1 << min(max(row.attempts - 1, 0), MOST_DOUBLINGS)
    return _age(row, rules) >= min(rules.first_retry_seconds * doublings, rules.last_retry_seconds)
