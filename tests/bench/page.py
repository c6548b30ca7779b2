"""What the bench measured as a page to look at, with its charts: `python -m tests.bench.page REPORT.json PAGE.html`.

It wears the style of the product's own report. No network, no script.
"""

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tests.bench import charts
from tests.bench.copying.tools import OURS
from tests.bench.function import emulated
from tests.sandbox.emulator_process import ROOT

HERE = Path(__file__).parent
STYLES = (ROOT / "consumer_replicator" / "report_page.css", HERE / "page.css")
FUNCTION_TITLE = {"function": f"A function of {emulated.MEMORY_MB} MB"}
SMALL, LARGE = 100e3, 10e6  # bytes: of small objects CPU is told by object, of large ones speed by byte


def render(facts: dict[str, Any], notes: Sequence[str]) -> str:
    """`facts` as `python -m tests.bench --json` prints them."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = charts.number
    reached = goals(facts)
    titles = {held["workload"]: f"Copying {held['title']}" for held in facts["copying"]} | FUNCTION_TITLE
    return environment.get_template("page.html").render(
        facts=facts,
        goals=reached,
        grouped=[(titles[name], list(group)) for name, group in groupby(reached, lambda goal: goal["workload"])],
        missed=sum(not goal["met"] for goal in reached),
        contests=[_contest(held) for held in facts["copying"]],
        function=facts["function"],
        function_chart=_function(facts["function"]),
        drifts=[_drift(found) for found in facts["drift"]],
        notes=notes,
        ours=OURS,
        style=Markup("\n".join(path.read_text(encoding="utf-8") for path in STYLES)),
    )


def goals(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """All that were measured, in the order of the workloads."""
    return [goal for held in (*facts["copying"], facts["function"] or {"goals": []}) for goal in held["goals"]]


def _contest(held: dict[str, Any]) -> dict[str, Any]:
    tools, title = held["tools"], f"Copying {held['title']}"
    speed = ("objects_per_second", "objects a second")
    cpu = ("cpu_seconds_per_gigabyte", "CPU, seconds a gigabyte")
    if held["size"] >= LARGE:
        speed = ("megabytes_per_second", "MB a second")
    if held["size"] < SMALL:
        cpu = ("cpu_milliseconds_per_object", "CPU, milliseconds an object")
    return {
        "facts": held,
        "speed": _compared(title, speed, tools, "seconds"),
        "cpu": _compared(title, cpu, tools, "cpu_seconds"),
    }


def _drift(found: dict[str, Any]) -> dict[str, Any]:
    title = f"Drift in {found['objects']:,} objects"
    return {
        "facts": found,
        "planted": sum(found["planted"].values()),
        "speed": _compared(title, ("seconds", "seconds"), found["tools"], "seconds"),
        "cpu": _compared(title, ("cpu_seconds", "CPU seconds"), found["tools"], "cpu_seconds"),
    }


def _compared(title: str, what: tuple[str, str], tools: list[dict[str, Any]], cost: str) -> Markup:
    fact, unit = what
    return Markup(charts.compared(title, unit, tools, lambda tool: tool[fact], cost, OURS))


def _function(function: dict[str, Any] | None) -> Markup:
    if not function:
        return Markup()
    rows = [
        charts.Bar(
            row["tool"],
            row["objects_per_second"],
            charts.number(row["objects_per_second"]),
            charts.BAR_OURS if row["tool"] == OURS else charts.BAR_VARIANT,
        )
        for row in function["rows"]
    ]
    rows += [charts.Bar("goal", function["wanted"], f"{function['wanted']:g}")]
    rows += [charts.Bar("ideal", function["ideal"], charts.number(function["ideal"]))]
    return Markup(charts.bars("Small objects in a small function", "objects a second", rows))


if __name__ == "__main__":
    read = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(render(read, read["notes"]))
