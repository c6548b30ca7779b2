"""Sameness has three answers, and "cannot tell" is never "same"."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.identity import Sameness, SourceIdentity, compare
from tests.consumer.arbitrary import IDENTITIES

PLAIN = SourceIdentity(version_id=None, etag="e1", last_modified=1_700_000_000, size=3)
VERSIONED = replace(PLAIN, version_id="v1")
OF_NO_VERSION = replace(PLAIN, version_id="null")

FEW = st.builds(  # so few that equal ones are met
    SourceIdentity,
    version_id=st.sampled_from([None, "null", "1", "2"]),
    etag=st.sampled_from(["1", "2"]),
    last_modified=st.sampled_from([1, 2]),
    size=st.sampled_from([1, 2]),
)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        (VERSIONED, VERSIONED, Sameness.SAME),
        (VERSIONED, replace(VERSIONED, version_id="v2"), Sameness.DIFFERENT),
        (VERSIONED, replace(VERSIONED, etag="e2", last_modified=0, size=0), Sameness.SAME),  # the version-id decides
        (PLAIN, PLAIN, Sameness.SAME),
        (PLAIN, replace(PLAIN, etag="e2"), Sameness.DIFFERENT),
        (PLAIN, replace(PLAIN, last_modified=PLAIN.last_modified + 1), Sameness.DIFFERENT),
        (PLAIN, replace(PLAIN, size=4), Sameness.DIFFERENT),
        (PLAIN, OF_NO_VERSION, Sameness.SAME),
        (OF_NO_VERSION, replace(OF_NO_VERSION, etag="e2"), Sameness.DIFFERENT),
        (PLAIN, VERSIONED, Sameness.UNKNOWN),
        (OF_NO_VERSION, VERSIONED, Sameness.UNKNOWN),
        (PLAIN, replace(VERSIONED, etag="e2"), Sameness.DIFFERENT),
    ],
)
def test_version_ids_decide_where_both_have_one_and_otherwise_all_of_etag_time_and_size(one, other, answer):
    assert compare(one, other) is answer
    assert compare(other, one) is answer


@given(IDENTITIES)
def test_every_object_is_itself(identity):
    assert compare(identity, identity) is Sameness.SAME


@given(FEW, FEW)
def test_the_answer_does_not_depend_on_which_of_the_two_was_read_first(one, other):
    assert compare(one, other) is compare(other, one)


@given(FEW, FEW)
def test_equal_tokens_are_given_only_to_objects_that_are_the_same(one, other):
    if one.token() == other.token():
        assert compare(one, other) is Sameness.SAME


@given(IDENTITIES)
def test_a_token_is_one_printable_ascii_word(identity):
    token = identity.token()
    assert token.isascii()
    assert token.isprintable()
    assert len(token.split()) == 1


def test_a_token_tells_a_version_id_from_an_etag_that_looks_like_it():
    assert VERSIONED.token() == "v/v1"
    assert PLAIN.token() == OF_NO_VERSION.token() == "e/e1/1700000000/3"


def test_the_version_id_null_pins_nothing():
    assert VERSIONED.pinned_version == "v1"
    assert OF_NO_VERSION.pinned_version is None
    assert PLAIN.pinned_version is None
