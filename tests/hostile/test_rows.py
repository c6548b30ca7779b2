"""Damaged rows of the manifest, and rows of a newer release, under the real batch and a real reconcile."""

import copy
import itertools

import pytest

from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.outcome import Failed, Replicated
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row_item import address
from consumer_replicator.splitting import Splitting
from producer_events.scope import Scope
from tests.consumer import fake_dynamodb
from tests.consumer.fake_aws import DLQ, QUEUE, RANGES, SOURCE, World
from tests.consumer.rig import MIB, event
from tests.consumer.transfer_rig import TransferRig
from tests.hostile.damage import absurd_attributes

SPLIT = Splitting(bandwidth=1e12, threshold=6 * MIB, least_range=5 * MIB)
ADDRESS = ("pk", "sk")


def live_and_uploading(rig):
    """Rows of both kinds as the code writes them: every attribute that there is."""
    rig.upload("live", b"one", tags={"a": "b"})
    rig.drain()
    rig.upload("large", bytes(11 * MIB))
    rig.run()
    rows = {sk: item for (_, sk), item in rig.world.rows.items() if sk in ("live", "large")}
    assert "u" in rows["large"], "its upload is under way"
    return rows


def damages(item):
    """Copies of an item, each with one attribute gone or absurd, in the map of its upload too."""
    values = [None, *absurd_attributes()]
    for name, value in itertools.product([name for name in item if name not in ADDRESS], values):
        yield _with(item, name, value)
    for name, value in itertools.product(item.get("y", {}).get("M", ()), values):
        yield _with(item, "y", {"M": _with(item["y"]["M"], name, value)})
    yield {name: item[name] for name in ADDRESS}
    yield {**item, "zz": {"S": "of a newer release"}}


def _with(item, name, value):
    damaged = copy.deepcopy(item)
    if value is None:
        damaged.pop(name, None)
    else:
        damaged[name] = value
    return damaged


def world_of(kind):
    world = World()
    rig = TransferRig(world, policy=DeletePolicy.MIRROR, scope=Scope(), splitting=SPLIT, works=False)
    return rig, live_and_uploading(rig)[kind]


@pytest.mark.parametrize("kind", ["live", "large"])
def test_a_message_about_a_damaged_row_ends_with_a_reason_and_its_mate_is_copied(kind):
    rig, golden = world_of(kind)
    world = rig.world
    counted = 0
    for number, damaged in enumerate(damages(golden)):
        world.queues[QUEUE].clear()
        world.queues[DLQ].clear()
        place = damaged["pk"]["S"], damaged["sk"]["S"]
        world.rows[place] = damaged
        world.send(event(kind))
        world.send(event("mate", world.upload("mate", b"%d" % number)))
        done = {each.hint.key: each.outcome for each in rig.work(world.receive())}
        assert isinstance(done["mate"], Replicated)
        if isinstance(done[kind], Failed):
            assert done[kind].code in FAILURE_CODES
            assert done[kind].code != "unexpected", (done[kind], damaged)
        counted += 1
    assert counted > 200


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_reconcile_goes_on_past_every_damaged_row(monkeypatch, dry_run):
    """Each with a neighbour that is missing: those are found, and copied, and the books close."""
    monkeypatch.setattr(fake_dynamodb, "item_bytes", lambda _item: 100)  # it refuses types that no row has
    rig, live = world_of("live")
    world = rig.world
    _, large = world_of("large")
    rows = [*damages(live), *damages(large)][:: 1 if dry_run else 4]
    world.queues[QUEUE].clear()
    rig.works = True
    keys = [f"damaged-{number:04d}" for number in range(len(rows))]
    for key, row in zip(keys, rows, strict=True):
        item = row | address(SOURCE, key, 16)
        world.rows[item["pk"]["S"], key] = item
        world.upload(key, b"new")
        world.upload(f"{key}-mate", b"new")
    world.now += 100_000
    answer = rig.ask(mode="reconcile", dry_run=dry_run)
    while world.queues[RANGES]:
        answer = rig.steps()[-1]
    assert answer["state"] == "done", answer
    assert answer["books"]["listed"] == 2 * len(rows) + 2
    assert answer["drift"]["missing"] >= len(rows)
    if not dry_run:
        rig.drain(rounds=2_000)
        missing = [key for key in keys if rig.replica_body(f"{key}-mate") != b"new"]
        assert not missing
    assert dry_run <= answer["books"]["closes"]
