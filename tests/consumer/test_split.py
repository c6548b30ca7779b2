"""A copy that spreads over many invocations: begun, resumed, completed, begun again, given up."""

import json
from collections import deque
from collections.abc import Callable

import pytest

from consumer_replicator.batch import Done
from consumer_replicator.deadline import Deadline
from consumer_replicator.hint import Hint, PlainHint, to_body
from consumer_replicator.outcome import (
    Deleted,
    Failed,
    RangeCopied,
    Replicated,
    Skipped,
    SkipReason,
    UploadStarted,
)
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.proof import Proof
from consumer_replicator.queue import Message
from consumer_replicator.row import State
from consumer_replicator.split import RANGES_LIVE_SECONDS
from consumer_replicator.splitting import Splitting
from consumer_replicator.tags import digest
from producer_events.scope import Scope
from tests.consumer.fake_aws import DLQ, QUEUE, SOURCE, Call, Version, World, refuse
from tests.consumer.rig import LONG_TAGS, MIB, Rig, event
from tests.consumer.schedule import PART, SPLITTING
from tests.consumer.transfer_rig import TransferRig

BODY = b"aaaabbbbcc"
"""Three ranges of one part each."""
OTHER = b"ddddeeeeff"
UPLOADING = Skipped(SkipReason.UPLOADING)
EVENT_TIME = 1_799_999_990


@pytest.fixture
def world() -> World:
    return World(least_part_bytes=1)


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world, splitting=SPLITTING, part_bytes=PART)


@pytest.fixture
def mirror(world: World) -> Rig:
    return Rig(world, splitting=SPLITTING, part_bytes=PART, policy=DeletePolicy.MIRROR)


def outcomes(done: list[Done]) -> list[object]:
    return [each.outcome for each in done]


def begun(rig: Rig, body: bytes = BODY, **attributes: object) -> None:
    """The source has the object, its upload is open, and its ranges wait in the queue."""
    rig.upload("k", body, **attributes)
    (done,) = rig.run()
    assert isinstance(done.outcome, UploadStarted)


def waiting(world: World) -> list[dict[str, object]]:
    return [json.loads(message.body) for message in world.queues[QUEUE]]


def ranges_waiting(world: World) -> list[object]:
    return [message["range"] for message in waiting(world) if message.get("kind") == "range"]


def keep(world: World, wanted: Callable[[dict[str, object]], bool]) -> None:
    """Only these messages stay in the queue."""
    gone = {message.id for message in world.queues[QUEUE] if not wanted(json.loads(message.body))}
    world.acknowledge(gone)


def once(operation: str, error: Exception, after: int = 0) -> Callable[[Call], None]:
    """Raises the error at the call of this operation that comes after so many others of it."""
    left = [after + 1]

    def before(call: Call) -> None:
        if call.operation == operation:
            left[0] -= 1
            if left[0] == 0:
                raise error

    return before


# -- from the event to the replica -------------------------------------------------------------------------------------


def test_a_large_object_is_begun_carried_range_by_range_and_completed_by_a_hint_of_its_own(rig: Rig, world: World):
    begun(rig)
    assert rig.row("k").state is State.UPLOADING
    assert ranges_waiting(world) == [1, 2, 3]
    assert outcomes(rig.run()) == [RangeCopied(1, 4, 1), RangeCopied(2, 4, 1), RangeCopied(3, 2, 1)]
    assert rig.row("k").upload.done == {1, 2, 3}
    assert rig.replica_body("k") is None, "a range message never completes"
    assert waiting(world) == [{"s3-hydration-hint": 1, "bucket": SOURCE, "key": "k", "id": "e-1", "kind": "plain"}]
    world.now += 5
    (done,) = rig.run()
    assert done.outcome == Replicated(10, world.now - EVENT_TIME, Proof.SOURCE_CHECKSUM, parts=3)
    assert rig.row("k").event_time == EVENT_TIME, "reports count the lag of the whole copy"
    assert rig.row("k").upload is None
    assert not world.replica.uploads
    rig.assert_covered("k")


