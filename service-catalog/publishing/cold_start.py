"""What a cold start pays before the function's first request: imports, settings, clients.

Measured as the function would: unpacked, a fresh interpreter of the function's version, nothing but the standard
library and the zip on the path, no bytecode written (the function's folder is read-only), one message handed over. The
files are in the page cache, so the figure is the processor's part of a cold start; Lambda adds fetching the zip and
starting the interpreter. Processor time is what compares: wall time on a busy machine says little.
"""

import json
import re
import statistics
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpreter import Interpreter

RUNS = 7
PROBE = Path(__file__).with_name("cold_start_probe.py")


@dataclass(frozen=True)
class ColdStart:
    wall_ms: float
    cpu_ms: float
    heaviest: tuple[tuple[str, float], ...]  # (top-level package, its own modules' milliseconds), five, descending
    modules: tuple[str, ...]  # what was imported, the standard library included
    python: str


def cold_starts(functions: Sequence[tuple[Path, str]], python: Interpreter) -> list[ColdStart]:
    """Medians of seven cold starts of each function (its zip, its handler's module), in turns.

    Raises RuntimeError with Python's words if one of them does not come to its first request.
    """
    with tempfile.TemporaryDirectory() as parent:
        unpacked = []
        for number, (archive, module) in enumerate(functions):
            folder = Path(parent) / str(number)
            zipfile.ZipFile(archive).extractall(folder)
            unpacked.append((str(folder), module))
        rounds = [[_start(python, *each) for each in unpacked] for _ in range(RUNS + 1)]
        profiles = [_run(python, "-X", "importtime", str(PROBE), *each)[1] for each in unpacked]
    # The first round fills the page cache.
    return [
        ColdStart(
            wall_ms=statistics.median(run["wall_ms"] for run in runs),
            cpu_ms=statistics.median(run["cpu_ms"] for run in runs),
            heaviest=heaviest(profile),
            modules=tuple(runs[0]["modules"]),
            python=python.release,
        )
        for runs, profile in zip(zip(*rounds[1:], strict=True), profiles, strict=True)
    ]


def heaviest(importtime: str, count: int = 5) -> tuple[tuple[str, float], ...]:
    """Adds up `-X importtime` by top-level package: self times, so that nothing is counted twice."""
    own: Counter[str] = Counter()
    for microseconds, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", importtime, re.MULTILINE):
        own[name.partition(".")[0]] += int(microseconds)
    return tuple((name, microseconds / 1e3) for name, microseconds in own.most_common(count))


def _start(python: Interpreter, folder: str, module: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_run(python, str(PROBE), folder, module)[0].splitlines()[-1])
    return answer


def _run(python: Interpreter, *arguments: str) -> tuple[str, str]:
    result = python.run("-B", *arguments)
    if result.returncode:
        raise RuntimeError(f"The zip does not come to its first request: {result.stderr.strip()}")
    return result.stdout, result.stderr
