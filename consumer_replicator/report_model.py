"""The schema of `report.json`. Pure.

Documented in `service-catalog/docs/report.md` (tested against this model). `schema_version` changes when a reader
written for the old one would be misled; fields may be added within a version, so readers ignore unknown ones.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["missing", "stale", "extra", "failed", "unfinished", "different", "cannot-tell"]
Mode = Literal["reconcile", "backfill", "verify"]
Count = Annotated[int, Field(ge=0)]
Counts = dict[str, Count]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Run(_Part):
    id: str = Field(description="names the run, its folder and this report's")
    mode: Mode = Field(description="what was run")
    dry_run: bool = Field(description="nothing was enqueued")
    state: Literal["done", "stopped", "failed"] = Field(description="how it ended")
    failure: str = Field("", description="why a failed run ended, one sentence")
    payload: dict[str, Any] = Field(description="what was asked for, as validated")
    started: datetime
    finished: datetime = Field(description="when this was written")
    seconds: float = Field(description="from started to finished")
    source_bucket: str
    replica_bucket: str


class Finding(_Part):
    level: Literal["wrong", "attention", "note"] = Field(
        description="`wrong`: a person is needed now; `attention`: some time; `note`: nothing to do"
    )
    what: str = Field(description="one sentence")
    todo: str = Field("", description="what a person does about it")


class Verdict(_Part):
    level: Literal["fine", "attention", "wrong"] = Field(description="the worst of the findings")
    closes: bool = Field(description="whether the books of listed objects and of extras close")
    headline: str = Field(description="one sentence")
    findings: tuple[Finding, ...] = Field(description="the worst first")


class Books(_Part):
    """listed = copied + uploading + current + skipped + failed + filtered + planned, once nothing is waiting; in a
    verify, listed = same + different + cannot_tell + skipped + filtered + planned."""

    listed: Count = Field(description="entries of the source's listing")
    copied: Count = Field(description="replicated by this run's hints")
    uploading: Count = Field(0, description="under way, in uploads that several invocations carry")
    current: Count = Field(description="the replica already was, or became, what is listed")
    skipped: Counts = Field(description="by reason")
    failed: Counts = Field(description="by failure code")
    filtered: Counts = Field(description="by reason: out of scope, or not asked for")
    same: Counts = Field({}, description="the replica holds the same bytes; by what told")
    different: Counts = Field({}, description="it does not, although the manifest calls it current; by what told")
    cannot_tell: Counts = Field({}, description="by reason")
    planned: Count = Field(description="would be copied, or compared; the run was dry")
    waiting: Count = Field(description="hinted, not settled when the report was written")
    unaccounted: int = Field(description="listed less all the others; not 0 is a defect")
    closes: bool = Field(description="nothing waiting, nothing unaccounted for")


class Extras(_Part):
    """Replicas without a source: found = deleted + kept + planned + failed + held, once nothing is waiting."""

    found: Count = Field(description="manifest rows whose key is not at the source")
    deleted: Count = Field(description="removed from the replica")
    kept: Count = Field(description="by the delete policy, or because the source is back")
    planned: Count = Field(description="would be passed on; the run was dry")
    failed: Counts = Field(description="by failure code")
    held: Count = Field(description="the breaker did not let them go")
    held_because: str = Field(description="the breaker's reason, one sentence")
    waiting: Count = Field(description="hinted, not settled when the report was written")
    unaccounted: int = Field(description="found less all the others; not 0 is a defect")
    closes: bool = Field(description="nothing waiting, nothing unaccounted for")


class KindOfDrift(_Part):
    kind: Kind
    objects: Count
    bytes: Count = Field(description="at the source; of extras not known, counted as 0")


class PrefixOfDrift(_Part):
    prefix: str = Field(description='"" is the whole bucket')
    rest: bool = Field(description="only what the other prefixes of the list do not have")
    objects: Count
    bytes: Count = Field(description="at the source")
    kinds: Counts = Field(description="by kind")


class DriftedKey(_Part):
    kind: Kind
    key: str = Field(description="verbatim")
    size: Count | None = Field(description="bytes at the source")
    last_modified: datetime | None = Field(description="at the source")
    code: str | None = Field(description="why it failed; of a verify, what told, or why nothing did")


class Drift(_Part):
    objects: Count
    bytes: Count = Field(description="at the source")
    kinds: tuple[KindOfDrift, ...] = Field(description="only those there are")
    prefixes: tuple[PrefixOfDrift, ...] = Field(description="each drifted key in exactly one")
    biggest: tuple[DriftedKey, ...] = Field(description="by size")
    oldest: tuple[DriftedKey, ...] = Field(description="by LastModified")


class Failure(_Part):
    code: str = Field(description="of the documented failure codes")
    objects: Count
    meaning: str = Field(description="one sentence")
    runbook: str = Field(description="section and line of the runbook")


class LagClass(_Part):
    up_to: float | None = Field(description="seconds, inclusive; null: no bound")
    objects: Count


class Lag(_Part):
    """Event time to committed replica, of the rows written since the last whole run. Percentiles are upper bounds."""

    objective: float = Field(description="seconds")
    objects: Count = Field(description="that came by an event")
    p50: float | None = Field(description="seconds; null without objects")
    p90: float | None = Field(description="the same")
    p99: float | None = Field(description="the same")
    longest: float | None = Field(description="the same, exact")
    histogram: tuple[LagClass, ...] = Field(description="by lag, ascending")


class Loss(_Part):
    rate: float | None = Field(description="0 to 1; null: cannot be told")
    overdue: Count = Field(description="changes found by this run that no event had brought in time")
    changed: Count | None = Field(description="objects changed since then; null: not counted")
    since: datetime | None = Field(description="start of the last whole run")
    definition: str = Field(description="of the rate, in words")


class Verification(_Part):
    """Of a verify: what was read to tell, and what became of what it had copied again."""

    bodies_read: Count = Field(description="objects whose bytes were read, since no checksum told")
    bytes_read: Count = Field(description="of either side")
    repairs: Counts = Field(description="different ones that were hinted, by what became of them")


class Cost(_Part):
    """Of the run itself; the copies that it asked for are the replicator's."""

    calls: Counts = Field(description="by API operation")
    read_units: float = Field(description="DynamoDB read request units")
    write_units: float = Field(description="DynamoDB write request units")
    gb_seconds: float = Field(description="Lambda memory times time")
    dollars: float = Field(description="in all")
    items: dict[str, float] = Field(description="dollars by item")
    prices_date: str = Field(description="month of the list prices")
    prices_region: str = Field(description="region of the list prices")


