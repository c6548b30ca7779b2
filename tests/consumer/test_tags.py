"""Tags are asked for only when there is a reason to, and a denial of them is a fact, not a failure."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.errors import HydrationError, SourceMoved
from consumer_replicator.hint import Hint
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.row import Row, State
from consumer_replicator.source import Source
from consumer_replicator.tags import DIGEST_CHARACTERS, Tags, digest, wanted
from tests.consumer.fake_aws import PRODUCER, SOURCE

IDENTITY = SourceIdentity("v1", "e1", 1_700_000_000, 4)
TAG_SET = [{"Key": "a", "Value": "1"}]
ABOUT_BYTES, ABOUT_TAGS = Hint("k", "e-1"), Hint("k", "e-1", about_tags=True)


def found(tag_count=0):
    return SimpleNamespace(identity=IDENTITY, tag_count=tag_count)


def row(tags):
    return Row(1, State.LIVE, 0.0, source=IDENTITY, tags=tags)


@pytest.fixture
def stub(stubbed):
    """(the source, its Stubber)"""
    client, stubber = stubbed("s3")
    return Source(client, SOURCE, PRODUCER), stubber


@pytest.mark.parametrize("before", [None, row("")])
def test_nobody_asks_for_tags_when_there_is_no_sign_of_any(stub, before):
    source, _ = stub
    assert wanted(source, found(), ABOUT_BYTES, before) == Tags()


@pytest.mark.parametrize(
    ("count", "hint", "before"),
    [
        (1, ABOUT_BYTES, None),
        (0, ABOUT_TAGS, None),
        (0, ABOUT_BYTES, row("0123456789abcdef")),  # those that the replica has may have to go
        (0, ABOUT_BYTES, row("denied")),  # the role may see them by now
    ],
    ids=["the source counts some", "the event is about tags", "the replica has some", "they were denied before"],
)
def test_tags_are_asked_for_when_there_is_a_reason_to(stub, count, hint, before):
    source, stubber = stub
    asked = {"Bucket": SOURCE, "Key": "k", "ExpectedBucketOwner": PRODUCER, "VersionId": "v1"}
    stubber.add_response("get_object_tagging", {"TagSet": TAG_SET}, asked)
    assert wanted(source, found(count), hint, before) == Tags({"a": "1"}, digest({"a": "1"}))


def test_tags_that_are_all_gone_are_wanted_to_be_gone(stub):
    source, stubber = stub
    stubber.add_response("get_object_tagging", {"TagSet": []})
    assert wanted(source, found(), ABOUT_TAGS, row("0123456789abcdef")) == Tags()


def test_a_denial_is_kept_in_the_row_and_stops_nothing(stub):
    source, stubber = stub
    stubber.add_client_error("get_object_tagging", "AccessDenied", http_status_code=403)
    assert wanted(source, found(1), ABOUT_BYTES, None) == Tags(digest="denied", denied=True)


def test_any_other_failure_is_a_failure(stub):
    source, stubber = stub
    stubber.add_client_error("get_object_tagging", "SlowDown", http_status_code=503)
    with pytest.raises(HydrationError):
        wanted(source, found(1), ABOUT_BYTES, None)
    stubber.add_client_error("get_object_tagging", "NoSuchVersion", http_status_code=404)
    with pytest.raises(SourceMoved):
        wanted(source, found(1), ABOUT_BYTES, None)


TAGS = st.dictionaries(st.text("ab=&:", min_size=1, max_size=3), st.text("ab=&:", max_size=3), max_size=3)


@given(TAGS, TAGS)
def test_different_tags_have_different_digests_and_their_order_does_not_count(one, other):
    assert (digest(one) == digest(other)) is (one == other)
    assert digest(dict(reversed(one.items()))) == digest(one)


@given(TAGS.filter(bool))
def test_no_digest_of_tags_looks_like_none_or_denied(tags):
    assert len(digest(tags)) == DIGEST_CHARACTERS
    assert digest(tags) not in ("", "denied")
    assert digest({}) == ""