def test_each_step_makes_the_calls_of_the_model_in_its_order(rig: Rig, world: World):
    rig.upload("k", BODY)
    calls: list[list[str]] = []
    for _ in range(3):
        world.calls.clear()
        rig.run()
        calls.append(world.operations())
    a_range = ["GetObject", "UploadPart", "UpdateItem"]
    assert calls == [
        ["BatchGetItem", "GetObject", "CreateMultipartUpload", "PutItem", "SendMessageBatch", "UpdateItem"],
        ["BatchGetItem", *a_range, "GetItem", *a_range, "GetItem", *a_range, "SendMessage"],
        ["BatchGetItem", "GetObject", "ListParts", "CompleteMultipartUpload", "HeadObject", "PutItem"],
    ]


def test_metadata_headers_and_tags_are_carried(rig: Rig, world: World):
    begun(rig, ContentType="text/csv", Metadata={"a": "b"}, tags={"team": "blue"})
    rig.drain()
    replica = world.replica.current("k")
    assert replica.attributes["ContentType"] == "text/csv"
    assert replica.attributes["Metadata"]["a"] == "b"
    assert replica.tags == {"team": "blue"}


def test_tags_that_no_header_can_hold_are_set_once_the_upload_is_complete(rig: Rig, world: World):
    rig.upload("k", BODY, tags=LONG_TAGS)
    rig.drain()
    assert world.replica.current("k").tags == LONG_TAGS
    assert rig.row("k").tags == digest(LONG_TAGS)
    rig.assert_covered("k")


def test_ranges_carry_a_group_of_their_upload_and_plain_hints_none(rig: Rig, world: World):
    begun(rig)
    (group,) = {message.attributes["MessageGroupId"] for message in world.queues[QUEUE]}
    assert group.startswith("upload-")
    rig.run()
    assert [message.attributes for message in world.queues[QUEUE]] == [{}]


