"""Server-side mode on an S3 with AWS's rules: same protocol, same proofs, none of a large object's bytes in between.

The emulator lets no role read another account's bucket, so this mode is shown here and, at the end, on SeaweedFS.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from consumer_replicator import checksum, server_side, wiring
from consumer_replicator.copier import Copied, Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, ReplicaMoved, SourceMoved
from consumer_replicator.outcome import Failed, Replicated
from consumer_replicator.part_copies import GRANT, BucketOf, PartCopies
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Replica, Writing
from consumer_replicator.row import ReplicaVersion, State
from consumer_replicator.server_side import PartsWithinS3
from consumer_replicator.settings import CopyMode
from consumer_replicator.source import Source, SourceObject
from consumer_replicator.splitting import Splitting
from consumer_replicator.tries import Tries
from tests.bench.peers import BenchError, program
from tests.bench.s3_server import S3Server
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, PRODUCER, REPLICA, SOURCE, Call, World, refuse
from tests.consumer.rig import MIB, Rig, event, no_pause

BIG = 12 * MIB
TAGS = {"team": "a b"}
CARRIED = {
    "ContentType": "text/csv",
    "CacheControl": "no-cache",
    "Metadata": {"mine": "1"},
    "StorageClass": "GLACIER_IR",
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world, server_side=True)


def copy(rig: Rig, key: str = "k", *, expected: ReplicaVersion | None = None, seconds: float = 60) -> Copied:
    converger = rig.converger
    with converger._source.current(key) as found:
        assert found is not None
        writing = Writing(key, found.carried, {}, expected, found.identity.token(), 0)
        return converger._copier.copy(found, writing, Deadline(seconds, clock=lambda: 0.0))


# -- which way -------------------------------------------------------------------------------------------------------


def test_of_a_large_object_no_byte_passes_through_the_function(rig: Rig, world: World):
    rig.upload("k", b"x" * BIG)
    rig.drain()
    rig.assert_covered("k")
    assert world.operations(principal="source") == ["GetObject"]  # its identity; the body is closed unread
    writes = [each for each in world.operations(principal="own") if "Item" not in each]
    assert writes == ["CreateMultipartUpload", *["UploadPartCopy"] * 3, "CompleteMultipartUpload"]


@pytest.mark.parametrize(("size", "parts"), [(0, 0), (1, 0), (5 * MIB, 0), (5 * MIB + 1, 2), (10 * MIB, 2), (BIG, 3)])
def test_up_to_the_threshold_an_object_is_streamed_above_it_s3_copies_its_parts(
    rig: Rig, world: World, size: int, parts: int
):
    body = bytes(n % 251 for n in range(1024)) * (size // 1024) + b"x" * (size % 1024)
    world.upload("k", body)
    assert copy(rig).parts == parts
    assert rig.replica_body("k") == body
    assert (world.operations().count("PutObject"), world.operations().count("UploadPartCopy")) == (not parts, parts)


def test_a_replica_that_s3_copied_is_the_one_that_would_have_been_streamed():
    made = []
    for rig in (Rig(World()), Rig(World(), server_side=True)):
        rig.upload("k", b"x" * BIG, tags=TAGS, **CARRIED)
        rig.drain()
        version = rig.world.replica.current("k")
        assert version is not None
        row = rig.row("k")
        assert row is not None
        made.append((version.attributes, version.tags, version.body, replace(row, replica=None)))
    streamed, copied = made
    assert copied == streamed
    assert copied[1] == TAGS


# -- how it is proven ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32", "CRC32C"])
def test_s3_holds_the_whole_to_the_sources_own_checksum(rig: Rig, world: World, algorithm: str):
    body = b"x" * BIG
    own = checksum.of(body, algorithm)
    world.upload("k", body)
    world.source.keys["k"][-1].checksum = own
    copied = copy(rig)
    assert (copied.checksum, copied.proof) == (own, Proof.SOURCE_CHECKSUM)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_composite_checksum_is_matched_by_copying_in_the_sources_own_parts(rig: Rig, world: World, algorithm: str):
    parts = [b"a" * 6 * MIB, b"b" * 6 * MIB, b"c"]
    world.upload_in_parts("k", parts, algorithm)
    copied = copy(rig)
    source = world.source.current("k")
    assert source is not None
    assert (copied.checksum, copied.proof, copied.parts) == (source.checksum, Proof.COMPOSITE, 3)


def test_where_the_source_has_nothing_to_match_only_the_size_is_known(rig: Rig, world: World):
    rig.upload("k", b"x" * BIG)
    world.source.keys["k"][-1].checksum = None
    (done,) = rig.drain()
    assert isinstance(done.outcome, Replicated)
    row = rig.row("k")
    assert row is not None
    assert (done.outcome.proof, row.proof) == (Proof.SIZE_ONLY, Proof.SIZE_ONLY)
    assert row.replica_checksum == str(checksum.of(b"x" * BIG))


@pytest.mark.parametrize("composite", [False, True], ids=["full object", "composite"])
def test_bytes_that_s3_copied_wrongly_never_become_a_replica(rig: Rig, world: World, composite: bool):
    if composite:
        world.upload_in_parts("k", [b"a" * 6 * MIB, b"b" * 6 * MIB])
    else:
        world.upload("k", b"x" * BIG)
    world.copied = lambda body: body[:-1] + b"!"
    with pytest.raises(HydrationError) as error:
        copy(rig)
    assert error.value.code == "truncated"
    assert world.mutations == []
    assert world.replica.uploads == {}


def test_bytes_copied_wrongly_once_are_copied_again_when_the_message_comes_back(rig: Rig, world: World):
    rig.upload("k", b"x" * BIG)
    world.copied = lambda body: body[:-1] + b"!"
    (done,) = rig.run()
    assert done.comes_back
    world.copied = lambda body: body
    rig.drain()
    rig.assert_covered("k")
    assert [body for _, body in world.mutations] == [b"x" * BIG]


# -- by several invocations ------------------------------------------------------------------------------------------


def test_an_object_too_large_for_one_invocation_is_copied_range_by_range(world: World):
    rig = Rig(world, server_side=True, splitting=Splitting(threshold=20 * MIB, least_range=10 * MIB, bandwidth=1e6))
    rig.upload("k", b"x" * 24 * MIB)
    rig.drain()
    rig.assert_covered("k")
    row = rig.row("k")
    assert row is not None
    assert row.proof is Proof.SOURCE_CHECKSUM
    operations = world.operations(principal="own")
    assert (operations.count("CreateMultipartUpload"), operations.count("UploadPartCopy")) == (1, 5)
    assert "UploadPart" not in operations
    assert operations.count("UpdateItem") > 2  # a range each, and that they were sent


@pytest.mark.parametrize(
    ("mode", "given", "threshold"),
    [
        (CopyMode.STREAM, 0, 0),
        (CopyMode.STREAM, 10**9, 10**9),
        (CopyMode.SERVER_SIDE, 0, server_side.WHOLE_BYTES),
        (CopyMode.SERVER_SIDE, 10**9, 10**9),
    ],
)
def test_what_one_invocation_takes_on_is_what_moves_its_bytes(mode: CopyMode, given: int, threshold: int):
    settings = SimpleNamespace(
        copy_mode=mode,
        split_threshold_bytes=given,
        multipart_threshold_bytes=8 * MIB,
        part_concurrency=8,
        source_account_id=PRODUCER,
        source_bucket=SOURCE,
        replica_account_id=CONSUMER,
        replica_bucket=REPLICA,
    )
    who = SimpleNamespace(copying=lambda: None)
    _, splitting = wiring.carrying(settings, who, None, SimpleNamespace(takes_streams=True))
    assert splitting.threshold == threshold
    assert (splitting.bandwidth == server_side.BYTES_PER_SECOND) == (mode is CopyMode.SERVER_SIDE)


# -- what may go wrong -----------------------------------------------------------------------------------------------


def test_without_the_grant_the_object_fails_and_says_what_is_missing(rig: Rig, world: World):
    world.lets_replicator_in = False
    rig.upload("k", b"x" * BIG)
    (done,) = rig.drain()
    assert isinstance(done.outcome, Failed)
    assert done.outcome.code == "source-access-denied"
    assert done.outcome.message.startswith(GRANT)
    row = rig.row("k")
    assert row is not None
    assert (row.state, row.error) == (State.FAILED, "source-access-denied")
    assert world.replica.uploads == {}
    world.lets_replicator_in = True
    world.send(event("k"))  # what the next reconcile does
    rig.drain()
    rig.assert_covered("k")


def test_small_objects_do_not_need_the_grant(rig: Rig, world: World):
    world.lets_replicator_in = False
    rig.upload("k", b"x")
    rig.drain()
    rig.assert_covered("k")


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_a_source_that_is_replaced_meanwhile_never_mixes_with_what_it_was(versioned: bool):
    """MIX. A version stays readable: its copy ends, and the next event's follows. Without versions it starts over."""
    world = World(versioned=versioned)
    rig = Rig(world, server_side=True)
    rig.upload("k", b"x" * BIG)
    replaced = Counter()

    def overwrite(call: Call) -> None:
        if call.operation == "UploadPartCopy" and not replaced["times"]:
            replaced["times"] += 1
            rig.upload("k", b"y" * BIG)

    world.before = overwrite
    rig.drain()
    rig.assert_covered("k")
    rig.assert_monotonic("k")
    assert replaced["times"] == 1
    assert {body for _, body in world.mutations} <= {b"x" * BIG, b"y" * BIG}
    assert world.replica.uploads == {}


