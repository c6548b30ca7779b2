"""Real threads, one AWS call at a time: whose turn it is decides a seeded choice, so that a schedule can be had again.

A worker stops before every call it makes and goes on when it is given the turn. Between two turns nobody runs, so the
whole world can be looked at after every step.
"""

import threading
from collections.abc import Callable

from tests.consumer.fake_aws import Call, World


class Crash(BaseException):
    """The process is gone: nothing after this call happens. Not an Exception, so that nothing handles it."""


class Worker:
    """One thread with something to do. `waiting` is the call before which it stands."""

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self.name = name
        self.waiting: Call | None = None
        self.error: BaseException | None = None
        self._act = act
        self._crash_before = False
        self._turn = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self.alive = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001 - a crash ends the worker, a failed assertion ends the test
            self.error = error
        self.alive = False
        self._stopped.release()

    def stand(self, call: Call) -> None:
        """Called on the worker's own thread, before a call."""
        self.waiting = call
        self._stopped.release()
        self._turn.acquire()
        if self._crash_before:
            raise Crash

    def start(self) -> None:
        self.thread.start()
        self._stopped.acquire()

    def step(self) -> None:
        """One call, up to the next or to the end."""
        self._turn.release()
        self._stopped.acquire()

    def crash(self) -> None:
        self._crash_before = True
        self.step()


class Interleaver:
    """Binds a world to the workers that are started on it."""

    def __init__(self, world: World) -> None:
        self._workers: dict[int, Worker] = {}
        world.before = self._before

    def _before(self, call: Call) -> None:
        worker = self._workers.get(threading.get_ident())
        if worker:
            worker.stand(call)

    def start(self, name: str, act: Callable[[], None]) -> Worker:
        worker = Worker(name, act)

        def registered() -> None:
            self._workers[threading.get_ident()] = worker
            act()

        worker._act = registered
        worker.start()
        return worker
