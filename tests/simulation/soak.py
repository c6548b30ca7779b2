"""Schedules for as long as one likes, in several processes, with a report; scenarios explored as far as time allows.

python -m tests.simulation --schedules 1000000 --minutes 30      (make simulate ARGS="...")
python -m tests.simulation --seed 4711                           one schedule, as a story
python -m tests.simulation --kind runs                           those of one kind: copies, parts, runs
python -m tests.simulation --explore --minutes 10                all schedules of the larger scenarios
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.simulation import shrink, simulation
from tests.simulation.broken import Broken
from tests.simulation.explorer import Explorer
from tests.simulation.one_thread import one_thread
from tests.simulation.scenario import Kind
from tests.simulation.scenarios import LARGER
from tests.simulation.story import Story

A_CHUNK = 200
MOST_FAILURES = 5
SHRINKS = 4_000
PROGRESS_SECONDS = 15.0


@dataclass
class Report:
    """What was run. `broken`: by seed the rule and what it says; `stories`: the first of them, told."""

    schedules: int = 0
    steps: int = 0
    calls: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    covered: set[str] = field(default_factory=set)
    broken: dict[int, str] = field(default_factory=dict)
    stories: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Report") -> None:
        self.schedules += other.schedules
        self.steps += other.steps
        self.calls += other.calls
        self.happened += other.happened
        self.acts += other.acts
        self.runs += other.runs
        self.covered |= other.covered
        self.broken |= other.broken

    def as_json(self) -> dict[str, object]:
        counts = {"schedules": self.schedules, "steps": self.steps, "calls": self.calls, "states": len(self.covered)}
        told = {"trouble": self.happened, "history": self.acts, "runs": self.runs, "broken": self.broken}
        return counts | told | {"seconds": self.seconds}

    def __str__(self) -> str:
        rate = self.schedules / max(self.seconds, 1e-9)
        lines = [
            f"Schedules  {self.schedules:,} in {self.seconds:.0f} s ({rate:,.0f}/s)",
            f"Steps      {self.steps:,}, of them {self.calls:,} calls of AWS",
            f"States     {len(self.covered):,} kinds of them (row, source, replica, where processes stand)",
            f"History    {_counts(self.acts)}",
            f"Trouble    {_counts(self.happened)}",
            f"Runs       {_counts(self.runs)}",
            f"Broken     {len(self.broken)}",
        ]
        lines += [f"  seed {seed}: {what}" for seed, what in sorted(self.broken.items())[:20]]
        return "\n".join([*lines, *self.stories])


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    if asked.seed is not None:
        return tell(asked.seed, asked.kind)
    if asked.explore:
        return explore(asked)
    return soak(asked)


def _asked(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(prog="make simulate", description="Schedules of the real code, for as long as you like.")
    parser.add_argument("--schedules", type=int, default=1_000_000, help="at most so many (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="at most so long (default %(default)s)")
    parser.add_argument("--first", type=int, default=1_000_000, help="the first seed (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="side by side (default %(default)s)")
    parser.add_argument("--seed", type=int, help="tell one schedule as a story, and nothing else")
    parser.add_argument("--kind", type=Kind, choices=list(Kind), help="of scenarios; by default all, by their shares")
    parser.add_argument("--explore", action="store_true", help="all schedules of the larger scenarios instead")
    parser.add_argument("--json", type=Path, help="a file for the report")
    return parser.parse_args(arguments)


# -- schedules of chance -----------------------------------------------------------------------------------------------


def soak(asked: Namespace) -> int:
    report, began, told = Report(), time.monotonic(), time.monotonic()
    chunks = _chunks(asked.first, asked.schedules)
    some_first = _next(chunks, 2 * asked.processes)
    with ProcessPoolExecutor(asked.processes) as pool:
        under: set[Future[Report]] = {pool.submit(some, *chunk, asked.kind) for chunk in some_first}
        while under:
            done, under = wait(under, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                part = future.result()
                report.add(part)
                for seed, what in part.broken.items():
                    print(f"seed {seed} breaks: {what}", flush=True)
            report.seconds = time.monotonic() - began
            if report.seconds < asked.minutes * 60 and len(report.broken) < MOST_FAILURES:
                under |= {pool.submit(some, *chunk, asked.kind) for chunk in _next(chunks, len(done))}
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                print(
                    f"{report.schedules:,} schedules, {report.calls:,} calls, {len(report.broken)} broken", flush=True
                )
    report.stories = [story_of(seed, asked.kind) for seed in sorted(report.broken)[:1]]
    return _reported(str(report), report.as_json(), asked, failed=bool(report.broken))


def some(first: int, number: int, kind: Kind | None = None) -> Report:
    """So many schedules, from this seed on."""
    report = Report()
    with one_thread():
        for seed in range(first, first + number):
            schedule = simulation.of_seed(seed, kind, covered=report.covered)
            try:
                schedule.run()
            except Broken as broken:
                report.broken[seed] = f"{schedule.plan}: {broken}"
            report.schedules += 1
            report.steps += len(schedule.chosen)
            report.calls += schedule.calls
            report.happened += schedule.happened
            report.runs += schedule.transfers.happened if schedule.transfers else Counter()
            report.acts.update(operation.act.value for operation in schedule.plan.operations)
    return report


def story_of(seed: int, kind: Kind | None = None) -> str:
    """Of a schedule that breaks a rule, made as short as it goes."""
    with one_thread():
        schedule = simulation.of_seed(seed, kind)
        try:
            schedule.run()
        except Broken:
            failure = shrink.failure_of(schedule.plan, schedule.chosen)
            return shrink.told(shrink.shrunk(failure, SHRINKS)) if failure else "It does not happen again."
    return "Nothing is broken."


def tell(seed: int, kind: Kind | None = None) -> int:
    """One schedule, whole; and if it breaks a rule, the shortest that still does."""
    story = Story()
    with one_thread():
        schedule = simulation.of_seed(seed, kind, story=story)
        try:
            schedule.run()
        except Broken as broken:
            print(f"{schedule.plan}\n{story}\n{broken}\n\nAs short as it goes:\n{story_of(seed, kind)}")
            return 1
    print(f"{schedule.plan}\n{story}\nNothing is broken.")
    return 0


def _chunks(first: int, number: int) -> Iterator[tuple[int, int]]:
    for begin in count(first, A_CHUNK):
        left = first + number - begin
        if left <= 0:
            return
        yield begin, min(left, A_CHUNK)


def _next(chunks: Iterator[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    return [chunk for _, chunk in zip(range(number), chunks, strict=False)]


# -- all schedules -----------------------------------------------------------------------------------------------------


def explore(asked: Namespace) -> int:
    """Each of the larger scenarios, for its share of the time."""
    each = asked.minutes * 60 * asked.processes / len(LARGER)
    rows, stories = [], []
    with ProcessPoolExecutor(asked.processes) as pool:
        for name, answer in zip(LARGER, pool.map(explored, LARGER, [each] * len(LARGER)), strict=True):
            rows.append(answer | {"scenario": name})
            stories += answer.pop("stories")
            print(
                f"{name:48} {answer['states']:>9,} states {answer['transitions']:>9,} steps "
                f"{'all of them' if answer['complete'] else 'not all'} in {answer['seconds']:.0f} s"
                + (f"  BROKEN: {answer['broken']}" if answer["broken"] else ""),
                flush=True,
            )
    failed = any(row["broken"] for row in rows)
    return _reported("\n".join(stories), {"explored": rows}, asked, failed=failed)


def explored(name: str, seconds: float) -> dict[str, object]:
    with one_thread():
        explorer = Explorer(LARGER[name])
        answer = explorer.explore(seconds=seconds)
        stories = [explorer.told(way) for _, way in answer.broken.values()]
    kept = {"states": answer.states, "transitions": answer.transitions, "complete": answer.complete}
    broken = {rule: sentence for rule, (sentence, _) in answer.broken.items()}
    return kept | {"seconds": round(answer.seconds, 1), "broken": broken, "stories": stories}


def _reported(text: str, document: dict[str, object], asked: Namespace, *, failed: bool) -> int:
    print(text)
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(failed)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counter.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
