"""What arrived is compared with what was sent; a difference of one byte is told."""

import pytest

from consumer_replicator import checksum
from tests.bench.copying.workload import KIB, MIB, START, WORKLOADS, Workload, differences, write

SMALL = Workload("small", 3, 4 * KIB)
LARGE = Workload("large", 1, 3 * MIB)


@pytest.fixture(params=[SMALL, LARGE], ids=lambda workload: workload.name)
def copied(request, tmp_path):
    """A workload with its source's folder and a true copy."""
    workload = request.param
    for side in ("source", "replica"):
        write(workload, tmp_path / side)
    return workload, tmp_path / "source", tmp_path / "replica"


def test_a_true_copy_has_no_differences(copied):
    assert differences(*copied) == []


def test_a_missing_object_is_told(copied):
    (copied[2] / "data/000000").unlink()
    assert differences(*copied) == ["data/000000 is missing"]


def test_an_object_too_many_is_told(copied):
    (copied[2] / "data/other").touch()
    assert differences(*copied) == ["data/other was never sent"]


def test_an_object_cut_short_is_told(copied):
    path = copied[2] / "data/000000"
    path.write_bytes(path.read_bytes()[:-1])
    (difference,) = differences(*copied)
    assert difference == f"data/000000 has {copied[0].size - 1} bytes, not {copied[0].size}"


@pytest.mark.parametrize("place", [0, -1])
def test_a_byte_that_changed_is_told(copied, place):
    path = copied[2] / "data/000000"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert differences(*copied) == ["data/000000 has other bytes"]


def test_two_parts_that_changed_places_are_told(tmp_path):
    for side in ("source", "replica"):
        write(LARGE, tmp_path / side)
    path = tmp_path / "replica/data/000000"
    data = path.read_bytes()
    path.write_bytes(data[MIB : 2 * MIB] + data[:MIB] + data[2 * MIB :])
    assert differences(LARGE, tmp_path / "source", tmp_path / "replica") == ["data/000000 has other bytes"]


def test_the_checksums_are_those_of_the_bytes_written(copied, tmp_path):
    workload, source, _ = copied
    checksums = write(workload, tmp_path / "again")
    assert checksums == {key: checksum.of((source / key).read_bytes()).value for key in workload.every_key()}


def test_a_scale_makes_many_objects_fewer_and_few_objects_smaller():
    w1, w2, w3 = (workload.scaled(0.1) for workload in WORKLOADS)
    assert [(each.count, each.size) for each in (w1, w2, w3)] == [(500, 4 * KIB), (50, MIB), (4, 51 * MIB)]


def test_no_scale_leaves_nothing_to_copy():
    assert [(each.count, each.size) for each in (workload.scaled(1e-9) for workload in WORKLOADS)] == [
        (1, 4 * KIB),
        (1, MIB),
        (4, MIB),
    ]


def test_a_workload_s_title_says_how_much_it_is():
    assert [each.title for each in (*WORKLOADS, START)] == [
        "5,000 x 4 KiB",
        "500 x 1 MiB",
        "4 x 512 MiB",
        "1 x 1 bytes",
    ]
