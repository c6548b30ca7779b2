"""Drill: a new zip is deployed while the old one's messages are in flight, its rows in the table, its run half done.

The world that it finds was written by the release before proofs and large uploads (`golden/`): settled rows, a failed
one, tombstones with their confirm hints, a copier that stopped between PUT and row, events and hints that wait, and a
run that stands in the middle of its listing. A rollback finds what the new release wrote.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from consumer_replicator.hint import ConfirmHint, PlainHint, parse_hint, to_body
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row import State
from consumer_replicator.row_item import from_item
from tests.consumer.fake_aws import DLQ, PRODUCER, QUEUE, RANGES, SOURCE, World
from tests.consumer.transfer_rig import TransferRig
from tests.drills.kept_world import kept, restored

BEFORE = json.loads((Path(__file__).parent / "golden" / "release_before_proofs.json").read_text())
RUN_ID = json.loads(BEFORE["queues"]["ranges"][0]["body"])["run"]
NEW_ATTRIBUTES = {"h", "p"}
"""Of a settled row: the replica's checksum and the proof of the copy."""


@pytest.fixture
def world() -> World:
    return restored(BEFORE)


@pytest.fixture
def rig(world: World) -> TransferRig:
    return TransferRig(world, policy=DeletePolicy.MIRROR, chunk=4)


def keys_of_both_sides(world: World) -> set[str]:
    return {key for key in [*world.source.keys, *world.replica.keys] if not key.startswith("_s3-hydration/")}


def test_the_world_of_before_is_what_the_drill_is_about(world: World, rig: TransferRig):
    states = Counter(
        item["s"]["S"] for item in world.rows.values() if item["pk"]["S"].startswith(SOURCE) and "s" in item
    )
    assert states.keys() >= {"L", "X", "D", "F"}
    assert rig.row("crashed") is None
    assert rig.replica_body("crashed") is not None
    assert (len(world.queues[QUEUE]), len(world.queues[RANGES])) == (11, 1)
    assert json.loads(json.dumps(kept(world)["rows"])) == BEFORE["rows"]


def test_every_row_and_every_message_of_before_is_read(world: World, rig: TransferRig):
    for message in world.queues[QUEUE]:
        if message.body != "not JSON":
            assert parse_hint(message.body, bucket=SOURCE, account=PRODUCER).key
    rows = [rig.row(key) for key in world.source.keys]
    assert {row.proof for row in rows if row} == {None}
    assert rig.runs.read(RUN_ID) is not None
    assert rig.runs.last_whole().listed == 12


def test_what_waits_in_the_queue_is_worked_off_and_the_run_goes_on_to_its_end(world: World, rig: TransferRig):
    rig.steps()
    rig.drain()
    assert [message.body for message in world.queues[DLQ]] == ["not JSON"]
    rig.steps()
    run = rig.ask(run_id=RUN_ID)
    assert run["state"] == "done"
    assert run["books"]["closes"]
    assert run["extras"]["closes"]
    world.now += 1_000
    again = rig.ask()
    assert again["state"] == "done"
    assert again["books"]["closes"]
    rig.drain()
    for key in keys_of_both_sides(world) - {"denied"}:
        rig.assert_covered(key)
        rig.assert_monotonic(key)
    rig.assert_claims()


def test_what_was_replicated_before_is_current_and_not_copied_again(world: World, rig: TransferRig):
    settled = {
        key for key in world.source.keys if key.startswith("live/") and key not in ("live/3", "live/4", "live/5")
    }
    world.calls.clear()
    rig.drain()
    world.now += 1_000
    rig.ask()
    rig.drain()
    assert not settled & {call.key for call in world.calls if call.operation == "PutObject"}


def test_a_replica_without_a_row_is_taken_over(world: World, rig: TransferRig):
    world.calls.clear()
    rig.drain()
    rig.assert_covered("crashed")
    assert [version.body for version in world.replica.keys["crashed"]] == [b"was put, has no row"]


def test_the_object_that_was_made_again_survives_the_confirm_hint_of_before(world: World, rig: TransferRig):
    rig.drain()
    rig.assert_covered("again")
    assert rig.replica_body("again") == b"made again"
    assert rig.row("leaving").state is State.DELETED


def test_verify_tells_of_rows_of_before_what_their_checksums_say(world: World, rig: TransferRig):
    rig.drain()
    world.now += 1_000
    rig.ask()
    world.now += 1_000
    answer = rig.ask(mode="verify")
    assert answer["books"]["closes"]
    assert answer["books"]["different"] == {}


def test_a_rollback_reads_what_the_new_release_wrote(world: World, rig: TransferRig):
    """Settled rows and hints: the attributes and fields of before in the form of before, and others beside them, which
    the release before ignores."""
    row_before = next(item for item in BEFORE["rows"] if item["sk"]["S"] == "live/0")
    for message in BEFORE["queues"]["objects"]:
        message_before = json.loads(message["body"]) if message["body"] != "not JSON" else {}
        if message_before.get("kind") == "confirm":
            break
    rig.upload("live/0", b"by the new release")
    rig.drain()
    row_now = next(item for item in world.rows.values() if item["sk"]["S"] == "live/0")
    assert row_now.keys() - row_before.keys() <= NEW_ATTRIBUTES
    assert {name: next(iter(value)) for name, value in row_before.items()}.items() <= kinds(row_now).items()
    assert from_item({name: value for name, value in row_now.items() if name not in NEW_ATTRIBUTES}).state is State.LIVE
    confirm_now = json.loads(to_body(ConfirmHint(SOURCE, "k", "e", tombstone=2)))
    assert kinds(confirm_now) == kinds(message_before)
    run_before = next(item for item in BEFORE["rows"] if item["sk"]["S"] == "run" and item["ph"]["S"] == "listing")
    rig.ask(seconds=0, mode="reconcile", dry_run=True)
    runs_now = [json.loads(item["pl"]["S"]) for item in world.rows.values() if "pl" in item]
    assert {"mode": "reconcile", "dry_run": True} in runs_now
    assert all(payload.keys() <= json.loads(run_before["pl"]["S"]).keys() for payload in runs_now)
    plain_now = json.loads(to_body(PlainHint(SOURCE, "k", "e", stray=True)))
    assert (
        plain_now.items() >= {"s3-hydration-hint": 1, "bucket": SOURCE, "key": "k", "id": "e", "kind": "plain"}.items()
    )


def kinds(item: dict[str, Any]) -> dict[str, Any]:
    return {name: next(iter(value)) if isinstance(value, dict) else type(value) for name, value in item.items()}
