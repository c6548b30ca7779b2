"""What the common path costs, in calls: these do not depend on the machine."""

from collections import Counter

import pytest

from consumer_replicator.outcome import Skipped, SkipReason
from tests.consumer.fake_aws import World
from tests.consumer.rig import Rig


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world)


def test_a_small_object_costs_one_get_one_put_one_row_write_and_its_share_of_one_batch_read(rig: Rig, world: World):
    for n in range(10):
        rig.upload(f"object {n}")
    rig.run()
    assert Counter(world.operations()) == {"BatchGetItem": 1, "GetObject": 10, "PutObject": 10, "PutItem": 10}


def test_an_overwrite_costs_what_a_new_object_costs(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.run()
    rig.upload("k", b"two")
    world.calls.clear()
    rig.run()
    assert Counter(world.operations()) == {"BatchGetItem": 1, "GetObject": 1, "PutObject": 1, "PutItem": 1}


def test_a_duplicate_event_costs_no_s3_call_at_all(rig: Rig, world: World):
    rig.upload("k")
    duplicate = world.queues["objects"][0].body
    rig.run()
    world.send(duplicate)
    world.calls.clear()
    assert rig.run()[0].outcome == Skipped(SkipReason.SUPERSEDED)
    assert world.operations() == ["BatchGetItem"]


def test_a_burst_on_one_key_costs_one_copy_a_batch(rig: Rig, world: World):
    for n in range(10):
        rig.upload("k", f"{n}".encode())
    outcomes = Counter(type(done.outcome).__name__ for done in rig.run())
    assert outcomes == {"Replicated": 1, "Skipped": 9}
    assert Counter(world.operations()) == {"BatchGetItem": 1, "GetObject": 1, "PutObject": 1, "PutItem": 1}
    rig.assert_covered("k")


def test_a_large_object_costs_three_calls_and_two_for_each_part(rig: Rig, world: World):
    rig.upload("big", b"x" * 12 * 1024**2)
    rig.run()
    assert Counter(world.operations()) == {
        "BatchGetItem": 1,
        "GetObject": 1 + 3,
        "CreateMultipartUpload": 1,
        "UploadPart": 3,
        "CompleteMultipartUpload": 1,
        "PutItem": 1,
    }


def test_no_key_is_ever_looked_up_by_a_listing_or_a_head_on_the_common_path(rig: Rig, world: World):
    for body in (b"one", b"two"):
        for n in range(25):
            rig.upload(f"object {n}", body)
        rig.drain()
    assert not {"HeadObject", "ListObjectsV2", "GetItem"} & set(world.operations())


def test_source_calls_use_the_assumed_role_and_everything_else_the_own_role(rig: Rig, world: World):
    """The fakes also refuse either principal at the other's bucket."""
    rig.upload("k", b"one", tags={"a": "b"})
    rig.upload("big", b"x" * 6 * 1024**2)
    rig.drain()
    assert set(world.operations(principal="source")) == {"GetObject", "GetObjectTagging"}
    assert not {"GetObject", "GetObjectTagging"} & set(world.operations(principal="own"))
