"""Whole runs on the fake AWS: drift found and repaired, crashes and continuations that count nothing twice, guards."""

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer_replicator.breaker import Limits
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.parts import DEFAULT_PART_BYTES
from consumer_replicator.payload import Payload
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.ranges_queue import Step
from consumer_replicator.row import Row, State
from consumer_replicator.tally import total
from producer_events.scope import Scope
from tests.consumer.fake_aws import QUEUE, RANGES, Call, World, refuse
from tests.consumer.interleaver import Crash
from tests.consumer.transfer_rig import LAG_OBJECTIVE, TransferRig
from tests.odd_keys import ODD_KEYS


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> TransferRig:
    return TransferRig(world, policy=DeletePolicy.MIRROR)


def replicated(rig: TransferRig, keys: Any) -> None:
    for key in keys:
        rig.upload(key, f"body of {key!a}".encode())
    rig.settle_down()


def assert_equal(rig: TransferRig) -> None:
    """QUIET: every key that either side ever had is covered."""
    rig.drain()
    for key in {key for key in [*rig.world.source.keys, *rig.world.replica.keys] if not key.startswith("_s3-")}:
        rig.assert_covered(key)


# -- every drift kind -----------------------------------------------------------------------------


def test_an_equal_bucket_is_found_equal_and_nothing_is_sent(rig: TransferRig, world: World):
    replicated(rig, ODD_KEYS.values())
    world.calls.clear()
    answer = rig.ask()
    assert answer["state"] == "done"
    assert answer["books"]["current"] == answer["books"]["listed"] == len(ODD_KEYS)
    assert answer["books"]["closes"]
    assert "SendMessageBatch" not in world.operations()


def test_what_was_lost_late_or_wrong_does_not_show_after_a_reconcile(rig: TransferRig, world: World):
    replicated(rig, [f"k{n}" for n in range(20)])
    world.upload("missing", b"its event was lost")
    world.upload("k1", b"changed")
    world.remove("k2")
    rig.lose_events()
    answer = rig.ask()
    assert answer["drift"] == {"missing": 1, "stale": 1, "extra": 1}
    assert answer["state"] == "done"
    assert answer["books"]["copied"] == 2
    assert answer["extras"]["deleted"] == 1
    assert answer["books"]["closes"]
    assert answer["extras"]["closes"]
    assert_equal(rig)
    again = rig.ask()
    assert again["drift"] == {}
    assert again["books"]["listed"] == again["books"]["current"] == 20


def test_the_report_counts_how_current_replicas_were_proven(rig: TransferRig, world: World):
    replicated(rig, ["a", "b", "c", "old"])
    row = rig.row("old")
    rig.manifest.write("old", row, replace(row, generation=row.generation + 1, proof=None))
    rig.upload("d", b"of an uploader that sends no checksum")
    world.source.current("d").checksum = None
    rig.settle_down()
    answer = rig.ask()
    assert answer["proofs"] == {"source-checksum": 3, "computed": 1, "unknown": 1}
    assert rig.report(answer["run_id"])["proofs"] == answer["proofs"]
    assert "source-checksum" in rig.page(answer["run_id"])


def test_under_retain_an_extra_is_kept_and_said_so(world: World):
    rig = TransferRig(world, policy=DeletePolicy.RETAIN)
    replicated(rig, ["a", "b"])
    world.remove("a")
    rig.lose_events()
    answer = rig.ask()
    assert answer["extras"] | {"closes": True} == answer["extras"]
    assert (answer["extras"]["found"], answer["extras"]["kept"]) == (1, 1)
    assert rig.replica_body("a") is not None
    assert rig.row("a").state is State.GONE


