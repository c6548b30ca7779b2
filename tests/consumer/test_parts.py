"""Every size up to 50 TB is cut into parts that S3 takes, without a gap or an overlap."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer_replicator.parts import (
    DEFAULT_PART_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIN_PART_BYTES,
    Part,
    part_size,
    parts,
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


@pytest.mark.parametrize(("asked", "given_"), [(1, MIN_PART_BYTES), (5 * MIB, 5 * MIB), (6 * MIB, 6 * MIB)])
def test_a_part_is_never_smaller_than_five_mebibytes(asked, given_):
    assert part_size(10 * MIB, asked) == given_


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


@given(st.integers(1, 5 * GIB * MAX_PARTS), st.integers(1, 64 * MIB))
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
