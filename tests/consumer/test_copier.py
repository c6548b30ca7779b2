"""Moving bytes: thresholds, parts, proofs, and what is left behind when it fails (nothing)."""

import random
import threading
from collections import Counter
from contextlib import suppress

import pytest

from consumer_replicator import checksum, composite, copier
from consumer_replicator.checksum import Checksum
from consumer_replicator.composite import MIRRORED
from consumer_replicator.copier import Copied
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, ReplicaMoved, SourceMoved
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Writing
from consumer_replicator.row import ReplicaVersion
from tests.consumer.fake_aws import Call, FakeS3, World, refuse
from tests.consumer.rig import MIB, Rig

BYTES = random.Random(5).randbytes(20 * MIB)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world)


@pytest.fixture
def streaming(world: World) -> Rig:
    """Holds no part, nor one PUT of more than 1 MiB."""
    return Rig(world, held_bytes=MIB)


def copy(rig: Rig, key: str, *, expected: ReplicaVersion | None = None, seconds: float = 60) -> Copied:
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


def stumble(world: World, operation: str, times: int, code: str = "InternalError", status: int = 500) -> None:
    """The next `times` requests of this operation fail."""
    left = Counter({operation: times})
    lock = threading.Lock()

    def before(call: Call) -> None:
        with lock:
            fails = left[call.operation] > 0
            left[call.operation] -= 1
        if fails:
            raise refuse(operation, code, status)

    world.before = before


def test_a_part_that_cannot_be_sent_is_sent_again_from_memory_without_starting_over(rig: Rig, world: World):
    world.upload("k", BYTES[: 12 * MIB])
    stumble(world, "UploadPart", 2)
    copied = copy(rig, "k")
    assert (copied.parts, copied.retries) == (3, 2)
    assert world.operations().count("CreateMultipartUpload") == 1
    assert world.operations().count("GetObject") == 1 + 3
    assert rig.replica_body("k") == BYTES[: 12 * MIB]


def test_a_part_that_is_streamed_is_read_again_when_it_cannot_be_sent(streaming: Rig, world: World):
    world.upload("k", BYTES[: 12 * MIB])
    stumble(world, "UploadPart", 2)
    copied = copy(streaming, "k")
    assert (copied.parts, copied.retries) == (3, 2)
    assert world.operations().count("GetObject") == 1 + 3 + 2
    assert streaming.replica_body("k") == BYTES[: 12 * MIB]


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


# -- streamed --------------------------------------------------------------------------------------------------------


def test_one_put_with_the_source_s_checksum_is_streamed_from_some_size_on(rig: Rig, world: World):
    for size, held in ((256 * 1024, True), (256 * 1024 + 1, False)):
        world.upload("k", BYTES[:size])
        kinds = bodies_of(rig)
        copied = copy(rig, "k", expected=current(world))
        assert kinds == [bytes if held else "streamed"]
        assert copied.proof is Proof.SOURCE_CHECKSUM
        assert rig.replica_body("k") == BYTES[:size]


def test_one_put_without_a_checksum_of_the_source_is_held_up_to_a_limit(streaming: Rig, world: World):
    for size, held in ((MIB, True), (MIB + 1, False)):
        world.upload("k", BYTES[:size])
        world.source.keys["k"][-1].checksum = None
        kinds = bodies_of(streaming)
        copied = copy(streaming, "k", expected=current(world))
        assert kinds == [bytes if held else "streamed"]
        assert (copied.proof, copied.checksum) == (Proof.COMPUTED, checksum.of(BYTES[:size]))
        assert streaming.replica_body("k") == BYTES[:size]


def bodies_of(rig: Rig) -> list[object]:
    """Filled with the kind of each body that PutObject gets from now on."""
    kinds: list[object] = []
    client = rig.converger._copier._replica._s3
    put = type(client).put_object

    def noting(**parameters):
        body = parameters["Body"]
        kinds.append(bytes if isinstance(body, bytes | bytearray) else "streamed")
        return put(client, **parameters)

    client.put_object = noting
    return kinds


