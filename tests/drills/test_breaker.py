"""Drills of the runbook's section "DeletesHeld": the breaker trips, and is released in either way."""

import pytest

from consumer_replicator.breaker import Limits
from consumer_replicator.handlers.telemetry import run_measures
from consumer_replicator.plan import DeletePolicy
from tests.consumer.fake_aws import World
from tests.consumer.transfer_rig import TransferRig
from tests.drills.runbook import command, payload

ANOTHER_RUN = payload(command("DeletesHeld", "--payload"))
KEYS = [f"k{number:02}" for number in range(40)]
GONE = KEYS[:30]


@pytest.fixture
def world() -> World:
    """30 of 40 objects are gone, unheard, and a night's reconcile has held their deletes."""
    world = World()
    rig = with_limits(world, Limits())
    for key in KEYS:
        rig.upload(key, key.encode())
    rig.settle_down()
    rig.ask()
    for key in GONE:
        world.remove(key)
    rig.lose_events()
    answer = rig.ask()
    assert answer["extras"]["held"] == 30
    assert answer["extras"]["closes"]
    assert ("DeletesHeld", 30) in [(name, value) for name, _, value in run_measures(answer)]
    assert {key for key in KEYS if world.replica.current(key)} == set(KEYS)
    return world


def with_limits(world: World, limits: Limits) -> TransferRig:
    """The functions as a stack update with these parameters leaves them."""
    return TransferRig(world, policy=DeletePolicy.MIRROR, limits=limits)


def assert_over(answer: dict) -> None:
    """As the runbook says; and the alarm has a value to end with."""
    assert answer["extras"]["held"] == 0
    assert ("DeletesHeld", 0) in [(name, value) for name, _, value in run_measures(answer)]


def test_the_report_and_the_drift_files_say_which(world):
    rig = with_limits(world, Limits())
    place = command("DeletesHeld", "aws s3 cp --recursive").text
    assert "/_s3-hydration/runs/RUN_ID/drift/" in place
    files = [key for key in world.replica.keys if key.startswith("_s3-hydration/runs/") and "/drift/" in key]
    lines = [line for key in files for line in world.replica.current(key).body.decode().splitlines()]
    assert sum('"extra"' in line for line in lines) == 30
    again = rig.ask(**ANOTHER_RUN)  # nothing was done about it
    assert again["extras"]["held"] == 30


def test_objects_that_were_gone_by_accident_are_restored_and_nothing_is_held_or_copied_twice(world):
    for key in GONE:
        world.source.keys[key].pop()  # the delete marker is removed
    world.now += 1_000
    rig = with_limits(world, Limits())
    before = {key: len(world.replica.keys[key]) for key in KEYS}
    assert_over(rig.ask(**ANOTHER_RUN))
    rig.drain()
    assert {key: len(world.replica.keys[key]) for key in KEYS} == before
    for key in KEYS:
        rig.assert_covered(key)


def test_objects_that_are_gone_on_purpose_follow_once_the_limits_are_raised(world):
    rig = with_limits(world, Limits(number=1_000, share=0.9))
    answer = rig.ask(**ANOTHER_RUN)
    assert answer["extras"]["deleted"] == 30
    assert_over(answer)
    rig = with_limits(world, Limits())  # and set back
    assert_over(rig.ask())
    rig.drain()
    for key in KEYS:
        rig.assert_covered(key)
    assert all(len(world.replica.keys[key]) == 2 for key in GONE)  # the bytes are there still, noncurrent


def test_an_empty_source_is_not_followed_whatever_the_limits_say(world):
    for key in KEYS[30:]:
        world.remove(key)
    world.now += 1_000
    answer = with_limits(world, Limits(number=1_000, share=1.0)).ask(**ANOTHER_RUN)
    assert answer["extras"]["held"] == 40
    assert all(world.replica.current(key) for key in KEYS)
