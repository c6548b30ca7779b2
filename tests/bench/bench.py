"""One comparison from beginning to end: server, buckets, manifest, every tool in turn, all of it gone afterwards."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import buckets
from tests.bench.comparison import Comparison, Result
from tests.bench.counting_proxy import CountingProxy
from tests.bench.measured import Taken, measure
from tests.bench.peers import BenchError, Places, Tool, environment
from tests.bench.planted import planned
from tests.bench.s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server
from tests.sandbox.emulator_process import ROOT

STEPS_SHOWN = 10  # lines of progress for one kind of write

type Say = Callable[[str], None]


def compare(count: int, runs: int, tools: Sequence[Tool], say: Say) -> Comparison:
    """:raises BenchError: a tool failed, or what it needs did not start."""
    with ExitStack() as stack:
        say(f"{count:,} objects: starting SeaweedFS")
        server = stack.enter_context(S3Server())
        objects = list(planned(count))
        buckets.populate(server.client(), server.endpoint_url, objects, _steps(say))
        path = server.folder / "manifest.jsonl"
        partitions = buckets.write_items(path, buckets.items(server.client(), objects))
        say(f"manifest: {sum(partitions.values()) / 1_000_000:.1f} MB in {len(partitions)} shards")
        manifest_url = stack.enter_context(_manifest(path))
        places = Places(server.endpoint_url, manifest_url, buckets.SOURCE, buckets.REPLICA, buckets.SHARDS)
        folder = server.folder / "runs"
        found, calls = {}, {}
        for tool in tools:
            say(f"{tool.name}: counting its calls")
            calls[tool.name] = _counted(tool, places, folder / "counted" / tool.name)
            found[tool.name] = frozenset(tool.found(folder / "counted" / tool.name))
        taken = _rounds(tools, runs, places, folder, say)
        results = [
            Result(each.name, each.reads, taken[each.name], calls[each.name], found[each.name]) for each in tools
        ]
        return Comparison(objects, results, partitions)


def _counted(tool: Tool, places: Places, folder: Path) -> dict[str, int]:
    """One run through proxies. Also warms the server up, the same for all."""
    with CountingProxy(places.s3_url) as s3, CountingProxy(places.manifest_url) as manifest:
        _run(tool, replace(places, s3_url=s3.endpoint_url, manifest_url=manifest.endpoint_url), folder)
        if failed := s3.failed + manifest.failed:
            raise BenchError(f"{tool.name}: calls were refused, by status: {dict(failed)}.")
        return dict(s3.calls + manifest.calls)


def _rounds(tools: Sequence[Tool], runs: int, places: Places, folder: Path, say: Say) -> dict[str, list[Taken]]:
    """Each tool once a round, each round begun by another: whatever else this machine does meets all of them."""
    taken: dict[str, list[Taken]] = {tool.name: [] for tool in tools}
    for number in range(runs):
        first = number % len(tools)
        for tool in (*tools[first:], *tools[:first]):
            run = _run(tool, places, folder / str(number) / tool.name)
            taken[tool.name].append(run)
            say(f"run {number + 1} of {runs}, {tool.name}: {run.seconds:.2f} s")
    return taken


def _run(tool: Tool, places: Places, folder: Path) -> Taken:
    folder.mkdir(parents=True)
    surroundings = environment(places, ACCESS_KEY_ID, SECRET_ACCESS_KEY, folder)
    return measure(tool.command(places, folder), surroundings, folder, tool.accepted)


@contextmanager
def _manifest(items: Path) -> Iterator[str]:
    """The manifest's stand-in in a process of its own, so that it takes nothing of this one's time. Yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.manifest_server", str(items)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise BenchError("The manifest's stand-in did not start.")
        yield url
    finally:
        process.kill()
        process.communicate()


def _steps(say: Say) -> buckets.Progress:
    shown: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        step = done * STEPS_SHOWN // max(total, 1)
        if shown.get(what, 0) != step:
            shown[what] = step
            say(f"{what}: {done:,} of {total:,}")

    return progress
