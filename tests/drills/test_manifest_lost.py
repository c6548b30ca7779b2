"""Drills of the runbook's section "Restore the manifest": lost altogether, or as it was yesterday."""

from collections.abc import Callable, Iterator

import pytest

from consumer_replicator.hint import PlainHint, to_body
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row import State
from tests.consumer import fake_aws
from tests.consumer.fake_aws import SOURCE, World
from tests.consumer.rig import MIB
from tests.consumer.transfer_rig import TransferRig
from tests.drills.runbook import command, payload
from tests.odd_keys import ODD_KEYS

RECONCILE = payload(command("Restore the manifest", "--payload"))
BIG = b"x" * (12 * MIB)
DAY = 86_400.0
CARRYING = ("PutObject", "UploadPart", "UploadPartCopy", "CreateMultipartUpload", "CompleteMultipartUpload")


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def rig(request: pytest.FixtureRequest) -> TransferRig:
    return TransferRig(World(versioned=request.param), policy=DeletePolicy.MIRROR)


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes of bodies have been read since."""
    read = 0

    class Counted(fake_aws.StreamingBody):
        def read(self, amt: int | None = None) -> bytes:
            nonlocal read
            body = super().read(amt)
            read += len(body)
            return body

        def readinto(self, view: memoryview) -> int:
            nonlocal read
            length: int = super().readinto(view)
            read += length
            return length

    monkeypatch.setattr(fake_aws, "StreamingBody", Counted)
    return lambda: read


def written(world: World) -> Iterator[tuple[str, str | None]]:
    """Calls that carry bytes of an object to the replica bucket; a run's own files are none."""
    for call in world.calls:
        ours = (call.key or "").startswith("_s3-hydration/")
        if call.operation in CARRYING and not ours:
            yield call.operation, call.key


def versions(world: World) -> dict[str, list[bytes]]:
    """Every state that each replica has ever shown."""
    keys = world.replica.keys.items()
    return {key: [each.body for each in kept] for key, kept in keys if not key.startswith("_s3-hydration/")}


def a_bucket(rig: TransferRig) -> None:
    for key in ODD_KEYS.values():
        rig.upload(key, f"body of {key!a}".encode(), tags={"colour": "red"})
    rig.upload("empty", b"")
    rig.upload("big", BIG)
    rig.world.send(to_body(PlainHint(SOURCE, "big", "again")))
    rig.settle_down()


def assert_all_equal(rig: TransferRig) -> None:
    rig.drain()
    for key in {*rig.world.source.keys, *versions(rig.world)}:
        rig.assert_covered(key)
        rig.assert_monotonic(key)
        source, replica = rig.world.source.current(key), rig.world.replica.current(key)
        assert source is None or replica is None or source.tags == replica.tags
    rig.assert_claims()


def test_a_manifest_that_was_lost_is_made_anew_and_no_byte_is_copied_again(rig, bytes_read):
    a_bucket(rig)
    objects, before = len(rig.world.source.keys), versions(rig.world)
    lost = {address: item for address, item in rig.world.rows.items() if address[1] in rig.world.source.keys}
    rig.world.rows.clear()
    rig.world.calls.clear()
    read = bytes_read()
    answer = rig.ask(**RECONCILE)
    assert answer["drift"] == {"missing": objects}
    assert answer["books"]["copied"] == objects
    assert answer["books"]["closes"]
    assert list(written(rig.world)) == []
    assert versions(rig.world) == before
    assert bytes_read() - read < MIB  # drift files and reports
    assert {address for address in rig.world.rows if address in lost} == lost.keys()
    assert_all_equal(rig)
    again = rig.ask(**RECONCILE)
    assert again["drift"] == {}


