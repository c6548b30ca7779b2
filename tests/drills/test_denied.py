"""Drills of KmsDenied, AccessDenied and "The producer has another key": objects failed for good, then their cause is
repaired, and what the runbook gives to type brings them over."""

from collections.abc import Callable

import pytest

from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row import State
from tests.consumer.fake_aws import Call, World, refuse
from tests.consumer.transfer_rig import TransferRig
from tests.drills.runbook import command, payload

KMS = "User: arn:aws:sts::111111111111:assumed-role/s3-hydration-read/x is not authorized to perform: kms:Decrypt"
RETRY = payload(command("KmsDenied", "--payload"))
WEEK = 7 * 86_400


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> TransferRig:
    return TransferRig(world, policy=DeletePolicy.MIRROR)


def denied(world: World, operation: str, principal: str, message: str) -> Callable[[Call], None]:
    """What AWS says to one principal until somebody repairs it; runs' own files are not refused."""

    def deny(call: Call) -> None:
        ours = (call.key or "").startswith("_s3-hydration/")
        if (call.operation, call.principal) == (operation, principal) and not ours:
            raise refuse(operation, "AccessDenied", 403, message)

    return deny


@pytest.mark.parametrize(
    ("operation", "principal", "message", "code"),
    [
        ("GetObject", "source", KMS, "source-kms-denied"),
        ("GetObject", "source", "Access Denied", "source-access-denied"),
        ("PutObject", "own", KMS, "replica-kms-denied"),
        ("PutObject", "own", "Access Denied", "replica-access-denied"),
    ],
)
def test_what_failed_by_a_wrong_policy_is_brought_over_once_it_is_repaired(
    rig, world, operation, principal, message, code
):
    rig.upload("old", b"one")
    rig.settle_down()
    world.before = denied(world, operation, principal, message)
    rig.upload("old", b"two")
    for key in ("new", "large"):
        rig.upload(key, key.encode())
    rig.settle_down()
    assert {rig.row(key).error for key in ("old", "new", "large")} == {code}
    assert rig.replica_body("old") == b"one"
    for _ in range(9):  # nights without a repair: the spacing has grown
        world.now += WEEK
        rig.ask()
    world.now += 100

    world.before = lambda _call: None
    assert rig.ask()["books"]["skipped"] == {"retry-not-due": 3}
    answer = rig.ask(**RETRY)
    assert answer["drift"] == {"failed": 3}
    assert (answer["books"]["copied"], answer["books"]["failed"]) == (3, {})
    for key in ("old", "new", "large"):
        rig.assert_covered(key)
        rig.assert_monotonic(key)


def test_a_retry_copies_nothing_that_is_current(rig, world):
    rig.upload("k", b"one")
    rig.settle_down()
    world.calls.clear()
    rig.ask(**RETRY)
    assert ("PutObject", "k") not in [(call.operation, call.key) for call in world.calls]


def test_a_delete_is_not_made_of_a_denial(rig, world):
    for key in ("k", "another"):  # an empty listing deletes nothing in any case
        rig.upload(key, b"one")
    rig.settle_down()
    world.before = denied(world, "GetObject", "source", "Access Denied")
    rig.remove("k")
    rig.drain()
    assert rig.row("k").state is State.FAILED
    assert rig.replica_body("k") == b"one"
    world.before = lambda _call: None
    world.now += 1_000
    rig.ask(**RETRY)
    rig.drain()
    rig.assert_covered("k")


def test_a_producer_that_takes_another_key_loses_nothing(rig, world):
    """Objects are rewritten under a key that the read role may not use yet; it is admitted; the rest is retried."""
    retry = payload(command("The producer has another key", "--payload"))
    for number in range(4):
        rig.upload(f"k{number}", b"old key")
    rig.settle_down()
    under_the_new_key = {"k0", "k1"}

    def deny(call: Call) -> None:
        if (call.operation, call.principal) == ("GetObject", "source") and call.key in under_the_new_key:
            raise refuse("GetObject", "AccessDenied", 403, KMS)

    world.before = deny
    for key in sorted(under_the_new_key):
        rig.upload(key, b"new key")
    rig.settle_down()
    assert {rig.row(key).error for key in under_the_new_key} == {"source-kms-denied"}
    assert {rig.replica_body(key) for key in under_the_new_key} == {b"old key"}
    world.before = lambda _call: None  # both keys may be used
    answer = rig.ask(**retry)
    assert answer["books"]["failed"] == {}
    for number in range(4):
        rig.assert_covered(f"k{number}")
        rig.assert_monotonic(f"k{number}")


def test_objects_that_s3_moves_to_another_key_in_place_are_current(rig, world):
    """UpdateObjectEncryption leaves ETag, LastModified and checksum as they are, and sends no event."""
    rig.upload("k", b"one")
    rig.settle_down()
    world.source.current("k").attributes["SSEKMSKeyId"] = "another"
    assert rig.ask()["drift"] == {}
