"""From the facts of a run to its report: `report.json`, of which `report.html` is a view (see `report_page`). Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from consumer_replicator import verdict
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.estimate import PRICES_DATE, PRICES_REGION, Estimate, cost_of
from consumer_replicator.report_model import (
    Books,
    Cost,
    Drift,
    DriftedKey,
    Extras,
    Failure,
    KindOfDrift,
    Lag,
    LagClass,
    Loss,
    Plan,
    PrefixOfDrift,
    PreviousRun,
    Report,
    Run,
    Verdict,
    Verification,
)
from consumer_replicator.run_facts import (
    LAG_BOUNDS,
    DriftEntry,
    ExtraCounts,
    Lags,
    LossCounts,
    RunFacts,
    Usage,
    VerifyCounts,
)

__all__ = ["PreviousRun", "Report", "build", "to_json"]

RUNBOOK_SECTION: Final = "Failure codes"
LOSS_DEFINITION: Final = (
    "Objects found missing or stale that changed since the last whole run but longer ago than the lag objective, "
    "divided by all objects that changed since the last whole run."
)

KINDS: Final = ("different", "cannot-tell", "missing", "stale", "extra", "failed", "unfinished")


def build(facts: RunFacts) -> Report:
    """The report of a run. Times are rounded to milliseconds, dollars to a millionth."""
    books, extras, loss = _books(facts), _extras(facts.extras), _loss(facts.loss)
    return Report(
        run=_run(facts),
        verdict=_verdict(facts, books, extras),
        books=books,
        extras=extras,
        drift=_drift(facts),
        proofs=_largest_first(facts.proofs),
        verification=_verification(facts.verify),
        failures=_failures(facts),
        lag=_lag(facts.lags, facts.lag_objective),
        loss=loss,
        cost=_cost(facts.usage),
        plan=_plan(facts.plan),
        watermark=_time(facts.watermark),
        swept=facts.swept,
        notes=tuple(facts.notes),
    )


def to_json(report: Report) -> str:
    """The report as ASCII: a terminal that prints it is not at the mercy of a key."""
    return json.dumps(report.model_dump(mode="json"), indent=2) + "\n"


def _run(facts: RunFacts) -> Run:
    return Run.model_validate(
        {
            "id": facts.run_id,
            "mode": str(facts.mode),
            "dry_run": facts.dry_run,
            "state": str(facts.state),
            "failure": facts.failure,
            "payload": dict(facts.payload),
            "started": _time(facts.started),
            "finished": _time(facts.finished),
            "seconds": round(facts.finished - facts.started, 3),
            "source_bucket": facts.source_bucket,
            "replica_bucket": facts.replica_bucket,
        }
    )


def _books(facts: RunFacts) -> Books:
    counts = facts.books
    settled = counts.copied + counts.uploading + counts.current + counts.planned
    named = (counts.skipped, counts.failed, counts.filtered, counts.same, counts.different, counts.cannot_tell)
    unaccounted = counts.listed - settled - sum(sum(each.values()) for each in named) - counts.waiting
    return Books(
        listed=counts.listed,
        copied=counts.copied,
        uploading=counts.uploading,
        current=counts.current,
        skipped=_largest_first(counts.skipped),
        failed=_largest_first(counts.failed),
        filtered=_largest_first(counts.filtered),
        same=_largest_first(counts.same),
        different=_largest_first(counts.different),
        cannot_tell=_largest_first(counts.cannot_tell),
        planned=counts.planned,
        waiting=counts.waiting,
        unaccounted=unaccounted,
        closes=not unaccounted and not counts.waiting,
    )


def _extras(counts: ExtraCounts) -> Extras:
    ended = counts.deleted + counts.kept + counts.planned + counts.held + sum(counts.failed.values())
    unaccounted = counts.found - ended - counts.waiting
    return Extras(
        found=counts.found,
        deleted=counts.deleted,
        kept=counts.kept,
        planned=counts.planned,
        failed=_largest_first(counts.failed),
        held=counts.held,
        held_because=counts.held_because,
        waiting=counts.waiting,
        unaccounted=unaccounted,
        closes=not unaccounted and not counts.waiting,
    )


def _drift(facts: RunFacts) -> Drift:
    kinds = [
        KindOfDrift.model_validate({"kind": kind, "objects": count.objects, "bytes": count.bytes})
        for kind, count in sorted(facts.drift.items(), key=lambda item: KINDS.index(item[0]))
        if count.objects
    ]
    return Drift(
        objects=sum(kind.objects for kind in kinds),
        bytes=sum(kind.bytes for kind in kinds),
        kinds=tuple(kinds),
        prefixes=tuple(
            PrefixOfDrift(
                prefix=count.prefix, rest=count.rest, objects=count.objects, bytes=count.bytes, kinds=dict(count.kinds)
            )
            for count in facts.prefixes
        ),
        biggest=tuple(map(_drifted, facts.biggest)),
        oldest=tuple(map(_drifted, facts.oldest)),
    )


def _drifted(entry: DriftEntry) -> DriftedKey:
    return DriftedKey.model_validate(
        {
            "kind": str(entry.kind),
            "key": entry.key,
            "size": entry.size,
            "last_modified": _time(entry.last_modified),
            "code": entry.code,
        }
    )


def _verification(counts: VerifyCounts | None) -> Verification | None:
    if counts is None:
        return None
    return Verification(
        bodies_read=counts.bodies_read, bytes_read=counts.bytes_read, repairs=_largest_first(counts.repairs)
    )


def _failures(facts: RunFacts) -> tuple[Failure, ...]:
    codes = {**facts.books.failed}
    for code, count in facts.extras.failed.items():
        codes[code] = codes.get(code, 0) + count
    return tuple(
        Failure(
            code=code,
            objects=count,
            meaning=FAILURE_CODES[code].meaning if code in FAILURE_CODES else "A code that this version does not know.",
            runbook=f"{RUNBOOK_SECTION}: {code}",
        )
        for code, count in _largest_first(codes).items()
    )


def _lag(lags: Lags, objective: float) -> Lag:
    some = lags.objects > 0
    return Lag(
        objective=objective,
        objects=lags.objects,
        p50=lags.percentile(0.5) if some else None,
        p90=lags.percentile(0.9) if some else None,
        p99=lags.percentile(0.99) if some else None,
        longest=lags.longest if some else None,
        histogram=tuple(
            LagClass(up_to=bound, objects=count) for bound, count in zip([*LAG_BOUNDS, None], lags.counts, strict=True)
        ),
    )


def _loss(counts: LossCounts) -> Loss:
    rate: float | None = None  # nothing changed, yet something is overdue: it cannot be told
    if counts.changed:
        rate = min(counts.overdue / counts.changed, 1.0)
    elif counts.changed == 0 and not counts.overdue:
        rate = 0.0
    return Loss(
        rate=rate,
        overdue=counts.overdue,
        changed=counts.changed,
        since=_time(counts.since),
        definition=LOSS_DEFINITION,
    )


def _cost(usage: Usage) -> Cost:
    cost = cost_of(
        usage.calls,
        read_units=usage.read_units,
        write_units=usage.write_units,
        gb_seconds=usage.gb_seconds,
        architecture=usage.architecture,
    )
    return Cost(
        calls=_largest_first(usage.calls),
        read_units=usage.read_units,
        write_units=usage.write_units,
        gb_seconds=round(usage.gb_seconds, 3),
        dollars=round(cost.dollars, 6),
        items={item: round(dollars, 6) for item, dollars in cost.items.items()},
        prices_date=PRICES_DATE,
        prices_region=PRICES_REGION,
    )


def _plan(plan: Estimate | None) -> Plan | None:
    if plan is None:
        return None
    return Plan(
        objects=plan.load.objects,
        bytes=plan.load.bytes,
        seconds=round(plan.seconds, 1),
        limited_by=plan.limited_by,
        dollars=round(plan.dollars, 6),
        items={item: round(dollars, 6) for item, dollars in plan.cost.items.items()},
        calls=_largest_first(plan.calls),
    )


def _verdict(facts: RunFacts, books: Books, extras: Extras) -> Verdict:
    findings = verdict.findings(facts, unaccounted=abs(books.unaccounted) + abs(extras.unaccounted))
    level, closes = verdict.worst(findings), books.closes and extras.closes
    return Verdict.model_validate(
        {
            "level": level,
            "closes": closes,
            "headline": verdict.headline(facts, level, closes=closes),
            "findings": [asdict(finding) for finding in findings],
        }
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(round(seconds, 3), UTC)


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(
        sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    )
