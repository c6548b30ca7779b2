"""A verify from its question to its report, on the fake AWS: what it calls same, different and cannot tell, what it
reads for that, and that it changes nothing unless it is told to repair."""

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from consumer_replicator import checksum
from consumer_replicator.checksum import Checksum
from consumer_replicator.comparison import Verified
from consumer_replicator.deadline import Deadline
from consumer_replicator.drift import Current, LeftAlone, LeftReason, Listed
from consumer_replicator.payload import Payload
from consumer_replicator.row import Row
from consumer_replicator.verifier import COUNTED_ON_BYTES_PER_SECOND, NotNow
from tests.consumer.fake_aws import QUEUE, RANGES, Call, Version, World, refuse
from tests.consumer.interleaver import Crash
from tests.consumer.transfer_rig import TransferRig
from tests.odd_keys import ODD_KEYS

MIB = 1024**2
IN_3 = Checksum("CRC32", "AAAAAA==-3")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> TransferRig:
    return TransferRig(world)


def replicated(rig: TransferRig, *keys: str) -> None:
    for key in keys:
        rig.upload(key, f"body of {key!a}".encode())
    rig.settle_down()


def verify(rig: TransferRig, **payload: Any) -> dict[str, Any]:
    """The answer of a verify that is done, whose books close."""
    answer = rig.ask(mode="verify", **payload)
    rig.steps()
    answer = rig.ask(run_id=answer["run_id"]) if answer["state"] != "done" else answer
    assert answer["state"] == "done", answer
    assert answer["books"]["closes"], answer
    return answer


