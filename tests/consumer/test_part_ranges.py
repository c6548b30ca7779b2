"""Ranges and time: how many an invocation takes on, what it gives back, and what becomes of one that is cut off."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from consumer_replicator.batch import Done
from consumer_replicator.deadline import Deadline
from consumer_replicator.outcome import Deferred, Failed, RangeCopied, Replicated, Skipped, SkipReason, UploadStarted
from consumer_replicator.queue import Message
from consumer_replicator.row import State
from consumer_replicator.splitting import Splitting
from tests.consumer.fake_aws import DLQ, QUEUE, Call, World, refuse
from tests.consumer.rig import Rig, event
from tests.consumer.schedule import InLine

PART = 4
SECONDS = 30.0
SLOW = Splitting(threshold=1, bandwidth=3 * 2 * PART / SECONDS, small=0, least_range=2 * PART)
"""An invocation of thirty seconds surely carries one range of two parts."""


@pytest.fixture
def world() -> World:
    return World(least_part_bytes=1)


@pytest.fixture
def rig(world: World) -> Rig:
    rig = Rig(world, splitting=SLOW, part_bytes=PART)
    rig.copier._pool = InLine()  # type: ignore[assignment]
    return rig


class Clock:
    """Stands still, but for `seconds` that each call of an operation takes."""

    def __init__(self, world: World, **seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        world.after = self._tick

    def _tick(self, call: Call) -> None:
        self.now += self.seconds.get(call.operation, 0.0)

    def deadline(self) -> Deadline:
        return Deadline(SECONDS, clock=lambda: self.now)


def invoke(rig: Rig, deadline: Deadline) -> list[Done]:
    """One invocation: acknowledges what does not come back."""
    done = rig.batch.run([Message.from_record(record) for record in rig.world.receive()], deadline)
    rig.world.acknowledge({each.message.id for each in done if not each.comes_back})
    return done


def begun(rig: Rig, ranges: int, key: str = "k") -> None:
    rig.upload(key, bytes(range(97, 97 + 2 * PART * ranges)))
    (outcome,) = [each.outcome for each in rig.run(SECONDS)]
    assert outcome == UploadStarted(2 * PART * ranges, 2 * ranges, ranges)
    show_all(rig.world)


def show_all(world: World) -> None:
    """Whatever is delayed is visible."""
    for message in world.queues[QUEUE]:
        message.visible_at = world.now


def numbers(world: World) -> list[int]:
    return [json.loads(message.body)["range"] for message in world.queues[QUEUE]]


# -- a turn ------------------------------------------------------------------------------------------------------------


def test_an_invocation_takes_on_a_turn_of_ranges_and_gives_the_others_back_before_it_begins(rig: Rig, world: World):
    begun(rig, 4)
    world.calls.clear()
    done = invoke(rig, Clock(world).deadline())
    assert Counter(type(each.outcome) for each in done) == {RangeCopied: 1, Deferred: 3}
    assert world.operations()[:3] == ["BatchGetItem", "ChangeMessageVisibility", "GetObject"]
    assert world.operations().count("ChangeMessageVisibility") == 1, "what is given back is not given back again"
    assert all(message.visible_at == world.now for message in world.queues[QUEUE])
    assert [each.comes_back for each in done] == [isinstance(each.outcome, Deferred) for each in done]


def test_those_go_first_that_have_waited_longest(rig: Rig, world: World):
    begun(rig, 4)
    world.queues[QUEUE][2].receive_count = 3
    (copied,) = [each for each in invoke(rig, Clock(world).deadline()) if isinstance(each.outcome, RangeCopied)]
    assert copied.outcome.number == 3


def test_all_ranges_are_carried_in_the_end_however_few_are_taken_on_at_a_time(rig: Rig, world: World):
    begun(rig, 6)
    for _ in range(40):
        invoke(rig, Clock(world).deadline())
        if not world.queues[QUEUE]:
            break
    rig.assert_covered("k")
    assert not world.queues[DLQ]


def test_having_had_no_room_uses_up_no_try(rig: Rig, world: World):
    """In its last try the range is sent anew: a dead letter would say that something is wrong with it."""
    begun(rig, 2)
    for message in world.queues[QUEUE]:
        message.receive_count = 4
    done = invoke(rig, Clock(world).deadline())
    assert [each.outcome for each in done if isinstance(each.outcome, Deferred)] == [Deferred(sent_again=True)]
    (again,) = [message for message in world.queues[QUEUE] if "range" in message.body]
    assert again.receive_count == 0
    assert again.attributes["MessageGroupId"].startswith("upload-")


def test_where_it_cannot_be_sent_anew_it_comes_back(rig: Rig, world: World):
    begun(rig, 2)
    for message in world.queues[QUEUE]:
        message.receive_count = 4

    def refused(call: Call) -> None:
        if call.operation == "SendMessageBatch":
            raise refuse("SendMessageBatch", "ServiceUnavailable", 503)

    world.before = refused
    done = invoke(rig, Clock(world).deadline())
    assert [each.comes_back for each in done if isinstance(each.outcome, Deferred)] == [True]


def test_small_objects_of_the_same_batch_wait_for_no_range(rig: Rig, world: World):
    begun(rig, 4)
    world.send(event("small", world.upload("small", b"1")))
    done = invoke(rig, Clock(world).deadline())
    assert Replicated in {type(each.outcome) for each in done}
    assert rig.replica_body("small") == b"1"


def test_ranges_that_are_done_or_obsolete_take_no_room(rig: Rig, world: World):
    begun(rig, 2)
    bodies = [message.body for message in world.queues[QUEUE]]
    rig.drain()
    for body in bodies * 4:
        world.send(body)
    assert [each.outcome for each in invoke(rig, Clock(world).deadline())] == [Skipped(SkipReason.UPLOAD_GONE)] * 8


def test_an_upload_that_was_dropped_by_somebody_who_then_stopped_is_begun_anew_by_its_ranges(rig: Rig, world: World):
    """As where one message is worked on twice: the second worker drops another event's upload, and is stopped, and the
    first has acknowledged the message."""
    begun(rig, 2)
    before = rig.row("k")
    assert before
    dropped = replace(before, state=State.PENDING, generation=before.generation + 1, upload=None)
    rig.manifest.write("k", before, dropped)
    assert {each.outcome for each in invoke(rig, Clock(world).deadline())} == {Skipped(SkipReason.UPLOAD_GONE)}
    rig.drain()
    rig.assert_covered("k")


def test_a_range_is_not_begun_where_the_time_that_is_left_may_not_do(world: World):
    """Both were taken on; the first one took two thirds of the invocation, though half was surely enough."""
    halves = Splitting(threshold=1, bandwidth=SLOW.bandwidth, small=0, least_range=PART)
    rig = Rig(world, splitting=halves, part_bytes=PART)
    rig.copier._pool = InLine()  # type: ignore[assignment]
    rig.upload("k", b"aaaabbbb")
    rig.run(SECONDS)
    show_all(world)
    assert numbers(world) == [1, 2]
    done = invoke(rig, Clock(world, UploadPart=SECONDS * 2 / 3).deadline())
    assert [each.outcome for each in done] == [RangeCopied(1, PART, 1), Deferred()]


# -- cut off -----------------------------------------------------------------------------------------------------------


def test_a_range_that_is_cut_off_comes_back_at_once_and_carries_only_what_is_missing(rig: Rig, world: World):
    begun(rig, 1)
    clock = Clock(world, UploadPart=SECONDS + 1)
    (done,) = invoke(rig, clock.deadline())
    assert done.outcome == Failed("out-of-time", done.outcome.message, final=False)
    assert world.queues[QUEUE][0].visible_at == world.now
    assert [each.outcome for each in invoke(rig, clock.deadline())] == [RangeCopied(1, PART, 1)]
    assert world.operations().count("UploadPart") == 2
    rig.drain()
    rig.assert_covered("k")


def test_a_range_that_is_cut_off_in_its_last_try_but_got_further_is_sent_anew(rig: Rig, world: World):
    begun(rig, 1)
    world.queues[QUEUE][0].receive_count = 4
    clock = Clock(world, UploadPart=SECONDS + 1)
    assert [each.outcome for each in invoke(rig, clock.deadline())] == [Deferred(sent_again=True)]
    assert not world.queues[DLQ]
    (anew,) = invoke(rig, clock.deadline())
    assert anew.comes_back
    assert anew.message.receive_count == 1
    assert [each.outcome for each in invoke(rig, clock.deadline())] == [RangeCopied(1, PART, 1)]
    rig.drain()
    rig.assert_covered("k")


def test_a_range_that_gets_no_further_ends_in_dead_letters_with_its_reason_and_the_upload_stays(rig: Rig, world: World):
    """A part takes longer than a function may run: somebody has to give it more time."""
    begun(rig, 1)
    clock = Clock(world, GetObject=SECONDS + 1)
    rig.copier._carrier = Interrupted(rig.copier._carrier)  # type: ignore[assignment]
    for _ in range(5):
        (done,) = invoke(rig, clock.deadline())
    assert done.outcome == Failed("out-of-time", done.outcome.message, final=True)
    (dead,) = world.queues[DLQ]
    assert dead.attributes["hydration-error-code"]["StringValue"] == "out-of-time"
    assert rig.row("k").upload is not None


class Interrupted:
    """A carrier whose stream looks at the clock while it reads."""

    def __init__(self, carrier: object) -> None:
        self._carrier = carrier

    def carry(self, key, identity, upload, part, deadline):
        with self._carrier._source.part(key, identity, part):  # type: ignore[attr-defined]
            deadline.check()
        raise AssertionError("in time")


def test_a_function_that_is_killed_costs_its_range_alone(rig: Rig, world: World):
    begun(rig, 3)
    world.receive(1)  # and is never heard of again
    for _ in range(20):
        invoke(rig, Clock(world).deadline())
    assert rig.row("k").upload.done == {2, 3}
    world.now += 90
    rig.drain()
    rig.assert_covered("k")
