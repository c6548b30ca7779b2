"""The page's charts as inline SVG, by leather: bars with their value at the end, ours in another colour."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import leather

WIDTH = 600
BAR_HEIGHT, AXES_HEIGHT = 26, 106
MARGIN, SPARE = 30, 1.4
"""Pixels: leather's margin, and what it reckons too much for a character of a name."""
ROOM = 1.35  # right of the longest bar, for its text
MOST_STEPS = 5
BAR, BAR_OURS, BAR_VARIANT = "#3d7ea6", "#c8791b", "#a8917a"
"""All readable on white and on near-black, as in the product's report."""


@dataclass(frozen=True, slots=True)
class Bar:
    """`said` stands at its end."""

    name: str
    value: float
    said: str
    color: str = BAR


class SayingBars(leather.Bars):
    """Leather's bars, with a text at the end of each."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self._bars = bars
        super().__init__(fill_color=lambda bar: bars[bar.i].color)

    def to_svg(self, *arguments: Any) -> ET.Element:
        group: ET.Element = super().to_svg(*arguments)
        for bar, rect in zip(self._bars, group.findall("rect"), strict=True):
            x, y, width, height = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
            text = ET.SubElement(group, "text", {"x": str(x + width + 6), "y": str(y + height / 2), "dy": "0.35em"})
            text.set("class", "said")
            text.text = bar.said
        return group


def bars(title: str, unit: str, shown: Sequence[Bar]) -> str:
    """From top to bottom in the order given, from zero on; `unit` names the axis."""
    chart = leather.Chart()
    upwards = list(reversed(shown))
    chart.add_series(leather.Series([(bar.value, bar.name) for bar in upwards]), SayingBars(upwards))
    ticks = axis(max(bar.value for bar in shown) * ROOM)
    chart.add_x_scale(0, ticks[-1])
    chart.add_x_axis(ticks=ticks, tick_formatter=tick, name=unit)
    said = f"{title}, {unit}: " + "; ".join(f"{bar.name} {bar.said}" for bar in shown)
    return _svg(chart, said, AXES_HEIGHT + BAR_HEIGHT * len(shown), max(len(bar.name) for bar in shown))


def axis(most: float) -> list[float]:
    """Round, evenly spaced ticks from 0, the last at least `most`."""
    power = 1e-6
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * MOST_STEPS >= most:
                return [round(step * number, 9) for number in range(MOST_STEPS + 1) if step * (number - 1) < most]
        power *= 10


def tick(value: float, _: int = 0, __: int = 0) -> str:
    return f"{float(value):,.10g}"


def _svg(chart: Any, said: str, height: int, longest: int) -> str:
    """Scales with the page, and says what it shows to those who do not see it.

    Leather leaves a margin all around, and more room for names than they need: both are cut off.
    """
    left, top = MARGIN + round(longest * SPARE), MARGIN - 6
    box = (left, top, WIDTH - left, height - top - MARGIN // 2)
    root = ET.Element("svg", {"viewBox": " ".join(map(str, box)), "role": "img", "class": "chart bars-chart"})
    root.set("aria-label", said)
    ET.SubElement(root, "title").text = said
    root.append(chart.to_svg_group(WIDTH, height))
    return ET.tostring(root, encoding="unicode")


type Measure = Callable[[dict[str, Any]], float]


def compared(title: str, unit: str, rows: Sequence[dict[str, Any]], measure: Measure, cost: str, ours: str) -> str:
    """One bar a tool; after each value its ratio, how many times ours' it costs."""
    drawn = []
    for row in rows:
        value, ratio = measure(row), row["times_first"][cost]
        said = number(value) if row is rows[0] else f"{number(value)} · {ratio:.2f} x"
        color = BAR_OURS if row["tool"] == ours else BAR_VARIANT if row["tool"].startswith(ours) else BAR
        drawn.append(Bar(row["tool"], value, said, color))
    return bars(title, unit, drawn)


def number(value: float) -> str:
    """Three digits that mean something: 5,012 and 0.46."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
