"""The product's own threads and pauses, taken out: what it hands to a pool is done at once, by whoever hands it over.

A schedule must depend on its choices alone. What a pool would do side by side within one invocation is done in order,
or, where a scenario says so, by turns, call by call, as invocations are interleaved (see `process`).
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, Executor, Future, wait
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from consumer_replicator import composite, parts, report_page, transfer
from consumer_replicator.tries import Tries
from tests.simulation.process import Process, current_process

SMALLEST_PART = 1
"""Bytes: parts of S3's real least would make every schedule move megabytes."""
FEW_RANGES = 1
"""Ranges that one invocation works through itself: with a handful of keys there are two or three in all."""


class Awaited(Future[Any]):
    """Whoever waits for it lets others take their turns."""

    def result(self, timeout: float | None = None) -> Any:
        _until(self.done)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        _until(self.done)
        return super().exception(timeout)


class AtOnce(Executor):
    """A pool without threads of its own: what it is handed is done at once, or by a thread of the simulated process
    that hands it over, of which each has `most`. Of what is raised only an Exception is kept for later: a crash is one
    at once.
    """

    def __init__(self, most: int = 1, *_: Any, **__: Any) -> None:
        super().__init__()
        self._most = most
        self._under_way: list[tuple[Process, Future[Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Awaited()

        def act() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except Exception as error:  # noqa: BLE001 - as an executor does
                    future.set_exception(error)

        process = current_process()
        if process is None or not process.root.side_by_side:
            act()
        else:
            root = process.root
            self._under_way = [each for each in self._under_way if not (each[1].done() or each[0].dead)]
            before = [each for of, each in self._under_way if of is root]
            self._under_way.append((root, future))
            process.begin_thread(act, lambda: sum(not each.done() for each in before) < self._most)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        process = current_process()
        wait_for(each for of, each in self._under_way if process is not None and of is process.root)


def wait_for(futures: Iterable[Future[Any]], return_when: str = ALL_COMPLETED) -> None:
    """`concurrent.futures.wait`, by turns."""
    waited = list(futures)

    def enough() -> bool:
        failed = return_when == FIRST_EXCEPTION and any(each.done() and _failed(each) for each in waited)
        return failed or all(each.done() for each in waited)

    _until(enough)


def _failed(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is not None


def _until(holds: Callable[[], bool]) -> None:
    process = current_process()
    if process is not None and not holds():
        process.wait(holds)


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
            if getattr(module, "wait", None) is wait:
                put(module, "wait", wait_for)
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
