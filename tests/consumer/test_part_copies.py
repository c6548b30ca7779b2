"""Having S3 copy a part: what is asked for, under which names, and whose refusal it is when two buckets are asked."""

from urllib.parse import unquote

import pytest
from botocore.exceptions import ReadTimeoutError

from consumer_replicator.checksum import Checksum
from consumer_replicator.errors import HydrationError, ReplicaMoved, SourceMoved
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.part_copies import GRANT, BucketOf, CopiedPart, PartCopies
from consumer_replicator.parts import Part
from tests.consumer.fake_aws import CONSUMER, PRODUCER, REPLICA, SOURCE
from tests.consumer.wire import Answer, Wire, s3_error
from tests.odd_keys import ODD_KEYS

PART = Part(3, 20, 29)
VERSIONED = SourceIdentity("v1", "s1", 1_800_000_000, 100)
UNVERSIONED = SourceIdentity(None, "s1", 1_800_000_000, 100)
ASKED = {
    "Bucket": REPLICA,
    "ExpectedBucketOwner": CONSUMER,
    "ExpectedSourceBucketOwner": PRODUCER,
    "Key": "a key",
    "UploadId": "u1",
    "PartNumber": 3,
    "CopySourceRange": "bytes=20-29",
}
ANSWER = {"CopyPartResult": {"ETag": '"p3"', "ChecksumCRC32": "AAAAAA=="}}
COPIED = CopiedPart('"p3"', Checksum("CRC32", "AAAAAA=="))
DENIED_AT_THE_REPLICA = [
    f'is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::{REPLICA}/a key"',
    f"is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:{CONSUMER}:key/k",
]
DENIED_AT_THE_SOURCE = [
    "Access Denied",
    f'arn:aws:sts::{CONSUMER}:assumed-role/r is not authorized: s3:GetObject on "arn:aws:s3:::{SOURCE}/a key"',
    f"is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:{PRODUCER}:key/k",
]
BUCKETS = (BucketOf(PRODUCER, SOURCE), BucketOf(CONSUMER, REPLICA))


def copy(copies, identity=VERSIONED, key="a key"):
    return copies.copy(key, identity, "u1", PART, "CRC32")


@pytest.fixture
def stub(stubbed):
    """(the copies, their Stubber)"""
    client, stubber = stubbed("s3")
    return PartCopies(client, *BUCKETS), stubber


@pytest.fixture
def wired(aws):
    """(the copies, the wire beneath them)"""
    client = aws("s3")
    return PartCopies(client, *BUCKETS), Wire(client)


def result(checksum="<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"):
    body = f"<?xml version='1.0'?><CopyPartResult><ETag>&quot;p3&quot;</ETag>{checksum}</CopyPartResult>"
    return Answer(body.encode(), 200, {"Content-Type": "application/xml"})


def test_a_part_is_pinned_to_the_version_and_to_the_owners_of_both_buckets(stub):
    copies, stubber = stub
    source = {"Bucket": SOURCE, "Key": "a key", "VersionId": "v1"}
    stubber.add_response("upload_part_copy", ANSWER, {**ASKED, "CopySource": source})
    assert copy(copies) == COPIED


@pytest.mark.parametrize("version", [None, "null"])
def test_a_part_of_an_object_without_a_version_is_pinned_to_its_etag(stub, version):
    copies, stubber = stub
    source = {"Bucket": SOURCE, "Key": "a key"}
    stubber.add_response("upload_part_copy", ANSWER, {**ASKED, "CopySource": source, "CopySourceIfMatch": '"s1"'})
    assert copy(copies, SourceIdentity(version, "s1", 1_800_000_000, 100)) == COPIED


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
def test_any_key_is_named_as_a_header_can_carry_it(wired, key):
    copies, wire = wired
    wire.answer("UploadPartCopy", result())
    copy(copies, key=key)
    named, _, version = wire.only("UploadPartCopy").headers["x-amz-copy-source"].partition("?versionId=")
    assert named.isascii()
    assert unquote(named) == f"{SOURCE}/{key}"
    assert version == "v1"


def test_what_is_copied_from_is_signed(wired):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    copies, wire = wired
    wire.answer("UploadPartCopy", result())
    copy(copies, UNVERSIONED)
    signed = wire.only("UploadPartCopy").signed_headers
    assert {"x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-range"} <= set(signed)
    assert {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"} <= set(signed)


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed", "412"])
def test_an_object_that_is_gone_or_replaced_has_moved(stub, code):
    copies, stubber = stub
    stubber.add_client_error("upload_part_copy", code, http_status_code=412)
    with pytest.raises(SourceMoved):
        copy(copies)


def test_an_upload_that_is_gone_is_the_replica_moved(stub):
    copies, stubber = stub
    stubber.add_client_error("upload_part_copy", "NoSuchUpload", http_status_code=404)
    with pytest.raises(ReplicaMoved):
        copy(copies)


@pytest.mark.parametrize("message", DENIED_AT_THE_SOURCE)
def test_a_denial_is_the_sources_and_names_the_setting_that_asks_for_the_grant(stub, message):
    copies, stubber = stub
    stubber.add_client_error("upload_part_copy", "AccessDenied", message, 403)
    with pytest.raises(HydrationError) as error:
        copy(copies)
    assert error.value.code == ("source-kms-denied" if "kms:" in message else "source-access-denied")
    assert str(error.value).startswith(GRANT)


@pytest.mark.parametrize("message", DENIED_AT_THE_REPLICA)
def test_a_denial_that_names_the_replica_is_the_replicas(stub, message):
    copies, stubber = stub
    stubber.add_client_error("upload_part_copy", "AccessDenied", message, 403)
    with pytest.raises(HydrationError) as error:
        copy(copies)
    assert error.value.code == ("replica-kms-denied" if "kms:" in message else "replica-access-denied")
    assert GRANT not in str(error.value)


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        ("SlowDown", 503, "throttled"),
        ("InternalError", 500, "aws-error"),
        ("ExpiredToken", 400, "expired-credentials"),
        ("InvalidObjectState", 403, "archived"),
        ("InvalidRequest", 400, "refused"),
        ("KMS.DisabledException", 400, "source-kms-denied"),
    ],
)
def test_everything_else_means_what_it_means_at_the_source(stub, code, status, failure):
    copies, stubber = stub
    stubber.add_client_error("upload_part_copy", code, http_status_code=status)
    with pytest.raises(HydrationError) as error:
        copy(copies)
    assert error.value.code == failure


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (s3_error("InternalError", 200), "aws-error"),
        (s3_error("SlowDown", 200), "throttled"),
        (s3_error("AccessDenied", 200), "source-access-denied"),
        (Answer(b"<?xml version='1.0'?><CopyPartResult><ETag>", 200), "aws-error"),
        (Answer(status=0, fault=ReadTimeoutError(endpoint_url="https://s3")), "connection"),
    ],
    ids=["internal error", "throttled", "denied", "half an answer", "no answer"],
)
def test_an_error_within_an_answer_of_200_is_one(wired, answer, failure):
    """S3 may find out that a copy fails when it has answered already.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    copies, wire = wired
    wire.answer("UploadPartCopy", answer)
    with pytest.raises(HydrationError) as error:
        copy(copies)
    assert error.value.code == failure


def test_a_part_without_the_checksum_that_the_upload_asks_for_is_not_believed(wired):
    copies, wire = wired
    wire.answer("UploadPartCopy", result("<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>"))
    with pytest.raises(HydrationError) as error:
        copy(copies)
    assert error.value.code == "unexpected"
