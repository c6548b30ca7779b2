"""The producer's bucket: what is asked of it, and what each of its answers means."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from urllib3.exceptions import IncompleteRead, ProtocolError, ReadTimeoutError

from consumer_replicator.checksum import Checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, SourceMoved, TagsDenied
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Part
from consumer_replicator.source import Source
from tests.consumer.fake_aws import PRODUCER, SOURCE
from tests.consumer.wire import Answer, Wire, s3_error
from tests.odd_keys import ODD_KEYS

WHERE = {"Bucket": SOURCE, "Key": "a key", "ExpectedBucketOwner": PRODUCER}
GET = {**WHERE, "ChecksumMode": "ENABLED"}
FOREVER = Deadline(1e9)
MODIFIED = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
VERSIONED = SourceIdentity("v1", "e1", int(MODIFIED.timestamp()), 4)
UNVERSIONED = SourceIdentity(None, "e1", int(MODIFIED.timestamp()), 4)
PART = Part(2, 4, 7)
DENIALS = [
    ("AccessDenied", 403, "Access Denied", "source-access-denied"),
    ("AccessDenied", 403, "not authorized to perform: kms:Decrypt", "source-kms-denied"),
]
FAILURES = [
    *DENIALS,
    ("KMS.DisabledException", 400, "The key is disabled.", "source-kms-denied"),
    ("InvalidObjectState", 403, "not valid for the object's storage class", "archived"),
    ("InvalidRequest", 400, "The object was stored using a form of Server Side Encryption.", "sse-c"),
    ("SlowDown", 503, "Please reduce your request rate.", "throttled"),
    ("InternalError", 500, "We encountered an internal error.", "aws-error"),
    ("ExpiredToken", 400, "The provided token has expired.", "expired-credentials"),
    ("NoSuchBucket", 404, "The specified bucket does not exist", "unexpected"),
]


def body(data):
    return StreamingBody(io.BytesIO(data), len(data))


def answer(data=b"data", **more):
    return {"Body": body(data), "ContentLength": len(data), "ETag": '"e1"', "LastModified": MODIFIED, **more}


@pytest.fixture
def stub(stubbed):
    """(the source, its Stubber)"""
    client, stubber = stubbed("s3")
    return Source(client, SOURCE, PRODUCER), stubber


@pytest.fixture
def wired(aws):
    """(the source, the wire beneath it)"""
    client = aws("s3")
    return Source(client, SOURCE, PRODUCER), Wire(client)


def read_whole(source):
    with source.current("a key") as found:
        return found.read(FOREVER)


def read_part(source, identity, part, *, key="a key", by_number=False):
    """(its bytes, the source's own checksum of them)"""
    with source.part(key, identity, part, by_number=by_number) as body:
        buffer = bytearray(body.size)
        body.fill(memoryview(buffer), FOREVER)
        return bytes(buffer), body.checksum


# -- the current object ----------------------------------------------------------------------------------------------


def test_the_current_object_is_one_get_with_its_checksum_from_the_expected_owner(stub):
    source, stubber = stub
    stubber.add_response(
        "get_object",
        answer(
            VersionId="v1",
            ChecksumCRC64NVME="AAAAAAAAAAA=",
            ChecksumType="FULL_OBJECT",
            TagCount=2,
            MissingMeta=1,
            ContentType="text/plain",
            Metadata={"mine": "1"},
        ),
        GET,
    )
    with source.current("a key") as found:
        assert found.identity == VERSIONED
        assert found.checksum == Checksum("CRC64NVME", "AAAAAAAAAAA=")
        assert (found.tag_count, found.missing_metadata) == (2, 1)
        assert found.carried.headers == {"ContentType": "text/plain"}
        assert found.carried.metadata == {"mine": "1"}
        assert found.read(FOREVER) == b"data"


@pytest.mark.parametrize("version", [{}, {"VersionId": "null"}])
def test_an_object_without_a_version_of_its_own_is_known_by_etag_time_and_size(stub, version):
    source, stubber = stub
    stubber.add_response("get_object", answer(**version), GET)
    with source.current("a key") as found:
        assert found.identity == UNVERSIONED
        assert found.checksum is None
        assert (found.tag_count, found.missing_metadata) == (0, 0)


@pytest.mark.parametrize("code", ["NoSuchKey", "404", "NotFound"])
def test_a_404_is_an_absence(stub, code):
    source, stubber = stub
    stubber.add_client_error("get_object", code, http_status_code=404, expected_params=GET)
    with source.current("a key") as found:
        assert found is None


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_nothing_but_a_404_is_an_absence(stub, code, status, text, expected):
    source, stubber = stub
    stubber.add_client_error("get_object", code, text, http_status_code=status, expected_params=GET)
    with pytest.raises(HydrationError) as raised, source.current("a key"):
        pass
    assert raised.value.code == expected


def test_a_delete_marker_is_an_absence(wired):
    source, wire = wired
    missing = s3_error("NoSuchKey", 404)
    wire.answer("GetObject", Answer(missing.body, 404, {**missing.headers, "x-amz-delete-marker": "true"}))
    with source.current("a key") as found:
        assert found is None


HEADERS = {"ETag": '"e1"', "Last-Modified": "Thu, 05 Nov 2026 12:00:00 GMT", "x-amz-version-id": "v1"}


def test_what_is_on_the_wire_is_understood(wired):
    source, wire = wired
    wire.answer(
        "GetObject",
        Answer(
            b"data",
            headers={
                **HEADERS,
                "Expires": "-1",
                "x-amz-meta-name": "=?UTF-8?B?w6k=?=",
                "x-amz-tagging-count": "3",
                "x-amz-missing-meta": "2",
                "x-amz-checksum-crc32": "rfMbfg==",
                "x-amz-checksum-type": "FULL_OBJECT",
                "x-amz-storage-class": "GLACIER_IR",
            },
        ),
    )
    with source.current("a key") as found:
        assert found.identity == VERSIONED
        assert found.carried.expires == "-1"
        assert found.carried.metadata == {"name": "=?UTF-8?B?w6k=?="}
        assert found.carried.storage_class == "GLACIER_IR"
        assert (found.tag_count, found.missing_metadata) == (3, 2)
        assert found.checksum == Checksum("CRC32", "rfMbfg==")
    sent = wire.only("GetObject").headers
    assert sent["x-amz-checksum-mode"] == "ENABLED"
    assert sent["x-amz-expected-bucket-owner"] == PRODUCER


def test_the_body_is_closed_whatever_happens_to_the_copy(stub):
    source, stubber = stub
    given = answer()
    stubber.add_response("get_object", given, GET)
    with pytest.raises(ValueError, match="ours"), source.current("a key"):
        raise ValueError("ours")
    with pytest.raises(ValueError, match="closed"):
        given["Body"].read()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (ProtocolError("broken", IncompleteRead(1, 3)), "truncated"),
        (ProtocolError("broken", ConnectionResetError()), "truncated"),
        (ReadTimeoutError(None, "/", "timed out"), "connection"),
    ],
)
def test_a_body_that_breaks_off_comes_back(wired, fault, expected):
    source, wire = wired
    wire.answer("GetObject", Answer(b"data", headers=HEADERS, fault=fault))
    with pytest.raises(HydrationError) as raised:
        read_whole(source)
    assert raised.value.code == expected


