"""Moves the watermark on and tells it: after a run, and whenever somebody asks."""

import time
from collections.abc import Callable
from typing import Any

from consumer_replicator.errors import HydrationError, RowMoved
from consumer_replicator.queue import Queue
from consumer_replicator.run import Run
from consumer_replicator.runs import Runs
from consumer_replicator.watermark import Watermark, after_a_look_at_the_queue, after_a_run, outlives_a_proof

TRIES = 5


class Watermarking:
    """`lag_objective` in seconds."""

    def __init__(self, runs: Runs, queue: Queue, *, lag_objective: float, now: Callable[[], float] = time.time) -> None:
        self._runs = runs
        self._queue = queue
        self._lag_objective = lag_objective
        self._now = now

    def after(self, run: Run, *, proof: bool) -> None:
        """A run that looked at every key is done. `proof`: everything that it found has come to a good end."""
        failures = self._runs.failures_since()
        began = {"started": run.started, "lag_objective": self._lag_objective}
        if proof and failures is not None and not outlives_a_proof(failures, **began):
            self._runs.forget_failures(failures)
        self._move(lambda before: after_a_run(before, settled=proof, **began))

    def tell(self) -> dict[str, Any]:
        """The watermark as small JSON, after a look at the queue."""
        now = self._now()
        at_rest = self._queue.at_rest()
        failures = self._runs.failures_since() is not None
        watermark = self._move(
            lambda before: after_a_look_at_the_queue(before, at_rest=at_rest, failures=failures, now=now)
        )
        return {
            "state": "watermark",
            "proven": watermark.proven,
            "live": watermark.live,
            "age_seconds": watermark.age(now),
            "queue_at_rest": at_rest,
        }

    def proven(self) -> float | None:
        """Everything that the source had before this moment is here; None: nothing is proven yet."""
        return self._runs.watermark().proven

    def _move(self, move: Callable[[Watermark], Watermark]) -> Watermark:
        for _ in range(TRIES):
            after = move(self._runs.watermark())
            try:
                self._runs.write_watermark(after)
            except RowMoved:
                continue
            return after
        raise HydrationError("contended")
