"""The report's charts as inline SVG, by leather: no script, no network, every text escaped.

leather writes colours and fonts as attributes, which any rule of the page's style sheet overrides: the same chart is
light, dark or printed as the page is. It names columns by their text; these names are places, since labels may repeat.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final
from xml.etree import ElementTree as ET

import leather

from consumer_replicator.report_model import KindOfDrift, LagClass, PreviousRun

WIDTH: Final = 560
HEIGHT: Final = 210
BAR_HEIGHT: Final = 26
LABELS_AT_MOST: Final = 10
LAG_CLASSES_AT_LEAST: Final = 8
MOST_STEPS: Final = 5
BAR: Final = "#3d7ea6"
BAR_NOW: Final = "#c8791b"
"""Both readable on white and on near-black."""


def lag_histogram(classes: Sequence[LagClass]) -> str:
    """Objects by lag, up to the last class that has any; "" when none has."""
    used = [place for place, one in enumerate(classes) if one.objects]
    if not used:
        return ""
    shown = classes[: max(used[-1] + 1, LAG_CLASSES_AT_LEAST)]
    return _columns("Objects by lag", [(_lag_label(one.up_to), one.objects) for one in shown])


def _lag_label(up_to: float | None) -> str:
    if up_to is None:
        return "longer"
    return f"≤{up_to:g} s" if up_to < 120 else f"≤{up_to / 60:g} min" if up_to < 3600 else f"≤{up_to / 3600:g} h"


def drift_by_run(runs: Sequence[PreviousRun]) -> str:
    """Drifted objects of each run, in the order given; the last one is marked as this run. "" without runs."""
    bars = [(f"{run.started:%d %b}", run.drift) for run in runs]
    return _columns("Drifted objects by run", bars, marked=len(bars) - 1) if bars else ""


def drift_by_kind(kinds: Sequence[KindOfDrift]) -> str:
    if not kinds:
        return ""
    chart = leather.Chart()
    chart.add_bars([(kind.objects, kind.kind) for kind in kinds], fill_color=BAR)
    ticks = axis(max(kind.objects for kind in kinds))
    chart.add_x_scale(0, ticks[-1])
    chart.add_x_axis(ticks=ticks, tick_formatter=_tick)
    said = ", ".join(f"{kind.kind}: {kind.objects:,}" for kind in kinds)
    return _svg(chart, f"Drifted objects by kind: {said}", 80 + BAR_HEIGHT * len(kinds), "bars")


def axis(most: int) -> list[int]:
    """Whole, round, evenly spaced ticks from 0 to at least `most`."""
    step = next(step for step in _round_steps() if step * MOST_STEPS >= most)
    return list(range(0, max(most, 1) + step, step)) if most % step or not most else list(range(0, most + 1, step))


def _round_steps() -> Iterator[int]:
    for power in count():
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def _columns(title: str, bars: Sequence[tuple[str, int]], marked: int = -1) -> str:
    chart = leather.Chart()
    places = [(str(place), objects) for place, (_, objects) in enumerate(bars)]
    chart.add_columns(places, fill_color=lambda bar: BAR_NOW if bar.i == marked else BAR)
    ticks = axis(max(objects for _, objects in bars))
    chart.add_y_scale(0, ticks[-1])
    chart.add_y_axis(ticks=ticks, tick_formatter=_tick)
    every = -(-len(bars) // LABELS_AT_MOST)
    chart.add_x_axis(tick_formatter=lambda place, _, __: "" if int(place) % every else bars[int(place)][0])
    said = ", ".join(f"{label}: {objects:,}" for label, objects in bars)
    return _svg(chart, f"{title}: {said}", HEIGHT, "columns")


def _tick(value: Decimal | int, _: int, __: int) -> str:
    return f"{value:,}"


def _svg(chart: Any, said: str, height: int, kind: str) -> str:
    """The drawing in an element that scales with the page, and says what it shows to those who do not see it."""
    root = ET.Element("svg", {"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "class": f"chart {kind}-chart"})
    root.set("aria-label", said)
    ET.SubElement(root, "title").text = said
    root.append(chart.to_svg_group(WIDTH, height))
    return ET.tostring(root, encoding="unicode")
