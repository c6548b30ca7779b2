"""Pages that lead back to earlier ones, go backwards, repeat keys or are broken are never an end, nor read for ever.

Every listing that the functions read, through the real clients.
"""

import itertools
import json

import pytest

from consumer_replicator.drift import findings
from consumer_replicator.errors import HydrationError
from consumer_replicator.key_ranges import EVERYTHING
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.payload import Payload
from consumer_replicator.range_worker import _ascending
from consumer_replicator.replica import Replica
from consumer_replicator.run import RangeState, Run
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, PRODUCER, REPLICA, SOURCE, TABLE
from tests.consumer.test_drift import rules
from tests.consumer.test_listing import page_xml
from tests.consumer.wire import Answer, Wire

RUN = Run("the-run", Payload(), 1_800_000_000.0)
MOST = 500
"""Requests after which a reader counts as one that never ends."""


class Endless(AssertionError):
    pass


class Circle(Wire):
    """Answers an operation with these pages in turn, for ever, and counts."""

    def __init__(self, client, operation, *pages):
        super().__init__(client)
        self._pages = itertools.cycle(pages)
        self._operation = operation

    def exchange(self, service, operation, request):
        if operation == self._operation:
            self.answer(operation, Answer(next(self._pages)))
            if len(self.sent) > MOST:
                raise Endless
        return super().exchange(service, operation, request)


def the_code_of(act):
    with pytest.raises(HydrationError) as failed:
        act()
    return failed.value.code


def uploads_xml(marker):
    return f"""<?xml version="1.0"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <NextKeyMarker>{marker}</NextKeyMarker><NextUploadIdMarker>{marker}</NextUploadIdMarker>
    <IsTruncated>true</IsTruncated></ListMultipartUploadsResult>""".encode()


def parts_xml(marker):
    return f"""<?xml version="1.0"?><ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <NextPartNumberMarker>{marker}</NextPartNumberMarker><IsTruncated>true</IsTruncated></ListPartsResult>""".encode()


def query(marker):
    return json.dumps({"Items": [], "LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": marker}}}).encode()


def of_a_listing(s3):
    return lambda: list(Listing(s3, SOURCE, PRODUCER).objects())


def of_files(s3):
    return lambda: list(RunFiles(s3, REPLICA, CONSUMER, KEY_ARN).drift("r", [RangeState(1, EVERYTHING)]))


def of_uploads(s3):
    return lambda: list(Replica(s3, REPLICA, CONSUMER, KEY_ARN, "preserve").open_uploads())


def of_parts(s3):
    return lambda: Replica(s3, REPLICA, CONSUMER, KEY_ARN, "preserve").list_parts("k", "u")


def of_rows(dynamodb):
    return lambda: list(ManifestScan(dynamodb, TABLE, SOURCE, 1).rows())


def of_ranges(dynamodb):
    return lambda: Runs(dynamodb, TABLE, SOURCE).ranges(RUN)


READERS = {
    "a listing": ("s3", "ListObjectsV2", lambda marker: page_xml([], following=marker), of_a_listing),
    "a run's files": ("s3", "ListObjectsV2", lambda marker: page_xml([], following=marker), of_files),
    "open uploads": ("s3", "ListMultipartUploads", uploads_xml, of_uploads),
    "parts": ("s3", "ListParts", parts_xml, of_parts),
    "rows": ("dynamodb", "Query", query, of_rows),
    "ranges": ("dynamodb", "Query", query, of_ranges),
}


@pytest.mark.parametrize("circle", [1, 2, 7])
@pytest.mark.parametrize("name", READERS)
def test_pages_that_lead_back_to_earlier_ones_are_broken_and_not_read_for_ever(aws, name, circle):
    service, operation, page, reader = READERS[name]
    client = aws(service)
    wire = Circle(client, operation, *(page(str(marker + 1)) for marker in range(circle)))
    assert the_code_of(reader(client)) == "truncated"
    assert len(wire.sent) <= 3 * circle + 2


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"], ["a", "b", "a"], ["\U00010000", "\uffff"]])
def test_a_listing_that_goes_backwards_or_repeats_a_key_is_broken(aws, keys):
    """Within a page, and from one to the next. UTF-8 order is what counts."""
    for pages in ([page_xml(keys)], [page_xml(keys[:-1], following="t"), page_xml(keys[-1:])]):
        client = aws("s3")
        Wire(client).answer("ListObjectsV2", *map(Answer, pages))
        found = findings(Listing(client, SOURCE, PRODUCER).objects(), iter(()), rules())
        assert the_code_of(lambda found=found: list(_ascending(found))) == "truncated"


def test_rows_that_go_backwards_are_broken(aws):
    client = aws("dynamodb")
    items = [{"sk": {"S": key}, "g": {"N": "1"}, "s": {"S": "L"}, "c": {"N": "1"}} for key in ("b", "a")]
    Wire(client).answer("Query", Answer(json.dumps({"Items": items}).encode()))
    found = findings(iter(()), ManifestScan(client, TABLE, SOURCE, 1).rows(), rules())
    assert the_code_of(lambda: list(_ascending(found))) == "truncated"


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<",
        b"{}",
        page_xml(["a"], following="t").replace(b"<Key>a</Key>", b""),
        page_xml(["a"], following="t").replace(b"<Size>", b"<Sise>").replace(b"</Size>", b"</Sise>"),
        page_xml(["a"]).replace(b"<IsTruncated>false</IsTruncated>", b""),
        page_xml(["a"], following="t").replace(b"<Key>a</Key>", b"<Key>a</Key><Key>b</Key>"),
    ],
    ids=range(7),
)
def test_a_broken_page_stops_a_search_for_ranges(aws, page):
    client = aws("s3")
    Wire(client).answer("ListObjectsV2", Answer(page))
    try:
        ranges = Listing(client, SOURCE, PRODUCER).discover(4)
    except HydrationError as error:
        assert error.code in ("truncated", "aws-error")  # noqa: PT017 - that it fails is not asked for
    else:
        assert ranges[0].after == ""
        assert ranges[-1].until is None
