"""What was measured, as a value; and the same as tables. Pure. Every figure stands beside the others', as a ratio."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.manifest_server import PAGE_BYTES
from tests.bench.measured import Taken
from tests.bench.planted import Planned, Planted

MB = 1_000_000
PAGE_KEYS = 1_000


@dataclass(frozen=True)
class Result:
    """One tool on one pair of buckets. `runs` timed ones; `calls` by operation, counted in a run that is not timed."""

    tool: str
    reads: str
    runs: Sequence[Taken]
    calls: Mapping[str, int]
    found: frozenset[str]

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> float:
        return median(run.peak_bytes for run in self.runs)

    @property
    def call_count(self) -> int:
        return sum(self.calls.values())

    def hits(self, objects: Sequence[Planned]) -> dict[Planted, int]:
        """How many of each kind of planted drift it reported."""
        hits = Counter(each.planted for each in objects if each.planted and each.key in self.found)
        return {kind: hits[kind] for kind in Planted}

    def false_alarms(self, objects: Sequence[Planned]) -> int:
        return len(self.found - {each.key for each in objects if each.planted})


@dataclass(frozen=True)
class Comparison:
    """All tools on one pair of buckets; the first is the one that the others are divided by."""

    objects: Sequence[Planned]
    results: Sequence[Result]
    manifest_bytes: Mapping[str, int]  # billed, by partition

    @property
    def planted(self) -> dict[Planted, int]:
        counted = Counter(each.planted for each in self.objects if each.planted)
        return {kind: counted[kind] for kind in Planted}

    @property
    def theory(self) -> Mapping[str, int]:
        """The fewest calls that can read all three: 1,000 keys a LIST, 1 MB of a shard a Query."""
        listed = [each.after is not None for each in self.objects], [each.replicated for each in self.objects]
        pages = sum(-(-size // PAGE_BYTES) for size in self.manifest_bytes.values())
        return {"ListObjectsV2": sum(-(-sum(each) // PAGE_KEYS) for each in listed), "Query": pages}

    def facts(self) -> dict[str, Any]:
        """For a program: plain JSON values."""
        first = self.results[0]
        return {
            "objects": len(self.objects),
            "planted": {kind.name.lower(): count for kind, count in self.planted.items()},
            "manifest_bytes": sum(self.manifest_bytes.values()),
            "theory": dict(self.theory),
            "tools": [
                {
                    "tool": result.tool,
                    "reads": result.reads,
                    "seconds": result.seconds,
                    "cpu_seconds": result.cpu_seconds,
                    "peak_bytes": result.peak_bytes,
                    "calls": dict(result.calls),
                    "times_first": {
                        "seconds": round(result.seconds / first.seconds, 3),
                        "cpu_seconds": round(result.cpu_seconds / first.cpu_seconds, 3),
                        "peak_bytes": round(result.peak_bytes / first.peak_bytes, 3),
                        "calls": round(result.call_count / first.call_count, 3),
                    },
                    "runs": [[run.seconds, run.cpu_seconds, run.peak_bytes] for run in result.runs],
                    "found": {kind.name.lower(): count for kind, count in result.hits(self.objects).items()},
                    "false_alarms": result.false_alarms(self.objects),
                }
                for result in self.results
            ],
        }

    def cost_table(self) -> Table:
        first = self.results[0]
        rounds = len(first.runs)
        title = f"{len(self.objects):,} objects: medians of {rounds}; x: how many times that of {first.tool}"
        table = Table(title=title, title_justify="left")
        table.add_column("tool")
        for name in ("seconds", "x", "CPU s", "x", "peak MB", "x", "calls", "x"):
            table.add_column(name, justify="right")
        for each in self.results:
            table.add_row(
                each.tool,
                *(f"{each.seconds:.2f}", times(each.seconds, first.seconds)),
                *(f"{each.cpu_seconds:.2f}", times(each.cpu_seconds, first.cpu_seconds)),
                *(f"{each.peak_bytes / MB:.0f}", times(each.peak_bytes, first.peak_bytes)),
                *(f"{each.call_count:,}", times(each.call_count, first.call_count)),
            )
        return table

    def found_table(self) -> Table:
        planted = self.planted
        table = Table(title=f"found of {sum(planted.values()):,} planted", title_justify="left")
        table.add_column("drift")
        for result in self.results:
            table.add_column(result.tool, justify="right")
        for kind, count in planted.items():
            hits = (result.hits(self.objects)[kind] for result in self.results)
            table.add_row(kind.value, *(f"{found:,}/{count:,}" for found in hits))
        table.add_row("false alarms", *(f"{result.false_alarms(self.objects):,}" for result in self.results))
        return table

    def what_is_included(self) -> Iterator[str]:
        """What each tool read and in how many calls, and the theory's number for both buckets and the manifest."""
        for result in self.results:
            calls = ", ".join(f"{count:,} {name}" for name, count in sorted(result.calls.items()))
            yield f"{result.tool} {result.reads}: {calls}"
        theory = ", ".join(f"{count:,} {name}" for name, count in self.theory.items())
        yield f"the fewest that both buckets and this manifest can be read in: {theory}"


def times(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else "-"
