"""Large objects under real interleavings: uploads that several workers carry, on the scripts of the checked model.

Two workers on range messages and plain hints alike, every call a point where the turn may change. After every step
CLAIM, MONO and MIX (no replica is ever anything but one source version), at quiescence COVER and TERM, and once the
sweep ran ORPHAN.
"""

import pytest

from consumer_replicator.replica import Replica
from consumer_replicator.sweep import Sweep
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA
from tests.consumer.rig import event
from tests.consumer.schedule import KEY, Schedule, check

SCRIPTS = {
    "b": ["big"],
    "bb": ["big", "big"],
    "bs": ["big", "put"],
    "sb": ["put", "big"],
    "bd": ["big", "delete"],
    "bdb": ["big", "delete", "big"],
    "bsb": ["big", "put", "big"],
    "bbb1": ["big", "big", "rollback"],
    "bsb1": ["big", "put", "rollback"],
    "bdb1": ["big", "delete", "rollback"],
}
SEEDS = range(30)
DAY = 86_400.0


def assert_no_orphan(schedule: Schedule) -> None:
    """ORPHAN: whatever a stopped copier has left open is aborted, and no row names an upload any more."""
    world = schedule.world
    world.before = lambda _call: None
    world.now += 2 * DAY
    sweep = Sweep(Replica(world.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve"), schedule.rig.manifest, DAY)
    sweep.run(world.now)
    row = schedule.rig.row(KEY)
    assert row is None or row.upload is None, f"ORPHAN: {row}"
    assert not world.replica.uploads, f"ORPHAN: {list(world.replica.uploads)}"


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_two_workers_with_duplicates_and_reordering_keep_every_invariant(name: str, versioned: bool):
    for seed in SEEDS:
        assert_no_orphan(check(seed, SCRIPTS[name], versioned=versioned))


@pytest.mark.parametrize("name", SCRIPTS)
def test_crashes_and_lost_answers_at_any_call_keep_every_invariant(name: str):
    for seed in SEEDS:
        assert_no_orphan(check(1000 + seed, SCRIPTS[name], versioned=True, crashes=2))


@pytest.mark.parametrize("name", SCRIPTS)
def test_uploads_that_vanish_are_begun_again(name: str):
    for seed in SEEDS:
        assert_no_orphan(check(2000 + seed, SCRIPTS[name], versioned=True, crashes=1, aborts=2))


@pytest.mark.parametrize("name", SCRIPTS)
def test_lost_events_are_healed_by_the_hint_of_a_reconcile(name: str):
    lost = 0
    for seed in SEEDS:
        schedule = check(3000 + seed, SCRIPTS[name], versioned=True, crashes=1, losses=2)
        lost += 2 - schedule.losses
        schedule.world.before = lambda _call: None
        schedule.rig.world.send(event(KEY))
        schedule.rig.drain()
        schedule.rig.assert_covered(KEY)
        assert_no_orphan(schedule)
    assert lost, "no event was lost: the test shows nothing"


def test_the_schedules_really_meet_the_cases_that_the_rules_are_for():
    stories = ["\n".join(check(seed, SCRIPTS["b"], versioned=True, crashes=2).story) for seed in range(150)]
    for operation in ("UploadPart", "UpdateItem", "CompleteMultipartUpload", "ListParts", "SendMessageBatch"):
        assert any(f"CRASH before {operation}" in story for story in stories), operation
    assert any("CompleteMultipartUpload (answer lost" in story for story in stories)
