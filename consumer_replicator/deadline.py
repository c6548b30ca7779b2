"""How much of the invocation is left. What cannot finish in it goes back to the queue instead of being cut off."""

import time
from collections.abc import Callable

from consumer_replicator.errors import HydrationError


class Deadline:
    """`seconds` from now; `reserve` of them are kept back for giving messages back and reporting.

    `whole`: seconds that there were at first.
    """

    def __init__(self, seconds: float, reserve: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.whole = seconds - reserve
        self._at = clock() + self.whole

    def remaining(self) -> float:
        """Seconds, below zero when it has passed."""
        return self._at - self._clock()

    def check(self) -> None:
        """:raises HydrationError: `out-of-time`."""
        if self.remaining() <= 0:
            raise HydrationError("out-of-time")
