"""The page shows every tool and every figure that was measured, and fetches nothing."""

from xml.etree import ElementTree as ET

import pytest

from tests.bench import charts, page, summary
from tests.bench.copying.results import Contest, Copied
from tests.bench.copying.workload import MIB, Workload
from tests.bench.function import emulated
from tests.bench.measured import Taken
from tests.bench.test_comparison import COMPARISON

START = Taken(0.5, 0.1, MIB)


def contest(workload, *tools):
    return Contest(workload, [Copied(name, workload, [START], [Taken(*taken)]) for name, taken in tools])


FACTS = {
    "when": "2026-11-24 06:00 UTC",
    "versions": {"rclone": "1.75.2"},
    "runs": 3,
    "scale": 1.0,
    "copying": [
        contest(
            Workload("w1", 5_000, 4096), ("s3-hydration", (3.0, 2.0, 60e6)), ("rclone <copy>", (4.0, 3.0, 80e6))
        ).facts(),
        contest(
            Workload("w3", 4, 512 * MIB), ("s3-hydration", (6.0, 4.0, 70e6)), ("rclone copy", (9.0, 6.0, 200e6))
        ).facts(),
    ],
    "function": emulated.facts([emulated.Row("s3-hydration", [emulated.Rate(3_000, 10.0, 2.0)])]),
    "drift": [COMPARISON.facts()],
}


@pytest.fixture(scope="module")
def shown():
    return page.render(FACTS, ["only ratios mean anything"])


def test_every_tool_is_told_with_its_figures_and_ratios(shown):
    assert "rclone &lt;copy&gt;" in shown
    assert all(figure in shown for figure in ("2,000", "0.38", "1.40", "1.53"))
    assert "only ratios mean anything" in shown


def test_goals_are_counted_and_what_was_missed_is_said(shown):
    assert "6 of 6 goals met" in shown
    slow = emulated.facts([emulated.Row("s3-hydration", [emulated.Rate(3_000, 20.0, 2.0)])])
    missed = page.render(FACTS | {"function": slow}, [])
    assert "5 of 6 goals met" in missed
    assert "150 missed" in missed


def test_it_fetches_nothing(shown):
    assert "default-src 'none'" in shown
    assert not any(word in shown for word in ("<script", "http:", "https:", "url(", "@import"))


def test_parts_that_were_not_measured_are_left_out():
    shown = page.render(FACTS | {"copying": [], "function": None, "drift": []}, [])
    assert not any(word in shown for word in ("<svg", "goals met", "Copying"))


def test_a_chart_says_each_bar_in_words_and_at_its_end():
    chart = charts.bars(
        "Speed", "objects a second", [charts.Bar("a & b", 20, "20"), charts.Bar("c", 10, "10 · 2.00 x")]
    )
    root = ET.fromstring(chart)
    assert root.get("aria-label") == "Speed, objects a second: a & b 20; c 10 · 2.00 x"
    texts = ["".join(text.itertext()) for text in root.iter("text")]
    assert [text for text in texts if text in {"20", "10 · 2.00 x"}].count("10 · 2.00 x") == 1
    assert {"a & b", "c", "objects a second"} <= set(texts)


def test_the_first_row_stands_on_top():
    root = ET.fromstring(charts.bars("Speed", "objects", [charts.Bar("first", 1, "1"), charts.Bar("last", 2, "2")]))
    height = {text.text: float(text.get("y")) for text in root.iter("text") if text.text in {"first", "last"}}
    assert height["first"] < height["last"]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0.4, [0, 0.1, 0.2, 0.3, 0.4]),
        (7, [0, 2, 4, 6, 8]),
        (100, [0, 20, 40, 60, 80, 100]),
        (5_100, [0, 2000, 4000, 6000]),
    ],
)
def test_ticks_are_round_and_reach_the_longest_bar(most, ticks):
    assert charts.axis(most) == pytest.approx(ticks)


@pytest.mark.parametrize(("value", "said"), [(5012.4, "5,012"), (99.96, "100.0"), (12.34, "12.3"), (0.456, "0.46")])
def test_a_figure_has_three_digits_that_mean_something(value, said):
    assert charts.number(value) == said


def test_the_summary_has_a_row_for_each_tool_and_workload():
    rows = [line for line in summary.summary(FACTS).splitlines() if line.startswith("| ")]
    assert "| rclone <copy> | 1,429 | 5.85 | 1.40 | 0.58 | 142 | 1.53 | 80.0 |" in rows
    assert "| s3-hydration | 300 | 90% | 0.67 |" in rows
    assert sum(row.startswith("| s3-hydration |") for row in rows) == 3