def told(answer: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {name: answer["books"][name] for name in ("same", "different", "cannot_tell") if answer["books"][name]}


def source(world: World, key: str) -> Version:
    version = world.source.current(key)
    assert version
    return version


def replica(world: World, key: str) -> Version:
    version = world.replica.current(key)
    assert version
    return version


def reads(world: World) -> list[tuple[str, str | None]]:
    """Bodies read of either bucket but for the run's own files."""
    mine = [call for call in world.calls if call.operation == "GetObject"]
    return sorted((call.principal, call.key) for call in mine if not (call.key or "").startswith("_s3-"))


# -- by what is stored -------------------------------------------------------------------------------------------------


def test_equal_replicas_are_the_same_by_two_heads_each_and_no_body_is_read(rig: TransferRig, world: World):
    replicated(rig, *ODD_KEYS.values())
    world.calls.clear()
    answer = verify(rig)
    assert told(answer) == {"same": {"checksums": len(ODD_KEYS)}}
    assert answer["verdict"] == "No replica differs from its source, and nothing needs doing."
    assert Counter(world.operations())["HeadObject"] == 2 * len(ODD_KEYS)
    assert reads(world) == []


def test_a_replica_whose_bytes_are_others_is_found_although_nothing_else_tells(rig: TransferRig, world: World):
    replicated(rig, "a/1", "a/2", "b")
    vandal = replica(world, "a/2")
    vandal.body = b"BODY OF 'a/2'"
    vandal.checksum = checksum.of(vandal.body)
    assert rig.ask()["drift"] == {}, "a reconcile cannot see it: the ETag is still the row's"
    answer = verify(rig)
    assert told(answer) == {"same": {"checksums": 2}, "different": {"checksums": 1}}
    assert answer["drift"] == {"different": 1}
    assert answer["verdict"] == "Replicas differ from their sources."
    drift = rig.report(answer["run_id"])["drift"]
    assert [(each["key"], each["code"]) for each in drift["biggest"]] == [("a/2", "checksums")]
    assert drift["prefixes"][0]["kinds"] == {"different": 1}


def test_a_replica_overwritten_behind_the_manifests_back_is_different(rig: TransferRig, world: World):
    replicated(rig, "a")
    world._store(world.replica, "a", b"of somebody else", {}, {})
    assert told(verify(rig)) == {"different": {"size": 1}}


def test_an_object_in_parts_is_the_same_by_what_the_manifest_knows_of_its_copy(rig: TransferRig, world: World):
    """Nothing that S3 stores of the two can be compared; what S3 stored when the copy was proven can."""
    replicated(rig, "a")
    row = rig.row("a")
    source(world, "a").checksum = IN_3
    rig.manifest.write("a", row, changed(row, checksum=str(IN_3)))
    world.calls.clear()
    assert told(verify(rig)) == {"same": {"manifest": 1}}
    assert reads(world) == []


def changed(row: Row | None, **fields: Any) -> Row:
    assert row
    return replace(row, generation=row.generation + 1, **fields)


def test_what_no_checksum_and_no_row_tells_is_not_called_the_same(rig: TransferRig, world: World):
    replicated(rig, "a", "b")
    source(world, "a").checksum = None
    rig.manifest.write("a", rig.row("a"), changed(rig.row("a"), proof=None, replica_checksum=None))
    source(world, "b").checksum = IN_3
    answer = verify(rig)
    assert told(answer) == {"cannot_tell": {"no-source-checksum": 1, "other-algorithm": 1}}
    assert answer["drift"] == {"cannot-tell": 2}
    assert answer["verdict"] == "No replica was seen to differ from its source; something deserves a look."


# -- what is not compared ----------------------------------------------------------------------------------------------


def test_drift_that_the_manifest_knows_of_is_the_reconciles_and_is_not_looked_at(rig: TransferRig, world: World):
    replicated(rig, "a", "b", "unreadable")
    world.upload("a", b"changed, and its event lost")
    world.upload("missing", b"its event lost")
    world.remove("b")
    address = next(address for address in world.rows if address[1] == "unreadable")
    world.rows[address]["s"] = {"S": "?"}
    rig.lose_events()
    world.calls.clear()
    answer = verify(rig)
    assert told(answer) == {"cannot_tell": {"missing": 1, "stale": 1, "bad-row": 1}}
    assert "HeadObject" not in world.operations()
    assert not world.queues[QUEUE]


def test_what_is_young_out_of_scope_or_out_of_the_window_is_left_alone(rig: TransferRig, world: World):
    replicated(rig, "a")
    world.upload("b", b"fresh")
    answer = verify(rig)
    assert answer["books"]["skipped"] == {"young": 1}
    assert answer["books"]["listed"] == 2
    later = verify(rig, since="2100-01-01T00:00:00Z")
    assert later["books"]["filtered"] == {"window": 2}


def test_of_a_prefix_only_that_prefix_is_verified(rig: TransferRig, world: World):
    replicated(rig, "a/1", "a/2", "b/1")
    assert told(verify(rig, prefix="a/")) == {"same": {"checksums": 2}}


def test_a_sample_is_a_share_of_the_keys_another_in_each_run(rig: TransferRig, world: World):
    keys = [f"k{n:03d}" for n in range(200)]
    replicated(rig, *keys)
    compared = []
    for _ in range(2):
        world.calls.clear()
        answer = verify(rig, sample=0.25)
        looked_at = {call.key for call in world.calls if call.operation == "HeadObject"}
        assert answer["books"]["same"] == {"checksums": len(looked_at)}
        assert answer["books"]["skipped"] == {"not-sampled": 200 - len(looked_at)}
        assert 25 <= len(looked_at) <= 75
        compared.append(looked_at)
    assert compared[0] != compared[1]


def test_an_object_that_may_not_be_looked_at_is_told_with_its_code_and_the_others_are_compared(
    rig: TransferRig, world: World
):
    replicated(rig, "a", "b", "c")

    def deny(call: Call) -> None:
        if call.operation == "HeadObject" and (call.principal, call.key) in (("source", "a"), ("own", "b")):
            raise refuse("HeadObject", "403", 403)

    world.before = deny
    answer = verify(rig)
    assert told(answer) == {
        "same": {"checksums": 1},
        "cannot_tell": {"source-access-denied": 1, "replica-access-denied": 1},
    }


def test_a_store_that_answers_nobody_interrupts_the_run_which_goes_on_later(rig: TransferRig, world: World):
    replicated(rig, "a", "b")
    world.before = lambda call: throttle() if call.operation == "HeadObject" else None
    assert rig.ask(mode="verify", run_id="r")["note"].startswith("Interrupted")
    world.before = lambda _call: None
    rig.steps()
    answer = rig.ask(run_id="r")
    assert (answer["state"], told(answer)) == ("done", {"same": {"checksums": 2}})


def throttle() -> None:
    raise refuse("HeadObject", "SlowDown", 503)


# -- what moves while it is looked at ----------------------------------------------------------------------------------


class Meanwhile:
    """Does something once, just before the call of this operation on this bucket with this number."""

    def __init__(self, world: World, act: Any, *, principal: str, number: int = 1, operation: str = "HeadObject"):
        self._act, self._at, self._seen = act, (operation, principal, number), 0
        world.before = self

    def __call__(self, call: Call) -> None:
        operation, principal, number = self._at
        if (call.operation, call.principal) == (operation, principal) and not (call.key or "").startswith("_s3-"):
            self._seen += 1
            if self._seen == number:
                self._act()


def test_a_copy_that_lands_between_the_two_heads_is_looked_at_again_and_the_same(rig: TransferRig, world: World):
    """First the old source beside the new replica; then both new."""
    replicated(rig, "a")

    def overwrite() -> None:
        world.before = lambda _call: None
        rig.upload("a", b"new, and as long"[: len(source(world, "a").body)])
        rig.run()

    Meanwhile(world, overwrite, principal="own")
    assert told(verify(rig)) == {"same": {"checksums": 1}}


def test_a_source_that_is_overwritten_and_not_yet_copied_is_changing_and_not_different(rig: TransferRig, world: World):
    replicated(rig, "a")
    Meanwhile(world, lambda: world.upload("a", b"new"), principal="source")
    assert told(verify(rig)) == {"cannot_tell": {"changing": 1}}


def test_a_replica_that_changes_between_the_two_looks_is_changing_and_not_different(rig: TransferRig, world: World):
    replicated(rig, "a")
    world._store(world.replica, "a", b"somebody else's", {}, {})
    Meanwhile(world, lambda: world._store(world.replica, "a", b"and again", {}, {}), principal="own", number=2)
    assert told(verify(rig)) == {"cannot_tell": {"changing": 1}}


def test_what_was_deleted_since_it_was_listed_is_absent(rig: TransferRig, world: World):
    replicated(rig, "a")
    Meanwhile(world, lambda: world.remove("a"), principal="source")
    assert told(verify(rig)) == {"cannot_tell": {"source-absent": 1}}


def test_a_replica_that_is_gone_is_absent(rig: TransferRig, world: World):
    replicated(rig, "a")
    world._remove(world.replica, "a")
    assert told(verify(rig)) == {"cannot_tell": {"replica-absent": 1}}


# -- by the bytes ------------------------------------------------------------------------------------------------------


def without_checksum(rig: TransferRig, world: World, key: str) -> None:
    """As S3 has kept the objects from before it stored checksums by itself, under a row of an earlier release."""
    source(world, key).checksum = None
    rig.manifest.write(key, rig.row(key), changed(rig.row(key), checksum=None, proof=None, replica_checksum=None))


def test_bytes_are_read_where_nothing_else_tells_and_only_on_one_side_if_the_other_has_a_checksum(
    rig: TransferRig, world: World
):
    replicated(rig, "a", "b", "c")
    without_checksum(rig, world, "a")
    without_checksum(rig, world, "b")
    replica(world, "b").checksum = None
    world.calls.clear()
    answer = verify(rig, read_bytes=True)
    assert told(answer) == {"same": {"bytes": 2, "checksums": 1}}
    assert reads(world) == [("own", "b"), ("source", "a"), ("source", "b")]
    body = len(source(world, "a").body)
    assert answer["verification"] == {"bodies_read": 2, "bytes_read": 3 * body, "repairs": {}}


def test_bytes_that_differ_are_different(rig: TransferRig, world: World):
    replicated(rig, "a")
    without_checksum(rig, world, "a")
    source(world, "a").body = b"BODY OF 'a'"
    assert told(verify(rig, read_bytes=True)) == {"different": {"bytes": 1}}


def test_an_object_that_is_replaced_while_it_is_read_is_changing(rig: TransferRig, world: World):
    replicated(rig, "a")
    without_checksum(rig, world, "a")
    Meanwhile(world, lambda: world.upload("a", b"new"), principal="source", operation="GetObject")
    assert told(verify(rig, read_bytes=True)) == {"cannot_tell": {"changing": 1}}


def test_bytes_that_differ_from_a_replica_that_changed_meanwhile_are_not_called_different(
    rig: TransferRig, world: World
):
    replicated(rig, "a")
    without_checksum(rig, world, "a")
    source(world, "a").body = b"BODY OF 'a'"
    Meanwhile(
        world, lambda: world._store(world.replica, "a", b"new", {}, {}), principal="source", operation="GetObject"
    )
    assert told(verify(rig, read_bytes=True)) == {"cannot_tell": {"changing": 1}}


def test_an_archived_object_cannot_be_read_and_says_so(rig: TransferRig, world: World):
    replicated(rig, "a")
    without_checksum(rig, world, "a")
    world.before = lambda call: archived() if call.operation == "GetObject" and call.principal == "source" else None
    assert told(verify(rig, read_bytes=True)) == {"cannot_tell": {"archived": 1}}


def archived() -> None:
    raise refuse("GetObject", "InvalidObjectState", 403)


# -- within the time of an invocation ----------------------------------------------------------------------------------


def current(rig: TransferRig, key: str) -> Current:
    row, version = rig.row(key), source(rig.world, key)
    assert row
    return Current(key, Listed(key, version.etag, version.modified, len(version.body)), row)


def bodies(rig: TransferRig, world: World, *keys: str) -> list[Current]:
    for key in keys:
        rig.upload(key, b"x" * MIB)
    rig.settle_down()
    for key in keys:
        without_checksum(rig, world, key)
    return [current(rig, key) for key in keys]


def verified(rig: TransferRig, found: list[Any], deadline: Deadline) -> tuple[list[Any], bool]:
    """What was given out, and whether the rest is for another invocation."""
    given: list[Any] = []
    try:
        stream = rig.verifier.verified(found, deadline, wanted=lambda _key: True, read_bytes=True)
        given.extend(each.comparison.why if isinstance(each, Verified) else each for each in stream)
    except NotNow:
        return given, True
    return given, False


class Clock:
    """Stands, until a test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


SECONDS_FOR_ONE = MIB / COUNTED_ON_BYTES_PER_SECOND


def test_what_does_not_fit_into_this_invocation_is_left_to_the_next(rig: TransferRig, world: World):
    found = bodies(rig, world, "a", "b", "c")
    clock = Clock()
    deadline = Deadline(10 * SECONDS_FOR_ONE, clock=clock)
    clock.now = 7.5 * SECONDS_FOR_ONE
    assert verified(rig, found, deadline) == (["bytes", "bytes"], True)
    assert verified(rig, found[2:], Deadline(10 * SECONDS_FOR_ONE, clock=clock)) == (["bytes"], False)


def test_what_fits_into_no_invocation_is_too_large_and_holds_up_nobody(rig: TransferRig, world: World):
    found = bodies(rig, world, "a", "b")
    clock = Clock()
    assert verified(rig, found, Deadline(1.2 * SECONDS_FOR_ONE, clock=clock)) == (["too-large", "too-large"], False)
    assert reads(world).count(("source", "a")) == 1, "by its own copy alone"


def test_a_body_that_takes_longer_than_was_counted_on_is_too_large(rig: TransferRig, world: World):
    found = bodies(rig, world, "a")
    clock = Clock()
    deadline = Deadline(10 * SECONDS_FOR_ONE, clock=clock)

    def slow(call: Call) -> None:
        clock.now += 100 * SECONDS_FOR_ONE * (call.operation == "GetObject")

    world.before = slow
    assert verified(rig, found, deadline) == (["too-large"], False)


def test_findings_that_are_no_claims_pass_through_in_their_place(rig: TransferRig, world: World):
    found = [LeftAlone("0", None, LeftReason.KEPT), *bodies(rig, world, "a"), LeftAlone("b", None, LeftReason.KEPT)]
    assert verified(rig, found, Deadline(60))[0] == [found[0], "bytes", found[2]]


# -- it changes nothing ------------------------------------------------------------------------------------------------


def damaged(rig: TransferRig, world: World, *keys: str) -> None:
    for key in keys:
        version = replica(world, key)
        version.body = version.body[::-1]
        version.checksum = checksum.of(version.body)


def test_a_verify_alone_sends_nothing_and_moves_no_watermark(rig: TransferRig, world: World):
    replicated(rig, "a", "b")
    damaged(rig, world, "a")
    mutations = [key for key, _ in world.mutations]
    world.calls.clear()
    verify(rig)
    assert not world.queues[QUEUE]
    assert "SendMessageBatch" not in world.operations()
    assert [key for key, _ in world.mutations if not key.startswith("_s3-")] == mutations
    assert rig.ask(mode="watermark")["proven"] is None
    assert rig.runs.last_whole() is None


def test_a_repair_copies_what_is_different_again_and_tells_what_became_of_it(rig: TransferRig, world: World):
    replicated(rig, "a", "b", "c")
    damaged(rig, world, "a", "b")
    source(world, "c").checksum = IN_3
    answer = verify(rig, repair=True)
    assert told(answer) == {"different": {"checksums": 2}, "cannot_tell": {"other-algorithm": 1}}
    assert answer["verification"]["repairs"] == {"copied": 2}
    for key in ("a", "b"):
        rig.assert_covered(key)
    assert told(verify(rig, prefix=["a", "b"])) == {"same": {"checksums": 2}}


def test_a_repair_that_fails_is_told_with_its_code(rig: TransferRig, world: World):
    replicated(rig, "a")
    damaged(rig, world, "a")
    world.before = lambda call: archived() if call.operation == "GetObject" and call.principal == "source" else None
    answer = verify(rig, repair=True)
    assert answer["verification"]["repairs"] == {"failed": 1}
    assert answer["books"]["different"] == {"checksums": 1}


def test_a_dry_verify_tells_what_it_would_compare_take_and_cost_and_looks_at_nothing(rig: TransferRig, world: World):
    replicated(rig, "a", "b")
    world.upload("missing", b"x")
    rig.lose_events()
    world.calls.clear()
    answer = verify(rig, dry_run=True)
    assert "HeadObject" not in world.operations()
    assert answer["books"]["planned"] == 2
    assert answer["books"]["cannot_tell"] == {"missing": 1}
    plan = answer["plan"]
    assert (plan["objects"], plan["bytes"], plan["calls"]) == (2, 0, {"HeadObject": 4})
    assert set(plan["items"]) == {"s3 reads", "kms", "lambda time"}
    reading = verify(rig, dry_run=True, read_bytes=True)["plan"]
    assert reading["bytes"] == len(source(world, "a").body) + len(source(world, "b").body)
    assert reading["seconds"] >= plan["seconds"]


# -- any number of objects, crashes ------------------------------------------------------------------------------------


def test_a_large_key_space_is_verified_range_by_range_in_many_invocations(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("consumer_replicator.verifier.WINDOW", 5)
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    replicated(rig, *(f"{n % 7}/{n:05d}" for n in range(300)))
    answer = rig.ask(mode="verify", seconds=0)
    assert answer["state"] == "listing"
    assert len(rig.steps(seconds=0)) >= 50
    done = rig.ask(run_id=answer["run_id"])
    assert (done["state"], told(done)) == ("done", {"same": {"checksums": 300}})


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_crash_at_any_call_counts_nothing_twice(before: bool):
    def scene() -> TransferRig:
        rig = TransferRig(World(), chunk=3)
        replicated(rig, *(f"k{n}" for n in range(8)))
        damaged(rig, rig.world, "k2", "k7")
        source(rig.world, "k4").checksum = IN_3
        return rig

    undisturbed = scene().ask(mode="verify", run_id="r")["books"]
    assert undisturbed["different"] == {"checksums": 2}
    crashes = 0
    for number in range(1, 200):
        rig, seen = scene(), Counter[str]()

        def crash(_call: Call, seen: Counter[str] = seen, number: int = number) -> None:
            seen["calls"] += 1
            if seen["calls"] >= number:
                raise Crash

        setattr(rig.world, "before" if before else "after", crash)
        with suppress(Crash):
            rig.transfer.ask(Payload.parse({"mode": "verify", "run_id": "r"}), Deadline(1e6))
        rig.world.before = rig.world.after = lambda _call: None
        if seen["calls"] < number:
            break
        crashes += 1
        rig.ask(mode="verify", run_id="r")
        rig.steps()
        assert rig.ask(run_id="r")["books"] == undisturbed, f"call {number}"
    assert crashes > 25


def test_a_step_delivered_twice_counts_once(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    replicated(rig, *(f"{n % 7}/{n:05d}" for n in range(200)))
    damaged(rig, world, "3/00003", "5/00005")
    answer = rig.ask(mode="verify")
    for message in list(world.queues[RANGES]):
        world.send(message.body, 0, RANGES)
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert told(done) == {"same": {"checksums": 198}, "different": {"checksums": 2}}
    assert done["drift"] == {"different": 2}


@pytest.mark.parametrize("seed", range(10))
def test_books_close_whatever_was_done_to_source_replica_and_manifest(seed: int):
    chance = random.Random(seed)
    world = World(versioned=chance.random() < 0.7)
    rig = TransferRig(world, chunk=chance.choice([1, 3, 1000]))
    keys = [f"k{n:02d}" for n in range(30)]
    replicated(rig, *keys)
    changes = [
        lambda key: world.upload(key, b"its event lost"),
        world.remove,
        lambda key: world._remove(world.replica, key),
        lambda key: world._store(world.replica, key, b"somebody's", {}, {}),
        lambda key: damaged(rig, world, key),
        lambda key: without_checksum(rig, world, key),
        lambda key: setattr(source(world, key), "checksum", IN_3),
        lambda key: world.rows.pop(next(address for address in world.rows if address[1] == key)),
    ]
    for key in chance.sample(keys, 20):
        chance.choice(changes)(key)
    rig.lose_events()
    answer = verify(rig, read_bytes=chance.random() < 0.5, repair=chance.random() < 0.5)
    counts = answer["books"]
    named = [sum(counts[name].values()) for name in ("same", "different", "cannot_tell", "skipped", "filtered")]
    assert counts["listed"] == sum(named)
    assert sum(answer["drift"].values()) == sum(named[1:3])
    assert json.loads(json.dumps(answer)) == answer
