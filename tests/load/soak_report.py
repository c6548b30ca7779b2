"""What a soak came to: every event accounted for, what was injected, what was found. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.books import BY_WEIGHT, FAILED, SKIPPED, End, percentile
from tests.sandbox.live_view import amount

BATCH = 10
"""Messages of one invocation, whose last words are lost with its process at most."""
STOLEN = "lost on purpose"
UNDELIVERED = "set aside by the rule"
UNTOLD = "told of by a process that was killed"
SHOWN = 10


@dataclass(frozen=True)
class Account:
    """Of every event that came to the consumer's bus: `heard` are their ids. `stolen` were taken off the queue,
    `undelivered` could not be put on it; `ends` is what the function's log says of the others.
    """

    heard: frozenset[str]
    stolen: frozenset[str]
    undelivered: frozenset[str]
    ends: Mapping[str, End]

    def sums(self) -> Counter[str]:
        """How many events ended how; their sum is all that were heard."""
        return Counter(map(self._end, self.heard))

    def _end(self, event_id: str) -> str:
        if end := self.ends.get(event_id):
            return f"{end.kind} ({end.name})" if end.kind in (SKIPPED, FAILED) else end.kind
        if event_id in self.stolen:
            return STOLEN
        return UNDELIVERED if event_id in self.undelivered else UNTOLD

    @property
    def untold(self) -> int:
        return self.sums()[UNTOLD]

    def equation(self) -> str:
        order = {kind: -number for number, kind in enumerate(BY_WEIGHT)}
        sums = sorted(self.sums().items(), key=lambda item: (order.get(item[0].partition(" (")[0], 9), item[0]))
        return f"{len(self.heard)} events = " + (" + ".join(f"{count} {what}" for what, count in sums) or "0")


@dataclass(frozen=True)
class NightlyRun:
    """A reconcile: `state` in which it ended, `closes` its books, `drift` what it found by kind.

    `refused`: how often it had to be asked again.
    """

    run_id: str
    state: str
    closes: bool
    seconds: float
    drift: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True)
class SoakReport:
    """Bytes in bytes, times in seconds. `dead_letters`: how many of which code; `poison`: how many were put in.

    `kills` of functions' processes; `interrupted`: batches that ended so. `last`: the reconciles after all had come
    to rest, one of which must find nothing. `differences`: what the independent check found, but for tags whose events
    were lost: those of `tags_lost` keys, made good by a forced backfill and compared again. `unfinished`: uploads left
    open by killed functions; `unswept`: those still there after the product's own sweep. `stuck`: what did not come to
    rest, in a sentence.
    """

    seed: int
    minutes: float
    seconds: float
    changes: Mapping[str, int]
    injected: Mapping[str, int]
    calls: int
    faults: Mapping[str, int]
    account: Account
    lags: Sequence[float]
    nightly: Sequence[NightlyRun]
    last: Sequence[NightlyRun]
    dead_letters: Mapping[str, int]
    poison: int
    ranges_dead_letters: int
    kills: int
    interrupted: int
    function_memory: int
    function_memory_limit: int
    emulator_memory: int
    compared: int
    bytes_compared: int
    differences: Sequence[str]
    tags_lost: int
    unfinished: int
    unswept: int
    stuck: Sequence[str] = ()

    def problems(self) -> list[str]:
        """What is not right, a sentence each."""
        parts = (self._of_replicas(), self._of_reconciles(), self._of_messages())
        return [*self.stuck, *(problem for part in parts for problem in part)]

    def _of_replicas(self) -> Iterator[str]:
        yield from self.differences[:SHOWN]
        if (more := len(self.differences) - SHOWN) > 0:
            yield f"and {more} more differences"
        if self.compared == 0:
            yield "nothing was there to be compared"
        if self.function_memory > self.function_memory_limit:
            yield f"a function took {amount(self.function_memory)}, more than Lambda would give it"
        if self.unswept:
            yield f"{self.unswept} unfinished uploads stay after a sweep"

    def _of_reconciles(self) -> Iterator[str]:
        for name, run in (*(("nightly", run) for run in self.nightly), *(("last", run) for run in self.last)):
            if run.state != "done" or not run.closes:
                books = "" if run.closes else ", and its books do not close"
                yield f"a {name} reconcile, {run.run_id}, ended {run.state}{books}"
        if not self.last:
            yield "no reconcile came to its end at rest"
        elif not any(run.state == "done" and not run.drift for run in self.last):
            yield f"no reconcile at rest found nothing, the last {dict(self.last[-1].drift)}"

    def _of_messages(self) -> Iterator[str]:
        if self.account.untold > BATCH * self.kills:
            yield f"{self.account.untold} events came to no end that was told, with {self.kills} processes killed"
        poisoned, others = self.dead_letters.get("not-json", 0), dict(self.dead_letters)
        others.pop("not-json", None)
        if poisoned != self.poison:
            yield f"{poisoned} dead letters of poison, and {self.poison} were put in"
        if others:
            yield f"good messages among the dead letters: {others}"
        if self.ranges_dead_letters:
            yield f"{self.ranges_dead_letters} messages among the dead letters of the ranges queue"

    def lines(self) -> list[str]:
        check = f"{len(self.differences)} differences" if self.differences else "equal"
        lag = ", ".join(
            f"{name} {value:.1f} s"
            for name, share in {"p50": 0.5, "p99": 0.99, "longest": 1.0}.items()
            if (value := percentile(self.lags, share)) is not None
        )
        found = Counter[str]()
        for run in self.nightly:
            found.update(run.drift)
        return [
            f"Changes    {sum(self.changes.values())} at the source: {told(self.changes)}",
            f"Injected   {told(self.injected)}",
            f"Faults     {sum(self.faults.values())} in {self.calls} calls: {told(self.faults)}",
            f"Books      {self.account.equation()}",
            f"Lag        {lag or 'nothing was replicated'}",
            f"Reconciles {len(self.nightly)} beside it all, found {told(found)}; {len(self.last)} at rest",
            f"Set aside  {told(self.dead_letters)}; ranges {self.ranges_dead_letters}",
            f"Uploads    {self.unfinished} left open by killed functions, {self.unswept} after a sweep",
            f"Killed     {self.kills} functions' processes, in the midst of {self.interrupted} batches",
            f"Memory     function {amount(self.function_memory)} at most; emulator {amount(self.emulator_memory)}",
            f"Tags       of {self.tags_lost} keys, whose events were lost, by a forced backfill",
            f"Check      {self.compared} objects, {amount(self.bytes_compared)}: {check}",
        ]

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "ok": not self.problems(),
            "problems": self.problems(),
            "seed": self.seed,
            "minutes": self.minutes,
            "seconds": round(self.seconds, 1),
            "changes": dict(self.changes),
            "injected": dict(self.injected),
            "calls": self.calls,
            "faults": dict(self.faults),
            "events": dict(self.account.sums()),
            "lag": {f"p{share}": percentile(self.lags, share / 100) for share in (50, 99, 100)},
            "nightly": [run_document(run) for run in self.nightly],
            "last": [run_document(run) for run in self.last],
            "dead_letters": dict(self.dead_letters),
            "ranges_dead_letters": self.ranges_dead_letters,
            "killed": {"processes": self.kills, "batches": self.interrupted},
            "unfinished_uploads": {"left": self.unfinished, "after_sweep": self.unswept},
            "memory": {
                "function": self.function_memory,
                "limit": self.function_memory_limit,
                "emulator": self.emulator_memory,
            },
            "check": {
                "objects": self.compared,
                "bytes": self.bytes_compared,
                "differences": list(self.differences),
                "tags_lost": self.tags_lost,
            },
        }


def run_document(run: NightlyRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "state": run.state,
        "closes": run.closes,
        "seconds": round(run.seconds, 1),
        "drift": dict(run.drift),
        "refused": run.refused,
    }


def told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()) if count) or "nothing"
