"""What became of the drifted keys: rows read a hundred at once, each key counted in one place."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from consumer_replicator.comparison import Answer
from consumer_replicator.drift import DriftKind
from consumer_replicator.drift_record import DriftRecord, Ending
from consumer_replicator.errors import HydrationError
from consumer_replicator.manifest import Manifest
from consumer_replicator.row import Row, State
from consumer_replicator.row_item import address
from consumer_replicator.run_facts import KindCount
from consumer_replicator.settling import ROWS_AT_ONCE, any_waiting, settle, unsettled
from consumer_replicator.transfer import LAST_POLL
from tests.consumer.fake_aws import SOURCE, TABLE, Call, World, refuse
from tests.consumer.transfer_rig import LAG_OBJECTIVE, TransferRig

COPIED, UPLOADING, CURRENT, DELETED, KEPT, FAILED, WAITING, HELD = Ending


@pytest.fixture
def world():
    return World()


@pytest.fixture
def manifest(world):
    return Manifest(world.dynamodb(), TABLE, SOURCE, 16, 30)


def stale(key, size=10):
    return DriftRecord(DriftKind.STALE, key, size, 1_790_000_000, 1, hinted=True)


def extra(key, *, hinted=False):
    return DriftRecord(DriftKind.EXTRA, key, None, None, 1, hinted=hinted)


def becomes(world, manifest, key, state, generation=2, error=None):
    manifest.write(key, None, Row(generation, state, world.now, error=error))


def test_each_key_is_counted_by_its_ending_in_the_books_it_belongs_to(world, manifest):
    becomes(world, manifest, "copied", State.LIVE)
    becomes(world, manifest, "deleted since", State.GONE)
    becomes(world, manifest, "failed", State.FAILED, error="archived")
    becomes(world, manifest, "untouched", State.LIVE, generation=1)
    becomes(world, manifest, "extra, deleted", State.DELETED)
    becomes(world, manifest, "extra, back", State.LIVE)
    becomes(world, manifest, "extra, failed", State.FAILED, error="replica-access-denied")
    listed = [stale(key) for key in ("copied", "deleted since", "failed", "untouched", "no row")]
    extras = [extra(key) for key in ("extra, deleted", "extra, back", "extra, failed", "extra, no row")]
    settled = settle(manifest, listed + extras, held=False)
    assert settled.listed == {COPIED: 1, CURRENT: 1, FAILED: 1, WAITING: 2}
    assert settled.extras == {DELETED: 1, KEPT: 1, FAILED: 1, WAITING: 1}
    assert settled.failed == {"archived": 1}
    assert settled.failed_extras == {"replica-access-denied": 1}
    assert settled.waiting == 3
    assert settled.drift.kinds == {"stale": KindCount(5, 50), "extra": KindCount(4, 0)}


def test_extras_that_the_breaker_holds_wait_for_nobody(world, manifest):
    becomes(world, manifest, "b", State.DELETED)  # its own event came in the meantime
    unfinished = DriftRecord(DriftKind.UNFINISHED, "c", None, None, 1, hinted=True)
    settled = settle(manifest, [extra("a"), extra("b"), unfinished, stale("d")], held=True)
    assert settled.extras == {HELD: 1, DELETED: 1, WAITING: 1}
    assert settled.listed == {WAITING: 1}
    assert settled.waiting == 2


def test_nobody_waits_for_a_row_that_cannot_be_read(world, manifest):
    """Every copier fails at it, so its hint ends in the dead-letter queue and the row stays as it is."""
    becomes(world, manifest, "k", State.LIVE)
    world.rows[address(SOURCE, "k", 16)["pk"]["S"], "k"]["s"] = {"S": "?"}
    settled = settle(manifest, [stale("k"), stale("l")], held=False)
    assert settled.listed == {FAILED: 1, WAITING: 1}
    assert settled.failed == {"bad-row": 1}
    assert not any_waiting(manifest, [stale("k")], extras=True)
    assert settle(manifest, [extra("k")], held=True).extras == {HELD: 1}


def test_nobody_looks_up_or_waits_for_what_a_verify_only_tells(world, manifest):
    told = DriftRecord(Answer.CANNOT_TELL, "k", 10, 1_790_000_000, 1, hinted=False, reason="other-parts")
    repaired = DriftRecord(Answer.DIFFERENT, "l", 10, 1_790_000_000, 1, hinted=True, reason="checksums")
    assert not any_waiting(manifest, [told], extras=True)
    settled = settle(manifest, [told], held=False)
    assert not world.calls
    assert settled.listed == {}
    assert [(entry.kind, entry.code) for entry in settled.drift.biggest] == [("cannot-tell", "other-parts")]
    assert unsettled([told]).drift.kinds == settled.drift.kinds
    assert any_waiting(manifest, [told, repaired], extras=True)
    becomes(world, manifest, "l", State.LIVE)
    settled = settle(manifest, [told, repaired], held=False)
    assert settled.listed == {COPIED: 1}
    assert settled.drift.kinds == {"cannot-tell": KindCount(1, 10), "different": KindCount(1, 10)}


def test_an_upload_under_way_is_an_ending_and_not_yet_a_replica(world, manifest):
    becomes(world, manifest, "k", State.UPLOADING)
    settled = settle(manifest, [stale("k")], held=False)
    assert settled.listed == {UPLOADING: 1}
    assert not settled.all_here
    assert not any_waiting(manifest, [stale("k")], extras=True)
    assert settle(manifest, [], held=False).all_here


def test_a_failure_is_told_with_its_code_among_the_drift(world, manifest):
    becomes(world, manifest, "k", State.FAILED, error="sse-c")
    becomes(world, manifest, "l", State.LIVE)
    codes = {entry.key: entry.code for entry in settle(manifest, [stale("k"), stale("l")], held=False).drift.biggest}
    assert codes == {"k": "sse-c", "l": None}


def test_nothing_drifted_is_nothing_to_read(world, manifest):
    settled = settle(manifest, [], held=False)
    assert settled.waiting == 0
    assert not any_waiting(manifest, [], extras=True)
    assert not world.calls


def test_rows_are_read_a_hundred_at_once_while_the_records_pass_by(world, manifest):
    passed = Counter()

    def records():
        for number in range(3 * ROWS_AT_ONCE + 1):
            passed["records"] += 1
            yield stale(f"k{number}")

    seen = []
    world.before = lambda _call: seen.append(passed["records"])
    settled = settle(manifest, records(), held=False)
    assert settled.listed == {WAITING: 301}
    assert seen == [100, 200, 300, 301]


def test_rows_that_cannot_be_read_at_all_are_an_error_and_no_ending(world, manifest):
    def deny(_call):
        raise refuse("BatchGetItem", "AccessDeniedException", 400)

    world.before = deny
    with pytest.raises(HydrationError):
        settle(manifest, [stale("k")], held=False)
    with pytest.raises(HydrationError):
        any_waiting(manifest, [stale("k")], extras=True)


# -- is anything waiting? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "extras", "waits"),
    [
        (stale("waiting"), False, True),
        (stale("live"), True, False),
        (extra("waiting"), True, True),
        (extra("waiting"), False, False),  # its hint was never sent
        (extra("live"), True, False),
        (extra("waiting", hinted=True), False, True),
    ],
)
def test_only_what_was_hinted_is_waited_for(world, manifest, record, extras, waits):
    becomes(world, manifest, "live", State.LIVE)
    assert any_waiting(manifest, [record], extras=extras) is waits


def test_nobody_looks_further_than_the_first_that_waits(world, manifest):
    drawn = Counter()

    def records():
        for number in range(1000):
            drawn["records"] += 1
            yield stale(f"k{number}")

    assert any_waiting(manifest, records(), extras=True)
    assert drawn["records"] == ROWS_AT_ONCE
    assert len(world.calls) == 1


def test_a_single_one_that_waits_is_found_among_many_that_do_not(world, manifest):
    keys = [f"k{number:03d}" for number in range(2 * ROWS_AT_ONCE + 50)]
    for key in keys[:-1]:
        becomes(world, manifest, key, State.LIVE)
    assert any_waiting(manifest, map(stale, keys), extras=True)
    becomes(world, manifest, keys[-1], State.LIVE)
    assert not any_waiting(manifest, map(stale, keys), extras=True)


def test_of_a_dry_run_everything_is_counted_and_nothing_is_read():
    settled = unsettled([stale("a", 5), stale("b", 6), extra("c")])
    assert settled.listed == {WAITING: 2}
    assert settled.extras == {WAITING: 1}
    assert settled.drift.kinds == {"stale": KindCount(2, 11), "extra": KindCount(1, 0)}


def test_a_key_that_begins_anew_between_two_looks_is_waited_for():
    """Found by simulation: its books did not close, although nothing was wrong and a little later all had ended."""
    rig = TransferRig(World(), works=False, patience=0.0)
    rig.world.upload("a", b"x")
    rig.world.now += 10 * LAG_OBJECTIVE
    assert rig.ask(run_id="the-run")["state"] == "settling"
    rig.drain()
    looks = itertools.count(1)

    def begins_anew(call: Call) -> None:
        if call.operation == "BatchGetItem" and next(looks) == 2:
            row = rig.row("a")
            rig.manifest.write("a", row, replace(row, generation=row.generation + 1, state=State.DELETING))

    rig.world.before = begins_anew
    rig.world.now += LAST_POLL
    assert rig.ask(run_id="the-run")["state"] == "settling"
    row = rig.row("a")
    rig.manifest.write("a", row, replace(row, generation=row.generation + 1, state=State.LIVE))
    assert rig.steps()[-1]["state"] == "done"
    assert rig.report("the-run")["books"] == {**rig.report("the-run")["books"], "closes": True, "copied": 1}
