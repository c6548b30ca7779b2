"""Damaged and hostile pages of S3 and DynamoDB through the real clients: read whole, or refused as broken."""

import itertools
import json
import resource

import pytest

from consumer_replicator.drift import Listed
from consumer_replicator.errors import HydrationError
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan
from tests.consumer.fake_aws import PRODUCER, SOURCE, TABLE
from tests.consumer.test_listing import page_xml
from tests.consumer.wire import Answer, Wire
from tests.hostile.damage import ABSURD_TIMES, damaged

PAGES = 600
GOLDEN = page_xml(["a", "b<c>", "d"], following="t&")
LAST = page_xml(["e"])
IN_PAGE = (b"5</Size>", b"2026-11-05T12:00:00.000Z", b"&quot;e1&quot;", b"STANDARD", b"true", b"<Key>", b"1000", b"url")
REFUSED = {"truncated", "aws-error"}
"""botocore takes what is no XML at all for an internal error of S3."""
ROWS = [{"sk": {"S": key}, "g": {"N": "3"}, "s": {"S": "L"}, "c": {"N": "1800000000.125"}} for key in "abc"]
QUERY = json.dumps({"Items": ROWS, "Count": 3, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}}).encode()
IN_QUERY = (b'"Items"', b'"S"', b'"sk"', b'{"N": "3"}', b"0.5", b'"L"', b"[", b'{"CapacityUnits"', b'"1800000000.125"')


@pytest.fixture
def listed(aws):
    """Reads a listing of these pages: what it lists, or the code it is refused with."""
    client = aws("s3")
    wire = Wire(client)
    listing = Listing(client, SOURCE, PRODUCER)

    def read(*pages: bytes) -> list[Listed] | str:
        wire.answer("ListObjectsV2", *map(Answer, pages))
        try:
            return list(itertools.islice(listing.objects(), 5_000))
        except HydrationError as error:
            return error.code

    return read


@pytest.fixture
def scanned(aws):
    """Reads a manifest of one shard of this page: keys and rows, or the code it is refused with."""
    client = aws("dynamodb")
    wire = Wire(client)

    def read(page: bytes) -> list[object] | str:
        wire.answer("Query", Answer(page), Answer(b'{"Items": []}'))
        try:
            return list(ManifestScan(client, TABLE, SOURCE, 1).rows())
        except HydrationError as error:
            return error.code

    return read


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_listing_is_read_whole_or_refused(listed, seed):
    """None is taken for the listing's end: what is left of a page is believed only with S3's own word that it ends."""
    codes = set()
    for page in itertools.islice(damaged(GOLDEN, seed, IN_PAGE), PAGES):
        found = listed(page, LAST)
        if isinstance(found, str):
            codes.add(found)
        else:
            assert all(isinstance(each.key, str) and isinstance(each.size, int) for each in found)
            assert all(each.size >= 0 and isinstance(each.last_modified, int) for each in found)
    assert codes == REFUSED


@pytest.mark.parametrize("time", ABSURD_TIMES)
def test_an_absurd_time_in_a_listing_is_read_or_refused(listed, time):
    found = listed(LAST.replace(b"2026-11-05T12:00:00.000Z", time.encode()))
    assert found == "truncated" or isinstance(found[0].last_modified, int)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_no_report_can_tell_is_refused(listed, time):
    """Before the year 1 or after 9999, in UTC: the run would list it, and never get its report written."""
    assert listed(LAST.replace(b"2026-11-05T12:00:00.000Z", time.encode())) == "truncated"


@pytest.mark.parametrize("size", ["-1", "1e3", "9" * 5_000, "5 000", "0x10", "", "NaN"])
def test_an_absurd_size_in_a_listing_is_refused(listed, size):
    assert listed(LAST.replace(b"<Size>5<", f"<Size>{size}<".encode())) == "truncated"


BOMB = b'<!DOCTYPE bomb [<!ENTITY a0 "ha">%s]>' % b"".join(
    b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
)
ENTITIES = {
    "a bomb of 10^11": (BOMB, b"&a11;"),
    "a file": (b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>', b"&f;"),
    "an address": (b'<!DOCTYPE x [<!ENTITY f SYSTEM "http://169.254.169.254/latest/meta-data/">]>', b"&f;"),
    "a document type from elsewhere": (b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd">', b"&f;"),
    "one that is not declared": (b"", b"&nobody;"),
}


@pytest.mark.parametrize("name", ENTITIES)
def test_entities_of_a_listing_are_never_followed(listed, name):
    doctype, reference = ENTITIES[name]
    page = LAST.replace(b"?>", b"?>" + doctype, 1).replace(b"<Key>e", b"<Key>" + reference)
    assert reference in page
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert listed(page) in REFUSED
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 * 1024, f"{grown} KiB for a page of {len(page)} bytes"


def test_a_page_nested_beyond_reason_is_refused_or_read(listed):
    depth = 200_000
    nested = b"<a>" * depth + b"</a>" * depth
    assert listed(LAST.replace(b"<Contents>", nested + b"<Contents>", 1)) in ("truncated", listed(LAST))


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_page_of_the_manifest_is_read_or_refused(scanned, seed):
    outcomes = set()
    for page in itertools.islice(damaged(QUERY, seed, IN_QUERY), PAGES):
        found = scanned(page)
        outcomes.add(found if isinstance(found, str) else "read")
    assert outcomes == {"read", "truncated"}


@pytest.mark.parametrize(
    "page",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"Items": null}',
        b'{"Items": {}}',
        b'{"Items": [null]}',
        b'{"Items": [{}]}',
        b'{"Items": [{"sk": null}]}',
        b'{"Items": [{"sk": {"N": "1"}}]}',
        b'{"Items": [{"sk": {"S": "\\ud800"}}]}',
        b'{"Items": [{"sk": {"S": 1}}]}',
        b'{"Items": [], "ConsumedCapacity": []}',
        b"[" * 100_000,
    ],
    ids=lambda page: page[:40].decode(),
)
def test_a_page_of_the_manifest_without_what_it_must_have_is_refused(scanned, page):
    assert scanned(page) == "truncated"


@pytest.mark.parametrize("encoding", ["UTF-9", "\u0661", "utf-7", "idna", "rot13", "zlib", "x" * 1_000])
def test_a_listing_that_says_another_encoding_is_read_whole_or_refused(listed, encoding):
    page = LAST.replace(b"UTF-8", encoding.encode())
    assert page != LAST
    found = listed(page)
    assert found in REFUSED if isinstance(found, str) else [each.key for each in found] == ["e"]
