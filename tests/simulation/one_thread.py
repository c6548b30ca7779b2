"""The product's own threads and pauses, taken out: what it hands to a pool is done at once, by whoever hands it over.

A schedule must depend on its choices alone. What a pool would do side by side within one invocation is done in order;
invocations are what is interleaved (see `process`).
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from consumer_replicator import composite, parts, report_page, transfer
from consumer_replicator.tries import Tries

SMALLEST_PART = 1
"""Bytes: parts of S3's real least would make every schedule move megabytes."""
FEW_RANGES = 1
"""Ranges that one invocation works through itself: with a handful of keys there are two or three in all."""


class AtOnce(Executor):
    """A pool without threads. Of what is raised only an Exception is kept for later: a crash is one at once."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


@contextmanager
def one_thread() -> Iterator[None]:
    """Within: pools are `AtOnce`, pauses take no time, parts may be tiny, key spaces of a few keys are cut into ranges,
    and no report's page is drawn.
    """
    taken: list[tuple[Any, str, Any]] = []

    def put(module: Any, name: str, value: Any) -> None:
        taken.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    no_pause = SimpleNamespace(**{**vars(sys.modules["time"]), "sleep": lambda _seconds: None})
    for name, module in list(sys.modules.items()):
        if name.startswith("consumer_replicator.") and module is not None:
            if hasattr(module, "ThreadPoolExecutor"):
                put(module, "ThreadPoolExecutor", AtOnce)
            if getattr(module, "time", None) is sys.modules["time"]:
                put(module, "time", no_pause)
    for module in (parts, composite):
        put(module, "MIN_PART_BYTES", SMALLEST_PART)
    put(report_page, "page", lambda report, _previous: report.run.id)
    put(transfer, "FEW_RANGES", FEW_RANGES)
    put(transfer, "KEYS_WORTH_A_RANGE", 1)
    put(Tries.__init__, "__defaults__", (no_pause.sleep,))
    try:
        yield
    finally:
        for module, name, value in reversed(taken):
            setattr(module, name, value)
