"""Ranges of the key space: exact tiles, exact prefixes, midpoints that are keys, boundaries from samples."""

from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from consumer_replicator.key_ranges import (
    EVERYTHING,
    HIGHEST,
    MAX_KEY_BYTES,
    KeyRange,
    KeySample,
    Sampler,
    before,
    boundaries,
    last_with,
    midpoint,
    of_prefix,
    of_prefixes,
    shared_prefix,
)
from tests.odd_keys import ODD_KEYS

SHARP = "\0\x01 +%/az\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"
"""Characters on both sides of every step that UTF-8 takes in its length, and the ends."""
KEYS = st.text(SHARP, min_size=1, max_size=5) | st.sampled_from(sorted(ODD_KEYS.values()))
LONGEST = ["\U0010ffff" * 256, "\0" * 1024, "a" * 1024, "a" * 1023 + "\0", "\u00e9" * 512]


def holding(ranges, key):
    return [each for each in ranges if key in each]


# -- ranges ------------------------------------------------------------------------------------------------------------


@given(st.lists(KEYS, max_size=8), st.lists(KEYS, max_size=8))
def test_every_key_is_in_exactly_one_piece_of_a_cut_range_boundaries_too(cuts, keys):
    pieces = EVERYTHING.cut(cuts)
    assert len(pieces) == len(set(cuts)) + 1
    for key in [*keys, *cuts, "\0", HIGHEST, *LONGEST]:
        assert len(holding(pieces, key)) == 1


@given(KEYS, KEYS, st.lists(KEYS, max_size=8), KEYS)
def test_a_piece_of_the_key_space_is_cut_only_inside(one, other, cuts, key):
    assume(one != other)
    whole = KeyRange(min(one, other), max(one, other))
    pieces = whole.cut(cuts)
    assert len(holding(pieces, key)) == (key in whole)
    assert (pieces[0].after, pieces[-1].until) == (whole.after, whole.until)


def test_a_thousand_keys_of_one_prefix_are_cut_between_any_two_of_them():
    keys = [f"{'same/' * 100}{number:04d}" for number in range(1_000)]
    pieces = EVERYTHING.cut(keys)
    assert [len(holding(pieces, key)) for key in keys] == [1] * 1_000
    assert all(pieces[place].until == key for place, key in enumerate(keys))


def test_a_range_leaves_out_its_beginning_and_has_its_end():
    keys = KeyRange("b", "d")
    assert [key for key in ("a", "b", "b\0", "c", "d", "d\0") if key in keys] == ["b\0", "c", "d"]


@pytest.mark.parametrize(("after", "until"), [("b", "a"), ("a", "a"), ("", ""), ("\U00010000", "\uffff")])
def test_a_range_that_ends_before_it_begins_is_refused(after, until):
    with pytest.raises(ValueError, match="must end after it begins"):
        KeyRange(after, until)


@given(KEYS, KEYS)
def test_the_rest_of_a_range_is_what_lies_behind_the_cursor(cursor, key):
    for whole in (EVERYTHING, KeyRange("a", "z")):
        rest = whole.rest(cursor)
        assert (rest is not None and key in rest) == (key in whole and key > cursor)


@given(KEYS, KEYS, KEYS, KEYS, KEYS)
def test_what_two_ranges_have_in_common_is_in_both(one, two, three, four, key):
    assume(one != two and three != four)
    left, right = KeyRange(min(one, two), max(one, two)), KeyRange(min(three, four), max(three, four))
    for other in (right, KeyRange(right.after), EVERYTHING):
        common = left.common(other)
        assert (common is not None and key in common) == (key in left and key in other)


# -- prefixes ----------------------------------------------------------------------------------------------------------


@given(st.text(SHARP, max_size=3), KEYS)
@example("a", "a")
@example("\0", "\0")
@example("\0\0", "\0")
@example("\U0010ffff", "\U0010ffff" * 256)
def test_the_range_of_a_prefix_has_exactly_the_keys_that_begin_with_it(prefix, key):
    keys = of_prefix(prefix)
    assert (key in keys) == key.startswith(prefix)
    if len((prefix + key).encode()) <= MAX_KEY_BYTES:
        assert prefix + key in keys


