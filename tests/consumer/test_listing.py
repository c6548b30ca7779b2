"""The source's listing: what is asked, what its pages become, and that only S3 itself may say that there is no more."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, quote_plus, urlsplit
from xml.sax.saxutils import escape

import pytest
from botocore.exceptions import EndpointConnectionError

from consumer_replicator.drift import Listed
from consumer_replicator.errors import HydrationError
from consumer_replicator.key_ranges import EVERYTHING
from consumer_replicator.listing import PAGE_KEYS, Listing
from tests.consumer.fake_aws import PRODUCER, SOURCE, World
from tests.consumer.wire import Answer, Wire, s3_error
from tests.odd_keys import ODD_KEYS

MODIFIED = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
PAGE = {"Bucket": SOURCE, "ExpectedBucketOwner": PRODUCER, "MaxKeys": PAGE_KEYS}
FAILURES = [
    ("AccessDenied", 403, "source-access-denied"),
    ("SlowDown", 503, "throttled"),
    ("InternalError", 500, "aws-error"),
    ("ExpiredToken", 400, "expired-credentials"),
    ("NoSuchBucket", 404, "unexpected"),
]


def entry(key, **more):
    return {"Key": key, "ETag": '"e1"', "LastModified": MODIFIED, "Size": 5, "StorageClass": "STANDARD", **more}


def page_xml(keys, after="", following=None):
    """A page as S3 words it for EncodingType=url: keys form-encoded, then escaped for XML."""
    contents = "".join(
        f"<Contents><Key>{escape(quote_plus(key, safe='/'))}</Key><LastModified>2026-11-05T12:00:00.000Z</LastModified>"
        f"<ETag>&quot;e1&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{escape(following)}</NextContinuationToken>" if following else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{SOURCE}</Name><Prefix></Prefix><StartAfter>{escape(quote_plus(after))}</StartAfter><MaxKeys>1000</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{'true' if following else 'false'}</IsTruncated>"
        f"<KeyCount>{len(keys)}</KeyCount>{more}{contents}</ListBucketResult>"
    ).encode()


@pytest.fixture
def stub(stubbed):
    """(the listing, its Stubber)"""
    client, stubber = stubbed("s3")
    return Listing(client, SOURCE, PRODUCER), stubber


@pytest.fixture
def wired(aws):
    """(the listing, the wire beneath it)"""
    client = aws("s3")
    return Listing(client, SOURCE, PRODUCER), Wire(client)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def listing(world):
    return Listing(world.s3("source"), SOURCE, PRODUCER)


def keys(objects):
    return [each.key for each in objects]


def asked(sent):
    return {
        name: value for name, (value,) in parse_qs(urlsplit(sent.request.url).query, keep_blank_values=True).items()
    }


# -- what is asked, and what comes of it -------------------------------------------------------------------------------


def test_an_entry_is_what_identity_is_made_of(stub):
    listing, stubber = stub
    contents = [entry("a", StorageClass="GLACIER"), {**entry("b"), "ETag": '"e2-7"', "Size": 0}]
    del contents[1]["StorageClass"]
    stubber.add_response("list_objects_v2", {"IsTruncated": False, "Contents": contents}, PAGE)
    modified = int(MODIFIED.timestamp())
    assert list(listing.objects()) == [
        Listed("a", "e1", modified, 5, "GLACIER"),
        Listed("b", "e2-7", modified, 0, "STANDARD"),
    ]


def test_the_next_page_is_asked_for_by_its_token_and_every_page_from_the_expected_owner(stub):
    listing, stubber = stub
    first = {"IsTruncated": True, "NextContinuationToken": "t1", "Contents": [entry("p/b")]}
    stubber.add_response("list_objects_v2", first, {**PAGE, "StartAfter": "p/a", "Prefix": "p/"})
    second = {"IsTruncated": False, "Contents": [entry("p/c")]}
    stubber.add_response("list_objects_v2", second, {**PAGE, "ContinuationToken": "t1", "Prefix": "p/"})
    assert keys(listing.objects("p/a", prefix="p/")) == ["p/b", "p/c"]
    assert listing.pages == 2


def test_a_page_without_entries_is_not_the_end_unless_it_says_so(stub):
    listing, stubber = stub
    stubber.add_response("list_objects_v2", {"IsTruncated": True, "NextContinuationToken": "t1"}, PAGE)
    stubber.add_response("list_objects_v2", {"IsTruncated": False, "Contents": [entry("a")]})
    assert keys(listing.objects()) == ["a"]


def test_an_empty_bucket_is_an_empty_listing(stub):
    listing, stubber = stub
    stubber.add_response("list_objects_v2", {"IsTruncated": False}, PAGE)
    assert list(listing.objects()) == []


def test_a_range_has_its_last_key_and_no_page_beyond_it(listing, world):
    for number in range(2_500):
        world.upload(f"{number:04d}", b"")
    assert keys(listing.objects("0099", "0999")) == [f"{number:04d}" for number in range(100, 1_000)]
    assert listing.pages == 1


def test_a_range_that_ends_with_its_page_asks_once_more_to_be_sure(listing, world):
    for number in range(2_000):
        world.upload(f"{number:04d}", b"")
    assert len(keys(listing.objects("", "0999"))) == 1_000
    assert listing.pages <= 2


# -- hostile keys on the wire ------------------------------------------------------------------------------------------


def test_every_odd_key_survives_the_listing(wired):
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(page_xml(ODD_KEYS.values())))
    assert keys(listing.objects()) == list(ODD_KEYS.values())


def test_keys_are_asked_for_url_encoded_because_xml_cannot_carry_all_of_them(wired):
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(page_xml([])))
    list(listing.objects())
    assert asked(wire.only("ListObjectsV2")) == {"list-type": "2", "encoding-type": "url", "max-keys": "1000"}


@pytest.mark.parametrize("name", ODD_KEYS)
def test_every_odd_key_can_be_what_a_listing_starts_after(wired, name):
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(page_xml([], after=ODD_KEYS[name])))
    list(listing.objects(ODD_KEYS[name]))
    sent = wire.only("ListObjectsV2")
    assert asked(sent)["start-after"] == ODD_KEYS[name]
    assert sent.headers["x-amz-expected-bucket-owner"] == PRODUCER


def test_a_token_is_sent_back_as_it_came(wired):
    listing, wire = wired
    token = "1/+a=%&<b> "
    wire.answer("ListObjectsV2", Answer(page_xml(["a"], following=token)), Answer(page_xml(["b"])))
    assert keys(listing.objects()) == ["a", "b"]
    assert asked(wire.sent[1])["continuation-token"] == token


# -- a source that changes while it is read ----------------------------------------------------------------------------


def test_what_changes_between_two_pages_is_seen_in_its_new_state_or_not_at_all_and_nothing_comes_twice(listing, world):
    world.page_keys = 2
    for key in "bdfh":
        world.upload(key, b"1")
    objects = listing.objects()
    seen = [next(objects), next(objects)]
    world.upload("a", b"new, behind")
    world.upload("e", b"new, ahead")
    world.upload("h", b"overwritten")
    world.remove("b")
    world.remove("f")
    seen += objects
    assert [(each.key, each.size) for each in seen] == [("b", 1), ("d", 1), ("e", 10), ("h", 11)]


def test_a_listing_whose_token_key_is_deleted_meanwhile_goes_on_behind_it(listing, world):
    world.page_keys = 1
    for key in "abc":
        world.upload(key, b"")
    objects = listing.objects()
    assert next(objects).key == "a"
    world.remove("a")
    assert keys(objects) == ["b", "c"]


# -- what cannot be read is never empty --------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "status", "failure"), FAILURES)
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_page_that_is_refused_is_a_failure_and_not_the_end(stub, code, status, failure, earlier):
    listing, stubber = stub
    if earlier:
        page = {"IsTruncated": True, "NextContinuationToken": "t1", "Contents": [entry("a")]}
        stubber.add_response("list_objects_v2", page)
    stubber.add_client_error("list_objects_v2", code, http_status_code=status)
    objects = listing.objects()
    assert [next(objects).key for _ in range(earlier)] == ["a"] * earlier
    with pytest.raises(HydrationError) as raised:
        next(objects)
    assert raised.value.code == failure


@pytest.mark.parametrize(("code", "status", "failure"), FAILURES)
def test_discovery_of_what_cannot_be_read_is_a_failure_too(stub, code, status, failure):
    listing, stubber = stub
    stubber.add_client_error("list_objects_v2", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        listing.discover(8)
    assert raised.value.code == failure


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"", 200),
        Answer(b"<html><body>Welcome</body></html>", 200),
        Answer(page_xml(["a"]).replace(b"<Size>5", b"<Size>five"), 200),
        Answer(page_xml(["a"]).replace(b"2026-11-05T", b"yesterday "), 200),
        Answer(page_xml(["a"]).replace(b"<ETag>&quot;e1&quot;</ETag>", b""), 200),
        Answer(page_xml(["a"]).replace(b"<IsTruncated>false</IsTruncated>", b""), 200),
        Answer(page_xml(["a"]).replace(b"false", b"true"), 200),
    ],
    ids=[
        "nothing",
        "a page of a proxy",
        "no size",
        "no time",
        "no ETag",
        "does not say whether it ends",
        "does not say where to go on",
    ],
)
def test_an_answer_that_is_not_a_whole_page_is_a_failure(wired, answer):
    listing, wire = wired
    wire.answer("ListObjectsV2", answer)
    with pytest.raises(HydrationError) as raised:
        list(listing.objects())
    assert raised.value.code == "truncated"


def test_a_page_that_is_broken_off_is_an_error_of_aws(wired):
    """botocore takes a body of 200 that is no XML for one with an error in it, and tries again."""
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(page_xml(["a", "b"])[:-40]))
    with pytest.raises(HydrationError) as raised:
        list(listing.objects())
    assert raised.value.code == "aws-error"


def test_an_error_in_the_body_of_a_200_is_that_error(wired):
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(s3_error("InternalError", 200).body))
    with pytest.raises(HydrationError) as raised:
        list(listing.objects())
    assert raised.value.code == "aws-error"


def test_a_connection_that_fails_says_so(wired):
    listing, wire = wired
    wire.answer("ListObjectsV2", Answer(status=0, fault=EndpointConnectionError(endpoint_url="https://s3")))
    with pytest.raises(HydrationError) as raised:
        list(listing.objects())
    assert raised.value.code == "connection"


def test_a_bucket_in_other_hands_is_not_listed(world):
    with pytest.raises(HydrationError) as raised:
        list(Listing(world.s3("source"), SOURCE, "999999999999").objects())
    assert raised.value.code == "source-access-denied"


# -- ranges ------------------------------------------------------------------------------------------------------------


def test_a_small_bucket_is_one_range_and_one_request(listing, world):
    world.upload("a", b"")
    assert listing.discover(8) == [EVERYTHING]
    assert listing.pages == 1


def test_discovered_ranges_list_every_object_once_and_in_order(listing, world):
    world.page_keys = 10
    for number in range(400):
        world.upload(f"logs/{number:04d}", b"")
    for key in ODD_KEYS.values():
        world.upload(key, b"")
    ranges = listing.discover(6)
    assert len(ranges) > 3
    found = [each.key for some in ranges for each in listing.objects(some.after, some.until)]
    assert found == sorted(world.source.keys, key=str.encode)