def test_a_failed_copy_is_tried_again_with_growing_spacing_and_not_in_between(rig: TransferRig, world: World):
    world.before = lambda call: deny(call) if call.operation == "GetObject" and call.principal == "source" else None
    rig.upload("k", b"one")
    rig.settle_down()
    assert rig.row("k").state is State.FAILED
    answer = rig.ask()
    assert answer["books"]["skipped"] == {"retry-not-due": 1}
    world.now += 3_700
    answer = rig.ask()
    assert answer["drift"] == {"failed": 1}
    assert answer["books"]["failed"] == {"source-access-denied": 1}
    assert answer["books"]["closes"]
    world.now += 3_700
    assert rig.ask()["books"]["skipped"] == {"retry-not-due": 1}, "the second attempt waits twice as long"
    world.before = lambda _call: None
    world.now += 3_700
    assert rig.ask()["books"]["copied"] == 1
    assert_equal(rig)


def deny(_call: Call) -> None:
    raise refuse("GetObject", "AccessDenied", 403)


def test_a_delete_whose_confirm_hint_was_lost_is_finished(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    rig.remove("a")
    rig.run()
    rig.lose_events()
    answer = rig.ask()
    assert answer["drift"] == {"unfinished": 1}
    assert answer["extras"]["deleted"] == 1
    assert_equal(rig)


def test_what_is_younger_than_the_lag_objective_is_left_to_its_event(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    rig.upload("b", b"fresh")
    world.now += LAG_OBJECTIVE / 2
    answer = rig.ask()
    assert answer["books"]["skipped"] == {"young": 1}
    assert answer["drift"] == {}


def test_a_row_that_cannot_be_read_is_hinted_and_never_called_current(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    address = next(address for address in world.rows if address[1] == "a")
    world.rows[address]["s"] = {"S": "?"}
    answer = rig.ask()
    assert answer["found"]["hinted"] == 1
    assert answer["found"].get("current", 0) == 0
    assert answer["state"] == "done", "it does not wait six hours for what no copier can end"
    assert answer["books"]["failed"] == {"bad-row": 1}
    assert answer["books"]["closes"]


def test_out_of_scope_objects_are_filtered_and_touched_by_nobody(world: World):
    rig = TransferRig(world, scope=Scope(suffixes=(".csv",)))
    for key in ("a.csv", "a.txt"):
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask()
    assert answer["books"]["filtered"] == {"suffix": 1}
    assert answer["books"]["copied"] == 1
    assert rig.replica_body("a.txt") is None


# -- backfill -------------------------------------------------------------------------------------


def test_objects_from_before_the_subscription_are_brought_over_by_a_backfill_of_their_prefix(
    rig: TransferRig, world: World
):
    for key in ("old/a", "old/b", "other/c"):
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask(prefix="old/")
    assert answer["mode"] == "backfill"
    assert answer["books"]["copied"] == 2
    assert rig.replica_body("other/c") is None


def test_a_dry_run_tells_what_it_would_do_and_does_nothing(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    world.upload("b", b"12345")
    world.upload("c", bytes(DEFAULT_PART_BYTES + 1))
    world.remove("a")
    rig.lose_events()
    answer = rig.ask(dry_run=True)
    assert answer["books"]["planned"] == 2
    assert answer["extras"]["planned"] == 1
    assert answer["plan"]["objects"] == 2
    assert answer["plan"]["bytes"] == 5 + DEFAULT_PART_BYTES + 1
    assert [answer["found"][name] for name in ("large", "large-bytes", "parts")] == [1, DEFAULT_PART_BYTES + 1, 2]
    assert answer["plan"]["dollars"] > 0
    assert answer["books"]["closes"]
    assert not world.queues[QUEUE]
    assert rig.replica_body("a") is not None


def test_force_copies_what_is_current(rig: TransferRig, world: World):
    replicated(rig, ["a", "b"])
    before = len(world.mutations)
    answer = rig.ask(prefix="a", force=True)
    assert answer["books"]["copied"] == 1
    assert [key for key, _ in world.mutations[before:] if not key.startswith("_s3-")] == ["a"]
    assert_equal(rig)


def test_a_replica_removed_or_replaced_behind_the_manifests_back_is_made_again(rig: TransferRig, world: World):
    replicated(rig, ["a", "b", "c"])
    world._remove(world.replica, "a")
    world._store(world.replica, "b", b"vandal", {}, {})
    world._store(world.replica, "stranger", b"of somebody else", {}, {})
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask()
    assert answer["drift"] == {"stale": 2}
    assert answer["books"]["copied"] == 2
    for key in ("a", "b", "c"):
        rig.assert_covered(key)
    assert rig.replica_body("stranger") == b"of somebody else"
    assert rig.ask()["drift"] == {}


def test_a_backfill_never_deletes(rig: TransferRig, world: World):
    replicated(rig, ["a", "b"])
    world.remove("a")
    rig.lose_events()
    answer = rig.ask(mode="backfill")
    assert answer["extras"]["found"] == 0
    assert rig.replica_body("a") is not None


def test_since_and_until_bound_what_is_looked_at(rig: TransferRig, world: World):
    times = []
    for n in range(3):
        world.upload(f"k{n}", b"x")
        times.append(world.now)
        world.now += 1000
    answer = rig.ask(since=iso(times[1]), until=iso(times[2]))
    assert answer["books"]["filtered"] == {"window": 2}
    assert rig.replica_body("k1") == b"x"
    assert rig.replica_body("k0") is None


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def test_max_objects_is_where_a_backfill_stops(rig: TransferRig, world: World):
    for n in range(10):
        world.upload(f"k{n}", b"x")
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask(max_objects=3)
    assert answer["books"]["copied"] == 3
    assert answer["books"]["closes"]


def test_max_objects_holds_over_several_prefixes(rig: TransferRig, world: World):
    for n in range(10):
        world.upload(f"{'ab'[n % 2]}/{n}", b"x")
    world.now += 10 * LAG_OBJECTIVE
    assert rig.ask(prefix=["a/", "b/"], max_objects=7)["books"]["copied"] == 7


def test_a_paced_backfill_spreads_its_hints_over_time(rig: TransferRig, world: World):
    for n in range(100):
        world.upload(f"k{n:03d}", b"x")
    world.now += 10 * LAG_OBJECTIVE
    rig.works = False
    rig.transfer._patience = 0
    start = world.now
    rig.ask(objects_per_second=2)
    due = sorted(message.visible_at - start for message in world.queues[QUEUE])
    assert len(due) == 100
    assert due[0] == 0
    assert 40 <= due[-1] <= 50
    for second in range(0, 50, 10):
        assert sum(second <= moment < second + 10 for moment in due) <= 30


def test_live_events_carry_no_group_and_hints_of_a_run_do(rig: TransferRig, world: World):
    """Fair queues: messages with a group of their own never starve those without."""
    sent = []
    client = rig.worker._queue._sqs
    honest = client.send_message_batch
    client.send_message_batch = lambda **request: sent.append(request) or honest(**request)
    world.upload("k", b"x")
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask()
    assert {entry["MessageGroupId"] for request in sent for entry in request["Entries"]} == {f"run-{answer['run_id']}"}


# -- any number of objects ------------------------------------------------------------------------


def many(rig: TransferRig, world: World, count: int = 500) -> None:
    for n in range(count):
        world.upload(f"{n % 7}/{n:05d}", b"x")
    world.now += 10 * LAG_OBJECTIVE


def test_a_large_key_space_is_cut_into_ranges_that_go_on_through_their_queue(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    many(rig, world)
    answer = rig.ask()
    assert answer["state"] == "listing"
    assert len(world.queues[RANGES]) > 4
    last = rig.steps()[-1]
    done = rig.ask(run_id=answer["run_id"])
    assert done["state"] == "done", last
    assert done["books"]["listed"] == done["books"]["copied"] == 500
    assert done["books"]["closes"]
    assert_equal(rig)


def test_an_invocation_whose_time_is_up_is_continued_without_counting_twice(world: World):
    rig = TransferRig(world, chunk=50)
    many(rig, world)
    answer = rig.ask(seconds=0)
    assert answer["state"] == "listing"
    answers = rig.steps(seconds=0)
    assert len(answers) >= 10, "every step does one chunk and hands over"
    done = rig.ask(run_id=answer["run_id"])
    assert done["state"] == "done"
    assert done["found"]["listed"] == 500
    assert done["books"]["copied"] == 500


def test_replicas_that_neither_side_knows_are_got_past_a_checkpoint_at_a_time_and_said(world: World):
    """As many as no invocation lists: kept replicas of objects that are gone, after the manifest was lost."""
    rig = TransferRig(world, chunk=50)
    many(rig, world)
    assert rig.ask()["books"]["copied"] == 500
    for key in list(world.source.keys):
        world.remove(key)
    world.rows.clear()
    answer = rig.ask(seconds=0)
    assert answer["state"] == "listing"
    seen = [step["found"]["unclaimed"] for step in rig.steps(seconds=0)]
    assert seen[:9] == [50, 100, 150, 200, 250, 300, 350, 400, 450], "every step does one chunk and hands over"
    done = rig.ask(run_id=answer["run_id"])
    assert done["state"] == "done"
    assert done["found"]["unclaimed"] == 500
    assert "500 replicas of which neither" in rig.page(answer["run_id"])
    assert done["extras"]["found"] == 0
    assert done["books"]["closes"]


def test_boundaries_are_remembered_and_cut_the_next_run(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("consumer_replicator.transfer.KEYS_WORTH_A_RANGE", 50)
    rig = TransferRig(world)
    many(rig, world, 400)
    rig.ask()
    rig.steps()
    boundaries = rig.runs.boundaries()
    assert boundaries is not None
    assert len(boundaries) == 7
    world.now += 1000
    answer = rig.ask()
    assert rig.runs.read(answer["run_id"]).ranges == 8
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert done["books"]["current"] == 400
    sizes = [state.tally["listed"] for state in rig.runs.ranges(rig.runs.read(answer["run_id"]))]
    assert max(sizes) <= 2 * min(sizes)


def test_keys_at_the_edges_of_ranges_are_in_exactly_one(world: World, monkeypatch: pytest.MonkeyPatch):
    keys = ["\x01", "a", "a\x01", "a\U0010ffff", "b", "\U0010ffff", *(f"same/{n:04d}" for n in range(50))]
    rig = TransferRig(world)
    for key in keys:
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE
    rig.runs.remember_boundaries(["a", "a\x01", "same/0000", "same/0025", "\U0010ffff"])
    answer = rig.ask()
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert done["books"]["listed"] == done["books"]["copied"] == len(keys)
    assert_equal(rig)


def test_two_runs_at_once_do_each_other_no_harm(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    many(rig, world)
    one, two = rig.ask(), rig.ask()
    assert one["run_id"] != two["run_id"]
    rig.steps()
    for each in (one, two):
        done = rig.ask(run_id=each["run_id"])
        assert done["state"] == "done"
        assert done["books"]["listed"] == 500
        assert done["books"]["closes"]
    assert_equal(rig)


def test_a_step_delivered_twice_counts_once(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    many(rig, world)
    answer = rig.ask()
    for message in list(world.queues[RANGES]):
        world.send(message.body, 0, RANGES)
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert done["books"]["listed"] == 500


def test_a_run_is_stopped_and_goes_on_with_its_id(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    many(rig, world)
    answer = rig.ask()
    record = world.receive(1, RANGES)[0]
    rig.transfer.step(Step.from_body(record["body"]), Deadline(0))
    stopped = rig.ask(run_id=answer["run_id"], stop=True)
    assert stopped["state"] == "stopped"
    rig.steps()
    assert rig.ask(run_id=answer["run_id"], stop=True)["state"] == "stopped"
    listed = rig.ask(run_id=answer["run_id"], stop=True)["found"].get("listed", 0)
    assert listed < 500
    rig.ask(run_id=answer["run_id"])
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert done["state"] == "done"
    assert done["books"]["listed"] == done["books"]["copied"] == 500


def test_a_listing_that_changes_while_it_is_read_ends_equal_after_its_events(world: World):
    world.page_keys = 20
    rig = TransferRig(world, policy=DeletePolicy.MIRROR, chunk=25)
    many(rig, world, 200)
    pages = Counter()

    def change(call: Call) -> None:
        if call.operation == "ListObjectsV2":
            pages["seen"] += 1
            if pages["seen"] % 3 == 0:
                rig.upload(f"{pages['seen'] % 7}/new {pages['seen']}", b"new")
                gone = next(key for key in sorted(world.source.keys) if world.source.current(key))
                rig.remove(gone)

    world.before = change
    rig.ask()
    rig.steps()
    world.before = lambda _call: None
    rig.drain()
    world.now += 10 * LAG_OBJECTIVE
    rig.ask()
    rig.steps()
    assert_equal(rig)


# -- a crash at every call ------------------------------------------------------------------------


def scene(chunk: int = 4) -> TransferRig:
    rig = TransferRig(World(), policy=DeletePolicy.MIRROR, chunk=chunk)
    replicated(rig, [f"k{n:02d}" for n in range(12)])
    for key in ("k01", "k05", "new"):
        rig.world.upload(key, b"changed")
    for key in ("k03", "k09"):
        rig.world.remove(key)
    rig.lose_events()
    return rig


def crash_at(rig: TransferRig, number: int, *, before: bool) -> bool:
    """Runs until call `number` of the transfer kills it; whether it came to that."""
    seen = Counter()

    def hook(when_before: bool) -> Callable[[Call], None]:
        def at(call: Call) -> None:
            if dead["yes"]:
                raise Crash
            if when_before:
                seen["calls"] += 1
            if seen["calls"] == number and when_before is before:
                dead["yes"] = True
                raise Crash

        return at

    dead = {"yes": False}
    rig.works = False
    rig.world.before, rig.world.after = hook(True), hook(False)
    with suppress(Crash):
        rig.transfer.ask(Payload.parse({"run_id": "the-run"}), Deadline(1e6))
    rig.world.before = rig.world.after = lambda _call: None
    rig.works = True
    return dead["yes"]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_crash_at_any_call_of_a_run_costs_nothing_and_counts_nothing_twice(before: bool):
    """Started again with its id, or by its message, the run ends with the books of an undisturbed one."""
    undisturbed = scene().ask(run_id="the-run")
    crashes = 0
    for number in range(1, 200):
        rig = scene()
        if not crash_at(rig, number, before=before):
            break
        crashes += 1
        answer = rig.ask(run_id="the-run")
        rig.steps()
        answer = rig.ask(run_id="the-run")
        assert answer["state"] == "done", f"call {number}"
        assert answer["books"] == undisturbed["books"], f"call {number}"
        assert answer["extras"] == undisturbed["extras"], f"call {number}"
        assert_equal(rig)
    assert crashes > 40


def test_a_chunk_repeated_after_its_hints_were_worked_off_counts_no_key_twice(world: World):
    """The crash comes between the drift file and the checkpoint, and the repetition finds nothing to hint any more."""
    rig = TransferRig(world, works=False)
    for key in ("a", "b"):
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE

    def crash(call: Call) -> None:
        if call.operation == "PutObject" and "/drift/" in (call.key or ""):
            raise Crash

    world.after = crash
    with pytest.raises(Crash):
        rig.ask(run_id="the-run")
    world.after = lambda _call: None
    rig.settle_down()
    answer = rig.ask(run_id="the-run")
    assert answer["state"] == "done"
    assert answer["books"]["current"] == answer["books"]["listed"] == 2
    assert answer["books"]["closes"]


def test_two_workers_on_one_range_do_not_overwrite_each_others_drift_files(world: World):
    """The slower one finds less, since a hint was worked off meanwhile, and its checkpoint comes too late."""
    rig = TransferRig(world, works=False)
    for key in ("a", "b"):
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE
    lagging = TransferRig(world, works=False)
    meanwhile = Counter()

    def overtake(call: Call) -> None:
        """The first is about to write its checkpoint; the second begins, and stops where the first did."""
        if call.operation != "PutItem" or not (call.key or "").startswith("range#"):
            return
        meanwhile["checkpoints"] += 1
        if meanwhile["checkpoints"] == 3:
            raise Crash
        if meanwhile["checkpoints"] == 2:
            rig.run()
            with suppress(Crash):
                lagging.transfer.step(
                    Step("the-run", rig.runs.ranges(rig.runs.read("the-run"))[0].number), Deadline(1e6)
                )

    world.before = overtake
    rig.ask(run_id="the-run")
    world.before = lambda _call: None
    rig.steps()
    answer = rig.ask(run_id="the-run")
    assert meanwhile["checkpoints"] >= 3
    assert answer["books"]["copied"] == answer["books"]["listed"] == 2
    assert answer["books"]["closes"]


# -- guards ---------------------------------------------------------------------------------------


def test_an_empty_listing_never_empties_the_replica(rig: TransferRig, world: World):
    replicated(rig, [f"k{n}" for n in range(5)])
    for n in range(5):
        world.remove(f"k{n}")
    rig.lose_events()
    answer = rig.ask()
    assert "listing is empty" in answer["deletes_held"]
    assert answer["extras"]["held"] == 5
    assert answer["books"]["closes"]
    rig.drain()
    assert all(rig.replica_body(f"k{n}") for n in range(5))


def test_the_breaker_holds_too_many_deletes_and_lets_them_go_when_its_limits_are_raised(world: World):
    rig = TransferRig(world, policy=DeletePolicy.MIRROR, limits=Limits(number=1000, share=0.1, few=3))
    replicated(rig, [f"k{n:02d}" for n in range(20)])
    for n in range(4):
        world.remove(f"k{n:02d}")
    rig.lose_events()
    held = rig.ask()
    assert held["extras"]["held"] == 4
    assert "share above 10%" in held["deletes_held"]
    rig.drain()
    assert rig.replica_body("k00") is not None
    rig.transfer._limits = Limits(share=0.5)
    assert rig.ask()["extras"]["deleted"] == 4
    assert_equal(rig)


@pytest.mark.parametrize("operation", ["ListObjectsV2", "Query"], ids=str.lower)
@pytest.mark.parametrize("refusal", [("AccessDenied", 403), ("InternalError", 500), ("SlowDown", 503)])
def test_a_source_or_manifest_that_cannot_be_read_deletes_nothing(
    rig: TransferRig, world: World, operation: str, refusal: tuple[str, int]
):
    replicated(rig, [f"k{n}" for n in range(5)])
    seen = Counter()

    def fail(call: Call) -> None:
        seen[call.operation] += 1
        if call.operation == operation and seen[operation] > 1:
            raise refuse(operation, *refusal)

    world.before = fail
    try:
        answer = rig.ask(run_id="r")
    except HydrationError:
        answer = {"state": "raised"}
    assert answer["state"] != "done"
    world.before = lambda _call: None
    rig.steps()
    rig.drain()
    assert all(rig.replica_body(f"k{n}") for n in range(5))


def test_a_refused_listing_fails_the_run_with_a_report_that_says_so(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    world.before = lambda call: deny_listing() if call == Call("source", "ListObjectsV2", None) else None
    answer = rig.ask()
    assert answer["state"] == "failed"
    assert answer["failure"]
    assert answer["verdict"] == "The run failed before its end."
    assert rig.report(answer["run_id"])["run"]["state"] == "failed"
    world.before = lambda _call: None
    assert rig.ask(run_id=answer["run_id"])["state"] == "done", "and goes on once it may"


def deny_listing() -> None:
    raise refuse("ListObjectsV2", "AccessDenied", 403)


# -- sweep, watermark, report ---------------------------------------------------------------------


def test_orphaned_uploads_are_swept_by_a_whole_run(rig: TransferRig, world: World):
    """ORPHAN."""
    world.replica.uploads["old"] = {"parameters": {"Key": "k"}, "parts": {}, "initiated": world.now - 2 * 86_400}
    world.replica.uploads["new"] = {"parameters": {"Key": "k"}, "parts": {}, "initiated": world.now}
    answer = rig.ask()
    assert list(world.replica.uploads) == ["new"]
    assert rig.report(answer["run_id"])["swept"] == 1


def test_a_settled_whole_run_moves_the_proven_watermark_up_to_the_lag_objective(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    started = world.now
    rig.ask()
    assert rig.ask(mode="watermark")["proven"] == started - LAG_OBJECTIVE


def test_a_run_that_leaves_something_behind_proves_nothing(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    world.upload("b", b"x")
    rig.lose_events()
    world.before = lambda call: deny(call) if call.operation == "GetObject" and call.principal == "source" else None
    answer = rig.ask()
    assert answer["books"]["failed"] == {"source-access-denied": 1}
    assert rig.ask(mode="watermark")["proven"] is None
    assert rig.ask(prefix="a")["state"] == "done"
    assert rig.ask(mode="watermark")["proven"] is None, "a run of a part proves nothing of the whole"


def test_a_queue_at_rest_moves_the_live_watermark_and_a_failed_object_holds_it(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    assert rig.ask(mode="watermark")["live"] is None, "once is not enough: SQS's counts are approximate"
    first = world.now
    world.now += 61
    assert rig.ask(mode="watermark")["live"] == first - 120
    world.upload("b", b"x")
    world.before = lambda call: deny(call) if call.operation == "GetObject" and call.principal == "source" else None
    world.send(json.dumps({"s3-hydration-hint": 1, "kind": "plain", "bucket": "source-bucket", "key": "b", "id": "i"}))
    rig.drain()
    world.before = lambda _call: None
    for _ in range(5):
        world.now += 61
        assert rig.ask(mode="watermark")["live"] == first - 120
    world.now += 4_000
    assert rig.ask()["books"]["copied"] == 1
    for _ in range(2):
        world.now += 61
        live = rig.ask(mode="watermark")["live"]
    assert live > first


def test_lost_events_are_counted_from_the_last_run_that_saw_and_repaired_everything(rig: TransferRig, world: World):
    """A dry run leaves the drift to the next, a narrowed one has not looked at all of it, a failed one at nothing."""
    replicated(rig, ["a"])
    whole = world.now
    rig.ask()
    world.upload("b", b"its event was lost")
    rig.lose_events()
    rig.ask(dry_run=True)
    world.now += 100
    rig.ask(mode="reconcile", prefix="z")
    world.now += 100
    world.before = lambda call: deny_listing() if call == Call("source", "ListObjectsV2", None) else None
    rig.ask(run_id="refused")
    world.before = lambda _call: None
    loss = rig.report(rig.ask()["run_id"])["loss"]
    assert datetime.fromisoformat(loss["since"]).timestamp() == whole
    assert (loss["overdue"], loss["changed"], loss["rate"]) == (1, 1, 1.0)


def test_before_a_first_whole_run_the_loss_rate_is_unknown(rig: TransferRig, world: World):
    replicated(rig, ["a"])
    rig.ask(dry_run=True)
    loss = rig.report(rig.ask()["run_id"])["loss"]
    assert (loss["since"], loss["rate"]) == (None, None)


def test_the_report_of_hostile_keys_shows_them_without_markup(rig: TransferRig, world: World):
    hostile = ["<script>alert(1)</script>", "a&b<c>\"'", "\x1b[2J", "\u202egnp.exe", "</td></tr>", "{{ 7*7 }}"]
    for key in hostile:
        world.upload(key, b"x")
    world.now += 10 * LAG_OBJECTIVE
    answer = rig.ask()
    page = rig.page(answer["run_id"])
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7*7 }}" in page
    listed = {entry["key"] for entry in rig.report(answer["run_id"])["drift"]["biggest"]}
    assert listed == set(hostile)


def test_a_run_whose_hints_never_end_is_closed_in_the_end_and_says_that_it_does_not_close(
    rig: TransferRig, world: World
):
    world.upload("a", b"x")
    world.now += 10 * LAG_OBJECTIVE
    rig.works = False
    answer = rig.ask()
    assert answer["state"] == "settling"
    rig.steps()
    done = rig.ask(run_id=answer["run_id"])
    assert done["state"] == "done"
    assert not done["books"]["closes"]
    assert done["books"]["waiting"] == 1
    assert done["verdict"] == "The books do not close."


def test_a_large_upload_that_goes_on_keeps_no_run_waiting_and_is_no_proof(rig: TransferRig, world: World):
    world.upload("large", b"x")
    world.now += 10 * LAG_OBJECTIVE
    rig.works = False
    answer = rig.ask()
    assert answer["state"] == "settling"
    rig.manifest.write("large", None, Row(1, State.UPLOADING, world.now))
    rig.steps(most=5)
    done = rig.ask(run_id=answer["run_id"])
    assert (done["state"], done["books"]["uploading"], done["books"]["closes"]) == ("done", 1, True)
    assert rig.ask(mode="watermark")["proven"] is None
    assert rig.ask()["books"]["skipped"] == {"in-flight": 1}


@pytest.mark.parametrize("seed", range(25))
def test_books_close_under_random_drift_and_random_failures(seed: int):
    chance = random.Random(seed)
    world = World(versioned=chance.random() < 0.7)
    rig = TransferRig(
        world, policy=chance.choice(list(DeletePolicy)), chunk=chance.choice([1, 3, 10, 1000]), limits=Limits(share=1)
    )
    keys = chance.sample([*ODD_KEYS.values()], 12) + [f"k{n}" for n in range(20)]
    replicated(rig, keys[:20])
    for key in chance.sample(keys, 20):
        chance.choice([lambda key=key: world.upload(key, key.encode() + b"2"), lambda key=key: world.remove(key)])()
    rig.lose_events()
    broken = set(chance.sample(keys, 4))

    def fail(call: Call) -> None:
        if call.operation == "GetObject" and call.principal == "source" and call.key in broken:
            raise refuse("GetObject", *chance.choice([("AccessDenied", 403), ("InvalidObjectState", 403)]))

    world.before = fail
    answer = rig.ask()
    rig.steps()
    answer = rig.ask(run_id=answer["run_id"])
    assert answer["state"] == "done"
    assert answer["books"]["closes"], answer
    assert answer["extras"]["closes"], answer
    tally = Counter(answer["found"])
    assert tally["listed"] == tally["current"] + total(tally, "skipped") + total(tally, "filtered") + tally["hinted"]


def test_a_step_that_fails_comes_back_soon_and_not_for_ever(world: World):
    world.page_keys = 20
    rig = TransferRig(world, chunk=25)
    many(rig, world)
    answer = rig.ask()
    record = world.receive(1, RANGES)[0]
    world.acknowledge({record["messageId"]}, RANGES)
    world.queues[RANGES].clear()
    world.before = lambda call: throttle() if call.operation == "Query" and call.principal == "own" else None
    step = Step.from_body(record["body"])
    for pause in (15, 30, 60, 120, 240, 480, 900, 900):
        assert rig.transfer.step(step, Deadline(1e6))["state"] == "interrupted"
        message = world.queues[RANGES].pop()
        assert message.visible_at - world.now == pause
        step = Step.from_body(message.body)
    with pytest.raises(HydrationError, match="ThrottlingException"):
        rig.transfer.step(step, Deadline(1e6))
    assert rig.runs.read(answer["run_id"]).phase.value == "listing"


def throttle() -> None:
    raise refuse("Query", "ThrottlingException", 400)