def current(world: World) -> ReplicaVersion | None:
    version = world.replica.current("k")
    return ReplicaVersion(version.etag, version.id) if version else None


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("SlowDown", 503), ("RequestTimeout", 400)])
def test_a_streamed_put_that_fails_is_read_again_by_a_get_pinned_to_the_same_object(
    rig: Rig, world: World, code: str, status: int
):
    world.upload("k", BYTES[: 2 * MIB])
    stumble(world, "PutObject", 2, code, status)
    copied = copy(rig, "k")
    assert (copied.retries, copied.proof) == (2, Proof.SOURCE_CHECKSUM)
    assert world.operations() == ["GetObject", "GetObject", "GetObject", "PutObject"]
    assert rig.replica_body("k") == BYTES[: 2 * MIB]


def test_a_streamed_put_that_keeps_failing_fails(rig: Rig, world: World):
    world.upload("k", BYTES[: 2 * MIB])
    stumble(world, "PutObject", 99)
    with pytest.raises(HydrationError) as error:
        copy(rig, "k")
    assert error.value.code == "aws-error"
    assert world.operations() == ["GetObject"] * 3


@pytest.mark.parametrize("size", [2 * MIB, 12 * MIB])
def test_what_is_read_again_is_never_another_object(streaming: Rig, world: World, size: int):
    """MIX: a streamed write that failed halfway is never finished with the bytes of what came after."""
    world.source.versioned = False
    world.upload("k", BYTES[:size])

    def replaced(call: Call) -> None:
        if call.operation in ("PutObject", "UploadPart"):
            world.upload("k", b"new" + BYTES[3:size])
            raise refuse(call.operation, "InternalError", 500)

    world.before = replaced
    with pytest.raises(SourceMoved):
        copy(streaming, "k")
    assert streaming.replica_body("k") is None
    assert world.replica.uploads == {}


def test_a_replica_that_is_not_the_expected_one_is_not_tried_again(rig: Rig, world: World):
    world.upload("k", BYTES[: 2 * MIB])
    world._store(world.replica, "k", b"other", {}, {})
    with pytest.raises(ReplicaMoved):
        copy(rig, "k")
    assert world.operations() == ["GetObject", "PutObject"]


def test_streamed_parts_carry_their_checksum_behind_them(streaming: Rig, world: World):
    world.upload("k", BYTES[: 12 * MIB])
    copied = copy(streaming, "k")
    assert (copied.parts, copied.checksum) == (3, checksum.of(BYTES[: 12 * MIB]))
    assert copied.proof is Proof.SOURCE_CHECKSUM


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA1"])
def test_a_checksum_that_no_upload_takes_goes_by_one_put_above_the_threshold_too(
    rig: Rig, world: World, algorithm: str
):
    world.upload("k", BYTES[: 12 * MIB])
    own = world.source.keys["k"][-1].checksum = checksum.of(BYTES[: 12 * MIB], algorithm)
    copied = copy(rig, "k")
    assert (copied.parts, copied.checksum, copied.proof) == (0, own, Proof.SOURCE_CHECKSUM)
    assert rig.replica_body("k") == BYTES[: 12 * MIB]


