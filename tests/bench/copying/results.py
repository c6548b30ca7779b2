"""What copying took, as values; ratios and goals from them. Pure.

A process's start is not copying: each tool also copies one object of one byte in every round, and what that took is
taken off. Both are kept. A ratio is a peer's cost divided by ours: above 1, ours is ahead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.copying.tools import OURS
from tests.bench.copying.workload import MIB, Workload
from tests.bench.measured import Taken

MB, GB = 1e6, 1e9
LEAST = 1e-4  # seconds: gauge's resolution; nothing is divided by less


@dataclass(frozen=True)
class Copied:
    """One tool on one workload. `starts` and `runs`: one each a round."""

    tool: str
    workload: Workload
    starts: Sequence[Taken]
    runs: Sequence[Taken]

    @property
    def start_seconds(self) -> float:
        return median(each.seconds for each in self.starts)

    @property
    def start_cpu_seconds(self) -> float:
        return median(each.cpu_seconds for each in self.starts)

    @property
    def seconds(self) -> float:
        return max(LEAST, median(each.seconds for each in self.runs) - self.start_seconds)

    @property
    def cpu_seconds(self) -> float:
        return max(LEAST, median(each.cpu_seconds for each in self.runs) - self.start_cpu_seconds)

    @property
    def peak_bytes(self) -> float:
        """The process's whole, its start included."""
        return median(each.peak_bytes for each in self.runs)

    @property
    def objects_per_second(self) -> float:
        return self.workload.count / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.workload.bytes / MB / self.seconds

    @property
    def cpu_milliseconds_per_object(self) -> float:
        return self.cpu_seconds * 1000 / self.workload.count

    @property
    def cpu_seconds_per_gigabyte(self) -> float:
        return self.cpu_seconds / self.workload.bytes * GB

    def facts(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_bytes": self.peak_bytes,
            "start_seconds": self.start_seconds,
            "start_cpu_seconds": self.start_cpu_seconds,
            "objects_per_second": self.objects_per_second,
            "megabytes_per_second": self.megabytes_per_second,
            "cpu_milliseconds_per_object": self.cpu_milliseconds_per_object,
            "cpu_seconds_per_gigabyte": self.cpu_seconds_per_gigabyte,
            "runs": [[each.seconds, each.cpu_seconds, each.peak_bytes] for each in self.runs],
            "starts": [[each.seconds, each.cpu_seconds, each.peak_bytes] for each in self.starts],
        }


@dataclass(frozen=True)
class Contest:
    """All tools on one workload; the first is the one that the others are compared with."""

    workload: Workload
    copied: Sequence[Copied]

    @property
    def first(self) -> Copied:
        return self.copied[0]

    @property
    def goals(self) -> "list[Goal]":
        return goals(self)

    def times_first(self, each: Copied) -> dict[str, float]:
        """Costs of `each`, in those of the first: above 1, the first is ahead."""
        return {
            "seconds": each.seconds / self.first.seconds,
            "cpu_seconds": each.cpu_seconds / self.first.cpu_seconds,
            "peak_bytes": each.peak_bytes / self.first.peak_bytes,
        }

    def facts(self) -> dict[str, Any]:
        """For a program and for the page: plain JSON values."""
        return {
            "workload": self.workload.name,
            "title": self.workload.title,
            "count": self.workload.count,
            "size": self.workload.size,
            "tools": [
                each.facts() | {"times_first": {k: round(v, 3) for k, v in self.times_first(each).items()}}
                for each in self.copied
            ],
            "goals": [goal.facts() for goal in self.goals],
        }

    def table(self) -> Table:
        rounds = len(self.first.runs)
        workload = self.workload
        title = f"{workload.name}, {workload.title}: medians of {rounds}; x: its cost in that of {self.first.tool}"
        table = Table(title=title, title_justify="left")
        table.add_column("tool")
        for name in ("objects/s", "MB/s", "x", "CPU ms/object", "CPU s/GB", "x", "peak MB", "x", "start s", "CPU s"):
            table.add_column(name, justify="right")
        for each in self.copied:
            times = self.times_first(each)
            table.add_row(
                each.tool,
                f"{each.objects_per_second:,.0f}"
                if each.objects_per_second >= 10
                else f"{each.objects_per_second:.2f}",
                f"{each.megabytes_per_second:,.1f}",
                f"{times['seconds']:.2f}",
                f"{each.cpu_milliseconds_per_object:,.2f}",
                f"{each.cpu_seconds_per_gigabyte:,.2f}",
                f"{times['cpu_seconds']:.2f}",
                f"{each.peak_bytes / MB:.0f}",
                f"{times['peak_bytes']:.2f}",
                f"{each.start_seconds:.2f}",
                f"{each.start_cpu_seconds:.2f}",
            )
        return table


@dataclass(frozen=True, slots=True)
class Goal:
    """`measured` against `wanted`, which it must reach, or with `ceiling` stay below."""

    workload: str
    what: str
    wanted: float
    measured: float
    ceiling: bool = False

    @property
    def met(self) -> bool:
        return self.measured < self.wanted if self.ceiling else self.measured >= self.wanted

    def facts(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "what": self.what,
            "wanted": self.wanted,
            "measured": round(self.measured, 3),
            "ceiling": self.ceiling,
            "met": self.met,
        }


RCLONE, OTHERS = "rclone", ("s5cmd", "aws s3 cp")
WANTED: Mapping[str, Mapping[str, float]] = {
    "w1": {RCLONE: 1.0, "s5cmd": 3.0, "aws s3 cp": 3.0},
    "w2": {RCLONE: 1.0, "s5cmd": 1.5, "aws s3 cp": 1.5},
    "w3": {RCLONE: 1.3, "s5cmd": 1.5, "aws s3 cp": 1.5},
}
"""By workload and peer, whichever of its rows is best: how many times ours its time and its CPU must be."""
PEAK_MIB: Mapping[str, float] = {"w3": 100.0}
AT = {"seconds": "speed", "cpu_seconds": "CPU"}


def goals(contest: Contest) -> list[Goal]:
    """Those that what was measured can answer: ours must be there, and the peer."""
    if contest.first.tool != OURS:
        return []
    workload, found = contest.workload.name, []
    for peer, wanted in WANTED.get(workload, {}).items():
        rows = [contest.times_first(each) for each in contest.copied if each.tool.startswith(peer)]
        found += [
            Goal(workload, f"{peer}: {name}", wanted, min(row[cost] for row in rows))
            for cost, name in AT.items()
            if rows
        ]
    if most := PEAK_MIB.get(workload):
        peak = contest.first.peak_bytes / MIB
        found.append(Goal(workload, "peak memory, MiB", most, peak, ceiling=True))
    return found


def goals_table(reached: Sequence[Mapping[str, Any]]) -> Table:
    """Of goals' facts."""
    table = Table(title="goals; speed and CPU: the cost of the peer's best row divided by ours", title_justify="left")
    table.add_column("workload")
    table.add_column("goal")
    for name in ("wanted", "measured", ""):
        table.add_column(name, justify="right")
    for goal in reached:
        wanted = f"{'<' if goal['ceiling'] else '>='} {goal['wanted']:g}"
        met = "met" if goal["met"] else "missed"
        table.add_row(goal["workload"], goal["what"], wanted, f"{goal['measured']:.2f}", met)
    return table
