"""What one invocation carries, what several do, and how much of it each takes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.parts import GIB, MAX_OBJECT_BYTES, MIB, part_size
from consumer_replicator.splitting import DEFAULT_THRESHOLD_BYTES, Splitting, Time, Way

LONG = 870.0
"""Of 900 seconds, without the reserve."""
FRESH = Time(LONG, LONG)
DEFAULT = Splitting()


def sure(seconds):
    return int(seconds * 625_000_000 / 8 / 3)


@pytest.mark.parametrize(
    ("threshold", "seconds", "largest_whole"),
    [
        (0, LONG, 5 * GIB),
        (1 * GIB, LONG, 1 * GIB),
        (20 * GIB, LONG, 20 * GIB),
        (50 * GIB, LONG, sure(LONG)),  # what the invocation surely carries: 22.6 GB
        (0, 270, 5 * GIB),
        (0, 48, sure(48)),  # a function of a minute: 1.25 GB
        (0, 8, sure(8)),
    ],
)
def test_an_object_is_split_above_the_threshold_and_above_what_an_invocation_carries(threshold, seconds, largest_whole):
    splitting, fresh = Splitting(threshold), Time(seconds, seconds)
    assert splitting.way(largest_whole, fresh, again=False) is Way.WHOLE
    assert splitting.way(largest_whole + 1, fresh, again=False) is Way.SPLIT
    assert splitting.way(largest_whole + 1, Time(seconds, 0.1), again=False) is Way.SPLIT


@pytest.mark.parametrize("left", [0.1, 10.0, 100.0])
def test_what_a_fresh_invocation_carries_waits_once_for_one_and_is_split_the_second_time(left):
    late = Time(LONG, left)
    largest = max(8 * MIB, sure(left))
    assert DEFAULT.way(largest, late, again=False) is Way.WHOLE
    assert DEFAULT.way(largest + 1, late, again=False) is Way.LATER
    assert DEFAULT.way(largest + 1, late, again=True) is Way.SPLIT
    assert DEFAULT.way(largest + 1, FRESH, again=True) is Way.WHOLE


@pytest.mark.parametrize("size", [0, 1, 8 * MIB])
def test_what_is_small_never_waits(size):
    assert DEFAULT.way(size, Time(LONG, -1), again=False) is Way.WHOLE


@pytest.mark.parametrize(
    ("seconds", "size", "range_bytes"),
    [
        (LONG, 6 * GIB, 512 * MIB),
        (LONG, 1_000 * GIB, 4096 * MIB),  # a two hundred and fiftieth of it
        (LONG, 20 * 1000 * GIB, 4 * GIB),  # a minute at full bandwidth: 4.7 GB, in parts of 2 GiB
        (LONG, MAX_OBJECT_BYTES, 5 * GIB),  # a single part
        (8, 6 * GIB, 192 * MIB),  # what a function of ten seconds surely carries, in parts of 8 MiB, is 198 MiB
    ],
)
def test_a_range_is_what_an_invocation_surely_carries(seconds, size, range_bytes):
    cut = DEFAULT.cut(size, part_size(size), Time(seconds, seconds))
    assert cut.range_bytes(1) == pytest.approx(range_bytes, rel=0.04)


@given(st.integers(1, MAX_OBJECT_BYTES), st.floats(1, 870))
def test_ranges_are_cut_for_fresh_invocations_whatever_is_left_of_this_one(size, left):
    assert DEFAULT.cut(size, part_size(size), Time(LONG, left)) == DEFAULT.cut(size, part_size(size), FRESH)


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([], 0),
        ([0] * 10, 10),  # done already, or obsolete: they cost nothing
        ([512 * MIB] * 10, 8),
        ([2 * GIB] * 10, 2),
        ([5 * GIB] * 10, 1),
        ([0, 0, 400 * GIB, 0, 1], 4),
    ],
)
def test_an_invocation_takes_on_a_minute_of_ranges_and_at_least_one(sizes, taken):
    assert DEFAULT.turn(sizes, FRESH) == taken


def test_a_short_function_takes_on_no_more_than_it_surely_carries():
    assert DEFAULT.turn([512 * MIB] * 10, Time(48, 48)) == 2


@pytest.mark.parametrize(("place", "seconds"), [(0, 0), (1, 1), (25, 30), (50, 60), (51, 60), (9_999, 60)])
def test_ranges_begin_to_be_seen_one_after_the_other_over_a_turn(place, seconds):
    assert DEFAULT.delay(place) == seconds


def test_a_range_is_begun_where_its_time_is_left_or_where_no_invocation_would_have_more():
    assert DEFAULT.has_room(5 * GIB, Time(LONG, sure(1) and 5 * GIB / sure(1) + 1))
    assert not DEFAULT.has_room(5 * GIB, Time(LONG, 5 * GIB / sure(1) - 1))
    assert DEFAULT.has_room(5 * GIB, Time(10, 9))
    assert not DEFAULT.has_room(5 * GIB, Time(10, 4))


def test_the_default_threshold_is_the_design_s():
    assert DEFAULT_THRESHOLD_BYTES == 5 * GIB
