"""One workload from beginning to end: data, two servers, every tool in turn, what arrived looked at, all of it gone."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.copying import workload as workloads
from tests.bench.copying.certificate import Certificate, issue
from tests.bench.copying.rclone_server import RcloneServer
from tests.bench.copying.results import Contest, Copied
from tests.bench.copying.tools import Copier, Route, environment
from tests.bench.copying.workload import START, Workload
from tests.bench.measured import Taken, measure
from tests.bench.peers import BenchError
from tests.sandbox.emulator_process import ROOT

MEMORY = Path("/dev/shm")
REPLICA = "replica"

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Field:
    """Where a contest is held: the source's server is up, with the data in it."""

    folder: Path
    certificate: Certificate
    source: RcloneServer
    workload: Workload


def hold(workload: Workload, runs: int, copiers: Sequence[Copier], say: Say) -> Contest:
    """Each copier once a round, on the workload and on START, each round begun by another of them.

    :raises BenchError: a tool failed, something did not start, or what arrived is not what was sent.
    """
    copiers = [each for each in copiers if workload.size >= each.least]
    with field(workload, say) as there:
        starts: dict[str, list[Taken]] = {each.name: [] for each in copiers}
        taken: dict[str, list[Taken]] = {each.name: [] for each in copiers}
        for number in range(runs):
            first = number % len(copiers)
            for copier in (*copiers[first:], *copiers[:first]):
                start = run(there, copier, START)
                starts[copier.name].append(start)
                one = run(there, copier, workload)
                taken[copier.name].append(one)
                say(f"{workload.name}, run {number + 1} of {runs}, {copier.name}: {one.seconds:.2f} s")
    return Contest(workload, [Copied(each.name, workload, starts[each.name], taken[each.name]) for each in copiers])


@contextmanager
def field(workload: Workload, say: Say) -> Iterator[Field]:
    """Data in memory where there is a file system for that, a certificate, and the source's server, warmed up."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="s3-hydration-bench-", dir=_memory()))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        say(f"{workload.name}: writing {workload.title}")
        for each in (START, workload):
            checksums = workloads.write(each, folder / "source" / each.bucket)
            workloads.save_checksums(folder / f"{each.name}.json", checksums)
        certificate = issue(folder)
        source = RcloneServer(folder / "source", certificate, folder / "source.log")
        stack.enter_context(source)
        for each in (START, workload):
            _warm(source, each)
        yield Field(folder, certificate, source, workload)


def run(there: Field, copier: Copier, workload: Workload) -> Taken:
    """One measured run into an empty bucket of a server just started; its commands, if several, added up."""
    folder, data = there.folder / "run", there.folder / "replica"
    (data / REPLICA).mkdir(parents=True)
    (folder / "between").mkdir(parents=True)
    try:
        with RcloneServer(data, there.certificate, there.folder / "replica.log") as server:
            route = Route(
                source_url=there.source.endpoint_url,
                replica_url=server.endpoint_url,
                source=workload.bucket,
                replica=REPLICA,
                workload=workload,
                folder=folder,
                authority=there.certificate.authority,
                checksums=there.folder / f"{workload.name}.json",
            )
            taken = [measure(command, environment(route), folder) for command in copier.commands(route)]
        wrong = workloads.differences(workload, there.folder / "source" / workload.bucket, data / REPLICA)
        if wrong:
            raise BenchError(f"{copier.name}, {workload.name}: {len(wrong)} not as sent; {wrong[0]}.")
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(data)
    return total(taken)


def total(taken: Sequence[Taken]) -> Taken:
    """Commands one after the other: time and CPU add up, of memory the largest counts."""
    return Taken(
        seconds=sum(each.seconds for each in taken),
        cpu_seconds=sum(each.cpu_seconds for each in taken),
        peak_bytes=max(each.peak_bytes for each in taken),
    )


def _warm(server: RcloneServer, workload: Workload) -> None:
    """The server reads each object once, for the MD5 that is its ETag, and keeps that: no tool pays for it."""
    client = server.client()
    for key in workload.every_key():
        client.head_object(Bucket=workload.bucket, Key=key)


def _memory() -> Path:
    if MEMORY.is_dir():
        return MEMORY
    folder = ROOT / ".build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
