"""A contest from beginning to end, tiny, on the real server: only where `make bench` has installed it."""

import pytest

from tests.bench.copying import contest
from tests.bench.copying.contest import hold
from tests.bench.copying.tools import COPIERS
from tests.bench.copying.workload import KIB, MIB, Workload
from tests.bench.peers import PROGRAMS, BenchError, chosen

pytestmark = pytest.mark.skipif(not (PROGRAMS / "rclone").exists(), reason="`make bench` installs rclone")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(contest, "MEMORY", tmp_path)
    return tmp_path


@pytest.mark.parametrize("workload", [Workload("w1", 30, 4 * KIB), Workload("w3", 1, 20 * MIB)], ids=str)
def test_ours_and_rclone_copy_everything_and_nothing_is_left(workload, folder):
    said = []
    held = hold(workload, 1, chosen(["s3-hydration without", "rclone copy tuned"], COPIERS), said.append)
    assert [each.tool for each in held.copied] == ["s3-hydration without source checksum", "rclone copy tuned"]
    assert all(each.peak_bytes > MIB for each in held.copied)
    assert len(said) == 3
    assert list(folder.iterdir()) == []


def test_a_copy_that_differs_stops_the_contest(monkeypatch, folder):
    monkeypatch.setattr(contest.workloads, "differences", lambda *_: ["data/000000 has other bytes"])
    with pytest.raises(BenchError, match="start: 1 not as sent; data/000000 has other bytes"):
        hold(Workload("w1", 1, 4), 1, chosen(["s3-hydration without"], COPIERS), lambda _: None)
    assert list(folder.iterdir()) == []
