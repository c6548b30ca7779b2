"""The function's process is really killed, before and after every AWS call it makes, and nothing shows.

Each scenario runs once to count its calls. Then it runs again for every call, and the process gets a SIGKILL before
the call is let through, or after it took effect and before it is answered. The message becomes visible again, another
process finishes the work: source = replica = row, no upload stays open, and the books of a run close.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.consumer.fake_aws import QUEUE, RANGES, Call, World
from tests.consumer.transfer_rig import TransferRig
from tests.faults.aws_server import AwsServer, Gone, served
from tests.faults.crash_scenarios import SCENARIOS, Scenario, assert_all_is_well
from tests.faults.functions import SHRUNK, Functions, Killed, loaded

LEAST_POINTS = 200
READS = ("Get", "Head", "List", "Query", "BatchGet", "AssumeRole")
ROUNDS = 60
ASKED_AGAIN = 60.0
"""Seconds after which Lambda makes an asynchronous invocation that failed again.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def server(stack: ExitStack) -> Iterator[AwsServer]:
    server = stack.enter_context(served(World(), pinned=True))
    yield server
    assert not server.defects


@pytest.fixture(scope="module")
def hosts(stack: ExitStack, server: AwsServer) -> dict[bool, Functions]:
    """By whether parts are small."""
    return {small: stack.enter_context(loaded(server, **(SHRUNK if small else {}))) for small in (True, False)}


class Death:
    """Kills at call number `at`, or never where that is None; `before` it, or after it took effect.

    Only calls of the function named `of` are counted, where one is named.
    From then on no call of that process gets through: connections end without an answer.
    """

    def __init__(self, world: World, functions: Functions, at: int | None, *, before: bool, of: str = "") -> None:
        self.calls: list[str] = []
        self.struck = False
        self._world, self._functions = world, functions
        self._at, self._before, self._of = at, before, of
        self._dead = False
        self._last: Call | None = None
        world.before, world.after = self._on_before, self._on_after

    def _on_before(self, call: Call) -> None:
        with self._world.lock:
            if self._of in ("", self._functions.running):
                number = len(self.calls)
                self.calls.append(call.operation)
                if number == self._at and self._before:
                    self._kill()
                elif number == self._at:
                    self._last = call
            if self._dead:
                raise Gone

    def _on_after(self, call: Call) -> None:
        with self._world.lock:
            if call is self._last:
                self._kill()
            if self._dead:
                raise Gone

    def _kill(self) -> None:
        self._dead = self.struck = True
        self._functions.kill()

    def revive(self) -> None:
        self._dead = False


class Scene:
    """A scenario played on the functions, up to the end."""

    def __init__(self, server: AwsServer, functions: Functions, rig: TransferRig, death: Death) -> None:
        self._functions = functions
        self._world = server.world = rig.world
        self._death = death

    def play(self, scenario: Scenario) -> None:
        if scenario.payload:
            self._ask(scenario)
        for _ in range(ROUNDS):
            waiting = [message for name in (QUEUE, RANGES) for message in self._world.queues[name]]
            if not waiting:
                return
            self._world.now = max(self._world.now, min(message.visible_at for message in waiting))
            self._work(QUEUE, "replicator", 10)
            self._work(RANGES, "transfer", 1)
        raise AssertionError(f"not worked off: {[message.body for message in waiting]}")

    def _ask(self, scenario: Scenario) -> None:
        try:
            self._functions.invoke("transfer", scenario.payload, self._world.now)
        except Killed:
            self._death.revive()
            self._world.now += ASKED_AGAIN
            self._functions.invoke("transfer", scenario.payload, self._world.now)

    def _work(self, queue: str, function: str, most: int) -> None:
        """A batch; if its process is killed, its messages are visible again when their time has come."""
        records = self._world.receive(most, queue)
        if not records:
            return
        try:
            answer = self._functions.invoke(function, {"Records": records}, self._world.now)
        except Killed:
            self._death.revive()
            return
        returning = {each["itemIdentifier"] for each in answer.get("batchItemFailures", [])}
        self._world.acknowledge({record["messageId"] for record in records} - returning, queue)


def calls_of(scenario: Scenario, server: AwsServer, functions: Functions) -> list[str]:
    """Of a clean run, which must end well too."""
    rig = scenario.prepared()
    count = Death(rig.world, functions, None, before=True, of=scenario.killed)
    Scene(server, functions, rig, count).play(scenario)
    rig.world.before = rig.world.after = lambda _call: None
    assert_all_is_well(rig, scenario)
    return count.calls


def points_of(calls: list[str], *, every: bool) -> list[tuple[int, bool]]:
    """Where to kill: (number of the call, whether before it). Before and after each call, if `every`.

    Else of a row of equal reads (a scan of all shards) only at the first and the last, and only before them: what the
    world is like is the same after a read.
    """
    if every:
        return [(at, before) for at in range(len(calls)) for before in (True, False)]
    found = []
    for at, call in enumerate(calls):
        reads = call.startswith(READS)
        if not reads or calls[at - 1 : at] != [call] or calls[at + 1 : at + 2] != [call]:
            found += [(at, True)] if reads else [(at, True), (at, False)]
    return found


POINTS: dict[str, int] = {}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_killed_process_leaves_no_trace_once_another_has_finished_its_work(
    scenario: Scenario, server: AwsServer, hosts: dict[bool, Functions]
):
    functions = hosts[scenario.small]
    calls = calls_of(scenario, server, functions)
    points = points_of(calls, every=not scenario.payload)
    struck = 0
    for at, before in points:
        rig = scenario.prepared()
        death = Death(rig.world, functions, at, before=before, of=scenario.killed)
        Scene(server, functions, rig, death).play(scenario)
        struck += death.struck
        rig.world.before = rig.world.after = lambda _call: None
        assert_all_is_well(rig, scenario)
    assert struck >= 0.9 * len(points), "threads may save a call or two, but no more"
    POINTS[scenario.name] = struck


def test_there_are_at_least_two_hundred_crash_points(capsys: pytest.CaptureFixture[str]):
    """Counted in this very run, where all of it ran."""
    if len(POINTS) < len(SCENARIOS):
        pytest.skip("only a part of the scenarios ran")
    with capsys.disabled():
        print(f"{os.linesep}{sum(POINTS.values())} crash points")
    assert sum(POINTS.values()) >= LEAST_POINTS
