"""The rules of both templates say what `producer_events.event_pattern` makes of the same scope."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer_events.event_pattern import MAX_PATTERN_CHARACTERS, event_pattern
from producer_events.object_event import DETAIL_TYPES
from producer_events.scope import InScope, Scope
from tests.odd_keys import ODD_KEYS
from tests.producer import ruler
from tests.service_catalog.template import BOTH, CONSUMER, PRODUCER, PRODUCER_ACCOUNT

# What the parameters' pattern admits, without commas and the blanks that CloudFormation trims.
ENTRIES = st.lists(
    st.text(st.characters(exclude_characters='",\\', exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
        lambda entry: entry == entry.strip()
    ),
    min_size=1,
    max_size=5,
    unique=True,
)

LATIN_1 = st.lists(
    st.text(st.characters(exclude_characters='",\\', exclude_categories=["Cc"], max_codepoint=0xFF), min_size=1).filter(
        lambda entry: entry == entry.strip()
    ),
    min_size=1,
    max_size=5,
    unique=True,
)

both = pytest.mark.parametrize("template", BOTH, ids=["producer", "consumer"])


def pattern_text(template, prefixes=(), suffixes=()):
    stack = template.resolve(ScopePrefixes=",".join(prefixes), ScopeSuffixes=",".join(suffixes))
    return stack.properties("ObjectEvents")["EventPattern"]


def pattern(template, prefixes=(), suffixes=()):
    return json.loads(pattern_text(template, prefixes, suffixes))


def generated(template, **scope):
    bucket = pattern(template)["detail"]["bucket"]["name"][0]
    found = event_pattern(Scope(**scope), bucket=bucket, account=PRODUCER_ACCOUNT)
    return {**found, "detail-type": sorted(found["detail-type"])}


def lets_through(found, key):
    matchers = found["detail"].get("object", {}).get("key")
    return matchers is None or ruler.matches(matchers, key)


@both
@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"prefixes": ("raw/",)},
        {"prefixes": ("raw/", "curated/2026/", "odd '+%&<>{$}ü/")},
        {"suffixes": (".csv",)},
        {"suffixes": (".csv", ".parquet")},
    ],
    ids=["everything", "one prefix", "prefixes", "one suffix", "suffixes"],
)
def test_a_rule_equals_the_pattern_that_the_scope_generates(template, scope):
    assert pattern(template, **scope) == generated(template, **scope)


@both
def test_with_prefixes_and_suffixes_a_rule_asks_for_the_prefixes_alone(template):
    found = pattern(template, prefixes=("raw/", "new/"), suffixes=(".csv",))
    assert found["detail"]["object"]["key"] == [{"prefix": "raw/"}, {"prefix": "new/"}]


@both
def test_a_rule_lets_every_key_through_that_the_scope_admits(template):
    keys = [*ODD_KEYS, *(f"raw/{key}.csv" for key in ODD_KEYS)]
    for parameters in ({}, {"prefixes": ("raw/",)}, {"prefixes": ("raw/",), "suffixes": (".csv",)}):
        scope = Scope(**parameters, exclusions=("raw/a",))
        found = pattern(template, **parameters)
        admitted = [key for key in keys if isinstance(scope.judge(key), InScope)]
        assert admitted
        assert [key for key in admitted if not lets_through(found, key)] == []


@given(entries=ENTRIES)
def test_any_prefixes_that_the_consumers_parameter_admits_become_one_filter_each(entries):
    assert pattern(CONSUMER, prefixes=entries)["detail"]["object"]["key"] == [{"prefix": each} for each in entries]


@given(entries=LATIN_1)
def test_any_prefixes_that_the_producers_parameter_admits_become_one_filter_each(entries):
    """Latin-1, because they go into a policy, too."""
    assert pattern(PRODUCER, prefixes=entries)["detail"]["object"]["key"] == [{"prefix": each} for each in entries]


@both
@given(entries=ENTRIES)
def test_any_suffixes_that_the_parameter_admits_become_one_filter_each(template, entries):
    assert pattern(template, suffixes=entries)["detail"]["object"]["key"] == [{"suffix": each} for each in entries]


@both
@given(character=st.characters(max_codepoint=0x1F) | st.sampled_from('"\\'))
def test_what_would_break_the_rules_json_is_refused_as_a_parameter(template, character):
    with pytest.raises(AssertionError, match="ScopePrefixes"):
        pattern_text(template, prefixes=[f"a{character}b"])


@both
def test_ten_prefixes_of_a_hundred_characters_stay_below_the_patterns_quota(template):
    assert len(pattern_text(template, prefixes=[f"{i}" * 100 for i in range(10)])) < MAX_PATTERN_CHARACTERS


@both
def test_a_rule_names_every_kind_of_event_that_is_replicated(template):
    assert pattern(template)["detail-type"] == sorted(DETAIL_TYPES)


def test_both_rules_are_the_same():
    found = [pattern(template, prefixes=("raw/",)) for template in BOTH]
    assert found[0] == found[1]
