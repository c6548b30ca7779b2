"""Moving bytes: thresholds, parts, proofs, and what is left behind when it fails (nothing)."""

import threading
from collections import Counter
from contextlib import suppress

import pytest

from consumer_replicator import checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, ReplicaMoved
from consumer_replicator.replica import Writing
from consumer_replicator.row import ReplicaVersion
from tests.consumer.fake_aws import Call, World, refuse
from tests.consumer.rig import MIB, Rig


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world)


def copy(rig: Rig, key: str, *, expected: ReplicaVersion | None = None, seconds: float = 60):
    converger = rig.converger
    with converger._source.current(key) as found:
        assert found is not None
        writing = Writing(key, found.carried, {}, expected, found.identity.token(), 0)
        return converger._copier.copy(found, writing, Deadline(seconds))


@pytest.mark.parametrize(
    ("size", "parts"),
    [(0, 0), (1, 0), (5 * MIB, 0), (5 * MIB + 1, 2), (10 * MIB, 2), (10 * MIB + 1, 3), (23 * MIB, 5)],
)
def test_up_to_the_threshold_one_put_above_it_parts(rig: Rig, world: World, size: int, parts: int):
    body = bytes(n % 251 for n in range(1024)) * (size // 1024) + b"x" * (size % 1024)
    world.upload("k", body)
    copied = copy(rig, "k")
    assert copied.parts == parts
    assert rig.replica_body("k") == body
    assert world.operations().count("UploadPart") == parts


@pytest.mark.parametrize("size", [3, 12 * MIB])
def test_the_source_s_own_checksum_is_sent_along(rig: Rig, world: World, size: int):
    world.upload("k", b"x" * size)
    assert copy(rig, "k").checksum == checksum.of(b"x" * size)


@pytest.mark.parametrize("size", [3, 12 * MIB])
def test_s3_refuses_a_body_that_does_not_have_the_source_s_checksum(rig: Rig, world: World, size: int):
    """The source's version says one checksum and its bytes have another: what a flipped bit in transit looks like."""
    world.upload("k", b"x" * size)
    answer = checksum.of(b"y" * size)
    client = rig.converger._source._s3
    honest = client.get_object

    def flipped(**parameters):
        got = honest(**parameters)
        return got | {"ChecksumCRC64NVME": answer.value} if "ChecksumCRC64NVME" in got else got

    client.get_object = flipped
    with pytest.raises(HydrationError) as error:
        copy(rig, "k")
    assert error.value.code == "truncated"
    assert rig.replica_body("k") is None
    assert world.replica.uploads == {}


@pytest.mark.parametrize("size", [3, 12 * MIB])
def test_a_source_with_a_composite_checksum_gets_one_computed_in_passing(rig: Rig, world: World, size: int):
    world.upload("k", b"x" * size, ChecksumType="COMPOSITE", ChecksumCRC32="abc-2")
    assert copy(rig, "k").checksum == checksum.of(b"x" * size)


def test_parts_are_carried_side_by_side_but_never_more_than_the_window(rig: Rig, world: World):
    world.upload("k", b"x" * 60 * MIB)
    lock, four = threading.Lock(), threading.Barrier(4, timeout=30)  # which only four at a time get past
    under_way, most = Counter(), 0

    def before(call: Call) -> None:
        nonlocal most
        if call.operation == "GetObject":
            with lock:
                under_way["parts"] += 1
                most = max(most, under_way["parts"])
            four.wait()

    def after(call: Call) -> None:
        if call.operation == "UploadPart":
            with lock:
                under_way["parts"] -= 1

    with rig.converger._source.current("k") as found:
        assert found is not None
        world.before, world.after = before, after
        writing = Writing("k", found.carried, {}, None, found.identity.token(), 0)
        rig.converger._copier.copy(found, writing, Deadline(60))
    assert most == 4


def test_a_part_that_fails_is_read_and_sent_again_without_starting_over(rig: Rig, world: World):
    world.upload("k", b"x" * 12 * MIB)
    failed = Counter()

    def stumble(call: Call) -> None:
        if call.operation == "UploadPart" and failed["parts"] < 2:
            failed["parts"] += 1
            raise refuse("UploadPart", "InternalError", 500)

    world.before = stumble
    assert copy(rig, "k").parts == 3
    assert world.operations().count("CreateMultipartUpload") == 1


@pytest.mark.parametrize("operation", ["GetObject", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("refusal", [("SlowDown", 503), ("AccessDenied", 403), ("InternalError", 500)])
def test_an_upload_that_fails_for_good_is_aborted(rig: Rig, world: World, operation: str, refusal: tuple[str, int]):
    """ORPHAN."""
    world.upload("k", b"x" * 12 * MIB)
    begun = {"upload": False}

    def fail(call: Call) -> None:
        begun["upload"] |= call.operation == "CreateMultipartUpload"
        if begun["upload"] and call.operation == operation:
            raise refuse(operation, *refusal)

    world.before = fail
    with pytest.raises(HydrationError):
        copy(rig, "k")
    assert world.replica.uploads == {}
    assert rig.replica_body("k") is None


def test_no_part_is_under_way_any_more_when_a_copy_fails(rig: Rig, world: World):
    """A straggler would outlive the invocation, on which two-phase deletes rely."""
    world.upload("k", b"x" * 60 * MIB)

    def fail(call: Call) -> None:
        if call.operation == "UploadPart":
            raise refuse("UploadPart", "AccessDenied", 403)

    world.before = fail
    with suppress(HydrationError):
        copy(rig, "k")
    calls = len(world.calls)
    rig.converger._copier._pool.submit(lambda: None).result()
    rig.converger._copier._pool.shutdown(wait=True)
    assert len(world.calls) == calls


@pytest.mark.parametrize("size", [3, 12 * MIB])
def test_a_replica_that_is_not_the_expected_one_is_not_overwritten(rig: Rig, world: World, size: int):
    world.upload("k", b"x" * size)
    world._store(world.replica, "k", b"other", {}, {})
    for expected in (None, ReplicaVersion("not-its-etag")):
        with pytest.raises(ReplicaMoved):
            copy(rig, "k", expected=expected)
    assert rig.replica_body("k") == b"other"
    assert world.replica.uploads == {}


def test_time_that_runs_out_between_two_parts_ends_the_copy(rig: Rig, world: World):
    world.upload("k", b"x" * 12 * MIB)
    with pytest.raises(HydrationError) as error:
        copy(rig, "k", seconds=0)
    assert error.value.code == "out-of-time"
    assert world.replica.uploads == {}
    assert "UploadPart" not in world.operations()
