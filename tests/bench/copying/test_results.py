"""Rates, ratios and goals, from runs whose figures are known."""

import io
import json

import pytest
from rich.console import Console

from tests.bench.copying.results import MIB, Contest, Copied, Goal, goals, goals_table
from tests.bench.copying.workload import Workload
from tests.bench.measured import Taken

W1 = Workload("w1", 1_000, 4_000)


def copied(tool, seconds, cpu, peak=50 * MIB, workload=W1):
    """One run that took so long besides a start of 1 s and 0.5 s of CPU."""
    return Copied(tool, workload, [Taken(1.0, 0.5, MIB)], [Taken(1.0 + seconds, 0.5 + cpu, peak)])


OURS = copied("s3-hydration", 2.0, 1.0)


def test_a_start_is_taken_off_and_one_slow_run_moves_nothing():
    starts = [Taken(1.0, 0.5, MIB), Taken(7.0, 0.6, MIB), Taken(1.0, 0.4, MIB)]
    runs = [Taken(3.0, 1.5, 2 * MIB), Taken(3.0, 1.6, 4 * MIB), Taken(30.0, 1.4, 3 * MIB)]
    one = Copied("tool", W1, starts, runs)
    assert (one.seconds, one.cpu_seconds, one.peak_bytes) == (2.0, 1.0, 3 * MIB)
    assert (one.start_seconds, one.start_cpu_seconds) == (1.0, 0.5)


def test_rates_are_of_the_copying_alone():
    assert OURS.objects_per_second == 500
    assert OURS.megabytes_per_second == 2
    assert OURS.cpu_milliseconds_per_object == 1
    assert OURS.cpu_seconds_per_gigabyte == 250


def test_a_run_no_longer_than_a_start_divides_by_no_zero():
    assert copied("tool", 0, 0).objects_per_second > 0


def test_ratios_are_costs_in_those_of_the_first():
    peer = copied("rclone copy", 3.0, 0.5, 100 * MIB)
    assert Contest(W1, [OURS, peer]).times_first(peer) == {"seconds": 1.5, "cpu_seconds": 0.5, "peak_bytes": 2.0}


def test_a_goal_counts_the_best_of_a_peer_s_rows_each_cost_for_itself():
    contest = Contest(W1, [OURS, copied("rclone copy", 3.0, 0.8), copied("rclone copy tuned", 1.0, 4.0)])
    assert [(goal.wanted, goal.measured, goal.met) for goal in goals(contest)] == [(1.0, 0.5, False), (1.0, 0.8, False)]


@pytest.mark.parametrize(
    ("workload", "peer", "wanted"),
    [
        ("w1", "rclone copy", 1.0),
        ("w1", "s5cmd cp down and up", 3.0),
        ("w1", "aws s3 cp down and up", 3.0),
        ("w2", "rclone copy tuned", 1.0),
        ("w2", "s5cmd cp down and up", 1.5),
        ("w3", "rclone copy tuned", 1.3),
        ("w3", "aws s3 cp down and up", 1.5),
    ],
)
def test_each_peer_has_its_goal(workload, peer, wanted):
    contest = Contest(Workload(workload, 1_000, 4_000), [OURS, copied(peer, 2.0 * wanted, 1.0 * wanted)])
    reached = [goal for goal in goals(contest) if not goal.ceiling]
    assert [(goal.wanted, goal.met) for goal in reached] == [(wanted, True), (wanted, True)]


@pytest.mark.parametrize(("peak", "met"), [(99 * MIB, True), (100 * MIB, False)])
def test_large_objects_have_a_ceiling_of_memory(peak, met):
    (goal,) = goals(Contest(Workload("w3", 4, MIB), [copied("s3-hydration", 1, 1, peak)]))
    assert (goal.ceiling, goal.met) == (True, met)


def test_without_ours_in_front_nothing_is_a_goal():
    assert goals(Contest(W1, [copied("rclone copy", 1, 1), OURS])) == []


def test_the_facts_are_plain_json():
    facts = json.loads(json.dumps(Contest(W1, [OURS, copied("rclone copy", 4.0, 1.0)]).facts()))
    assert [tool["times_first"]["seconds"] for tool in facts["tools"]] == [1.0, 2.0]
    goal = {
        "workload": "w1",
        "what": "rclone: speed",
        "wanted": 1.0,
        "measured": 2.0,
        "ceiling": False,
        "met": True,
    }
    assert facts["goals"][0] == goal


def test_the_tables_say_what_was_measured():
    printed = io.StringIO()
    console = Console(file=printed, width=160)
    console.print(Contest(W1, [OURS, copied("rclone copy", 4.0, 3.0)]).table())
    reached = [Goal("w1", "far", 2.0, 1.0), Goal("w3", "low", 100.0, 99.0, ceiling=True)]
    console.print(goals_table([goal.facts() for goal in reached]))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.getvalue().splitlines()]
    assert [
        "rclone copy",
        *("250", "1.0", "2.00"),
        *("3.00", "750.00", "3.00"),
        *("52", "1.00", "1.00", "0.50"),
    ] in rows
    assert ["w1", "far", ">= 2", "1.00", "missed"] in rows
    assert ["w3", "low", "< 100", "99.00", "met"] in rows
