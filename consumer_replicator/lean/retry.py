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
        self._clock = Clock()
        self._answers = RateClocker(self._clock) if configured.get("mode") == "adaptive" else None
        self._pace: ClientRateLimiter | None = None

    def wait_for_turn(self) -> None:
        """Before each attempt: returns at once unless an answer said "throttled"."""
        if self._pace:
            self._pace.on_sending_request(request=None)

    def succeeded(self, context: dict[str, Any]) -> None:
        """After an attempt that succeeded; `context` is one for all attempts of a call."""
        self._quota.release_retry_quota(context, SUCCESS)  # type: ignore[arg-type] # as botocore calls it
        self._note(throttled=False)

    def delay(self, failed: RetryContext, *, spent: bool) -> float | None:
        """Seconds until the next attempt, or None: it was the last. `spent`: it cannot be made again."""
        self._note(throttled=self._throttling.is_throttling_error_from_context(failed))
        if spent or not self._conditions.is_retryable(failed) or not self._quota.acquire_retry_quota(failed):
            return None
        seconds: float = self._backoff.delay_amount(failed)
        return seconds

    def _note(self, *, throttled: bool) -> None:
        """Until the first answer that says "throttled", only the rate of answers is kept."""
        if self._answers is None:
            return
        if throttled and self._pace is None:
            self._pace = _pace(self._clock, self._answers)
        if self._pace:
            self._pace.on_receiving_response(throttled=throttled)
        else:
            self._answers.record()


SUCCESS = SimpleNamespace(status_code=200)


class _Told:
    """botocore's rate limiter asks whether an answer was a throttled one; here it is told."""

    @staticmethod
    def is_throttling_error(*, throttled: bool) -> bool:
        return throttled


def _pace(clock: Clock, answers: RateClocker) -> ClientRateLimiter:
    return ClientRateLimiter(
        rate_adjustor=CubicCalculator(starting_max_rate=0, start_time=clock.current_time()),
        rate_clocker=answers,
        token_bucket=TokenBucket(max_rate=1, clock=clock),
        throttling_detector=_Told(),
        clock=clock,
    )