def test_a_lost_manifest_costs_four_calls_an_object(rig):
    for number in range(20):
        rig.upload(f"k{number}", b"one")
    rig.settle_down()
    rig.world.rows.clear()
    rig.world.calls.clear()
    rig.ask(**RECONCILE)
    calls = [call.operation for call in rig.world.calls if (call.key or "").startswith("k")]
    kinds = ("GetObject", "HeadObject", "DeleteObjectTagging", "PutItem")  # with tags: PutObjectTagging
    assert {kind: calls.count(kind) for kind in kinds} == dict.fromkeys(kinds, 20)
    assert set(calls) - {*kinds, "GetItem"} == set()  # and the row again after HEAD


def test_what_changed_while_the_manifest_was_lost_is_copied_and_nothing_else(rig):
    a_bucket(rig)
    rig.world.rows.clear()
    rig.world.upload("big", BIG + b"new")
    rig.world.upload("new", b"new")
    rig.lose_events()
    rig.world.calls.clear()
    rig.ask(**RECONCILE)
    assert {key for _, key in written(rig.world)} == {"big", "new"}
    assert_all_equal(rig)


def test_a_stranger_under_a_sources_key_is_replaced_and_one_without_a_source_left_alone(rig):
    rig.upload("k", b"one")
    rig.settle_down()
    rig.world.rows.clear()
    for key in ("k", "somebodys"):
        rig.world._store(rig.world.replica, key, b"by hand", {}, {})
    rig.ask(**RECONCILE)
    rig.assert_covered("k")
    assert rig.replica_body("somebodys") == b"by hand"
    assert rig.row("somebodys") is None


def test_a_manifest_of_yesterday_takes_no_replica_back_and_copies_nothing_twice(rig, bytes_read):
    """Unchanged, overwritten, new, deleted, deleted and made again, failed and repaired: each since the backup."""
    for key in ("unchanged", "overwritten", "deleted", "deleted-and-again"):
        rig.upload(key, b"yesterday's " + key.encode())
    rig.upload("big", BIG)
    refuse_once(rig, "failed")
    rig.settle_down()
    assert rig.row("failed").state is State.FAILED
    backup = {address: dict(item) for address, item in rig.world.rows.items()}
    rig.upload("overwritten", b"today's")
    rig.upload("new", b"today's")
    rig.upload("failed", b"today's")
    rig.upload("big", BIG + b"today's")
    for key in ("deleted", "deleted-and-again"):
        rig.remove(key)
    rig.drain()
    rig.upload("deleted-and-again", b"today's")
    rig.drain()
    rig.world.now += DAY
    before = versions(rig.world)

    rig.world.rows.clear()
    rig.world.rows.update(backup)
    rig.world.calls.clear()
    read = bytes_read()
    answer = rig.ask(**RECONCILE)
    assert answer["state"] == "done"
    assert answer["books"]["closes"]
    assert list(written(rig.world)) == []
    assert bytes_read() - read < MIB
    assert_all_equal(rig)
    assert versions(rig.world).keys() == before.keys()
    assert rig.ask(**RECONCILE)["drift"] == {}


def refuse_once(rig: TransferRig, key: str) -> None:
    """Its copy fails for good, for now."""

    def deny(call: fake_aws.Call) -> None:
        if (call.operation, call.key) == ("GetObject", key):
            raise fake_aws.refuse("GetObject", "AccessDenied", 403)

    rig.world.before = deny
    rig.upload(key, b"yesterday's")
    rig.drain()
    rig.world.before = lambda _call: None


def test_an_event_meets_a_manifest_of_yesterday_without_harm(rig):
    """Live events come while the rows are old: no replica goes back, and the newest state wins."""
    rig.upload("k", b"one")
    rig.settle_down()
    backup = {address: dict(item) for address, item in rig.world.rows.items()}
    rig.upload("k", b"two")
    rig.settle_down()
    rig.world.rows.update(backup)
    rig.upload("k", b"three")
    rig.drain()
    rig.assert_covered("k")
    rig.assert_monotonic("k")
    assert rig.replica_body("k") == b"three"
