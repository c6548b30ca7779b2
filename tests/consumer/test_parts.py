"""Every size up to 50 TB is cut into parts that S3 takes, without a gap or an overlap."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer_replicator.parts import (
    DEFAULT_PART_BYTES,
    LEAST_RANGE_BYTES,
    MAX_OBJECT_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIN_PART_BYTES,
    SIDE_BY_SIDE,
    Cut,
    Part,
    part_size,
    parts,
    range_parts,
)

MIB, GIB, TB = 1024**2, 1024**3, 10**12


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, 8 * MIB),
        (8 * MIB * MAX_PARTS, 8 * MIB),
        (8 * MIB * MAX_PARTS + 1, 16 * MIB),
        (5 * TB, 512 * MIB),
        (4 * GIB * MAX_PARTS, 4 * GIB),
        (4 * GIB * MAX_PARTS + 1, 5 * GIB),  # not 8 GiB: S3 takes no part above 5 GiB
        (50 * TB, 5 * GIB),
        (5 * GIB * MAX_PARTS, 5 * GIB),
    ],
)
def test_the_part_size_doubles_until_ten_thousand_parts_hold_the_object(size, expected):
    assert part_size(size) == expected


def test_no_part_size_is_found_for_more_than_ten_thousand_of_the_largest_parts():
    with pytest.raises(ValueError, match="do not fit"):
        part_size(5 * GIB * MAX_PARTS + 1)


def test_what_is_wired_is_a_part_that_s3_takes():
    assert MIN_PART_BYTES <= DEFAULT_PART_BYTES <= MAX_PART_BYTES
    assert MAX_OBJECT_BYTES > 50 * TB


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [Part(1, 0, 0)]),
        (8 * MIB - 1, [Part(1, 0, 8 * MIB - 2)]),
        (8 * MIB, [Part(1, 0, 8 * MIB - 1)]),
        (8 * MIB + 1, [Part(1, 0, 8 * MIB - 1), Part(2, 8 * MIB, 8 * MIB)]),
        (16 * MIB, [Part(1, 0, 8 * MIB - 1), Part(2, 8 * MIB, 16 * MIB - 1)]),
    ],
)
def test_part_numbers_count_from_one_and_both_ends_of_a_range_are_included(size, expected):
    assert list(parts(size)) == expected


@given(st.integers(1, MAX_OBJECT_BYTES), st.integers(MIN_PART_BYTES, 64 * MIB))
@example(50 * TB, DEFAULT_PART_BYTES)
@example(5 * GIB * MAX_PARTS, DEFAULT_PART_BYTES)
@example(MAX_PARTS * DEFAULT_PART_BYTES + 1, DEFAULT_PART_BYTES)
def test_the_parts_cover_the_object_exactly_within_the_limits_of_s3(size, smallest):
    cut = list(parts(size, smallest))
    assert len(cut) <= MAX_PARTS
    assert [part.number for part in cut] == list(range(1, len(cut) + 1))
    assert cut[0].first == 0
    assert cut[-1].last == size - 1
    assert all(before.last + 1 == after.first for before, after in pairwise(cut))
    assert all(MIN_PART_BYTES <= part.size <= MAX_PART_BYTES for part in cut[:-1])
    assert 1 <= cut[-1].size <= MAX_PART_BYTES
    assert len({part.size for part in cut[:-1]}) <= 1  # S3 needs no equal sizes; a resumed copy does


MOST = 4_687_500_000
"""A minute at 625 Mbps: what `splitting` asks for."""


@pytest.mark.parametrize(
    ("size", "part_bytes", "expected", "ranges"),
    [
        (1, 8 * MIB, 64, 1),
        (5 * MIB, 5 * MIB, 102, 1),
        (5 * GIB + 1, 8 * MIB, 64, 11),  # half a GiB each, the last one a byte
        (100 * GIB, 16 * MIB, 32, 200),
        (SIDE_BY_SIDE * LEAST_RANGE_BYTES, 16 * MIB, 32, SIDE_BY_SIDE),
        (SIDE_BY_SIDE * LEAST_RANGE_BYTES + 1, 16 * MIB, 32, SIDE_BY_SIDE + 1),
        (1 * TB, 128 * MIB, 29, 257),
        (5 * TB, 512 * MIB, 8, 1_165),  # above this, ranges are as large as they may be
        (20 * TB, 2 * GIB, 2, 4_657),
        (50 * TB, 5 * GIB, 1, 9_314),
        (MAX_OBJECT_BYTES, 5 * GIB, 1, MAX_PARTS),
        (50 * GIB, 5 * GIB, 1, 10),  # the parts of the source, mirrored, are larger than a range should be
        (40 * GIB, 5 * MIB, 102, 81),
    ],
)
def test_ranges_keep_hundreds_of_functions_busy_and_cost_a_minute_when_one_is_killed(
    size, part_bytes, expected, ranges
):
    chosen = range_parts(size, part_bytes, MOST)
    assert chosen == expected
    assert Cut(size, part_bytes, chosen).ranges == ranges


@given(st.integers(1, MAX_OBJECT_BYTES), st.integers(MIN_PART_BYTES, MAX_PART_BYTES), st.integers(1, 64 * GIB))
@example(MAX_OBJECT_BYTES, DEFAULT_PART_BYTES, MOST)
@example(MAX_PARTS * DEFAULT_PART_BYTES + 1, DEFAULT_PART_BYTES, MOST)
@example(5 * GIB, MAX_PART_BYTES, 1)
def test_a_range_is_never_more_than_asked_for_unless_it_is_a_single_part(size, smallest, most):
    cut = Cut(size, part_size(size, smallest), range_parts(size, part_size(size, smallest), most))
    assert 1 <= cut.ranges <= cut.parts <= MAX_PARTS
    for number in (1, cut.ranges // 2 + 1, cut.ranges):
        assert cut.range_bytes(number) >= 1
        assert cut.range_bytes(number) <= most or len(cut.range(number)) == 1


@pytest.mark.parametrize(
    ("size", "part_bytes", "parts_of_a_range"), [(9, 0, 1), (9, 1, 0), (9, -1, -1), (10_001, 1, 1)]
)
def test_what_s3_would_not_take_is_no_cut(size, part_bytes, parts_of_a_range):
    with pytest.raises(ValueError, match="cannot go"):
        Cut(size, part_bytes, parts_of_a_range)


@given(st.integers(1, 500), st.integers(1, 40), st.integers(1, 40))
def test_the_ranges_together_are_the_parts(size, part_bytes, parts_of_a_range):
    cut = Cut(size, part_bytes, parts_of_a_range)
    together = [part for number in range(1, cut.ranges + 1) for part in cut.range(number)]
    assert [part.number for part in together] == list(range(1, cut.parts + 1))
    assert sum(part.size for part in together) == size
    assert {part.size for part in together[:-1]} <= {part_bytes}
    assert all(cut.range(number) for number in range(1, cut.ranges + 1))


@pytest.mark.parametrize("number", [4, 5, 10_001])
def test_there_is_nothing_in_a_range_that_there_is_not(number):
    assert Cut(size=30, part_bytes=5, range_parts=2).range(number) == []
    assert Cut(size=0, part_bytes=5, range_parts=2).range(number) == []


def test_parts_and_ranges_are_cut_alike():
    cut = Cut(100 * MIB + 3, 8 * MIB, 4)
    assert [part for number in range(1, cut.ranges + 1) for part in cut.range(number)] == list(parts(cut.size))