def test_a_body_shorter_than_its_length_comes_back(wired):
    source, wire = wired
    wire.answer("GetObject", Answer(b"dat", headers={**HEADERS, "Content-Length": "4"}))
    with pytest.raises(HydrationError) as raised:
        read_whole(source)
    assert raised.value.code == "truncated"


def test_a_body_that_is_not_the_size_that_was_told_comes_back(stub):
    source, stubber = stub
    stubber.add_response("get_object", {**answer(b"dat"), "ContentLength": 4}, GET)
    with pytest.raises(HydrationError) as raised:
        read_whole(source)
    assert raised.value.code == "truncated"
    assert str(raised.value) == "Read 3 of 4 bytes."


def test_an_answer_whose_head_was_cut_off_is_no_answer(stub):
    """botocore, for want of the rest, takes it for whole."""
    source, stubber = stub
    stubber.add_response("get_object", {"Body": body(b"data")}, GET)
    with pytest.raises(HydrationError) as raised, source.current("a key"):
        pass
    assert raised.value.code == "truncated"


def test_a_connection_that_fails_comes_back(wired):
    source, wire = wired
    wire.answer("GetObject", Answer(status=0, fault=EndpointConnectionError(endpoint_url="https://s3")))
    with pytest.raises(HydrationError) as raised:
        read_whole(source)
    assert raised.value.code == "connection"


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_every_key_is_asked_for_by_its_own_path(wired, key):
    """Percent-encoded but for unreserved characters and `/`, and never normalised (a//b, ./a, ../a)."""
    source, wire = wired
    wire.answer("GetObject", s3_error("NoSuchKey", 404))
    with source.current(key) as found:
        assert found is None
    url = wire.only("GetObject").request.url
    assert url == f"https://{SOURCE}.s3.amazonaws.com/{quote(key, safe='/~')}"


