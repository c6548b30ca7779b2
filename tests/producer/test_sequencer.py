"""Order of two events about one key, as AWS describes it; the examples carry AWS's lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer_events.sequencer import is_not_newer, newest, normalised

HEXADECIMAL = st.text("0123456789ABCDEF", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("first", "second", "not_newer"),
    [
        ("617F08299329D189", "617F0837B476E463", True),
        ("617F0837B476E463", "617F08299329D189", False),
        ("617F08299329D189", "617F08299329D189", True),  # the same event, delivered twice
        ("617F08", "617F0800", True),  # right-padded they are equal
        ("617F0800", "617F08", True),
        ("7", "617F08299329D189", False),  # left-padded, 7 would be the older one
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", True),
        ("617f08299329d189", "617F08299329D188", False),  # the case does not count
    ],
)
def test_the_shorter_one_is_padded_on_the_right(first, second, not_newer):
    assert is_not_newer(first, second) is not_newer


@pytest.mark.parametrize(("first", "second"), [(None, "AB"), ("AB", None), (None, None)])
def test_an_event_without_a_sequencer_is_never_superseded(first, second):
    assert not is_not_newer(first, second)


@given(HEXADECIMAL, HEXADECIMAL)
def test_the_order_is_that_of_the_fractions_that_the_digits_spell(first, second):
    def fraction(digits):
        return int(digits, 16) << 4 * (20 - len(digits))

    assert is_not_newer(first, second) == (fraction(first) <= fraction(second))


@given(HEXADECIMAL, HEXADECIMAL)
def test_the_newest_of_two_does_not_depend_on_the_order_they_came_in(first, second):
    assert newest(first, second).rstrip("0") == newest(second, first).rstrip("0")
    assert is_not_newer(first, newest(first, second))
    assert is_not_newer(second, newest(first, second))


def test_the_newest_of_one_is_that_one():
    assert newest(None, "AB") == newest("AB", None) == "AB"
    assert newest(None, None) is None


@pytest.mark.parametrize("text", ["", "xyz", " AB", "AB\n", "0x12", "-1", "A" * 65, "\u0661", 17, None, ["AB"]])
def test_what_is_not_hexadecimal_counts_as_absent(text):
    assert normalised(text) is None


def test_letters_are_kept_in_upper_case():
    assert normalised("617f08299329d189") == "617F08299329D189"
