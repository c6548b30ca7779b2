"""The consumer's bucket: every write is conditional, encrypted with the consumer's key, and says where it came from."""

import base64
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError

from consumer_replicator import checksum
from consumer_replicator.carried import Carried, from_answer
from consumer_replicator.checksum import Checksum, Running
from consumer_replicator.errors import HydrationError, ReplicaMoved
from consumer_replicator.plan import ReplicaSeen
from consumer_replicator.replica import Replica, UploadedPart, Writing
from consumer_replicator.row import ReplicaVersion
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA
from tests.consumer.wire import Answer, Wire, s3_error

WHERE = {"Bucket": REPLICA, "ExpectedBucketOwner": CONSUMER}
KEY = {**WHERE, "Key": "a key"}
HEAD = {**KEY, "ChecksumMode": "ENABLED"}
ENCRYPTION = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY_ARN, "BucketKeyEnabled": True}
HEADERS = {"ContentType": "text/plain", "CacheControl": "no-cache", "WebsiteRedirectLocation": "/x"}
SEEN = ReplicaVersion("r1", "w1")
FIRST = Writing(
    key="a key",
    carried=Carried(headers=HEADERS, metadata={"mine": "1"}, storage_class="GLACIER_IR"),
    tags={},
    expected=None,
    source="v/v1",
    generation=7,
)
OVER = Writing("a key", Carried(), {}, SEEN, "v/v2", 8)
ATTRIBUTES = {
    **KEY,
    **HEADERS,
    **ENCRYPTION,
    "Metadata": {"mine": "1", "hydration-source": "v/v1", "hydration-generation": "7"},
    "StorageClass": "GLACIER_IR",
}
BODY = b"data"
PROOF = Checksum("CRC64NVME", "AAAAAAAAAAA=")
WRITTEN = {"ETag": '"r2"', "VersionId": "w2"}
REFUSED = [
    ("PreconditionFailed", 412),
    ("412", 412),
    ("ConditionalRequestConflict", 409),
    ("409", 409),
    ("NoSuchKey", 404),  # If-Match on a key that is gone
]
FAILURES = [
    ("AccessDenied", 403, "Access Denied", "replica-access-denied"),
    ("AccessDenied", 403, "not authorized to perform: kms:GenerateDataKey", "replica-kms-denied"),
    ("KMS.DisabledException", 400, "The key is disabled.", "replica-kms-denied"),
    ("SlowDown", 503, "Please reduce your request rate.", "throttled"),
    ("InternalError", 500, "We encountered an internal error.", "aws-error"),
    ("ExpiredToken", 400, "The provided token has expired.", "expired-credentials"),
    ("BadDigest", 400, "The CRC64NVME you specified did not match", "truncated"),
    ("MetadataTooLarge", 400, "Your metadata headers exceed the maximum", "refused"),
    ("NoSuchBucket", 404, "The specified bucket does not exist", "unexpected"),
]


@pytest.fixture
def stub(stubbed):
    """(the replica, its Stubber)"""
    client, stubber = stubbed("s3")
    return Replica(client, REPLICA, CONSUMER, KEY_ARN, "preserve"), stubber


@pytest.fixture
def wired(aws):
    """(the replica, the wire beneath it)"""
    client = aws("s3")
    return Replica(client, REPLICA, CONSUMER, KEY_ARN, "preserve"), Wire(client)


def writing(**carried):
    return Writing("a key", Carried(**carried), {}, None, "v/v1", 7)


# -- HEAD ------------------------------------------------------------------------------------------------------------


def test_a_look_at_the_replica_tells_its_version_and_where_it_came_from(stub):
    replica, stubber = stub
    metadata = {"mine": "1", "hydration-source": "v/v1", "hydration-generation": "7"}
    answer = {**WRITTEN, "Metadata": metadata, "ContentLength": 4, **PROOF.parameter(), "ChecksumType": "FULL_OBJECT"}
    stubber.add_response("head_object", answer, HEAD)
    assert replica.head("a key") == ReplicaSeen(ReplicaVersion("r2", "w2"), "v/v1", 7, 4, PROOF)


