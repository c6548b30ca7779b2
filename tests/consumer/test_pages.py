"""A listing that leads back to where it has been is found out, however long the circle is and when it begins."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.errors import ErrorClass, HydrationError
from consumer_replicator.pages import Onward


@given(tail=st.integers(0, 60), circle=st.integers(1, 60))
def test_a_circle_is_seen_within_three_turns_of_it(tail, circle):
    onward = Onward("the list")
    places = itertools.chain(range(tail), itertools.cycle(range(tail, tail + circle)))
    with pytest.raises(HydrationError, match=r"A page of the list leads back to an earlier one\.") as raised:
        list(map(onward.to, itertools.islice(places, 3 * (tail + circle) + 1)))
    assert raised.value.code == "truncated"
    assert raised.value.error_class is ErrorClass.TRANSIENT


@given(st.lists(st.text(), unique=True, max_size=300))
def test_a_listing_that_only_goes_on_is_let_through(places):
    onward = Onward("the list")
    for place in places:
        onward.to(place)


def test_no_place_is_confused_with_none_at_all():
    onward = Onward("the list")
    onward.to(None)
    with pytest.raises(HydrationError):
        onward.to(None)
