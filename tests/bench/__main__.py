"""Compares this project with its peers on this machine: `python -m tests.bench` (`make bench`).

w1, w2, w3: copying from one endpoint to another on a fast S3 server over TLS. function: the copier in a small function.
drift: what differs between two buckets. Every tool in the same run, each from a cold start, in alternating order.
Exit codes: 0 measured, 1 could not.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from rich.console import Console

from tests.bench import page
from tests.bench.bench import compare
from tests.bench.copying import contest
from tests.bench.copying.tools import COPIERS, OVER_BOTOCORE
from tests.bench.copying.workload import WORKLOADS
from tests.bench.function import emulated
from tests.bench.peers import TOOLS, BenchError, chosen, versions
from tests.sandbox.emulator_process import ROOT

FUNCTION, DRIFT = "function", "drift"
NAMES = (*(each.name for each in WORKLOADS), FUNCTION, DRIFT)

NOTES = (
    "Every run is a process from a cold start; CPU and memory are the tool's own, the server's are in none of them.",
    "Server and tools share this machine's cores, with no network between: only ratios mean anything.",
)
COPY_NOTES = (
    "What a start takes, one object of one byte included, is measured in every round and taken off, for every tool.",
    "The first row copies objects that have a stored checksum, as S3 keeps one of each; this server keeps none.",
)
DRIFT_NOTES = (
    "The manifest is a stand-in on HTTP that pages like DynamoDB and answers from memory: faster than DynamoDB is.",
    "ETags here are MD5, which rclone compares. Under SSE-KMS they are not: told so, it compares sizes only.",
    "s3-hydration compares the source with what its replica was made from, and the replica with its row: under any",
    "encryption, and also what happened between reading the source and writing the replica.",
)

type Say = Callable[[str], None]


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    started = time.monotonic()
    progress = Console(stderr=True, highlight=False)
    out = Console(width=max(progress.width, 150), highlight=False, stderr=asked.json)

    def say(text: str) -> None:
        progress.print(f"{time.monotonic() - started:6.1f} s  {text}", markup=False)

    try:
        facts: dict[str, Any] = {
            "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "versions": versions() | {"Python": sys.version.split()[0]},
            "runs": asked.runs,
            "scale": asked.scale,
            "copying": copying(asked, out, say),
            "function": function(asked, out, say),
            "drift": drift(asked, out, say),
        }
    except BenchError as error:
        progress.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        progress.print("interrupted, nothing is left running")
        return 1
    facts["notes"] = [*NOTES, *(COPY_NOTES if facts["copying"] else ()), *(DRIFT_NOTES if facts["drift"] else ())]
    out.print(
        "", *facts["notes"], " · ".join(f"{name} {version}" for name, version in facts["versions"].items()), sep="\n"
    )
    keep(facts, out)
    if asked.json:
        print(json.dumps(facts, indent=2))
    return 0


def keep(facts: dict[str, Any], out: Console) -> None:
    """The last run's report, as JSON and as a page."""
    folder = ROOT / ".build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(facts, indent=2))
    (folder / "report.html").write_text(page.render(facts, facts["notes"]), encoding="utf-8")
    out.print(f"as a page: {(folder / 'report.html').relative_to(ROOT)}", style="bold", markup=False)


def copying(asked: argparse.Namespace, out: Console, say: Say) -> list[dict[str, Any]]:
    copiers = [each for each in chosen(asked.tools, COPIERS) if asked.with_botocore or each.name != OVER_BOTOCORE]
    held = []
    for workload in WORKLOADS:
        if workload.name in asked.workloads and copiers:
            one = contest.hold(workload.scaled(asked.scale), asked.runs, copiers, say)
            out.print("", one.table())
            held.append(one)
    return [each.facts() for each in held]


def function(asked: argparse.Namespace, out: Console, say: Say) -> dict[str, Any] | None:
    if FUNCTION not in asked.workloads:
        return None
    clients = ["product", "botocore"] if asked.with_botocore else ["product"]
    rows = emulated.measure_function(asked.runs, asked.scale, clients, say)
    out.print("", emulated.table(rows))
    return emulated.facts(rows)


def drift(asked: argparse.Namespace, out: Console, say: Say) -> list[dict[str, Any]]:
    tools = chosen(asked.tools, TOOLS)
    if DRIFT not in asked.workloads or not tools:
        return []
    found = []
    for count in asked.objects:
        comparison = compare(count, asked.runs, tools, say)
        out.print("", comparison.cost_table(), comparison.found_table(), *comparison.what_is_included(), sep="\n")
        found.append(comparison.facts())
    return found


def parser() -> argparse.ArgumentParser:
    command_line = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    what = f"which of {', '.join(NAMES)} (all)"
    command_line.add_argument("--workloads", type=workloads, default=NAMES, metavar="A,B", help=what)
    what = "how much is copied: this share of w1's and w2's objects, and of the size of w3's (1)"
    command_line.add_argument("--scale", type=positive_share, default=1.0, metavar="X", help=what)
    what = "how many objects drift is looked for in, several with commas between (10000,100000)"
    command_line.add_argument("--objects", type=counts, default=[10_000, 100_000], metavar="N,N", help=what)
    command_line.add_argument("--runs", type=positive, default=3, metavar="N", help="timed runs of each tool (3)")
    what = "only tools whose names begin so; the first is what the others are divided by (all)"
    command_line.add_argument("--tools", type=names, default=[""], metavar="A,B", help=what)
    what = "one more row: the copier over a plain botocore client"
    command_line.add_argument("--with-botocore", action="store_true", help=what)
    command_line.add_argument("--json", action="store_true", help="everything measured, for a program, on stdout")
    return command_line


def workloads(text: str) -> Sequence[str]:
    asked = names(text)
    if unknown := set(asked) - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(NAMES)}")
    return asked


def names(text: str) -> list[str]:
    return text.split(",")


def counts(text: str) -> list[int]:
    return [positive(each) for each in text.split(",")]


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def positive_share(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
