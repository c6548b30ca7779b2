"""Drift detection, compared with the peers on this machine: `python -m tests.bench` (`make bench`).

Two buckets on a real S3 server with drift planted in them, the manifest that a replicator would have left; every tool
looks for the drift from a cold start, in alternating order. Exit codes: 0 measured, 1 could not.
"""

import argparse
import json
import signal
import sys
import time
from typing import NoReturn

from rich.console import Console

from tests.bench.bench import compare
from tests.bench.peers import TOOLS, BenchError, versions

NOTES = (
    "Every run is a process from a cold start; CPU and memory are the tool's own, the server's are in none of them.",
    "Server, manifest and tools share this machine's cores, with no network between: only ratios mean anything.",
    "The manifest is a stand-in on HTTP that pages like DynamoDB and answers from memory: faster than DynamoDB is.",
    "ETags here are MD5, which rclone compares. Under SSE-KMS they are not: told so, it compares sizes only.",
    "s3-hydration compares the source with what its replica was made from, and the replica with the row that vouches",
    "  for it: under any encryption, and also what happened between reading the source and writing the replica.",
)


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    started = time.monotonic()
    say = Console(stderr=True, highlight=False)
    out = Console(width=max(say.width, 132), highlight=False)
    try:
        said = versions() | {"Python": sys.version.split()[0]}
        comparisons = []
        for count in asked.objects:
            comparison = compare(count, asked.runs, asked.tools, lambda text: say.print(stamp(started, text)))
            comparisons.append(comparison)
            if not asked.json:
                out.print(comparison.cost_table(), comparison.found_table(), *comparison.what_is_included(), sep="\n")
        if asked.json:
            facts = {"versions": said, "runs": asked.runs}
            print(json.dumps(facts | {"comparisons": [each.facts() for each in comparisons]}, indent=2))
        else:
            out.print("", *NOTES, " · ".join(f"{name} {version}" for name, version in said.items()), sep="\n")
    except BenchError as error:
        say.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        say.print("interrupted, nothing is left running")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    command_line = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    what = "how many objects, several with commas between (default 10000,100000)"
    command_line.add_argument("--objects", type=counts, default=[10_000, 100_000], metavar="N,N", help=what)
    command_line.add_argument("--runs", type=positive, default=3, metavar="N", help="timed runs of each tool (3)")
    names = [tool.name for tool in TOOLS]
    what = f"only these, the first is what the others are divided by: {', '.join(names)}"
    command_line.add_argument("--tools", type=lambda text: text.split(","), default=names, metavar="A,B", help=what)
    command_line.add_argument("--json", action="store_true", help="everything measured, for a program")
    return command_line


def counts(text: str) -> list[int]:
    return [positive(each) for each in text.split(",")]


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def stamp(started: float, text: str) -> str:
    return f"{time.monotonic() - started:6.1f} s  {text}"


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
