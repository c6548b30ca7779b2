"""The schema of `report.json`. Pure.

Documented in `service-catalog/docs/report.md` (tested against this model). `schema_version` changes when a reader
written for the old one would be misled; fields may be added within a version, so readers ignore unknown ones.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

type Kind = Literal["missing", "stale", "extra", "failed", "unfinished"]
type Count = Annotated[int, Field(ge=0)]
type Counts = dict[str, Count]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Run(_Part):
    id: str
    mode: Literal["reconcile", "backfill"]
    dry_run: bool
    state: Literal["done", "stopped", "failed"]
    failure: str = Field("", description="why a failed run ended, one sentence")
    payload: dict[str, Any] = Field(description="what was asked for, as validated")
    started: datetime
    finished: datetime
    seconds: float
    source_bucket: str
    replica_bucket: str


class Finding(_Part):
    level: Literal["wrong", "attention", "note"]
    what: str = Field(description="one sentence")
    todo: str = Field("", description="what a person does about it")


class Verdict(_Part):
    level: Literal["fine", "attention", "wrong"] = Field(description="the worst of the findings")
    closes: bool = Field(description="whether the books of listed objects and of extras close")
    headline: str
    findings: tuple[Finding, ...]


class Books(_Part):
    """listed = copied + current + skipped + failed + filtered + planned, once nothing is waiting."""

    listed: Count
    copied: Count
    current: Count
    skipped: Counts = Field(description="by reason")
    failed: Counts = Field(description="by failure code")
    filtered: Counts = Field(description="by reason: out of scope, or not asked for")
    planned: Count = Field(description="would be copied; the run was dry")
    waiting: Count = Field(description="hinted, not settled when the report was written")
    unaccounted: int = Field(description="listed less all the others; not 0 is a defect")
    closes: bool = Field(description="nothing waiting, nothing unaccounted for")


class Extras(_Part):
    """Replicas without a source: found = deleted + kept + planned + failed + held, once nothing is waiting."""

    found: Count
    deleted: Count
    kept: Count = Field(description="by the delete policy, or because the source is back")
    planned: Count
    failed: Counts = Field(description="by failure code")
    held: Count = Field(description="the breaker did not let them go")
    held_because: str
    waiting: Count
    unaccounted: int
    closes: bool


class KindOfDrift(_Part):
    kind: Kind
    objects: Count
    bytes: Count


class PrefixOfDrift(_Part):
    prefix: str = Field(description='"" is the whole bucket')
    rest: bool = Field(description="only what the other prefixes of the list do not have")
    objects: Count
    bytes: Count
    kinds: Counts


class DriftedKey(_Part):
    kind: Kind
    key: str = Field(description="verbatim")
    size: Count | None = Field(description="bytes at the source")
    last_modified: datetime | None
    code: str | None = Field(description="why it failed")


class Drift(_Part):
    objects: Count
    bytes: Count
    kinds: tuple[KindOfDrift, ...]
    prefixes: tuple[PrefixOfDrift, ...] = Field(description="each drifted key in exactly one")
    biggest: tuple[DriftedKey, ...]
    oldest: tuple[DriftedKey, ...] = Field(description="by LastModified")


class Failure(_Part):
    code: str
    objects: Count
    meaning: str
    runbook: str = Field(description="section and line of the runbook")


class LagClass(_Part):
    up_to: float | None = Field(description="seconds, inclusive; null: no bound")
    objects: Count


class Lag(_Part):
    """Event time to committed replica, of the rows written since the previous run. Percentiles are upper bounds."""

    objective: float
    objects: Count
    p50: float | None
    p90: float | None
    p99: float | None
    longest: float | None
    histogram: tuple[LagClass, ...]


class Loss(_Part):
    rate: float | None = Field(description="0 to 1; null: cannot be told")
    overdue: Count
    changed: Count | None
    since: datetime | None
    definition: str


class Cost(_Part):
    """Of the run itself; the copies that it asked for are the replicator's."""

    calls: Counts = Field(description="by API operation")
    read_units: float
    write_units: float
    gb_seconds: float
    dollars: float
    items: dict[str, float] = Field(description="dollars by item")
    prices_date: str
    prices_region: str


class Plan(_Part):
    """What running a dry run would take, at the configured concurrency."""

    objects: Count
    bytes: Count
    seconds: float
    limited_by: str
    dollars: float
    items: dict[str, float]


class Report(_Part):
    schema_version: Literal["1"] = "1"
    run: Run
    verdict: Verdict
    books: Books
    extras: Extras
    drift: Drift
    failures: tuple[Failure, ...]
    lag: Lag
    loss: Loss
    cost: Cost
    plan: Plan | None
    watermark: datetime | None = Field(description="all that the source had before it is in the replica")
    swept: Count = Field(description="multipart uploads aborted that no row named")
    notes: tuple[str, ...]


class PreviousRun(_Part):
    """What is kept of a run to compare later ones with."""

    id: str
    mode: Literal["reconcile", "backfill"]
    dry_run: bool
    state: Literal["done", "stopped", "failed"]
    started: datetime
    seconds: float
    level: Literal["fine", "attention", "wrong"]
    listed: Count
    drift: Count
    failed: Count
    loss_rate: float | None
    lag_p99: float | None
    dollars: float

    @classmethod
    def of(cls, report: Report) -> "PreviousRun":
        return cls(
            id=report.run.id,
            mode=report.run.mode,
            dry_run=report.run.dry_run,
            state=report.run.state,
            started=report.run.started,
            seconds=report.run.seconds,
            level=report.verdict.level,
            listed=report.books.listed,
            drift=report.drift.objects,
            failed=sum(failure.objects for failure in report.failures),
            loss_rate=report.loss.rate,
            lag_p99=report.lag.p99,
            dollars=report.cost.dollars,
        )
