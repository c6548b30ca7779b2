"""In scope, or out of it with a reason."""

import pytest

from producer_events.scope import RESERVED_PREFIXES, InScope, OutOfScope, Scope
from tests.odd_keys import ODD_KEYS


@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_scope_without_restrictions_takes_every_key(name):
    assert Scope().judge(ODD_KEYS[name]) == InScope()


@pytest.mark.parametrize(
    ("key", "size", "reason"),
    [
        ("reports/a.csv", 100, None),
        ("reports/a.csv", None, None),  # an unknown size is not judged
        ("reports/.csv", 10, None),
        ("Reports/a.csv", 100, "prefix"),
        ("report", 100, "prefix"),
        ("reports/a.CSV", 100, "suffix"),
        ("reports/draft/a.csv", 100, "excluded"),
        ("reports/a.tmp.csv", 100, "excluded"),
        ("reports/a.csv", 9, "too-small"),
        ("reports/a.csv", 10, None),
        ("reports/a.csv", 1000, None),
        ("reports/a.csv", 1001, "too-large"),
        ("archive/draft/a.txt", 5, "prefix"),  # the first reason of the list is given
    ],
)
def test_the_reason_says_what_put_the_object_out(key, size, reason):
    scope = Scope(
        prefixes=("reports/", "archive-"),
        suffixes=(".csv", ".parquet"),
        exclusions=("reports/draft/", "*.tmp.csv"),
        min_bytes=10,
        max_bytes=1000,
    )
    assert scope.judge(key, size) == (OutOfScope(reason) if reason else InScope())


def test_the_products_own_prefix_is_out_even_where_it_is_asked_for():
    reserved = RESERVED_PREFIXES[0]
    assert Scope(prefixes=(reserved,)).judge(f"{reserved}report.json") == OutOfScope("reserved")


def test_a_prefix_and_a_suffix_may_overlap_in_one_key():
    assert Scope(prefixes=("abc",), suffixes=("bcd",)).judge("abcd") == InScope()


def test_an_asterisk_in_a_prefix_is_an_asterisk():
    scope = Scope(prefixes=("a*",))
    assert scope.judge("a*b") == InScope()
    assert scope.judge("ab") == OutOfScope("prefix")


def test_decomposed_and_composed_characters_are_different_keys():
    assert Scope(prefixes=("caf\u00e9",)).judge("cafe\u0301") == OutOfScope("prefix")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prefixes": ("",)}, "prefixes holds an empty entry"),
        ({"suffixes": ("a", "")}, "suffixes holds an empty entry"),
        ({"exclusions": ("*",)}, "would exclude every key"),
        ({"exclusions": ("draft/*",)}, "an asterisk that is not its first character"),
        ({"prefixes": "reports/"}, "must be a tuple"),
        ({"prefixes": ["reports/"]}, "must be a tuple"),
        ({"min_bytes": -1}, "negative"),
        ({"min_bytes": 2, "max_bytes": 1}, "max_bytes is less than min_bytes"),
    ],
)
def test_a_scope_that_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Scope(**fields)


def test_every_contradiction_is_named_at_once():
    with pytest.raises(ValueError, match=r"prefixes.*; .*exclude every key; .*negative"):
        Scope(prefixes=("",), exclusions=("*",), min_bytes=-1)
