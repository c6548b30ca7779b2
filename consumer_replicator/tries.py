"""A piece of a copy that fails is tried again by itself, a few times, without starting the whole over."""

import random
import time
from collections.abc import Callable

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError

TRIES = 3
PAUSE = 0.2
"""Seconds before the second try, at the most; twice that before the third."""
WORTH_ANOTHER_TRY = frozenset({"truncated", "connection", "aws-error"})
"""A client has already tried again, with its own back-off, what it could."""
WORTH_ANOTHER_STREAM = WORTH_ANOTHER_TRY | {"throttled"}
"""A stream it could not."""


class Tries:
    """`pause` waits a number of seconds."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause

    def run[T](self, attempt: Callable[[int], T], deadline: Deadline, worth: frozenset[str] = WORTH_ANOTHER_TRY) -> T:
        """What `attempt` returns, which is told how many tries there were before.

        :raises HydrationError: the last try's, or `out-of-time`.
        """
        for number in range(TRIES):
            deadline.check()
            try:
                return attempt(number)
            except HydrationError as error:
                if error.code not in worth or number == TRIES - 1:
                    raise
            self._pause(random.uniform(0, PAUSE * 2**number))  # noqa: S311 - so that not all come back at once
        raise AssertionError("unreachable")