def test_a_replica_that_is_not_the_expected_one_is_not_overwritten(rig: Rig, world: World):
    world.upload("k", b"x" * BIG)
    world._store(world.replica, "k", b"other", {}, {})
    for expected in (None, ReplicaVersion("not-its-etag")):
        with pytest.raises(ReplicaMoved):
            copy(rig, expected=expected)
    assert rig.replica_body("k") == b"other"
    assert world.replica.uploads == {}


def test_a_part_that_fails_is_copied_again_without_starting_over(rig: Rig, world: World):
    world.upload("k", b"x" * BIG)
    failed = Counter()

    def stumble(call: Call) -> None:
        if call.operation == "UploadPartCopy" and failed["parts"] < 2:
            failed["parts"] += 1
            raise refuse("UploadPartCopy", "InternalError", 500)

    world.before = stumble
    copied = copy(rig)
    assert (copied.parts, copied.retries) == (3, 2)
    assert world.operations().count("CreateMultipartUpload") == 1


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("refusal", [("SlowDown", 503), ("AccessDenied", 403), ("InternalError", 500)])
def test_an_upload_that_fails_for_good_is_aborted(rig: Rig, world: World, operation: str, refusal: tuple[str, int]):
    """ORPHAN."""
    world.upload("k", b"x" * BIG)

    def fail(call: Call) -> None:
        if call.operation == operation:
            raise refuse(operation, *refusal)

    world.before = fail
    with pytest.raises(HydrationError):
        copy(rig)
    assert world.replica.uploads == {}
    assert rig.replica_body("k") is None