@pytest.mark.parametrize("prefix", ["a", "ab/", "\u00e9", "\ud7ff", "\U0010ffff", "x" * 1021, "x" * 1022, "x" * 1023])
def test_the_last_key_of_a_prefix_is_as_long_as_a_key_can_be_and_nothing_of_it_is_greater(prefix):
    last = last_with(prefix)
    assert len(last.encode()) == MAX_KEY_BYTES
    assert last >= prefix + HIGHEST * ((MAX_KEY_BYTES - len(prefix.encode())) // 4)
    for place in range(len(prefix), len(last)):  # every character of it is the greatest that fits
        room = MAX_KEY_BYTES - len(last[:place].encode())
        greatest = max((each for each in SHARP if len(each.encode()) <= room), key=str.encode)
        assert last[place] >= greatest


@given(KEYS)
def test_nothing_lies_between_a_key_and_the_one_before_it(key):
    below = before(key)
    assert below < key
    assert len(below.encode()) <= MAX_KEY_BYTES
    # Any text in between is longer than a key can be.
    assert midpoint(below, key) is None


@given(st.lists(st.text(SHARP, min_size=1, max_size=3), min_size=1, max_size=6), KEYS)
def test_prefixes_that_overlap_give_every_key_once(prefixes, key):
    assert len(holding(of_prefixes(prefixes), key)) == any(key.startswith(prefix) for prefix in prefixes)


def test_no_prefixes_are_everything_and_the_empty_prefix_too():
    assert of_prefixes([]) == [EVERYTHING] == of_prefixes(["", "a"])


def test_a_prefix_that_no_key_has_room_for_is_refused():
    with pytest.raises(ValueError, match="begins no key"):
        of_prefix("\u00e9" * 513)


# -- midpoints ---------------------------------------------------------------------------------------------------------


@given(st.just("") | KEYS, st.none() | KEYS)
@example("", None)
@example("\U0010ffff" * 256, None)
@example("a", "a\0")
@example("a", "a\0\0")
@example("a" + "\U0010ffff" * 255, "b")
@example("\ud7ff", "\ue000")
def test_a_midpoint_is_a_key_strictly_between(low, high):
    assume(high is None or low < high)
    middle = midpoint(low, high)
    if middle is not None:
        assert low < middle
        assert high is None or middle < high
        assert 1 <= len(middle.encode()) <= MAX_KEY_BYTES


@given(st.just("") | st.text(SHARP, max_size=4), st.none() | st.text(SHARP, min_size=1, max_size=4))
def test_between_two_short_keys_there_is_a_midpoint_unless_they_are_neighbours(low, high):
    assume(high is None or low < high)
    if high is None or high != low + "\0":
        assert midpoint(low, high) is not None


def test_a_midpoint_halves_the_bytes_that_keys_begin_with():
    assert midpoint("", "\x7f") == "?"
    assert midpoint("a", "c") == "b"
    assert midpoint("logs/2026-01", "logs/2026-09") == "logs/2026-0" + chr((ord("1") + ord("9")) // 2)
    assert midpoint("", None) == "z", "half of what a first byte can be is ASCII"


@given(KEYS, KEYS)
def test_the_shared_prefix_begins_both_and_is_the_longest(one, other):
    shared = shared_prefix(one, other)
    assert one.startswith(shared)
    assert other.startswith(shared)
    assert shared in (one, other) or one[len(shared)] != other[len(shared)]


# -- samples -----------------------------------------------------------------------------------------------------------


def sampled(keys, limit=128):
    sampler = Sampler(limit)
    for key in keys:
        sampler.see(key)
    return sampler.sample()


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 12_345])
def test_a_sample_is_every_so_manyth_key_and_stays_small(count):
    keys = [f"{number:06d}" for number in range(count)]
    sample = sampled(keys, limit=8)
    assert list(sample.keys) == keys[sample.stride - 1 :: sample.stride]
    assert len(sample.keys) <= 8
    assert count <= 8 or len(sample.keys) >= 4


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=6), st.integers(1, 12))
def test_boundaries_from_the_samples_of_uneven_ranges_make_even_ones(counts, parts):
    keys = [f"{number:06d}" for number in range(sum(counts))]
    samples, start = [], 0
    for count in counts:
        samples.append(sampled(keys[start : start + count], limit=64))
        start += count
    cuts = boundaries(samples, parts)
    assert cuts == sorted(set(cuts))
    assert len(cuts) <= parts - 1
    coarsest = max(sample.stride for sample in samples)
    if len(cuts) == parts - 1:
        ends = [0, *(bisect_right(keys, cut) for cut in cuts), len(keys)]
        sizes = [right - left for left, right in pairwise(ends)]
        # Each range loses less than a stride at its end, and a boundary is off by less than one.
        assert max(sizes) <= len(keys) / parts + coarsest * (len(counts) + 2)


def test_no_samples_make_no_boundaries():
    assert boundaries([], 8) == boundaries([KeySample()], 8) == []
    assert boundaries([KeySample(1, ("a", "b"))], 1) == []