def test_the_old_replica_stays_and_the_row_vouches_for_it_until_the_new_one_is_there(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.drain()
    begun(rig)
    assert rig.replica_body("k") == b"one"
    assert rig.row("k").replica.etag == world.replica.current("k").etag
    assert rig.row("k").upload.expected == rig.row("k").replica
    rig.drain()
    rig.assert_covered("k")


def test_a_source_without_a_checksum_is_computed_from_what_the_parts_were_stored_with(rig: Rig, world: World):
    begun(rig)
    world.source.current("k").checksum = None
    rig.run()
    (done,) = rig.run()
    assert done.outcome.proof is Proof.COMPUTED
    rig.assert_covered("k")


def test_the_parts_of_a_composite_source_are_mirrored_over_several_invocations(world: World):
    world.least_part_bytes = 5 * MIB
    rig = Rig(world, splitting=Splitting(threshold=6 * MIB, small=0, least_range=1))
    bodies = [b"a" * 6 * MIB, b"b" * 6 * MIB, b"c"]
    world.send(event("k", world.upload_in_parts("k", bodies, "CRC32")))
    assert outcomes(rig.run()) == [UploadStarted(12 * MIB + 1, 3, 3)]
    (last,) = [each for each in rig.drain() if isinstance(each.outcome, Replicated)]
    assert last.outcome.proof is Proof.COMPOSITE
    rig.assert_covered("k")


def test_server_side_the_same_upload_is_carried_without_a_byte_passing_through(world: World):
    rig = Rig(world, splitting=SPLITTING, part_bytes=PART, server_side=True)
    begun(rig)
    world.calls.clear()
    assert outcomes(rig.run()) == [RangeCopied(1, 4, 1), RangeCopied(2, 4, 1), RangeCopied(3, 2, 1)]
    assert world.operations().count("UploadPartCopy") == 3
    assert not {"GetObject", "UploadPart"} & set(world.operations())
    rig.drain()
    rig.assert_covered("k")


def test_an_object_of_no_bytes_is_never_split(world: World):
    rig = Rig(world, splitting=Splitting(threshold=1, small=0), part_bytes=PART)
    rig.upload("k", b"")
    assert isinstance(rig.run()[0].outcome, Replicated)


# -- when an object is split -------------------------------------------------------------------------------------------


def test_what_another_invocation_would_carry_whole_goes_back_once_and_is_split_the_second_time(world: World):
    """A second is a byte here: of ten, two are left."""
    rig = Rig(world, splitting=Splitting(bandwidth=3.0, small=0, least_range=PART), part_bytes=PART)
    clock = [0.0]
    rig.upload("k", b"12345")
    for expected in (Failed, UploadStarted):
        deadline = Deadline(10, clock=lambda: clock[0])
        clock[0] += 8
        records = world.receive()
        (done,) = rig.batch.run([Message.from_record(record) for record in records], deadline)
        assert isinstance(done.outcome, expected)
        assert done.comes_back is (expected is Failed)
        if done.comes_back:
            assert done.outcome.code == "out-of-time"
            assert world.queues[QUEUE][0].visible_at == world.now


def test_with_its_time_before_it_the_same_object_is_copied_whole(world: World):
    rig = Rig(world, splitting=Splitting(bandwidth=3.0, small=0, least_range=PART), part_bytes=PART)
    rig.upload("k", b"12345")
    assert isinstance(rig.run(seconds=10)[0].outcome, Replicated)


# -- hints that find the upload under way ------------------------------------------------------------------------------


def test_a_hint_that_finds_the_upload_under_way_touches_the_row_and_sends_nothing(rig: Rig, world: World):
    begun(rig)
    before = rig.row("k")
    world.now += 60
    world.send(event("k", "FF"))
    done = rig.run()
    assert outcomes(done)[0] == UPLOADING
    assert world.operations().count("SendMessageBatch") == 1
    after = rig.row("k")
    assert (after.generation, after.sequencer, after.written_at) == (before.generation + 1, "FF", world.now)
    assert after.event_time == before.event_time


def test_a_hundred_hints_for_a_large_object_are_a_hundred_short_looks_and_no_more_ranges(rig: Rig, world: World):
    begun(rig)
    for message in world.queues[QUEUE]:
        message.visible_at = float("inf")
    for _ in range(100):
        world.send(event("k"))
    for _ in range(10):
        assert outcomes(rig.run()) == [UPLOADING] * 10
    assert ranges_waiting(world) == [1, 2, 3]


def test_a_finished_range_survives_a_touch_by_a_hint_that_had_read_the_row_before(rig: Rig, world: World):
    begun(rig)
    stale = rig.row("k")
    keep(world, lambda message: message["range"] == 1)
    rig.run()
    outcome, _ = rig.converger.converge(Hint("k", "late"), stale, Deadline(60))
    assert outcome == UPLOADING
    assert rig.row("k").upload.done == {1}


def test_a_sender_that_was_stopped_before_it_had_sent_all_sends_again_when_its_message_returns(rig: Rig, world: World):
    rig.upload("k", BODY)
    world.before = once("SendMessageBatch", refuse("SendMessageBatch", "ServiceUnavailable", 503))
    (done,) = rig.run()
    assert done.comes_back
    assert rig.row("k").upload.sent_at is None
    assert ranges_waiting(world) == []
    world.now += 900
    assert outcomes(rig.run()) == [UPLOADING]
    assert ranges_waiting(world) == [1, 2, 3]
    assert rig.row("k").upload.sent_at == world.now
    rig.drain()
    rig.assert_covered("k")


def test_missing_ranges_are_sent_again_once_no_message_can_be_alive(rig: Rig, world: World):
    begun(rig)
    keep(world, lambda message: message["range"] == 2)
    rig.run()
    for age, sent in ((RANGES_LIVE_SECONDS, []), (1, [1, 3])):
        world.now += age
        world.send(event("k"))
        assert outcomes(rig.run()) == [UPLOADING]
        assert ranges_waiting(world) == sent
    rig.drain()
    rig.assert_covered("k")


def test_a_reconcile_revives_an_upload_whose_messages_are_all_gone(world: World):
    rig = TransferRig(world, splitting=SPLITTING, part_bytes=PART)
    begun(rig)
    keep(world, lambda message: message["range"] == 2)
    rig.run()
    generation = rig.row("k").generation
    world.now += 3_600
    rig.ask()
    assert rig.row("k").generation == generation, "an upload of an hour is under way, not unfinished"
    world.now += 86_400
    rig.ask()
    rig.drain()
    rig.assert_covered("k")


def test_an_upload_that_gets_on_is_not_taken_for_unfinished_however_long_it_takes(world: World):
    rig = TransferRig(world, splitting=SPLITTING, part_bytes=PART, works=False)
    begun(rig)
    messages = list(world.queues[QUEUE])
    for place, message in enumerate(messages, start=1):
        message.visible_at = world.now + place * 80_000
    for done in (1, 2):
        world.now += 80_000
        rig.run()
        rig.ask()
        assert len(rig.row("k").upload.done) == done
        assert world.queues[QUEUE] == deque(messages[done:]), "no hint was sent"
    rig.drain()
    rig.assert_covered("k")


# -- the source changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [OTHER, b"two"], ids=["large", "small"])
def test_an_overwrite_drops_the_upload_and_copies_what_is_there_now(rig: Rig, world: World, body: bytes):
    begun(rig)
    rig.upload("k", body)
    rig.drain()
    rig.assert_covered("k")
    assert rig.replica_body("k") == body
    assert not world.replica.uploads


def test_ranges_of_an_upload_that_was_replaced_are_acknowledged_without_reading_a_byte(rig: Rig, world: World):
    begun(rig)
    old = waiting(world)
    rig.upload("k", b"two")
    keep(world, lambda message: "detail" in message)
    rig.drain()
    world.calls.clear()
    for message in old:
        world.send(json.dumps(message))
    assert outcomes(rig.run()) == [Skipped(SkipReason.UPLOAD_GONE)] * 3
    assert set(world.operations()) == {"BatchGetItem"}


def test_an_object_that_is_replaced_between_two_ranges_is_told_by_a_hint(world: World):
    unversioned = World(versioned=False, least_part_bytes=1)
    rig = Rig(unversioned, splitting=SPLITTING, part_bytes=PART)
    begun(rig)
    upload_id = rig.row("k").upload.id
    unversioned.upload("k", OTHER)  # its event is late
    keep(unversioned, lambda message: message["range"] == 1)
    assert outcomes(rig.run()) == [Skipped(SkipReason.SOURCE_CHANGED)]
    (hint,) = waiting(unversioned)
    assert hint["resend"] == upload_id
    rig.drain()
    rig.assert_covered("k")
    assert not unversioned.replica.uploads


def test_the_identity_is_read_again_before_completing(rig: Rig, world: World):
    begun(rig)
    rig.run()
    world.upload("k", OTHER)  # its event is late
    rig.drain()
    assert rig.replica_body("k") == OTHER
    assert [body for _, body in world.mutations] == [OTHER], "the old object never showed"


def test_a_delete_is_passed_on_and_the_upload_goes_with_it(mirror: Rig, world: World):
    begun(mirror)
    mirror.remove("k")
    outcome = [each.outcome for each in mirror.drain()]
    assert Deleted() in outcome
    mirror.assert_covered("k")
    assert not world.replica.uploads
    assert mirror.row("k").upload is None


def test_under_retain_a_deleted_source_drops_the_upload_and_keeps_the_old_replica(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.drain()
    begun(rig)
    rig.remove("k")
    rig.drain()
    assert rig.row("k").state is State.GONE
    assert rig.replica_body("k") == b"one"
    assert not world.replica.uploads


def test_an_object_that_grew_out_of_the_scope_meanwhile_is_as_good_as_deleted(world: World):
    begun(Rig(world, splitting=SPLITTING, part_bytes=PART))
    narrowed = Rig(world, splitting=SPLITTING, part_bytes=PART, scope=Scope(max_bytes=5))
    narrowed.drain()
    assert narrowed.row("k").state is State.GONE
    assert narrowed.replica_body("k") is None
    assert not world.replica.uploads


def test_ranges_of_a_key_that_left_the_scope_touch_nothing(world: World):
    begun(Rig(world, splitting=SPLITTING, part_bytes=PART))
    world.calls.clear()
    narrowed = Rig(world, splitting=SPLITTING, part_bytes=PART, scope=Scope(prefixes=("other/",)))
    assert {each.reason for each in outcomes(narrowed.run())} == {SkipReason.OUT_OF_SCOPE}
    assert world.operations() == []


def test_tags_that_change_meanwhile_are_those_of_the_replica_in_the_end(rig: Rig, world: World):
    begun(rig, tags={"team": "blue"})
    world.source.current("k").tags = {"team": "red"}
    world.send(event("k", kind="Object Tags Added"))
    assert outcomes(rig.run())[0] == UPLOADING
    rig.drain()
    assert world.replica.current("k").tags == {"team": "red"}
    world.send(event("k", kind="Object Tags Added"))
    assert rig.run()[0].outcome == Skipped(SkipReason.CURRENT), "the row knows them"


def test_a_forced_copy_of_a_large_object_that_is_current_is_carried_and_ends(rig: Rig, world: World):
    begun(rig)
    rig.drain()
    first = world.replica.current("k").etag
    world.send(to_body(PlainHint(SOURCE, "k", "run r", force=True)))
    assert isinstance(rig.run()[0].outcome, UploadStarted)
    world.send(to_body(PlainHint(SOURCE, "k", "run r", force=True)))
    assert outcomes(rig.run())[0] == UPLOADING
    rig.drain()
    assert world.replica.current("k").etag != first
    rig.assert_covered("k")


# -- the replica changes -----------------------------------------------------------------------------------------------


def test_a_replica_that_was_written_by_hand_meanwhile_is_replaced_by_a_new_upload(rig: Rig, world: World):
    begun(rig)
    world._store(world.replica, "k", b"by hand", {}, {})
    rig.run()
    rig.drain()
    rig.assert_covered("k")
    assert not world.replica.uploads


def test_a_completion_that_is_hidden_behind_something_newer_is_noticed_and_done_again(rig: Rig, world: World):
    """A version's place is that of its upload's beginning: what was written and deleted since hides it."""
    begun(rig)
    rig.run()
    world._store(world.replica, "k", b"by hand", {}, {})
    world._remove(world.replica, "k")
    rig.drain()
    hidden, *_, last = [version for version in world.replica.keys["k"] if version.body == BODY]
    assert isinstance(hidden, Version)
    assert hidden is not last
    assert world.replica.current("k") is last
    rig.assert_covered("k")


def test_an_upload_that_somebody_aborts_is_begun_again(rig: Rig, world: World):
    begun(rig)
    world.replica.uploads.clear()
    assert outcomes(rig.run()) == [Skipped(SkipReason.UPLOAD_GONE)] * 3
    rig.drain()
    rig.assert_covered("k")
    assert not world.replica.uploads


def test_parts_that_are_missing_after_all_are_noticed_before_completing(rig: Rig, world: World):
    begun(rig)
    rig.run()
    (upload,) = world.replica.uploads.values()
    del upload["parts"][2]
    rig.drain()
    rig.assert_covered("k")


# -- copiers that are stopped ------------------------------------------------------------------------------------------


def test_a_completed_upload_whose_row_was_not_written_is_adopted_and_not_carried_again(rig: Rig, world: World):
    begun(rig)
    rig.run()
    world.before = once("HeadObject", refuse("HeadObject", "InternalError", 500))
    (done,) = rig.run()
    assert done.comes_back
    world.now += 900
    (done,) = rig.run()
    assert isinstance(done.outcome, Replicated)
    assert done.outcome.adopted
    assert done.outcome.lag == world.now - EVENT_TIME
    assert world.operations().count("CreateMultipartUpload") == 1
    rig.assert_covered("k")


def test_a_row_write_whose_answer_was_lost_is_recognised_as_our_own(rig: Rig, world: World):
    rig.upload("k", BODY)

    def lost(call: Call) -> None:
        if call.operation == "PutItem":
            world.after = lambda _call: None
            raise refuse("PutItem", "ConditionalCheckFailedException", 400)

    world.after = lost
    assert isinstance(rig.run()[0].outcome, UploadStarted)
    assert list(world.replica.uploads) == [rig.row("k").upload.id]
    rig.drain()
    rig.assert_covered("k")


def test_an_upload_whose_row_could_not_be_written_is_not_left_open(rig: Rig, world: World):
    rig.upload("k", BODY)
    world.before = once("PutItem", refuse("PutItem", "InternalServerError", 500))
    assert rig.run()[0].comes_back
    assert not world.replica.uploads


def test_both_copiers_that_complete_at_once_end_well(rig: Rig, world: World):
    begun(rig)
    rig.run()
    row = rig.row("k")
    assert isinstance(rig.converger.converge(Hint("k", "one"), row, Deadline(60))[0], Replicated)
    assert rig.converger.converge(Hint("k", "two"), row, Deadline(60))[0] == Skipped(SkipReason.CURRENT)
    rig.assert_covered("k")


def test_a_row_uploading_of_a_release_that_named_no_upload_is_copied_anew(rig: Rig, world: World):
    begun(rig)
    (address,) = world.rows
    for name in ("u", "y", "n"):
        del world.rows[address][name]
    keep(world, lambda _message: False)
    world.send(event("k"))
    rig.drain()
    rig.assert_covered("k")


# -- failures ----------------------------------------------------------------------------------------------------------


def denied(call: Call) -> None:
    if call.operation == "GetObject":
        raise refuse("GetObject", "AccessDenied", 403)


def test_a_refusal_that_passes_costs_no_part_that_was_carried(rig: Rig, world: World):
    begun(rig)
    keep(world, lambda message: message["range"] == 3)
    world.before = denied
    (done,) = rig.run()
    assert done.comes_back
    assert done.outcome.code == "source-access-denied"
    assert rig.row("k").state is State.UPLOADING
    world.before = lambda _call: None
    world.now += 900
    assert outcomes(rig.run()) == [RangeCopied(3, 2, 1)]


def test_a_refusal_that_lasts_fails_the_object_and_gives_its_upload_up(rig: Rig, world: World):
    begun(rig)
    world.before = denied
    rig.drain()
    row = rig.row("k")
    assert (row.state, row.error, row.attempts, row.upload) == (State.FAILED, "source-access-denied", 1, None)
    assert not world.replica.uploads
    assert not world.queues[DLQ]
    world.before = lambda _call: None
    world.send(to_body(PlainHint(SOURCE, "k", "run r")))
    rig.drain()
    rig.assert_covered("k")


def test_an_object_that_fails_at_every_reconcile_is_tried_with_growing_spacing(rig: Rig, world: World):
    begun(rig)
    for attempt in (1, 2, 3):
        world.before = denied
        rig.drain()
        assert rig.row("k").attempts == attempt
        world.before = lambda _call: None
        world.send(to_body(PlainHint(SOURCE, "k", "run r")))
        assert isinstance(rig.run()[0].outcome, UploadStarted)


def test_a_transient_failure_that_lasts_sets_the_range_aside_and_keeps_the_upload(rig: Rig, world: World):
    begun(rig)
    keep(world, lambda message: message["range"] == 3)

    def throttled(call: Call) -> None:
        if call.operation == "UploadPart":
            raise refuse("UploadPart", "SlowDown", 503)

    world.before = throttled
    done = rig.drain()
    assert done[-1].outcome == Failed("throttled", done[-1].outcome.message, final=True)
    (dead,) = world.queues[DLQ]
    assert dead.attributes["hydration-error-code"]["StringValue"] == "throttled"
    assert rig.row("k").upload.done == frozenset()
    world.before = lambda _call: None
    world.send(dead.body)  # redriven
    assert outcomes(rig.run()) == [RangeCopied(3, 2, 1)]


def test_parts_that_do_not_have_the_source_s_checksum_never_become_a_replica(rig: Rig, world: World):
    begun(rig)
    world.source.current("k").checksum = world._store(world.source, "elsewhere", b"others", {}, {}).checksum
    rig.run()
    done = rig.drain()
    assert [each.outcome.code for each in done] == ["checksum-mismatch"], "once: the parts stay what they are"
    assert rig.replica_body("k") is None
    assert (rig.row("k").state, rig.row("k").error) == (State.FAILED, "checksum-mismatch")
    assert not world.replica.uploads


def test_a_range_that_its_upload_does_not_have_is_set_aside(rig: Rig, world: World):
    begun(rig)
    message = next(each for each in waiting(world) if each["range"] == 3)
    keep(world, lambda _message: False)
    world.send(json.dumps({**message, "range": 4}))
    (done,) = rig.run()
    assert done.outcome == Failed("bad-hint", "The upload has 3 ranges, not 4.", final=True)
    assert len(world.queues[DLQ]) == 1
