"""The watermark: "everything the producer had before T is here". Never ahead of the truth. Pure.

Two answers, because two things can be known:

- `proven`: a reconcile compared every key in scope after T and everything it found has come to its end. Holds whatever
  happened to events.
- `live`: the queue came to rest after T, so every event that had reached it is worked off, and no object failed for
  good. Holds if no event was lost; an event under way to the queue is allowed `DELIVERY_ALLOWANCE` seconds.

A job that must not miss a lost event waits for `proven`; one that wants the last minutes and lives with the nightly
check waits for `live`.
"""

import json
from dataclasses import asdict, dataclass, replace

DELIVERY_ALLOWANCE = 120.0
"""S3 events usually arrive in seconds, sometimes after more than a minute.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html"""
REST_SECONDS = 60.0
"""SQS's counts are approximate and settle within a minute once nothing is sent: a queue is only believed to be at rest
when it was seen so twice, this far apart.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html"""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Seconds since the epoch; None: not known yet. `rest_since`: when the queue was first seen at rest, unbroken."""

    proven: float | None = None
    live: float | None = None
    rest_since: float | None = None
    version: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def age(self, now: float) -> float | None:
        """Seconds that the better of the two answers is behind; None when neither is known."""
        known = [moment for moment in (self.proven, self.live) if moment is not None]
        return max(0.0, now - max(known)) if known else None


def after_a_look_at_the_queue(watermark: Watermark, *, at_rest: bool, failures: bool, now: float) -> Watermark:
    """`now`: before the queue's counts were asked for. `failures`: an object failed since the last proof."""
    if not at_rest or failures:
        return replace(watermark, rest_since=None, version=watermark.version + 1)
    since = now if watermark.rest_since is None else watermark.rest_since
    live = watermark.live
    if now - since >= REST_SECONDS:
        live = _later(live, since - DELIVERY_ALLOWANCE)
        since = now
    return replace(watermark, live=live, rest_since=since, version=watermark.version + 1)


def after_a_run(watermark: Watermark, *, started: float, lag_objective: float, settled: bool) -> Watermark:
    """After a run that looked at every key: keys changed within the lag objective before it were left alone.

    `settled`: nothing that the run found is waiting, failed or held back; else the run proves nothing new.
    """
    proven = _later(watermark.proven, started - lag_objective) if settled else watermark.proven
    return replace(watermark, proven=proven, version=watermark.version + 1)


def outlives_a_proof(failed: float, *, started: float, lag_objective: float) -> bool:
    """Whether the latest failure, noted at `failed`, still stands after a settled run that looked at every key.

    It may be of an object that was too young for the run to look at: of that the run says nothing.
    """
    return failed > started - lag_objective


def _later(one: float | None, other: float) -> float:
    return other if one is None else max(one, other)
