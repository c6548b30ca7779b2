"""However much drift there is, its summary is small, and says the same as the whole."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.drift_tally import DriftTally
from consumer_replicator.run_facts import DriftEntry, KindCount, PrefixCount
from tests.consumer.run_rig import KINDS
from tests.odd_keys import ODD_KEYS

KEYS = st.lists(st.sampled_from(["a", "b", "c", "", "\u65e5"]), min_size=1, max_size=9).map("/".join)
ENTRIES = st.lists(
    st.builds(
        DriftEntry,
        kind=KINDS,
        key=KEYS,
        size=st.none() | st.integers(0, 10**13),
        last_modified=st.none() | st.integers(0, 2**31),
    ),
    max_size=60,
)


def tally(entries, **options):
    made = DriftTally(**options)
    for entry in entries:
        made.add(entry)
    return made


def missing(*keys: str) -> list[DriftEntry]:
    return [DriftEntry("missing", key, size=1, last_modified=0) for key in keys]


def shown(entries, limit=12, **options) -> list[tuple[str, int, bool]]:
    return [(count.prefix, count.objects, count.rest) for count in tally(entries, **options).prefixes(limit)]


@given(ENTRIES, st.integers(1, 14), st.integers(1, 30))
def test_the_prefixes_shown_have_every_drifted_key_exactly_once_and_are_few(entries, limit, most_prefixes):
    prefixes = tally(entries, most_prefixes=most_prefixes).prefixes(limit)
    kinds = Counter()
    for count in prefixes:
        kinds += Counter(count.kinds)
        assert count.objects == sum(count.kinds.values()) > 0
    assert kinds == Counter(str(entry.kind) for entry in entries)
    assert sum(count.bytes for count in prefixes) == sum(entry.size or 0 for entry in entries)
    assert len(prefixes) <= limit
    assert [count.objects for count in prefixes] == sorted((count.objects for count in prefixes), reverse=True)


@given(ENTRIES)
def test_a_key_is_below_the_prefix_that_counts_it(entries):
    for count in tally(entries).prefixes():
        below = sum(entry.key.startswith(count.prefix) for entry in entries)
        assert count.objects <= below
        assert count.rest or count.objects == below


@given(ENTRIES)
def test_kinds_are_counted_with_their_bytes(entries):
    expected = {}
    for entry in entries:
        before = expected.get(entry.kind, KindCount())
        expected[entry.kind] = KindCount(before.objects + 1, before.bytes + (entry.size or 0))
    assert tally(entries).kinds == expected


@given(ENTRIES, st.integers(0, 10))
def test_the_biggest_and_the_oldest_are_those_of_the_whole(entries, keys):
    made = tally(entries, keys=keys)
    sized = [entry for entry in entries if entry.size is not None]
    dated = [entry for entry in entries if entry.last_modified is not None]
    assert list(made.biggest) == sorted(sized, key=lambda entry: -entry.size)[:keys]
    assert list(made.oldest) == sorted(dated, key=lambda entry: entry.last_modified)[:keys]


def test_where_all_drift_is_below_one_prefix_it_is_looked_into():
    keys = [f"data/2026/{month:02}/{part}" for month in range(1, 4) for part in range(month)]
    assert shown(missing(*keys)) == [
        ("data/2026/03/", 3, False),
        ("data/2026/02/", 2, False),
        ("data/2026/01/", 1, False),
    ]


def test_what_does_not_fit_is_summed_up_in_one_line_for_the_rest():
    keys = [f"{letter}/{part}" for count, letter in enumerate("abcde", start=1) for part in range(count)]
    assert shown(missing(*keys), limit=3) == [("", 6, True), ("e/", 5, False), ("d/", 4, False)]


def test_keys_without_a_slash_are_the_rest_of_the_bucket():
    assert shown(missing("top", "a/x", "a/y")) == [("a/", 2, False), ("", 1, True)]


def test_a_bucket_without_any_slash_is_one_line():
    assert shown(missing("x", "y")) == [("", 2, False)]


def test_a_prefix_that_found_no_room_counts_for_the_one_above():
    entries = missing("a/b/1", *(f"a/c{number}/x" for number in range(100)))
    assert shown(entries, most_prefixes=3) == [("a/", 100, True), ("a/b/", 1, False)]


def test_a_million_prefixes_are_not_kept():
    made = tally(missing(*(f"{number}/x" for number in range(5000))), most_prefixes=100)
    assert len(made._below) == 100
    assert sum(count.objects for count in made.prefixes()) == 5000


def test_odd_keys_are_counted_like_any():
    made = tally([DriftEntry("extra", key) for key in ODD_KEYS.values()])
    assert sum(count.objects for count in made.prefixes()) == len(ODD_KEYS)
    assert made.prefixes()[0].kinds.keys() == {"extra"}


def test_nothing_drifted_nothing_shown():
    assert tally([]).prefixes() == ()
    assert tally([]).kinds == {}


@pytest.mark.parametrize("limit", [1, 2])
def test_with_next_to_no_room_the_whole_is_still_accounted_for(limit):
    counted = tally(missing("a/1", "b/1", "c/1")).prefixes(limit)
    assert sum(count.objects for count in counted) == 3
    assert all(isinstance(count, PrefixCount) for count in counted)


def test_what_a_verify_calls_different_comes_before_whatever_it_cannot_tell():
    doubts = [DriftEntry("cannot-tell", f"k{n}", size=10**9, last_modified=0) for n in range(50)]
    differing = [DriftEntry("different", key, size=size, last_modified=9) for key, size in (("a", 1), ("b", 2))]
    made = tally([*doubts, *differing, *doubts], keys=20)
    assert [entry.key for entry in made.biggest[:3]] == ["b", "a", "k0"]
    assert [entry.key for entry in made.oldest[:3]] == ["a", "b", "k0"]
    assert len(made.biggest) == len(made.oldest) == 20
