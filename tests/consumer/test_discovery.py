"""Cutting a key space that nobody has listed: exact, in few probes, and roughly even, whatever the keys look like."""

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer_replicator.discovery import MORE_PROBES, PROBES_PER_PART, Glimpse, discover
from consumer_replicator.key_ranges import EVERYTHING, KeyRange, of_prefix
from tests.odd_keys import ODD_KEYS

PARTS = 8
CHANCE = random.Random(2026)
COUNT = 40_000


class Bucket:
    """Keys, and the probes that were asked for."""

    def __init__(self, keys, page=1_000):
        self.keys = sorted(set(keys))
        self.page = page
        self.probes = []

    def probe(self, after):
        self.probes.append(after)
        start = bisect_right(self.keys, after)
        page = self.keys[start : start + self.page]
        first, last = (page[0], page[-1]) if page else (None, None)
        return Glimpse(first, last, more=start + self.page < len(self.keys))

    def count(self, keys):
        end = len(self.keys) if keys.until is None else bisect_right(self.keys, keys.until)
        return end - bisect_right(self.keys, keys.after)


KEY_SPACES = {
    "numbers": [f"log-{number:09d}" for number in range(COUNT)],
    "hex": [f"{CHANCE.getrandbits(128):032x}" for _ in range(COUNT)],
    "dates below a long prefix": [
        f"warehouse/of/all/the/tables/year=2026/month={month:02d}/day={day:02d}/part-{part:05d}.parquet"
        for month in range(1, 13)
        for day in range(1, 29)
        for part in range(120)
    ],
    "few prefixes": [
        f"{prefix}{CHANCE.getrandbits(64):x}" for prefix in ("a/x", "bbb", "logs/", "z") for _ in range(COUNT // 4)
    ],
    "beyond ASCII": [chr(0x4E00 + CHANCE.randrange(20_000)) + str(number) for number in range(COUNT)],
    "any ASCII": ["".join(chr(CHANCE.randrange(128)) for _ in range(8)) for _ in range(COUNT)],
}


def assert_tiled(ranges, whole):
    assert (ranges[0].after, ranges[-1].until) == (whole.after, whole.until)
    assert all(left.until == right.after for left, right in pairwise(ranges))


@pytest.mark.parametrize("name", KEY_SPACES)
def test_a_large_key_space_is_cut_into_parts_of_which_none_has_most_of_it(name):
    bucket = Bucket(KEY_SPACES[name])
    ranges = discover(bucket.probe, PARTS, EVERYTHING)
    assert_tiled(ranges, EVERYTHING)
    assert PARTS // 2 < len(ranges) <= PARTS
    counts = [bucket.count(each) for each in ranges]
    assert max(counts) <= sum(counts) * 0.4
    assert min(counts) >= bucket.page, "a range of less than a page is not worth its request"
    assert len(bucket.probes) <= PROBES_PER_PART * PARTS + MORE_PROBES


def test_a_corner_of_a_few_keys_is_not_cut_any_further():
    bucket = Bucket(["a/1", "c/1", *(f"b/{number:07d}" for number in range(COUNT))])
    ranges = discover(bucket.probe, PARTS, EVERYTHING)
    assert min(bucket.count(each) for each in ranges) >= bucket.page


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_a_bucket_of_one_page_is_one_range_after_one_probe(count):
    bucket = Bucket([f"k{number}" for number in range(count)])
    assert discover(bucket.probe, PARTS, EVERYTHING) == [EVERYTHING]
    assert bucket.probes == [""]


def test_keys_that_differ_after_nine_hundred_characters_are_told_apart():
    bucket = Bucket([f"{'p' * 900}{number:07d}" for number in range(COUNT)])
    ranges = discover(bucket.probe, PARTS, EVERYTHING)
    assert_tiled(ranges, EVERYTHING)
    assert len(ranges) > PARTS // 2


def test_only_the_asked_for_range_is_probed_and_cut():
    bucket = Bucket([f"{letter}/{number:05d}" for letter in "abc" for number in range(10_000)])
    whole = of_prefix("b/")
    ranges = discover(bucket.probe, PARTS, whole)
    assert_tiled(ranges, whole)
    assert len(ranges) == PARTS
    assert all(probe == whole.after or probe in whole for probe in bucket.probes)


@settings(max_examples=200)
@given(
    st.lists(st.text("\0a+%/\x7f\ud7ff\ue000\U0010ffff", min_size=1, max_size=6), max_size=60),
    st.integers(1, 6),
    st.integers(1, 9),
)
def test_whatever_the_keys_the_ranges_tile_the_key_space(keys, page, parts):
    bucket = Bucket([*keys, *ODD_KEYS.values()], page)
    for whole in (EVERYTHING, KeyRange("a", "\ue000")):
        ranges = discover(bucket.probe, parts, whole)
        assert_tiled(ranges, whole)
        assert len(ranges) <= parts
