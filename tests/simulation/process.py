"""A process: one invocation as a greenlet, which stops before every AWS call until a scheduler says what becomes of it.
Where it works `side_by_side`, what it hands to a pool are greenlets as well, its threads, each of which stops so.

A switch costs about a microsecond, and between two of them nobody runs. Death is final: whatever the code does on its
way out, no further call gets through.
"""

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from tests.consumer.fake_aws import Call
from tests.consumer.interleaver import Crash

type Act = Callable[[], Any]
type Fate = Callable[["Process", Call, Act], Any]
type CarryOut = Callable[["Process", Call, Act], Any]


class AskAgain(Exception):
    """The answer was lost, and the SDK asks again: the very same call is made once more."""


class Process:
    """`carry_out(process, call, act)` makes a call take effect. `pending`: the call before which it stands.

    `reads`: of each key the source state that it has read last; `looks`: whether its next GetObject or HeadObject tells
    the source's current state. `finished`: it has nothing more to do; `result` or `error` is what came out.

    `threads` that are not finished. `waits_for`: what it or a thread of it cannot go on without.
    """

    def __init__(
        self, name: str, act: Act, carry_out: "CarryOut", *, side_by_side: bool = False, root: "Process | None" = None
    ) -> None:
        self.name = name
        self.root = root or self
        self.side_by_side = side_by_side
        self.threads: list[Process] = []
        self.thread_count = 0
        self.waits_for: Callable[[], bool] | None = None
        self.pending: Call | None = None
        self.finished = False
        self.dead = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.looks = False
        self.reads: dict[str, int] = root.reads if root else {}
        self._act = act
        self.carry_out = carry_out
        self._greenlet = greenlet(self._run, root._greenlet.parent if root else None)
        self._greenlet.process = self  # type: ignore[attr-defined]

    def start(self) -> None:
        """Up to its first call, or to its end."""
        self._greenlet.switch()
        if self.root.threads:
            self.root._go_on()

    def step(self, fate: Fate) -> None:
        """The pending call meets its fate; up to the next call, or to the end."""
        self._greenlet.switch(fate)
        if self.root.threads:
            self.root._go_on()

    def standing(self) -> "list[Process]":
        """Itself and its threads, as far as they can make a step."""
        return [self] if not self.threads else [each for each in (self, *self.threads) if each.waits_for is None]

    def crash(self) -> None:
        everyone = (self, *self.threads)
        for each in everyone:
            each.dead = True
        for each in everyone:
            if each._greenlet:
                each._greenlet.throw(Crash)
            each.finished = True
            each.pending = None

    # -- threads -------------------------------------------------------------------------------------------------------

    def begin_thread(self, act: Act, may_begin: Callable[[], bool]) -> "Process":
        """A thread that begins once it may, and whoever began it has come to a call or waits."""
        root = self.root
        root.thread_count += 1
        thread = Process(f"{root.name}/{root.thread_count}", act, root.carry_out, root=root)
        thread.waits_for = may_begin
        root.threads.append(thread)
        return thread

    def wait(self, until: Callable[[], bool]) -> None:
        """On its own greenlet."""
        while not until():
            if self.dead:
                raise Crash
            self.pending, self.waits_for = None, until
            self._greenlet.parent.switch()
        self.waits_for = None

    def _go_on(self) -> None:
        """Whoever waits for nothing any more goes on to its next call."""
        while waiting := [each for each in (self, *self.threads) if each.waits_for and each.waits_for()]:
            waiting[0].waits_for = None
            waiting[0]._greenlet.switch()
            self.threads = [each for each in self.threads if not each.finished]
        self.threads = [each for each in self.threads if not each.finished]

    def perform(self, call: Call, act: Act) -> Any:
        """On the process's own greenlet: stands before the call until it is told what becomes of it."""
        while True:
            if self.dead:
                raise Crash
            self.pending = call
            fate = self._greenlet.parent.switch()
            try:
                return fate(self, call, act)
            except AskAgain:
                continue

    def _run(self) -> None:
        try:
            self.result = self._act()
        except BaseException as error:  # noqa: BLE001 - a crash ends the process, anything else is looked at
            self.error = error
        self.pending = None
        self.finished = True


def current_process() -> Process | None:
    return getattr(getcurrent(), "process", None)


def go(process: Process, call: Call, act: Act) -> Any:
    """The call takes effect and is answered."""
    return process.carry_out(process, call, act)


def answer_lost(process: Process, call: Call, act: Act) -> Any:
    """The call takes effect, its answer is lost, the SDK asks again."""
    try:
        process.carry_out(process, call, act)
    except Exception as refusal:
        raise AskAgain from refusal
    raise AskAgain


def failing(error: Exception) -> Fate:
    """The call does not take effect, and is answered with an error."""

    def fate(_process: Process, _call: Call, _act: Act) -> Any:
        raise error

    return fate


def losing(error: Exception) -> Fate:
    """The call takes effect, and an error is all that comes back."""

    def fate(process: Process, call: Call, act: Act) -> Any:
        process.carry_out(process, call, act)
        raise error

    return fate
