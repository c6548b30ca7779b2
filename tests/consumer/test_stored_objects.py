"""What is asked of S3 for a comparison, what the answers become, and that nothing broken off passes for the whole."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ResponseStreamingError

from consumer_replicator.checksum import Checksum
from consumer_replicator.comparison import Stored
from consumer_replicator.errors import ChangedUnderUs, HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.stored_objects import PIECE_BYTES, StoredObjects
from tests.consumer.fake_aws import CONSUMER, PRODUCER, REPLICA, SOURCE, World
from tests.consumer.refusals import assert_told
from tests.consumer.wire import Answer, Wire
from tests.odd_keys import ODD_KEYS

MODIFIED = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
HEADED = {"ETag": '"e1"', "LastModified": MODIFIED, "ContentLength": 5, "VersionId": "v1"}
IDENTITY = SourceIdentity("v1", "e1", int(MODIFIED.timestamp()), 5)
WHERE = {"Bucket": SOURCE, "Key": "k", "ExpectedBucketOwner": PRODUCER}
FAILURES = [
    ("403", 403, "source-access-denied"),
    ("AccessDenied", 403, "source-access-denied"),
    ("SlowDown", 503, "throttled"),
    ("500", 500, "aws-error"),
    ("400", 400, "refused"),
    ("ExpiredToken", 400, "expired-credentials"),
]


@pytest.fixture
def stub(stubbed):
    """(the source's objects, their Stubber)"""
    client, stubber = stubbed("s3")
    return StoredObjects(client, SOURCE, PRODUCER, "source"), stubber


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, Stored(IDENTITY, None)),
        (
            {"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"},
            Stored(IDENTITY, Checksum("CRC64NVME", "AAAAAAAAAAA=")),
        ),
        (
            {"ChecksumSHA256": "AAAA-3", "ChecksumType": "COMPOSITE"},
            Stored(IDENTITY, Checksum("SHA256", "AAAA-3")),
        ),
        ({"VersionId": "null"}, Stored(SourceIdentity(None, "e1", IDENTITY.last_modified, 5), None)),
    ],
    ids=["no checksum", "full object", "composite", "unversioned"],
)
def test_a_look_asks_for_the_stored_checksum_of_the_current_object(stub, answer, expected):
    objects, stubber = stub
    stubber.add_response("head_object", HEADED | answer, WHERE | {"ChecksumMode": "ENABLED"})
    assert objects.head("k") == expected


@pytest.mark.parametrize("code", ["404", "NoSuchKey"])
def test_an_object_that_is_not_there_is_none_and_no_failure(stub, code):
    objects, stubber = stub
    stubber.add_client_error("head_object", code, http_status_code=404)
    assert objects.head("k") is None


@pytest.mark.parametrize("refusal", FAILURES)
def test_a_refusal_is_never_an_absence(stub, refusal):
    objects, stubber = stub
    calls = {
        "head_object": [lambda: objects.head("k")],
        "get_object": [lambda: list(objects.pieces("k", Stored(IDENTITY, None)))],
    }
    assert_told(stubber, calls, refusal)


def test_a_refusal_of_the_replica_is_told_as_its_own(stubbed):
    client, stubber = stubbed("s3")
    stubber.add_client_error("head_object", "403", http_status_code=403)
    with pytest.raises(HydrationError) as raised:
        StoredObjects(client, REPLICA, CONSUMER, "replica").head("k")
    assert raised.value.code == "replica-access-denied"


def test_a_body_is_pinned_to_the_object_that_was_looked_at(aws):
    s3 = aws("s3")
    wire = Wire(s3)
    wire.answer("GetObject", Answer(b"12345", headers={"ETag": '"e1"'}))
    assert b"".join(StoredObjects(s3, SOURCE, PRODUCER, "source").pieces("k", Stored(IDENTITY, None))) == b"12345"
    sent = wire.only("GetObject")
    assert sent.headers["If-Match"] == '"e1"'
    assert "versionId" not in sent.request.url
    assert sent.headers["x-amz-expected-bucket-owner"] == PRODUCER


@pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("NoSuchKey", 404)])
def test_an_object_that_is_replaced_or_deleted_meanwhile_has_changed(stub, code, status):
    objects, stubber = stub
    stubber.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(ChangedUnderUs):
        list(objects.pieces("k", Stored(IDENTITY, None)))


@pytest.mark.parametrize("body", [b"", b"1234", b"123456"])
def test_a_body_of_another_length_is_not_the_object(aws, body):
    s3 = aws("s3")
    Wire(s3).answer("GetObject", Answer(body))
    with pytest.raises(HydrationError) as raised:
        list(StoredObjects(s3, SOURCE, PRODUCER, "source").pieces("k", Stored(IDENTITY, None)))
    assert raised.value.code == "truncated"


def test_a_body_that_breaks_off_is_a_failure(aws):
    s3 = aws("s3")
    Wire(s3).answer("GetObject", Answer(b"", fault=ResponseStreamingError(error="reset")))
    with pytest.raises(HydrationError) as raised:
        list(StoredObjects(s3, SOURCE, PRODUCER, "source").pieces("k", Stored(IDENTITY, None)))
    assert raised.value.code == "truncated"


def test_a_large_body_comes_in_pieces_that_do_not_grow_with_it():
    world = World()
    world.upload("k", b"x" * (3 * PIECE_BYTES + 1))
    objects = StoredObjects(world.s3("source"), SOURCE, PRODUCER, "source")
    stored = objects.head("k")
    assert [len(piece) for piece in objects.pieces("k", stored)] == [PIECE_BYTES] * 3 + [1]


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_any_key_is_looked_at_and_read_on_moto(versioned, key):
    client = versioned(SOURCE)
    client.put_object(Bucket=SOURCE, Key=key, Body=b"12345", ChecksumAlgorithm="SHA256")
    objects = StoredObjects(client, SOURCE, "123456789012", "source")
    stored = objects.head(key)
    assert (stored.identity.size, stored.checksum.algorithm) == (5, "SHA256")
    assert b"".join(objects.pieces(key, stored)) == b"12345"


@pytest.mark.parametrize("missing", ["ETag", "LastModified", "ContentLength"])
def test_an_answer_that_was_cut_off_is_no_object(stub, missing):
    """botocore takes a head that was cut off for whole; the twin of what is read for a copy."""
    objects, stubber = stub
    stubber.add_response("head_object", {name: value for name, value in HEADED.items() if name != missing})
    with pytest.raises(HydrationError) as raised:
        objects.head("k")
    assert raised.value.code == "truncated"
