"""What the transfer function reads besides the replicator's settings, which judge what both decide alike."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated

from consumer_replicator.setting_rules import Whole
from consumer_replicator.settings import Settings, Url, variable


@dataclass(frozen=True, kw_only=True)
class TransferSettings(Settings):
    """`function_timeout_seconds` is the replicator's, for both.

    `lag_objective_seconds`: what is younger is left to its event. `breaker_*`: deletes of one run, a number and a share
    of the rows. `maximum_concurrency`, `replicator_memory_mb`: how the replicator is configured, for estimates.
    """

    ranges_queue_url: Url
    lag_objective_seconds: Annotated[int, Whole(1, 86_400)] = 900
    breaker_deletes: Annotated[int, Whole(0)] = 1000
    breaker_share_percent: Annotated[int, Whole(0, 100)] = 10
    sweep_hours: Annotated[int, Whole(1, 8760)] = 24
    settle_seconds: Annotated[int, Whole(0, 600)] = 30
    maximum_concurrency: Annotated[int, Whole(1, 1000)] = 50
    replicator_memory_mb: Annotated[int, Whole(128, 10_240)] = 1024


TRANSFER_ENVIRONMENT: Mapping[str, str] = {field.name: variable(field.name) for field in fields(TransferSettings)}
"""Field name to environment variable, of the transfer function."""
