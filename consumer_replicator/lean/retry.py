"""Whether a failed call is made again, and when: botocore's own policy, from its own pieces (edge).

Standard mode: a number of attempts, exponential backoff with full jitter, and a quota of retries that all calls share.
Adaptive mode adds a pace, which slows all calls down once an answer said "throttled".
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from types import SimpleNamespace
from typing import Any

from botocore.retries.adaptive import ClientRateLimiter, RateClocker
from botocore.retries.bucket import Clock, TokenBucket
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import (
    DEFAULT_MAX_ATTEMPTS,
    ExponentialBackoff,
    RetryContext,
    RetryEventAdapter,
    RetryQuotaChecker,
    StandardRetryConditions,
    ThrottlingErrorDetector,
)
from botocore.retries.throttling import CubicCalculator


class Retries:
    """As the wrapped client is configured. Threads share it."""

    def __init__(self, client: Any) -> None:
        configured = client.meta.config.retries or {}
        self._throttling = ThrottlingErrorDetector(RetryEventAdapter())
        self._conditions = StandardRetryConditions(configured.get("total_max_attempts", DEFAULT_MAX_ATTEMPTS))
        service = client.meta.service_model.service_id.hyphenize()
        self._backoff = ExponentialBackoff(service_name=service, throttling_detector=self._throttling)
        self._quota = RetryQuotaChecker(RetryQuota(), self._throttling)
        self._pace = _pace() if configured.get("mode") == "adaptive" else None

    def wait_for_turn(self) -> None:
        """Before each attempt: returns at once unless the client was told to slow down."""
        if self._pace:
            self._pace.on_sending_request(request=None)

    def succeeded(self, context: dict[str, Any]) -> None:
        """After an attempt that succeeded; `context` is one for all attempts of a call."""
        self._quota.release_retry_quota(context, SUCCESS)  # type: ignore[arg-type] # as botocore calls it
        if self._pace:
            self._pace.on_receiving_response(throttled=False)

    def delay(self, failed: RetryContext) -> float | None:
        """Seconds until the next attempt, or None: it was the last."""
        if self._pace:
            self._pace.on_receiving_response(throttled=self._throttling.is_throttling_error_from_context(failed))
        if not self._conditions.is_retryable(failed) or not self._quota.acquire_retry_quota(failed):
            return None
        seconds: float = self._backoff.delay_amount(failed)
        return seconds


SUCCESS = SimpleNamespace(status_code=200)


class _Told:
    """botocore's rate limiter asks whether an answer was a throttled one; here it is told."""

    @staticmethod
    def is_throttling_error(*, throttled: bool) -> bool:
        return throttled


def _pace() -> ClientRateLimiter:
    clock = Clock()
    return ClientRateLimiter(
        rate_adjustor=CubicCalculator(starting_max_rate=0, start_time=clock.current_time()),
        rate_clocker=RateClocker(clock),
        token_bucket=TokenBucket(max_rate=1, clock=clock),
        throttling_detector=_Told(),
        clock=clock,
    )
