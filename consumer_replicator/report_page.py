"""`report.html`: a report as a page of its own, to read on a screen or on paper. No network, no script.

Keys, prefixes and the payload come from outside and are hostile: jinja2 escapes whatever it inserts, keys are shown by
`visible_key`, and the page's own content security policy forbids scripts and any fetch, should the rest ever fail.
Template and style sheet lie beside this module and ship with it.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from consumer_replicator import figures, report_charts
from consumer_replicator.report_model import PreviousRun, Report
from consumer_replicator.visible_key import spelt_out, visible

RUNS_AT_MOST: Final = 12
_FOLDER: Final = Path(__file__).parent


def page(report: Report, previous: Sequence[PreviousRun] = ()) -> str:
    """The page; of `previous`, in any order, the newest of the same mode from before this run are compared with it."""
    this = PreviousRun.of(report)
    earlier = [run for run in previous if run.mode == this.mode and run.started < this.started and not run.dry_run]
    runs = [*sorted(earlier, key=lambda run: run.started), this][-RUNS_AT_MOST:]
    return (
        _environment()
        .get_template("report_page.html")
        .render(
            report=report,
            runs=runs,
            style=Markup((_FOLDER / "report_page.css").read_text(encoding="utf-8")),  # noqa: S704 our own file
            payload=json.dumps(report.run.payload),
            charts={
                "lag": Markup(report_charts.lag_histogram(report.lag.histogram)),  # noqa: S704 ElementTree escapes
                "kinds": Markup(report_charts.drift_by_kind(report.drift.kinds)),  # noqa: S704
                "runs": Markup(report_charts.drift_by_run(runs)),  # noqa: S704
            },
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "number": figures.number,
        "size": figures.size,
        "duration": figures.duration,
        "dollars": figures.dollars,
        "percent": figures.percent,
        "instant": figures.instant,
        "visible": visible,
        "spelt_out": spelt_out,
    }
    environment.filters.update(filters)
    return environment
