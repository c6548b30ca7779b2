"""Drill of the runbook's section "A large upload that stands still"."""

from datetime import UTC, datetime

import pytest

from consumer_replicator.row import State
from producer_events.replay import Source, body, envelope
from tests.consumer.fake_aws import CONSUMER, DLQ, PRODUCER, QUEUE, REPLICA, SOURCE, World
from tests.consumer.rig import Rig
from tests.consumer.schedule import PART, SPLITTING
from tests.drills.runbook import of_section

OBJECT = b"aaaabbbbcc"
"""Three ranges of one part each."""


@pytest.fixture
def world() -> World:
    return World(least_part_bytes=1)


@pytest.fixture
def rig(world: World) -> Rig:
    """An upload is under way, and its range messages wait."""
    rig = Rig(world, splitting=SPLITTING, part_bytes=PART)
    rig.upload("k", OBJECT)
    rig.run()
    assert rig.row("k").state is State.UPLOADING
    assert len(world.queues[QUEUE]) == 3
    return rig


def replay(world: World, key: str) -> None:
    """What `python -m producer_events replay` puts on the queue."""
    now = datetime.fromtimestamp(world.now, UTC)
    world.send(body(envelope(Source(SOURCE, PRODUCER, "us-east-1"), key, now=now, event_id="by hand")))


def test_an_upload_whose_ranges_were_purged_is_given_up_by_hand_and_begun_anew(rig: Rig, world: World):
    _, abort, hint = of_section("A large upload that stands still")
    world.queues[QUEUE].clear()
    replay(world, "k")  # before the upload is given up, a hint waits for its ranges
    rig.run()
    assert not world.queues[QUEUE]
    assert rig.row("k").state is State.UPLOADING

    assert "abort-multipart-upload" in abort.text
    (upload_id,) = world.replica.uploads
    where = {"Bucket": REPLICA, "ExpectedBucketOwner": CONSUMER}
    world.s3("own").abort_multipart_upload(**where, Key="k", UploadId=upload_id)
    assert "producer_events replay" in hint.text
    replay(world, "k")
    rig.drain()
    rig.assert_covered("k")
    assert not world.replica.uploads


def test_ranges_in_the_dead_letter_queue_are_redriven_and_the_upload_goes_on(rig: Rig, world: World):
    world.queues[DLQ].extend(world.queues[QUEUE])
    world.queues[QUEUE].clear()
    (before,) = world.replica.uploads
    for letter in world.queues[DLQ]:  # a moved message is a new one
        world.send(letter.body)
    world.queues[DLQ].clear()
    world.calls.clear()
    rig.drain()
    rig.assert_covered("k")
    assert "CreateMultipartUpload" not in world.operations()
    assert before not in world.replica.uploads