@pytest.mark.parametrize("generation", ["", "x", "-1", "1.5", " 7", "\u0667"])
def test_a_generation_that_is_no_number_is_none(stub, generation):
    replica, stubber = stub
    answer = {"ETag": '"r2"', "ContentLength": 4, "Metadata": {"hydration-generation": generation}}
    stubber.add_response("head_object", answer, HEAD)
    assert replica.head("a key") == ReplicaSeen(ReplicaVersion("r2"), size=4)


def test_a_replica_that_somebody_else_wrote_has_no_provenance(stub):
    replica, stubber = stub
    answer = {"ETag": '"r2"', "VersionId": "null", "ContentLength": 4, "Metadata": {}}
    stubber.add_response("head_object", answer, HEAD)
    assert replica.head("a key") == ReplicaSeen(ReplicaVersion("r2"), size=4)


@pytest.mark.parametrize("code", ["404", "NoSuchKey"])
def test_no_replica_is_none(stub, code):
    replica, stubber = stub
    stubber.add_client_error("head_object", code, http_status_code=404, expected_params=HEAD)
    assert replica.head("a key") is None


@pytest.mark.parametrize(("status", "code"), [(403, "replica-access-denied"), (503, "aws-error"), (400, "unexpected")])
def test_a_look_that_is_refused_is_never_an_absence(stub, status, code):
    replica, stubber = stub
    stubber.add_client_error("head_object", str(status), http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        replica.head("a key")
    assert raised.value.code == code


# -- PUT -------------------------------------------------------------------------------------------------------------


def test_a_first_replica_is_put_only_where_there_is_none(stub):
    replica, stubber = stub
    request = {**ATTRIBUTES, "Body": BODY, "ContentLength": 4, "ChecksumCRC64NVME": PROOF.value, "IfNoneMatch": "*"}
    stubber.add_response("put_object", WRITTEN, request)
    assert replica.put(FIRST, BODY, PROOF) == ReplicaVersion("r2", "w2")


def test_a_next_replica_is_put_only_over_the_expected_one(stub):
    replica, stubber = stub
    request = {
        **KEY,
        **ENCRYPTION,
        "Metadata": {"hydration-source": "v/v2", "hydration-generation": "8"},
        "StorageClass": "STANDARD",
        "Body": BODY,
        "ContentLength": 4,
        "ChecksumSHA256": "AAAA",
        "IfMatch": '"r1"',
    }
    stubber.add_response("put_object", {"ETag": '"r2"', "VersionId": "null"}, request)
    assert replica.put(OVER, BODY, Checksum("SHA256", "AAAA")) == ReplicaVersion("r2")


@pytest.mark.parametrize(
    ("policy", "source", "written"),
    [
        ("preserve", "DEEP_ARCHIVE", "DEEP_ARCHIVE"),
        ("preserve", "SNOW", "STANDARD"),
        ("STANDARD_IA", "GLACIER", "STANDARD_IA"),
    ],
)
def test_the_storage_class_follows_the_policy(aws, policy, source, written):
    client = aws("s3")
    wire = Wire(client)
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    Replica(client, REPLICA, CONSUMER, KEY_ARN, policy).put(writing(storage_class=source), BODY, PROOF)
    assert wire.only("PutObject").headers["x-amz-storage-class"] == written


def test_a_put_leaves_as_one_signed_request_with_every_header_in_its_place(wired):
    replica, wire = wired
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"', "x-amz-version-id": "w2"}))
    proof = checksum.of(BODY)
    assert replica.put(FIRST, BODY, proof) == ReplicaVersion("r2", "w2")
    sent = wire.only("PutObject")
    assert sent.body == "data"
    assert sent.request.method == "PUT"
    expected = {
        "If-None-Match": "*",
        "Content-Type": "text/plain",
        "Cache-Control": "no-cache",
        "x-amz-website-redirect-location": "/x",
        "x-amz-checksum-crc64nvme": proof.value,
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": KEY_ARN,
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
        "x-amz-expected-bucket-owner": CONSUMER,
        "x-amz-storage-class": "GLACIER_IR",
        "x-amz-meta-mine": "1",
        "x-amz-meta-hydration-source": "v/v1",
        "x-amz-meta-hydration-generation": "7",
        "Content-Length": "4",
    }
    assert expected.items() <= sent.headers.items()
    assert not {"x-amz-tagging", "x-amz-sdk-checksum-algorithm", "If-Match", "Expires"} & set(sent.headers)


@pytest.mark.parametrize(
    "expires",
    ["0", "-1", "never", "Thu, 01 Dec 1994 16:00:00 GMT", "Thu, 01-Dec-94 16:00:00 GMT", "Sun Nov  6 08:49:37 1994"],
)
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload"])
def test_expires_reaches_the_wire_as_the_text_it_is_and_is_signed(wired, operation, expires):
    replica, wire = wired
    upload = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    wire.answer("CreateMultipartUpload", Answer(upload))
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    if operation == "PutObject":
        replica.put(writing(expires=expires), BODY, PROOF)
    else:
        replica.open_upload(writing(expires=expires), "CRC64NVME")
    sent = wire.only(operation)
    assert sent.headers["Expires"] == expires
    assert "expires" in sent.signed_headers


def test_the_detour_of_expires_is_needed_as_long_as_botocore_takes_dates_only(aws):
    client = aws("s3")
    wire = Wire(client)
    client.put_object(Bucket=REPLICA, Key="k", Expires="0")
    assert wire.only("PutObject").headers["Expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    with pytest.raises(ParamValidationError, match="Expires"):
        client.put_object(Bucket=REPLICA, Key="k", Expires="never")


def test_an_expires_of_one_object_is_not_sent_with_the_next(wired):
    replica, wire = wired
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    replica.put(writing(expires="0"), BODY, PROOF)
    replica.put(writing(), BODY, PROOF)
    assert ["Expires" in sent.headers for sent in wire.sent] == [True, False]


@pytest.mark.parametrize("text", ["\u00e9", "\u65e5\u672c\u8a9e", "\U0001f680" * 400])
def test_non_ascii_metadata_passes_botocores_check_and_leaves_as_rfc_2047(wired, text):
    replica, wire = wired
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    carried = from_answer({"Metadata": {"name": text.encode().decode("latin-1")}})
    replica.put(Writing("a key", carried, {}, None, "v/v1", 7), BODY, PROOF)
    sent = wire.only("PutObject").headers["x-amz-meta-name"]
    words = sent.split(" ")
    assert all(word.startswith("=?utf-8?b?") and word.endswith("?=") for word in words)
    assert b"".join(base64.b64decode(word[len("=?utf-8?b?") : -2]) for word in words).decode() == text


def test_a_non_ascii_content_header_leaves_with_the_bytes_that_the_source_sent(wired):
    replica, wire = wired
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    disposition = 'attachment; filename="caf\u00e9.txt"'.encode()
    carried = from_answer({"ContentDisposition": disposition.decode("latin-1")})
    replica.put(Writing("a key", carried, {}, None, "v/v1", 7), BODY, PROOF)
    assert wire.only("PutObject").request.headers["Content-Disposition"] == disposition


ODD_TAGS = {"a b": "c+d", "e=f:g": "h/i", "m.n-o_p@q": "", "caf\u00e9": "\u65e5\u672c"}
"""Of the characters that tags may have: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html."""


def test_tags_are_sent_percent_encoded(wired):
    replica, wire = wired
    wire.answer("PutObject", Answer(headers={"ETag": '"r2"'}))
    replica.put(Writing("a key", Carried(), ODD_TAGS, None, "v/v1", 7), BODY, PROOF)
    sent = wire.only("PutObject").headers["x-amz-tagging"]
    assert sent.isascii()
    assert dict(parse_qsl(sent, keep_blank_values=True, strict_parsing=True)) == ODD_TAGS


@pytest.mark.parametrize(("code", "status"), REFUSED)
def test_a_put_that_was_overtaken_says_that_the_replica_moved(stub, code, status):
    replica, stubber = stub
    stubber.add_client_error("put_object", code, http_status_code=status)
    with pytest.raises(ReplicaMoved, match="PutObject"):
        replica.put(FIRST, BODY, PROOF)


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_a_put_that_failed_says_why(stub, code, status, text, expected):
    replica, stubber = stub
    stubber.add_client_error("put_object", code, text, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        replica.put(FIRST, BODY, PROOF)
    assert raised.value.code == expected


def test_a_put_whose_answer_never_came_comes_back(wired):
    replica, wire = wired
    wire.answer("PutObject", Answer(status=0, fault=ReadTimeoutError(endpoint_url="https://s3")))
    with pytest.raises(HydrationError) as raised:
        replica.put(FIRST, BODY, PROOF)
    assert raised.value.code == "connection"


# -- multipart -------------------------------------------------------------------------------------------------------


def test_an_upload_opens_with_all_attributes_and_a_full_object_checksum_and_without_a_condition(stub):
    replica, stubber = stub
    request = {**ATTRIBUTES, "ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT", "Tagging": "t=1"}
    stubber.add_response("create_multipart_upload", {"UploadId": "u1"}, request)
    tagged = Writing("a key", FIRST.carried, {"t": "1"}, SEEN, "v/v1", 7)
    assert replica.open_upload(tagged, "CRC32C") == "u1"


def test_an_upload_that_mirrors_the_source_s_parts_opens_as_composite(stub):
    replica, stubber = stub
    request = {**ATTRIBUTES, "ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"}
    stubber.add_response("create_multipart_upload", {"UploadId": "u1"}, request)
    assert replica.open_upload(FIRST, "SHA256", "COMPOSITE") == "u1"


def test_a_part_is_sent_with_its_own_checksum(stub):
    replica, stubber = stub
    proof = checksum.of(BODY, "CRC32C")
    request = {
        **KEY,
        "UploadId": "u1",
        "PartNumber": 3,
        "Body": BODY,
        "ContentLength": 4,
        "ChecksumCRC32C": proof.value,
    }
    stubber.add_response("upload_part", {"ETag": '"p3"'}, request)
    assert replica.upload_part("a key", "u1", 3, BODY, proof) == UploadedPart(3, 4, '"p3"', proof)


PARTS = [UploadedPart(1, 10, '"p1"', Checksum("CRC32", "AAAA")), UploadedPart(2, 4, '"p2"', Checksum("CRC32", "BBBB"))]
WHOLE = Checksum("CRC32", "CCCC")


@pytest.mark.parametrize(
    ("replaced", "condition"), [(FIRST, {"IfNoneMatch": "*"}), (OVER, {"IfMatch": '"r1"'})], ids=["first", "over"]
)
def test_an_upload_becomes_the_replica_under_the_same_condition_with_its_size_and_checksum(stub, replaced, condition):
    replica, stubber = stub
    request = {
        **KEY,
        **condition,
        "UploadId": "u1",
        "MultipartUpload": {
            "Parts": [
                {"PartNumber": 1, "ETag": '"p1"', "ChecksumCRC32": "AAAA"},
                {"PartNumber": 2, "ETag": '"p2"', "ChecksumCRC32": "BBBB"},
            ]
        },
        "ChecksumType": "FULL_OBJECT",
        "ChecksumCRC32": "CCCC",
        "MpuObjectSize": 14,
    }
    stubber.add_response("complete_multipart_upload", WRITTEN, request)
    assert replica.complete_upload(replaced, "u1", PARTS, WHOLE) == ReplicaVersion("r2", "w2")


def test_an_upload_that_mirrors_the_source_s_parts_leaves_the_sum_of_their_checksums_to_s3(stub):
    replica, stubber = stub
    request = {
        **KEY,
        "IfNoneMatch": "*",
        "UploadId": "u1",
        "MultipartUpload": {
            "Parts": [
                {"PartNumber": 1, "ETag": '"p1"', "ChecksumCRC32": "AAAA"},
                {"PartNumber": 2, "ETag": '"p2"', "ChecksumCRC32": "BBBB"},
            ]
        },
        "ChecksumType": "COMPOSITE",
        "MpuObjectSize": 14,
    }
    stubber.add_response("complete_multipart_upload", WRITTEN, request)
    assert replica.complete_upload(FIRST, "u1", PARTS, Checksum("CRC32", "CCCC-2")) == ReplicaVersion("r2", "w2")


class Streamed:
    """A body that is read once."""

    size = 4

    def readinto(self, view):
        view[:4] = BODY
        return 4


class Client:
    """Takes requests as they are: botocore's sends no body that cannot rewind."""

    def __init__(self):
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))
        self.asked = {}

    def put_object(self, **asked):
        self.asked = asked
        asked["Body"].readinto(memoryview(bytearray(4)))
        return WRITTEN

    def upload_part(self, **asked):
        return self.put_object(**asked) | {"ETag": '"p3"'}


def test_a_stream_is_sent_with_its_length_and_a_checksum_that_is_known():
    client, body = Client(), Streamed()
    Replica(client, REPLICA, CONSUMER, KEY_ARN, "preserve").put(FIRST, body, PROOF)
    assert client.asked["Body"] is body
    assert (client.asked["ContentLength"], client.asked["ChecksumCRC64NVME"]) == (4, PROOF.value)
    assert "TrailingChecksum" not in client.asked


def test_a_checksum_that_is_still_running_follows_the_body():
    client, running = Client(), Running("CRC32")
    replica = Replica(client, REPLICA, CONSUMER, KEY_ARN, "preserve")
    running.add(BODY)
    uploaded = replica.upload_part("a key", "u1", 3, Streamed(), running)
    assert client.asked["TrailingChecksum"] is running
    assert not any(name.startswith("Checksum") for name in client.asked)
    assert uploaded == UploadedPart(3, 4, '"p3"', checksum.of(BODY, "CRC32"))


def test_parts_are_listed_page_by_page_with_their_checksums(stub):
    replica, stubber = stub
    listed = [{"PartNumber": n, "Size": n, "ETag": f'"p{n}"', "ChecksumCRC32": "AAAA"} for n in (1, 2, 5)]
    pages = (
        {"IsTruncated": True, "NextPartNumberMarker": 2, "Parts": listed[:2]},
        {
            "IsTruncated": False,
            "Parts": listed[2:],
        },
    )
    stubber.add_response("list_parts", pages[0], {**KEY, "UploadId": "u1"})
    stubber.add_response("list_parts", pages[1], {**KEY, "UploadId": "u1", "PartNumberMarker": 2})
    assert replica.list_parts("a key", "u1") == [
        UploadedPart(n, n, f'"p{n}"', Checksum("CRC32", "AAAA")) for n in (1, 2, 5)
    ]


def test_only_the_parts_that_are_asked_for_are_listed_in_one_request(stub):
    """S3 answers the first so many after the marker: parts that are missing make room for those beyond."""
    replica, stubber = stub
    listed = [{"PartNumber": n, "Size": n, "ETag": f'"p{n}"', "ChecksumCRC32": "AAAA"} for n in (11, 13, 14)]
    answer = {"IsTruncated": True, "NextPartNumberMarker": 14, "Parts": listed}
    request = {**KEY, "UploadId": "u1", "PartNumberMarker": 10, "MaxParts": 3}
    stubber.add_response("list_parts", answer, request)
    assert [part.number for part in replica.list_parts("a key", "u1", range(11, 14))] == [11, 13]


def test_more_parts_than_a_page_has_are_asked_for_page_by_page(stub):
    replica, stubber = stub
    request = {**KEY, "UploadId": "u1", "PartNumberMarker": 0, "MaxParts": 1000}
    stubber.add_response("list_parts", {"IsTruncated": True, "NextPartNumberMarker": 1000}, request)
    stubber.add_response("list_parts", {"IsTruncated": False}, {**request, "PartNumberMarker": 1000})
    assert replica.list_parts("a key", "u1", range(1, 1200)) == []


def test_an_upload_without_parts_lists_none(stub):
    replica, stubber = stub
    stubber.add_response("list_parts", {"IsTruncated": False})
    assert replica.list_parts("a key", "u1") == []


def test_a_part_that_is_listed_without_a_checksum_proves_nothing(stub):
    replica, stubber = stub
    stubber.add_response("list_parts", {"IsTruncated": False, "Parts": [{"PartNumber": 1, "Size": 4, "ETag": '"p1"'}]})
    with pytest.raises(HydrationError) as raised:
        replica.list_parts("a key", "u1")
    assert raised.value.code == "unexpected"


@pytest.mark.parametrize("operation", ["list_parts", "upload_part"])
def test_an_upload_that_is_gone_says_that_the_replica_moved(stub, operation):
    replica, stubber = stub
    stubber.add_client_error(operation, "NoSuchUpload", http_status_code=404)
    steps = {
        "list_parts": lambda: replica.list_parts("a key", "u1"),
        "upload_part": lambda: replica.upload_part("a key", "u1", 1, BODY, PROOF),
    }
    with pytest.raises(ReplicaMoved):
        steps[operation]()


@pytest.mark.parametrize(("code", "status"), [*REFUSED, ("NoSuchUpload", 404), ("InvalidPart", 400)])
def test_an_upload_that_was_overtaken_says_that_the_replica_moved(stub, code, status):
    replica, stubber = stub
    stubber.add_client_error("complete_multipart_upload", code, http_status_code=status)
    with pytest.raises(ReplicaMoved, match="CompleteMultipartUpload"):
        replica.complete_upload(FIRST, "u1", PARTS, WHOLE)


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_an_upload_that_failed_says_why_at_every_step(stub, code, status, text, expected):
    replica, stubber = stub
    steps = {
        "create_multipart_upload": lambda: replica.open_upload(FIRST, "CRC32"),
        "upload_part": lambda: replica.upload_part("a key", "u1", 1, BODY, PROOF),
        "list_parts": lambda: replica.list_parts("a key", "u1"),
        "complete_multipart_upload": lambda: replica.complete_upload(FIRST, "u1", PARTS, WHOLE),
        "abort_multipart_upload": lambda: replica.abort_upload("a key", "u1"),
    }
    for operation, step in steps.items():
        stubber.add_client_error(operation, code, text, http_status_code=status)
        with pytest.raises(HydrationError) as raised:
            step()
        assert raised.value.code == expected


def test_a_complete_that_fails_after_its_200_is_no_success(wired):
    """S3 may answer 200 and tell of the failure in the body.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    replica, wire = wired
    wire.answer("CompleteMultipartUpload", Answer(s3_error("InternalError", 500).body))
    with pytest.raises(HydrationError) as raised:
        replica.complete_upload(FIRST, "u1", PARTS, WHOLE)
    assert raised.value.code == "aws-error"


def test_answers_whose_head_was_cut_off_are_no_answers(stub):
    """botocore, for want of the rest, takes them for whole."""
    replica, stubber = stub
    steps = {
        "head_object": lambda: replica.head("a key"),
        "put_object": lambda: replica.put(FIRST, BODY, PROOF),
        "create_multipart_upload": lambda: replica.open_upload(FIRST, "CRC32"),
        "upload_part": lambda: replica.upload_part("a key", "u1", 1, BODY, PROOF),
        "list_parts": lambda: replica.list_parts("a key", "u1"),
        "list_multipart_uploads": lambda: list(replica.open_uploads()),
    }
    for operation, step in steps.items():
        stubber.add_response(operation, {})
        with pytest.raises(HydrationError) as raised:
            step()
        assert raised.value.code == "truncated"


def test_a_completion_that_says_neither_yes_nor_no_is_not_taken_for_a_wrong_checksum(stub):
    """A range's upload whose parts are wrong is given up, with all that was carried."""
    replica, stubber = stub
    stubber.add_response("complete_multipart_upload", {})
    with pytest.raises(HydrationError) as raised:
        replica.complete_upload(FIRST, "u1", PARTS, WHOLE)
    assert raised.value.code == "aws-error"


def test_an_upload_is_aborted(stub):
    replica, stubber = stub
    stubber.add_response("abort_multipart_upload", {}, {**KEY, "UploadId": "u1"})
    replica.abort_upload("a key", "u1")


@pytest.mark.parametrize("code", ["NoSuchUpload", "404"])
def test_an_upload_that_is_gone_already_needs_no_abort(stub, code):
    replica, stubber = stub
    stubber.add_client_error("abort_multipart_upload", code, http_status_code=404)
    replica.abort_upload("a key", "u1")


# -- DELETE ----------------------------------------------------------------------------------------------------------


def test_only_the_expected_replica_is_deleted(stub):
    replica, stubber = stub
    stubber.add_response("delete_object", {}, {**KEY, "IfMatch": '"r1"'})
    replica.delete("a key", SEEN)


def test_a_replica_that_is_gone_already_needs_no_delete(stub):
    replica, stubber = stub
    stubber.add_client_error("delete_object", "NoSuchKey", http_status_code=404)
    replica.delete("a key", SEEN)


@pytest.mark.parametrize(("code", "status"), REFUSED[:-1])
def test_another_replica_is_not_deleted(stub, code, status):
    replica, stubber = stub
    stubber.add_client_error("delete_object", code, http_status_code=status)
    with pytest.raises(ReplicaMoved, match="DeleteObject"):
        replica.delete("a key", SEEN)


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_a_delete_that_failed_says_why(stub, code, status, text, expected):
    replica, stubber = stub
    stubber.add_client_error("delete_object", code, text, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        replica.delete("a key", SEEN)
    assert raised.value.code == expected


# -- tags ------------------------------------------------------------------------------------------------------------


def test_tags_are_set_on_the_very_version(stub):
    replica, stubber = stub
    request = {**KEY, "VersionId": "w1", "Tagging": {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]}}
    stubber.add_response("put_object_tagging", {}, request)
    replica.set_tags("a key", SEEN, {"a": "1", "b": ""})


def test_no_tags_are_set_by_deleting_them(stub):
    replica, stubber = stub
    stubber.add_response("delete_object_tagging", {}, {**KEY, "VersionId": "w1"})
    replica.set_tags("a key", SEEN, {})


def test_without_versions_tags_are_set_on_the_key(stub):
    replica, stubber = stub
    stubber.add_response("delete_object_tagging", {}, KEY)
    replica.set_tags("a key", ReplicaVersion("r1"), {})


@pytest.mark.parametrize(("code", "status"), [("NoSuchKey", 404), ("NoSuchVersion", 404), ("MethodNotAllowed", 405)])
@pytest.mark.parametrize(("tags", "operation"), [({"a": "1"}, "put_object_tagging"), ({}, "delete_object_tagging")])
def test_tags_of_a_version_that_is_gone_say_that_the_replica_moved(stub, tags, operation, code, status):
    replica, stubber = stub
    stubber.add_client_error(operation, code, http_status_code=status)
    with pytest.raises(ReplicaMoved):
        replica.set_tags("a key", SEEN, tags)


@pytest.mark.parametrize(("code", "status", "text", "expected"), FAILURES)
def test_tags_that_cannot_be_set_say_why(stub, code, status, text, expected):
    replica, stubber = stub
    stubber.add_client_error("put_object_tagging", code, text, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        replica.set_tags("a key", SEEN, {"a": "1"})
    assert raised.value.code == expected


# -- what results, on moto ---------------------------------------------------------------------------------------------
# Not relied on, because moto 5.2.5 does not do it: refusing a wrong checksum, telling the CRC64NVME that it stored,
# If-Match of CompleteMultipartUpload,
# ExpectedBucketOwner, KMS keys that are disabled or missing, ETags that are not MD5 under KMS. What is asked is above.


@pytest.fixture
def bucket(versioned):
    return versioned(REPLICA)


@pytest.fixture
def replica(bucket):
    return Replica(bucket, REPLICA, CONSUMER, KEY_ARN, "preserve")


def test_what_was_put_is_there_with_everything_that_it_carries(bucket, replica):
    carried = Carried(HEADERS, "Thu, 01 Dec 1994 16:00:00 GMT", {"mine": "1"}, "STANDARD_IA")
    version = replica.put(Writing("a b+c%2F", carried, ODD_TAGS, None, "v/v1", 7), BODY, checksum.of(BODY))
    found = bucket.get_object(Bucket=REPLICA, Key="a b+c%2F")
    assert found["Body"].read() == BODY
    assert found["ContentType"] == "text/plain"
    assert found["CacheControl"] == "no-cache"
    assert found["WebsiteRedirectLocation"] == "/x"
    assert found["Expires"] == datetime(1994, 12, 1, 16, tzinfo=UTC)
    assert found["StorageClass"] == "STANDARD_IA"
    assert found["SSEKMSKeyId"] == KEY_ARN
    assert found["Metadata"] == {"mine": "1", "hydration-source": "v/v1", "hydration-generation": "7"}
    seen = replica.head("a b+c%2F")
    assert (seen.version, seen.source, seen.generation, seen.size) == (version, "v/v1", 7, 4)
    tags = bucket.get_object_tagging(Bucket=REPLICA, Key="a b+c%2F")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == ODD_TAGS


def test_of_two_first_replicas_one_is_written(replica):
    replica.put(FIRST, BODY, checksum.of(BODY))
    with pytest.raises(ReplicaMoved):
        replica.put(FIRST, b"late", checksum.of(b"late"))
    assert replica.head("a key").generation == 7


def test_a_replica_is_overwritten_only_by_whoever_knows_it(bucket, replica):
    first = replica.put(FIRST, BODY, checksum.of(BODY))
    second = Writing("a key", Carried(), {}, first, "v/v2", 8)
    assert replica.put(second, b"next", checksum.of(b"next")).etag != first.etag
    with pytest.raises(ReplicaMoved):
        replica.put(second, b"late", checksum.of(b"late"))
    assert bucket.get_object(Bucket=REPLICA, Key="a key")["Body"].read() == b"next"


def test_an_overwrite_of_a_replica_that_is_gone_says_that_it_moved(replica):
    with pytest.raises(ReplicaMoved):
        replica.put(OVER, BODY, checksum.of(BODY))


def test_a_replica_is_deleted_only_by_whoever_knows_it(replica):
    first = replica.put(FIRST, BODY, checksum.of(BODY))
    with pytest.raises(ReplicaMoved):
        replica.delete("a key", ReplicaVersion("another"))
    assert replica.head("a key").version == first
    replica.delete("a key", first)
    assert replica.head("a key") is None


def test_tags_come_and_go_on_one_version(bucket, replica):
    first = replica.put(FIRST, BODY, checksum.of(BODY))
    replica.put(Writing("a key", Carried(), {}, first, "v/v2", 8), b"next", checksum.of(b"next"))
    replica.set_tags("a key", first, ODD_TAGS)

    def tags(**version):
        answer = bucket.get_object_tagging(Bucket=REPLICA, Key="a key", **version)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    assert tags(VersionId=first.version_id) == ODD_TAGS
    assert tags() == {}
    replica.set_tags("a key", first, {})
    assert tags(VersionId=first.version_id) == {}
    with pytest.raises(ReplicaMoved):
        replica.set_tags("a key", ReplicaVersion("r", "no-such-version"), ODD_TAGS)


def test_an_upload_of_two_parts_becomes_one_replica(bucket, replica):
    bodies = [b"x" * 5 * 1024**2, b"tail"]
    upload_id = replica.open_upload(FIRST, "CRC64NVME")
    uploaded = [
        replica.upload_part("a key", upload_id, number, body, checksum.of(body))
        for number, body in enumerate(bodies, start=1)
    ]
    whole = checksum.combined([(part.checksum, part.size) for part in uploaded])
    version = replica.complete_upload(FIRST, upload_id, uploaded, whole)
    assert bucket.get_object(Bucket=REPLICA, Key="a key")["Body"].read() == b"".join(bodies)
    seen = replica.head("a key")
    assert (seen.version, seen.source, seen.generation, seen.size) == (version, "v/v1", 7, 5 * 1024**2 + 4)


def test_an_upload_that_was_aborted_leaves_nothing_and_may_be_aborted_again(bucket, replica):
    upload_id = replica.open_upload(FIRST, "CRC64NVME")
    replica.abort_upload("a key", upload_id)
    replica.abort_upload("a key", upload_id)
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket=REPLICA)
    with pytest.raises(ClientError):
        bucket.list_parts(Bucket=REPLICA, Key="a key", UploadId=upload_id)