class Plan(_Part):
    """What running a dry run would take, at the configured concurrency."""

    objects: Count = Field(description="to copy, or to compare")
    bytes: Count = Field(description="to copy; of a verify, the most that would be read")
    seconds: float = Field(description="about")
    limited_by: str = Field(description="what would have to change for it to be faster")
    dollars: float = Field(description="about")
    items: dict[str, float] = Field(description="dollars by item")
    calls: Counts = Field({}, description="of a verify, by API operation; without reading bytes")


class Report(_Part):
    schema_version: Literal["1"] = Field("1", description="a reader takes no other")
    run: Run
    verdict: Verdict
    books: Books = Field(description="of the objects listed at the source")
    extras: Extras
    drift: Drift
    proofs: Counts = Field(
        {}, description="current objects by how their replica was proven; `unknown`: by a release before 0.5"
    )
    verification: Verification | None = Field(None, description="only of a verify")
    failures: tuple[Failure, ...] = Field(description="the most frequent first")
    lag: Lag
    loss: Loss
    cost: Cost
    plan: Plan | None = Field(description="only of a dry run")
    watermark: datetime | None = Field(description="all that the source had before it is in the replica")
    swept: Count = Field(description="multipart uploads aborted that no row named")
    notes: tuple[str, ...] = Field(description="sentences, in order")


class PreviousRun(_Part):
    """What is kept of a run to compare later ones with."""

    id: str
    mode: Mode
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
