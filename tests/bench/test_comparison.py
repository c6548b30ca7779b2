"""Ratios, hits and false alarms, from results that are known."""

import io

from rich.console import Console

from tests.bench.comparison import Comparison, Result
from tests.bench.measured import Taken
from tests.bench.peers import FOUND, TOOLS
from tests.bench.planted import Planted, planned

OBJECTS = list(planned(1_200))
WRONG = {each.key: each.planted for each in OBJECTS if each.planted}


def result(tool, seconds, found, calls):
    return Result(tool, "reads", [Taken(each, each / 2, 10_000_000) for each in seconds], calls, frozenset(found))


OURS = result("ours", [1.0, 9.0, 2.0], set(WRONG), {"ListObjectsV2": 2, "Query": 3})
PEER = result(
    "peer",
    [5.0, 4.0, 4.0],
    {key for key, kind in WRONG.items() if kind is Planted.EXTRA} | {"fine"},
    {"ListObjects": 10},
)
COMPARISON = Comparison(OBJECTS, [OURS, PEER], {"source#0": 1_048_576, "source#1": 1_048_577})


def test_a_median_is_not_moved_by_one_slow_run_and_ratios_are_to_the_first():
    ours, peer = COMPARISON.facts()["tools"]
    assert (ours["seconds"], peer["seconds"]) == (2.0, 4.0)
    assert peer["times_first"] == {"seconds": 2.0, "cpu_seconds": 2.0, "peak_bytes": 1.0, "calls": 2.0}


def test_what_a_tool_missed_and_what_it_made_up_is_told_by_kind():
    ours, peer = COMPARISON.facts()["tools"]
    assert ours["found"] == COMPARISON.facts()["planted"]
    assert peer["found"] == {kind.name.lower(): 2 if kind is Planted.EXTRA else 0 for kind in Planted}
    assert (ours["false_alarms"], peer["false_alarms"]) == (0, 1)


def test_the_theory_s_calls_are_full_pages_of_each_shard():
    assert COMPARISON.theory == {"ListObjectsV2": 2 + 2, "Query": 1 + 2}


def test_no_figure_is_printed_without_its_ratio():
    printed = io.StringIO()
    Console(file=printed, width=132).print(COMPARISON.cost_table(), COMPARISON.found_table())
    (row,) = (line for line in printed.getvalue().splitlines() if line.startswith("│ peer"))
    assert [cell.strip() for cell in row.split("│")[2:-1]] == [
        "4.00",
        "2.00",
        "2.00",
        "2.00",
        "10",
        "1.00",
        "10",
        "2.00",
    ]


def test_each_tool_s_answer_is_read_in_its_own_words(tmp_path):
    (tmp_path / FOUND).write_text("data/1 a\n")
    (tmp_path / "rclone--differ.txt").write_text("data/2\n")
    (tmp_path / "rclone--missing-on-src.txt").write_text("data/3\n")
    (tmp_path / "stdout").write_text(
        "(dryrun) copy: s3://source/data/4 to s3://replica/data/4\n"
        "(dryrun) delete: s3://replica/data/5\n"
        "cp s3://source/data/6 s3://replica/data/6\n"
        "rm s3://replica/data/7\n"
    )
    found = {tool.name: tool.found(tmp_path) for tool in TOOLS}
    assert found["s3-hydration"] == {"data/1 a"}
    assert found["rclone check"] == {"data/2", "data/3"}
    assert found["aws s3 sync --dryrun"] == {"data/4", "data/5", "data/6", "data/7"}