def test_no_part_is_under_way_any_more_when_a_copy_fails(rig: Rig, world: World):
    world.upload("k", b"x" * 60 * MIB)

    def fail(call: Call) -> None:
        if call.operation == "UploadPartCopy":
            raise refuse("UploadPartCopy", "AccessDenied", 403)

    world.before = fail
    with suppress(HydrationError):
        copy(rig)
    calls = len(world.calls)
    rig.converger._copier._pool.shutdown(wait=True)
    assert len(world.calls) == calls


def test_a_part_that_may_not_be_done_by_the_deadline_is_not_begun(rig: Rig, world: World):
    """S3 would go on with it, whoever waits."""
    world.upload("k", b"x" * 15 * MIB)
    needed = 5 * MIB / server_side.SLOW_BYTES_PER_SECOND
    with pytest.raises(HydrationError) as error:
        copy(rig, seconds=needed * 0.9)
    assert error.value.code == "out-of-time"
    assert "UploadPartCopy" not in world.operations()
    assert world.replica.uploads == {}


# -- a second witness ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def witness():
    """(client, copier, source) on a real S3 server, which has no KMS; both buckets are of its one account."""
    try:
        program("weed")
    except BenchError:
        pytest.skip("SeaweedFS is not installed: `make bench` does")
    with S3Server() as server:
        client = server.client()
        for bucket in (SOURCE, REPLICA):
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        source, replica = Source(client, SOURCE, PRODUCER), Replica(client, REPLICA, CONSUMER, KEY_ARN, "preserve")
        replica._encryption = {}
        copies = PartCopies(client, BucketOf(PRODUCER, SOURCE), BucketOf(CONSUMER, REPLICA))
        sizes = {"threshold": 5 * MIB, "part_bytes": 5 * MIB, "part_concurrency": 4}
        yield client, Copier(source, replica, carrier=PartsWithinS3(copies, Tries(no_pause)), **sizes), source


