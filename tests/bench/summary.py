"""The last run in short, as Markdown: `python -m tests.bench.summary .build/bench/report.json [--write]`

`--write` puts it into service-catalog/docs/performance.md. Figures beside each other are of one run; an x is how many
times ours a tool takes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.aws_model import PAGE, table
from tests.bench.charts import number

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MB = 1e6


def summary(facts: dict[str, Any]) -> str:
    """:param facts: as `python -m tests.bench --json` prints them."""
    return "\n\n".join(_parts(facts))


def _parts(facts: dict[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    scaled = "" if facts["scale"] == 1 else f", workloads scaled by {facts['scale']:g}"
    yield f"On {facts['when']}, medians of {facts['runs']}{scaled}; {versions}."
    for held in facts["copying"]:
        yield _copying(held)
    if facts["function"]:
        yield _function(facts["function"])


def _copying(held: dict[str, Any]) -> str:
    rows = []
    for tool in held["tools"]:
        ratios = tool["times_first"]
        rows.append(
            [
                tool["tool"],
                number(tool["objects_per_second"]),
                number(tool["megabytes_per_second"]),
                f"{ratios['seconds']:.2f}",
                number(tool["cpu_milliseconds_per_object"]),
                number(tool["cpu_seconds_per_gigabyte"]),
                f"{ratios['cpu_seconds']:.2f}",
                number(tool["peak_bytes"] / MB),
            ]
        )
    head = [held["title"], "objects/s", "MB/s", "x", "CPU ms/object", "CPU s/GB", "x", "peak MB"]
    return table(head, rows)


def _function(function: dict[str, Any]) -> str:
    head = [
        f"function of {function['memory_mb']} MB",
        "small objects/s",
        f"of {function['ideal']:.0f}",
        "CPU ms/object",
    ]
    rows = [
        [
            row["tool"],
            number(row["objects_per_second"]),
            f"{row['of_ideal']:.0%}",
            number(row["cpu_milliseconds_per_object"]),
        ]
        for row in function["rows"]
    ]
    return table(head, rows)


def main(arguments: list[str]) -> None:
    text = summary(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    if "--write" not in arguments:
        print(text)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
