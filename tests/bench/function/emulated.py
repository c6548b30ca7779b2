"""The copier in a function of 512 MB: a small share of a core, S3 some milliseconds away, a batch's threads.

Small objects only. The ideal is what the waiting alone allows: two requests an object, one after the other, on every
thread. The share of CPU that was really had is measured inside the process and told beside the rate.
"""

import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.copying.certificate import Certificate, issue
from tests.bench.copying.ours import Plan
from tests.bench.copying.results import Goal
from tests.bench.copying.tools import OURS, trusting
from tests.bench.copying.workload import KIB, Workload
from tests.bench.measured import measure
from tests.bench.peers import BenchError
from tests.sandbox.emulator_process import ROOT

THROTTLE = Path(__file__).with_name("throttle.py")
MEMORY_MB = 512
SHARE = MEMORY_MB / 1769
"""1,769 MB have one vCPU. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
REQUEST_MILLISECONDS = 15.0
THREADS = 10
REQUESTS_PER_OBJECT = 2
OBJECTS = Workload("function", 3_000, 4 * KIB)
WANTED = 280.0  # objects a second

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one run's copying, without the start: what the process itself measured."""

    objects: int
    seconds: float
    cpu_seconds: float

    @property
    def objects_per_second(self) -> float:
        return self.objects / self.seconds

    @property
    def share(self) -> float:
        return self.cpu_seconds / self.seconds


@dataclass(frozen=True)
class Row:
    name: str
    rates: Sequence[Rate]

    @property
    def objects_per_second(self) -> float:
        return median(each.objects_per_second for each in self.rates)

    @property
    def share(self) -> float:
        return median(each.share for each in self.rates)

    @property
    def cpu_milliseconds_per_object(self) -> float:
        return median(each.cpu_seconds / each.objects * 1000 for each in self.rates)

    def facts(self) -> dict[str, Any]:
        return {
            "tool": self.name,
            "objects_per_second": self.objects_per_second,
            "of_ideal": self.objects_per_second / ideal(),
            "share": self.share,
            "cpu_milliseconds_per_object": self.cpu_milliseconds_per_object,
            "runs": [asdict(each) for each in self.rates],
        }


def ideal() -> float:
    """Objects a second, if nothing took CPU."""
    return THREADS / (REQUESTS_PER_OBJECT * REQUEST_MILLISECONDS / 1000)


def measure_function(runs: int, scale: float, clients: Sequence[str], say: Say) -> list[Row]:
    """`clients` as `ours.Plan` takes them, the first is the row that the goal is for.

    :raises BenchError: a run failed, or what arrived is not what was sent.
    """
    workload = OBJECTS.scaled(scale)
    rates: dict[str, list[Rate]] = {client: [] for client in clients}
    for number in range(runs):
        for client in clients:
            rate = _run(workload, client)
            rates[client].append(rate)
            say(f"function, run {number + 1} of {runs}, {client}: {rate.objects_per_second:.0f} objects/s")
    names = {"product": OURS}
    return [Row(names.get(client, f"{OURS} over {client}"), each) for client, each in rates.items()]


def _run(workload: Workload, client: str) -> Rate:
    folder = Path(tempfile.mkdtemp(prefix="s3-hydration-bench-"))
    try:
        certificate = issue(folder)
        with _server(certificate, workload.size) as url:
            plan = folder / "plan.json"
            keys = list(workload.every_key())
            Plan(url, url, workload.bucket, "bench-replica", keys, None, client, THREADS).save(plan)
            copying = [sys.executable, "-m", "tests.bench.copying.ours", str(plan)]
            throttled = [sys.executable, "-S", str(THROTTLE), str(SHARE), *copying]
            measure(throttled, trusting(certificate.authority, url, folder), folder)
            _check(url, certificate, workload)
            return Rate(workload.count, **json.loads((folder / "stdout").read_text()))
    finally:
        shutil.rmtree(folder)


@contextmanager
def _server(certificate: Certificate, size: int) -> Iterator[str]:
    """The stand-in in a process of its own, at full speed. Yields its URL."""
    command = [sys.executable, "-m", "tests.bench.function.delaying_server"]
    command += [str(certificate.server), str(certificate.key), str(REQUEST_MILLISECONDS), str(size)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise BenchError("The stand-in for S3 did not start.")
        yield url
    finally:
        process.kill()
        process.communicate()


def _check(url: str, certificate: Certificate, workload: Workload) -> None:
    context = ssl.create_default_context(cafile=certificate.authority)
    with urllib.request.urlopen(f"{url}/arrived", context=context, timeout=10) as answer:
        arrived = json.load(answer)
    if arrived != {"right": workload.count, "wrong": 0}:
        raise BenchError(f"function: of {workload.count} objects {arrived['right']} arrived as sent.")


def facts(rows: Sequence[Row]) -> dict[str, Any]:
    """For a program and for the page: plain JSON values."""
    return {
        "memory_mb": MEMORY_MB,
        "share": SHARE,
        "request_milliseconds": REQUEST_MILLISECONDS,
        "threads": THREADS,
        "ideal": ideal(),
        "wanted": WANTED,
        "rows": [row.facts() for row in rows],
        "goals": [goal.facts() for goal in goals(rows)],
    }


def goals(rows: Sequence[Row]) -> list[Goal]:
    return [Goal("function", "small objects/s", WANTED, rows[0].objects_per_second)] if rows else []


def table(rows: Sequence[Row]) -> Table:
    title = (
        f"function of {MEMORY_MB} MB: {SHARE:.2f} of a core, {REQUEST_MILLISECONDS:g} ms a request, {THREADS} threads; "
        f"ideal {ideal():.0f}/s"
    )
    drawn = Table(title=title, title_justify="left")
    drawn.add_column("")
    for name in ("objects/s", "of ideal", "CPU ms/object", "of a core"):
        drawn.add_column(name, justify="right")
    for row in rows:
        drawn.add_row(
            row.name,
            f"{row.objects_per_second:.0f}",
            f"{row.objects_per_second / ideal():.0%}",
            f"{row.cpu_milliseconds_per_object:.2f}",
            f"{row.share:.2f}",
        )
    return drawn