# -- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "pin"), [(VERSIONED, {"VersionId": "v1"}), (UNVERSIONED, {"IfMatch": '"e1"'})], ids=["version", "etag"]
)
def test_a_part_is_a_range_pinned_to_the_very_object(stub, identity, pin):
    source, stubber = stub
    stubber.add_response("get_object", answer(), {**WHERE, "Range": "bytes=4-7", **pin})
    assert read_part(source, identity, PART) == (b"data", None)


@pytest.mark.parametrize(
    ("code", "status"),
    [("NoSuchKey", 404), ("NoSuchVersion", 404), ("PreconditionFailed", 412), ("412", 412), ("InvalidRange", 416)],
)
def test_a_part_of_an_object_that_is_gone_or_replaced_says_so(stub, code, status):
    source, stubber = stub
    stubber.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(SourceMoved, match=code):
        read_part(source, VERSIONED, PART)


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_any_other_refusal_of_a_part_is_a_failure(stub, code, status, text, expected):
    source, stubber = stub
    stubber.add_client_error("get_object", code, text, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        read_part(source, VERSIONED, PART)
    assert raised.value.code == expected


def test_a_part_of_another_length_comes_back(stub):
    source, stubber = stub
    stubber.add_response("get_object", answer(b"the whole object"))  # a store that ignores Range
    with pytest.raises(HydrationError) as raised:
        read_part(source, VERSIONED, PART)
    assert raised.value.code == "truncated"
    assert str(raised.value) == "Part 2: 16 of 4 bytes."


@pytest.mark.parametrize("told", ["bytes 0-3/4", "bytes 4-7/8", "bytes 3-6/4", "nonsense"])
def test_as_many_other_bytes_are_not_the_part(stub, told):
    """Where the source has no checksum, nothing later would tell."""
    source, stubber = stub
    stubber.add_response("get_object", answer(ContentRange=told))
    with pytest.raises(HydrationError) as raised:
        read_part(source, VERSIONED, PART)
    assert raised.value.code == "truncated"


def test_a_part_that_breaks_off_comes_back(wired):
    source, wire = wired
    wire.answer("GetObject", Answer(b"da", headers={**HEADERS, "Content-Length": "4"}))
    with pytest.raises(HydrationError) as raised:
        read_part(source, VERSIONED, PART)
    assert raised.value.code == "truncated"


# -- the parts that the source was uploaded in -------------------------------------------------------------------------

NUMBERED = {**WHERE, "PartNumber": 2, "VersionId": "v1", "ChecksumMode": "ENABLED"}
RANGED = {**WHERE, "Range": "bytes=4-7", "VersionId": "v1"}
OF_EIGHT = replace(VERSIONED, size=8)


def test_a_part_that_the_source_was_uploaded_in_comes_with_its_own_checksum(stub):
    source, stubber = stub
    own = {"ChecksumSHA256": "AAAA", "ChecksumType": "COMPOSITE", "ContentRange": "bytes 4-7/8", "PartsCount": 2}
    stubber.add_response("get_object", answer(VersionId="v1", **own), NUMBERED)
    assert read_part(source, OF_EIGHT, PART, by_number=True) == (b"data", Checksum("SHA256", "AAAA"))


@pytest.mark.parametrize("where", ["bytes 3-6/8", "bytes 4-7/9", None])
def test_a_part_with_other_boundaries_is_read_by_its_range_instead(stub, where):
    source, stubber = stub
    other = {"ContentRange": where} if where else {}
    stubber.add_response("get_object", answer(b"else", ChecksumSHA256="AAAA", **other), NUMBERED)
    stubber.add_response("get_object", answer(), RANGED)
    assert read_part(source, OF_EIGHT, PART, by_number=True) == (b"data", None)


def test_a_part_that_the_source_never_had_is_read_by_its_range(stub):
    source, stubber = stub
    stubber.add_client_error("get_object", "InvalidPartNumber", http_status_code=416, expected_params=NUMBERED)
    stubber.add_response("get_object", answer(), RANGED)
    assert read_part(source, OF_EIGHT, PART, by_number=True) == (b"data", None)


HEAD = {**WHERE, "PartNumber": 1}


@pytest.mark.parametrize(
    ("identity", "pin"), [(VERSIONED, {"VersionId": "v1"}), (UNVERSIONED, {"IfMatch": '"e1"'})], ids=["version", "etag"]
)
def test_the_size_of_a_part_is_one_head_pinned_to_the_very_object(stub, identity, pin):
    source, stubber = stub
    stubber.add_response("head_object", {"ContentLength": 4, "PartsCount": 2}, {**HEAD, **pin})
    assert source.uploaded_part("a key", identity, 1) == 4


def test_an_object_that_was_not_uploaded_in_parts_has_none(stub):
    source, stubber = stub
    stubber.add_response("head_object", {"ContentLength": 8}, {**HEAD, "VersionId": "v1"})
    assert source.uploaded_part("a key", VERSIONED, 1) is None


@pytest.mark.parametrize(("code", "status"), [("416", 416), ("400", 400), ("501", 501)])
def test_a_store_that_does_not_tell_parts_apart_is_no_failure(stub, code, status):
    source, stubber = stub
    stubber.add_client_error("head_object", code, http_status_code=status)
    assert source.uploaded_part("a key", VERSIONED, 1) is None


@pytest.mark.parametrize(("code", "status"), [("404", 404), ("412", 412)])
def test_the_size_of_a_part_of_an_object_that_is_gone_or_replaced_says_so(stub, code, status):
    source, stubber = stub
    stubber.add_client_error("head_object", code, http_status_code=status)
    with pytest.raises(SourceMoved, match=code):
        source.uploaded_part("a key", VERSIONED, 1)


@pytest.mark.parametrize(
    ("code", "status", "expected"), [("403", 403, "source-access-denied"), ("503", 503, "aws-error")]
)
def test_any_other_refusal_to_tell_the_size_of_a_part_is_a_failure(stub, code, status, expected):
    source, stubber = stub
    stubber.add_client_error("head_object", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        source.uploaded_part("a key", VERSIONED, 1)
    assert raised.value.code == expected


# -- tags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("identity", "pin"), [(VERSIONED, {"VersionId": "v1"}), (UNVERSIONED, {})])
def test_tags_are_asked_of_the_very_version_and_those_of_aws_itself_are_left_out(stub, identity, pin):
    source, stubber = stub
    tag_set = [
        {"Key": "team", "Value": "data & more"},
        {"Key": "empty", "Value": ""},
        {"Key": "aws:cloudformation:stack-name", "Value": "s"},
        {"Key": "awsome", "Value": "kept"},
    ]
    stubber.add_response("get_object_tagging", {"TagSet": tag_set}, {**WHERE, **pin})
    assert source.tags("a key", identity) == {"team": "data & more", "empty": "", "awsome": "kept"}


def test_an_object_without_tags_has_none(stub):
    source, stubber = stub
    stubber.add_response("get_object_tagging", {"TagSet": []})
    assert source.tags("a key", VERSIONED) == {}


def test_tags_that_may_not_be_read_are_told_apart_from_bytes_that_may_not(stub):
    source, stubber = stub
    stubber.add_client_error("get_object_tagging", "AccessDenied", http_status_code=403)
    with pytest.raises(TagsDenied):
        source.tags("a key", VERSIONED)


@pytest.mark.parametrize(("code", "status"), [("NoSuchKey", 404), ("NoSuchVersion", 404), ("MethodNotAllowed", 405)])
def test_tags_of_an_object_that_is_gone_say_so(stub, code, status):
    source, stubber = stub
    stubber.add_client_error("get_object_tagging", code, http_status_code=status)
    with pytest.raises(SourceMoved, match=code):
        source.tags("a key", VERSIONED)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("SlowDown", 503, "throttled"), ("InternalError", 500, "aws-error"), ("ExpiredToken", 400, "expired-credentials")],
)
def test_tags_that_cannot_be_read_for_now_come_back(stub, code, status, expected):
    source, stubber = stub
    stubber.add_client_error("get_object_tagging", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        source.tags("a key", VERSIONED)
    assert raised.value.code == expected


# -- what results, on moto (it does not check ExpectedBucketOwner: that is shown above) --------------------------------


@pytest.fixture
def bucket(versioned):
    return versioned(SOURCE)


@pytest.mark.parametrize("key", ["plain.txt", "a b+c%2Fd", "caf\u00e9/\U0001f680", "a//b", "x" * 1024])
def test_an_object_is_read_with_all_that_it_carries(bucket, key):
    written = bucket.put_object(
        Bucket=SOURCE,
        Key=key,
        Body=b"data",
        ContentType="text/plain",
        CacheControl="no-cache",
        Metadata={"mine": "1"},
        Tagging="a=1&b=2",
    )
    source = Source(bucket, SOURCE, PRODUCER)
    with source.current(key) as found:
        assert found.identity.version_id == written["VersionId"]
        assert found.carried.headers == {"ContentType": "text/plain", "CacheControl": "no-cache"}
        assert found.carried.metadata == {"mine": "1"}
        assert found.tag_count == 2
        assert found.read(FOREVER) == b"data"
    assert source.tags(key, found.identity) == {"a": "1", "b": "2"}


def test_an_object_that_was_deleted_is_absent_and_its_version_still_there_for_parts(bucket):
    bucket.put_object(Bucket=SOURCE, Key="k", Body=b"0123456789")
    source = Source(bucket, SOURCE, PRODUCER)
    with source.current("k") as found:
        identity = found.identity
    bucket.delete_object(Bucket=SOURCE, Key="k")
    with source.current("k") as found:
        assert found is None
    assert read_part(source, identity, Part(1, 2, 4), key="k") == (b"234", None)
    bucket.delete_object(Bucket=SOURCE, Key="k", VersionId=identity.version_id)
    with pytest.raises(SourceMoved):
        read_part(source, identity, Part(1, 2, 4), key="k")
    with pytest.raises(SourceMoved):
        source.tags("k", identity)


def test_a_part_of_a_replaced_object_is_not_read_even_without_versions(emulated):
    client = emulated("s3")
    client.create_bucket(Bucket=SOURCE)
    client.put_object(Bucket=SOURCE, Key="k", Body=b"first")
    source = Source(client, SOURCE, PRODUCER)
    with source.current("k") as found:
        identity = found.identity
    assert read_part(source, identity, Part(1, 0, 1), key="k") == (b"fi", None)
    client.put_object(Bucket=SOURCE, Key="k", Body=b"other")
    with pytest.raises(SourceMoved):
        read_part(source, identity, Part(1, 0, 1), key="k")


def test_a_zero_byte_object_is_an_object(bucket):
    bucket.put_object(Bucket=SOURCE, Key="folder/", Body=b"")
    with Source(bucket, SOURCE, PRODUCER).current("folder/") as found:
        assert found.identity.size == 0
        assert found.read(FOREVER) == b""