def copied_by(witness, key: str, meanwhile: Callable[[SourceObject], SourceObject] = lambda found: found) -> Copied:
    """`meanwhile`: what happens, or seems to, between the look at the source and the copy."""
    _, copier, source = witness
    with source.current(key) as found:
        writing = Writing(key, found.carried, TAGS, None, found.identity.token(), 0)
        return copier.copy(meanwhile(found), writing, Deadline(60))


def proven(body: bytes, algorithm: str = "CRC64NVME") -> dict[str, str]:
    return checksum.of(body, algorithm).parameter()


@pytest.mark.parametrize("key", ["plain", 'odd/a b\u00fc+%2F?versionId=x&"k'])
@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32"])
def test_a_real_server_copies_and_compares(witness, key: str, algorithm: str):
    client, body = witness[0], bytes(range(256)) * 48 * 1024
    key = f"{key} {algorithm}"
    client.put_object(Bucket=SOURCE, Key=key, Body=body, ContentType="text/csv", **proven(body, algorithm))
    copied = copied_by(witness, key)
    assert (copied.proof, copied.parts) == (Proof.SOURCE_CHECKSUM, 3)
    found = client.get_object(Bucket=REPLICA, Key=key, ChecksumMode="ENABLED")
    assert found["Body"].read() == body
    assert found["ContentType"] == "text/csv"
    assert found["Metadata"]["hydration-source"].startswith("v/")
    assert proven(body, algorithm).items() <= found.items()


def test_a_real_server_refuses_a_copy_that_has_not_the_sources_checksum(witness):
    client, body = witness[0], b"x" * BIG
    client.put_object(Bucket=SOURCE, Key="refused", Body=body, **proven(body))
    with pytest.raises(HydrationError) as error:
        copied_by(witness, "refused", lambda found: replace(found, checksum=checksum.of(b"other bytes")))
    assert error.value.code == "truncated"
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=REPLICA, Key="refused")


def test_a_real_server_completes_only_over_what_is_expected(witness):
    client, body = witness[0], b"x" * BIG
    client.put_object(Bucket=SOURCE, Key="taken", Body=body, **proven(body))
    client.put_object(Bucket=REPLICA, Key="taken", Body=b"other", **proven(b"other"))
    with pytest.raises(ReplicaMoved):
        copied_by(witness, "taken")
    assert client.get_object(Bucket=REPLICA, Key="taken")["Body"].read() == b"other"


def test_a_real_server_tells_when_a_version_is_gone(witness):
    client, body = witness[0], b"x" * BIG
    version = client.put_object(Bucket=SOURCE, Key="gone", Body=body, **proven(body))["VersionId"]

    def removed(found: SourceObject) -> SourceObject:
        client.delete_object(Bucket=SOURCE, Key="gone", VersionId=version)
        return found

    with pytest.raises(SourceMoved):
        copied_by(witness, "gone", removed)