def test_one_put_has_its_limit(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(copier, "LONG_PUT_BYTES", 12 * MIB - 1)
    rig = Rig(world)
    world.upload("k", BYTES[: 12 * MIB])
    world.source.keys["k"][-1].checksum = checksum.of(BYTES[: 12 * MIB], "SHA256")
    copied = copy(rig, "k")
    assert (copied.parts, copied.checksum, copied.proof) == (3, checksum.of(BYTES[: 12 * MIB]), Proof.COMPUTED)


def test_a_checksum_of_an_algorithm_that_we_cannot_compute_still_travels(rig: Rig, world: World):
    world.upload("k", BYTES[: 2 * MIB])
    world.source.keys["k"][-1].checksum = Checksum("XXHASH128", "AAAAAAAAAAAAAAAAAAAAAA==")
    assert copy(rig, "k").proof is Proof.SOURCE_CHECKSUM


def test_a_client_that_takes_no_stream_is_given_what_it_can_send_again(world: World):
    def without_streams(principal: str) -> FakeS3:
        client = world.s3(principal)
        client.takes_streams = False
        return client

    rig = Rig(world, held_bytes=MIB, s3=without_streams)
    kinds = bodies_of(rig)
    world.upload("k", BYTES[: 2 * MIB])
    copy(rig, "k")
    assert kinds == [bytes]
    world.upload("k", BYTES[: 12 * MIB])
    world.source.keys["k"][-1].checksum = checksum.of(BYTES[: 12 * MIB], "SHA256")
    stumble(world, "UploadPart", 2)
    copied = copy(rig, "k", expected=current(world))
    assert (copied.parts, copied.proof, copied.retries) == (3, Proof.COMPUTED, 2)
    assert world.operations().count("GetObject") == 2 + 3, "sent again from memory"


# -- COMPOSITE checksums: the parts of the source are mirrored ---------------------------------------------------------


def cut(*mebibytes: int) -> list[bytes]:
    """Bodies of so many MiB each."""
    ends = [sum(mebibytes[: n + 1]) * MIB for n in range(len(mebibytes))]
    return [BYTES[end - size * MIB : end] for end, size in zip(ends, mebibytes, strict=True)]


@pytest.mark.parametrize("held_bytes", [16 * MIB, MIB], ids=["held", "streamed"])
@pytest.mark.parametrize("algorithm", sorted(MIRRORED))
@pytest.mark.parametrize("sizes", [(5, 5, 2), (8, 8), (6, 6, 6, 1), (9,)], ids=str)
def test_the_parts_of_a_composite_source_are_mirrored(
    world: World, algorithm: str, sizes: tuple[int, ...], held_bytes: int
):
    rig = Rig(world, held_bytes=held_bytes)
    world.upload_in_parts("k", cut(*sizes), algorithm)
    copied = copy(rig, "k")
    source, replica = world.source.current("k"), world.replica.current("k")
    assert source is not None
    assert replica is not None
    assert replica.body == source.body
    assert replica.parts == source.parts
    assert replica.checksum == source.checksum == copied.checksum
    assert (copied.proof, copied.parts) == (Proof.COMPOSITE, len(sizes))


def test_what_a_mirrored_copy_asks_of_the_source(rig: Rig, world: World):
    world.upload_in_parts("k", cut(8, 8, 1))
    copy(rig, "k")
    assert world.operations(principal="source") == ["GetObject", "HeadObject", *["GetObject"] * 3]


@pytest.mark.parametrize("sizes", [(5, 8), (5, 7, 6)], ids=str)
def test_parts_that_do_not_add_up_are_not_mirrored(rig: Rig, world: World, sizes: tuple[int, ...]):
    world.upload_in_parts("k", cut(*sizes))
    copied = copy(rig, "k")
    assert (copied.proof, copied.checksum) == (Proof.COMPUTED, checksum.of(BYTES[: sum(sizes) * MIB]))
    assert rig.replica_body("k") == BYTES[: sum(sizes) * MIB]


def test_where_parts_cannot_be_told_apart_nothing_is_mirrored(rig: Rig, world: World):
    world.upload_in_parts("k", cut(5, 5))
    stumble(world, "HeadObject", 1, "501", 501)
    assert copy(rig, "k").proof is Proof.COMPUTED
    assert rig.replica_body("k") == BYTES[: 10 * MIB]


@pytest.mark.parametrize("held_bytes", [16 * MIB, MIB], ids=["held", "streamed"])
def test_parts_that_add_up_and_yet_end_elsewhere_are_found_out_and_copied_all_the_same(world: World, held_bytes: int):
    """6 + 5 + 5 MiB: three parts of at most 6, as uniform ones would be."""
    rig = Rig(world, held_bytes=held_bytes)
    world.upload_in_parts("k", cut(6, 5, 5))
    copied = copy(rig, "k")
    assert copied.proof is Proof.COMPUTED
    assert copied.checksum == composite.of([checksum.of(body, "CRC32") for body in cut(6, 6, 4)])
    assert rig.replica_body("k") == BYTES[: 16 * MIB]


@pytest.mark.parametrize("sizes", [(5, 5, 2), (2,)], ids=str)
def test_bytes_that_do_not_come_to_the_source_s_composite_never_become_a_replica(
    rig: Rig, world: World, sizes: tuple[int, ...]
):
    world.upload_in_parts("k", cut(*sizes))
    world.source.keys["k"][-1].checksum = composite.of([checksum.of(b"else", "CRC32")] * len(sizes))
    with pytest.raises(HydrationError) as error:
        copy(rig, "k")
    assert error.value.code == "truncated"
    assert rig.replica_body("k") is None
    assert world.replica.uploads == {}
    assert "CompleteMultipartUpload" not in world.operations()


@pytest.mark.parametrize("held_bytes", [16 * MIB, MIB], ids=["held", "streamed"])
def test_one_damaged_part_of_a_mirrored_copy_is_read_again_and_no_other(world: World, held_bytes: int):
    rig = Rig(world, held_bytes=held_bytes)
    world.upload_in_parts("k", cut(5, 5, 5))
    client = rig.converger._copier._source._s3
    honest, damaged = client.get_object, []

    def flipping(**parameters):
        answer = honest(**parameters)
        if parameters.get("PartNumber") == 2 and not damaged:
            damaged.append(parameters)
            answer["Body"] = honest(**(parameters | {"PartNumber": 1}))["Body"]
        return answer

    client.get_object = flipping
    copied = copy(rig, "k")
    assert (copied.proof, copied.retries) == (Proof.COMPOSITE, 1)
    assert world.operations(principal="source").count("GetObject") == 1 + 3 + 1 + 1  # the last: the damage's own
    assert rig.replica_body("k") == BYTES[: 15 * MIB]


@pytest.mark.parametrize("held_bytes", [16 * MIB, MIB], ids=["held", "streamed"])
@pytest.mark.parametrize(("sizes", "heads"), [((3,), 0), ((5, 1), 1)], ids=str)
def test_below_the_threshold_the_composite_is_compared_on_the_way_into_one_put(
    world: World, sizes: tuple[int, ...], heads: int, held_bytes: int
):
    rig = Rig(world, threshold=8 * MIB, held_bytes=held_bytes)
    world.upload_in_parts("k", cut(*sizes), "SHA256")
    copied = copy(rig, "k")
    body = BYTES[: sum(sizes) * MIB]
    assert (copied.proof, copied.checksum, copied.parts) == (Proof.COMPOSITE, checksum.of(body), 0)
    assert world.operations(principal="source").count("HeadObject") == heads
    assert rig.replica_body("k") == body


@pytest.mark.parametrize("held_bytes", [16 * MIB, MIB], ids=["held", "streamed"])
def test_one_put_whose_bytes_are_not_the_composite_s_is_never_finished(world: World, held_bytes: int):
    rig = Rig(world, threshold=8 * MIB, held_bytes=held_bytes)
    world.upload_in_parts("k", cut(5, 1))
    version = world.source.keys["k"][-1]
    version.body = b"y" + version.body[1:]
    with pytest.raises(HydrationError) as error:
        copy(rig, "k")
    assert error.value.code == "truncated"
    assert world.mutations == []


def test_below_the_threshold_many_parts_are_not_looked_for(world: World):
    rig = Rig(world, threshold=64 * MIB)
    world.upload_in_parts("k", cut(5, 5, 5))
    assert copy(rig, "k").proof is Proof.COMPUTED
    assert world.operations() == ["GetObject", "PutObject"]


def test_an_empty_composite_is_computed(rig: Rig, world: World):
    world.upload_in_parts("k", [b""])
    assert copy(rig, "k").proof is Proof.COMPUTED
    assert rig.replica_body("k") == b""


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32C", "CRC32"])
def test_a_full_object_crc_holds_the_whole_upload(rig: Rig, world: World, algorithm: str):
    world.upload("k", BYTES[: 12 * MIB])
    own = world.source.keys["k"][-1].checksum = checksum.of(BYTES[: 12 * MIB], algorithm)
    copied = copy(rig, "k")
    assert (copied.checksum, copied.proof, copied.parts) == (own, Proof.SOURCE_CHECKSUM, 3)
    replica = world.replica.current("k")
    assert replica is not None
    assert replica.checksum == own


def test_without_any_checksum_the_parts_are_combined(rig: Rig, world: World):
    world.upload("k", BYTES[: 12 * MIB])
    world.source.keys["k"][-1].checksum = None
    copied = copy(rig, "k")
    assert (copied.checksum, copied.proof) == (checksum.of(BYTES[: 12 * MIB]), Proof.COMPUTED)
