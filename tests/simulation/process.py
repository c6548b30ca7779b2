"""A process: one invocation as a greenlet, which stops before every AWS call until a scheduler says what becomes of it.

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
    """

    def __init__(self, name: str, act: Act, carry_out: "CarryOut") -> None:
        self.name = name
        self.pending: Call | None = None
        self.finished = False
        self.dead = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.looks = False
        self.reads: dict[str, int] = {}
        self._act = act
        self.carry_out = carry_out
        self._greenlet = greenlet(self._run)
        self._greenlet.process = self  # type: ignore[attr-defined]

    def start(self) -> None:
        """Up to its first call, or to its end."""
        self._greenlet.switch()

    def step(self, fate: Fate) -> None:
        """The pending call meets its fate; up to the next call, or to the end."""
        self._greenlet.switch(fate)

    def crash(self) -> None:
        self.dead = True
        if self._greenlet:
            self._greenlet.throw(Crash)
        self.finished = True
        self.pending = None

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
