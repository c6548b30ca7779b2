"""Tallies: counters with names that add up, and what the kinds of one come to."""

from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.tally import Tally, kinds, total

TALLY = Tally({"listed": 9, "skipped:young": 3, "skipped:in-flight": 4, "skipped-rows": 50, "filtered:window": 2})
COUNTERS = st.sampled_from(["skipped:young", "skipped:in-flight", "skipped", "filtered:window", "skippedtoo:x"])
TALLIES = st.dictionaries(COUNTERS, st.integers(0, 100)).map(Tally)


def test_the_total_of_a_counter_has_its_kinds_and_no_counter_of_a_longer_name():
    assert total(TALLY, "skipped") == 7
    assert total(TALLY, "listed") == 9
    assert total(Tally({"skipped": 1, "skipped:young": 3}), "skipped") == 4
    assert total(TALLY, "hinted") == 0


def test_the_kinds_of_a_counter_are_the_largest_first_and_ties_by_name():
    assert list(kinds(TALLY, "skipped").items()) == [("in-flight", 4), ("young", 3)]
    assert list(kinds(Tally({"calls:b": 1, "calls:a": 1, "calls:c": 2}), "calls")) == ["c", "a", "b"]


def test_a_kind_may_have_a_colon_and_an_empty_one_is_left_out():
    assert kinds(Tally({"lag:a:b": 1, "lag:none": 0}), "lag") == {"a:b": 1}


@given(TALLIES, TALLIES, COUNTERS)
def test_the_total_of_a_sum_is_the_sum_of_the_totals(one, other, name):
    assert total(one + other, name) == total(one, name) + total(other, name)


@given(TALLIES)
def test_a_total_is_its_kinds_and_what_has_none(tally):
    assert total(tally, "skipped") == tally["skipped"] + sum(kinds(tally, "skipped").values())
