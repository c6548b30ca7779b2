"""What a cold start pays before the handler runs: importing the function's module from its zip.

Measured as the function would: unpacked, a fresh interpreter of the function's version, nothing but the standard
library and the zip on the path, no bytecode written (the function's folder is read-only). The files are in the page
cache, so the figure is the processor's part of a cold start; Lambda adds fetching and unpacking the zip.
"""

import json
import re
import statistics
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from interpreter import Interpreter

RUNS = 5
PROBE = """
import sys, time
sys.path.insert(0, sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
__import__(sys.argv[2])
print([(time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3])
"""


@dataclass(frozen=True)
class ColdImport:
    wall_ms: float
    cpu_ms: float
    heaviest: tuple[tuple[str, float], ...]  # (top-level package, its own modules' milliseconds), five, descending
    python: str


def cold_import(archive: Path, module: str, python: Interpreter) -> ColdImport:
    """Medians of five imports, and where the time goes. Raises RuntimeError with Python's words if the import fails."""
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(archive).extractall(folder)
        runs = [json.loads(_run(python, "-B", "-c", PROBE, folder, module)[0]) for _ in range(RUNS + 1)]
        profile = _run(python, "-B", "-X", "importtime", "-c", PROBE, folder, module)[1]
    walls, cpus = zip(*runs[1:], strict=True)  # the first run fills the page cache
    return ColdImport(statistics.median(walls), statistics.median(cpus), heaviest(profile), python.release)


def heaviest(importtime: str, count: int = 5) -> tuple[tuple[str, float], ...]:
    """Adds up `-X importtime` by top-level package: self times, so that nothing is counted twice."""
    own: Counter[str] = Counter()
    for microseconds, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", importtime, re.MULTILINE):
        own[name.partition(".")[0]] += int(microseconds)
    return tuple((name, microseconds / 1e3) for name, microseconds in own.most_common(count))


def _run(python: Interpreter, *arguments: str) -> tuple[str, str]:
    result = python.run(*arguments)
    if result.returncode:
        raise RuntimeError(f"The zip does not import: {result.stderr.strip()}")
    return result.stdout, result.stderr
