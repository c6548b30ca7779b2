"""The protocol step by step on the fake AWS: what is asked in which order, and what the world is like afterwards."""

from typing import Any

import pytest

from consumer_replicator import checksum, composite
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import Hint
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.outcome import Deleted, Failed, Outcome, Replicated, Skipped, SkipReason, TagsReplicated
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.proof import Proof
from consumer_replicator.row import State
from producer_events.scope import Scope
from tests.consumer.fake_aws import QUEUE, Call, World, refuse
from tests.consumer.rig import LONG_TAGS, MIB, Rig, event
from tests.consumer.schedule import InLine
from tests.odd_keys import ODD_KEYS


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def world(request: pytest.FixtureRequest) -> World:
    return World(versioned=request.param)


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world, policy=DeletePolicy.MIRROR)


def converge(rig: Rig, key: str = "k", **hint: Any) -> Outcome:
    return rig.converger.converge(Hint(key, "event", **hint), rig.manifest.read(key), Deadline(60))[0]


def once(operation: str, act: Any) -> Any:
    """A `before` hook that acts at the first call of an operation only."""
    state = {"done": False}

    def hook(call: Call) -> None:
        if call.operation == operation and not state["done"]:
            state["done"] = True
            act()

    return hook


def denied() -> None:
    raise refuse("GetObject", "AccessDenied", 403)


def archived() -> None:
    raise refuse("GetObject", "InvalidObjectState", 403)


# -- the source is there --------------------------------------------------------------------------


def test_a_new_object_is_read_written_and_committed(rig: Rig, world: World):
    world.upload("k", b"one", ContentType="text/plain")
    assert converge(rig) == Replicated(3, None, Proof.SOURCE_CHECKSUM)
    assert world.operations() == ["GetItem", "GetObject", "PutObject", "PutItem"]
    rig.assert_covered("k")
    assert world.replica.current("k").attributes["ContentType"] == "text/plain"


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_every_key_that_s3_allows_is_carried_verbatim(key: str):
    world = World()
    rig = Rig(world)
    rig.upload(key, b"odd")
    assert isinstance(rig.run()[0].outcome, Replicated)
    assert list(world.replica.keys) == [key]
    assert [sort for _, sort in world.rows] == [key]


def test_an_empty_object_and_a_folder_marker_are_objects_too(rig: Rig, world: World):
    for key in ("empty", "folder/"):
        world.upload(key, b"")
        assert converge(rig, key) == Replicated(0, None, Proof.SOURCE_CHECKSUM)
        rig.assert_covered(key)


def test_an_overwrite_replaces_the_replica_against_the_etag_of_the_row(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    world.upload("k", b"two")
    world.calls.clear()
    assert isinstance(converge(rig), Replicated)
    assert world.operations() == ["GetItem", "GetObject", "PutObject", "PutItem"]
    rig.assert_covered("k")


def test_whatever_the_event_said_the_current_state_is_what_counts(rig: Rig, world: World):
    world.upload("k", b"one")
    world.upload("k", b"two")
    converge(rig, sequencer="01")
    assert rig.replica_body("k") == b"two"
    rig.assert_covered("k")


def test_nothing_to_do_is_only_said_after_a_head_and_under_a_row_write(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    before = rig.row("k").generation
    world.calls.clear()
    assert converge(rig) == Skipped(SkipReason.CURRENT)
    assert world.operations() == ["GetItem", "GetObject", "HeadObject", "PutItem"]
    assert rig.row("k").generation == before + 1


def test_a_hint_that_forces_copies_what_is_current(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    before = world.replica.current("k").etag
    world.calls.clear()
    assert converge(rig, force=True) == Replicated(3, None, Proof.SOURCE_CHECKSUM)
    assert world.operations() == ["GetItem", "GetObject", "PutObject", "PutItem"]
    assert world.replica.current("k").etag != before
    rig.assert_covered("k")


def test_a_forced_copy_stopped_before_its_commit_is_adopted_and_not_made_a_third_time(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    world.before = once("PutItem", refused_row_write)
    assert isinstance(converge(rig, force=True), Replicated)
    assert world.operations().count("PutObject") == 2
    rig.assert_covered("k")


def test_a_forced_copy_of_a_key_without_a_row_takes_no_replica_for_its_own(rig: Rig, world: World):
    """The manifest was lost: what is there was written by nobody knows whom, under the same first generation."""
    world.upload("k", b"one")
    converge(rig)
    before = world.replica.current("k").etag
    world.rows.clear()
    assert converge(rig, force=True) == Replicated(3, None, Proof.SOURCE_CHECKSUM)
    assert world.replica.current("k").etag != before
    rig.assert_covered("k")


def refused_row_write() -> None:
    raise refuse("PutItem", "ConditionalCheckFailedException", 400)


def test_a_failure_for_good_is_noted_for_the_watermark_before_its_row_says_so(rig: Rig, world: World):
    world.upload("k", b"one")
    world.before = once("GetObject", archived)
    assert isinstance(converge(rig), Failed)
    written = [call.key for call in world.calls if call.operation == "PutItem"]
    assert written == ["failures", "k"]


def test_a_replica_changed_behind_the_manifest_s_back_is_made_again(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    world._store(world.replica, "k", b"vandal", {}, {})
    assert isinstance(converge(rig), Replicated)
    rig.assert_covered("k")


def test_a_replica_removed_behind_the_manifest_s_back_is_made_again(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    world._remove(world.replica, "k")
    assert isinstance(converge(rig), Replicated)
    rig.assert_covered("k")


def test_an_object_of_unknown_origin_in_the_replica_bucket_is_replaced(rig: Rig, world: World):
    world._store(world.replica, "k", b"was here before", {}, {})
    world.upload("k", b"one")
    assert isinstance(converge(rig), Replicated)
    rig.assert_covered("k")


def test_after_a_refused_put_the_bytes_read_before_are_never_sent_again(rig: Rig, world: World):
    """The source changes and another copier is faster: what is written in the end is the newest state."""
    world.upload("k", b"one")

    def overtaken() -> None:
        world.upload("k", b"two")
        world._store(world.replica, "k", b"another copier's", {}, {})

    world.before = once("PutObject", overtaken)
    assert isinstance(converge(rig), Replicated)
    assert rig.replica_body("k") == b"two"
    put = [n for n, operation in enumerate(world.operations()) if operation == "PutObject"]
    assert world.operations()[put[0] + 1 : put[1]] == ["GetItem", "HeadObject", "GetItem", "GetObject"]
    rig.assert_covered("k")


def test_a_crash_between_put_and_commit_is_adopted_and_not_copied_again(rig: Rig, world: World):
    world.upload("k", b"one")

    def crash(call: Call) -> None:
        if call.operation == "PutObject":
            raise KeyboardInterrupt

    world.after = crash
    with pytest.raises(KeyboardInterrupt):
        converge(rig)
    world.after = lambda _call: None
    world.calls.clear()
    outcome = converge(rig, receive_count=2)
    assert outcome == Replicated(3, None, Proof.SOURCE_CHECKSUM, adopted=True)
    assert len(world.mutations) == 1, "the bytes were written twice"
    rig.assert_covered("k")


def test_a_put_whose_answer_was_lost_is_recognised_as_ours(rig: Rig, world: World):
    """botocore's own retry then sees 412; so does this fake: the second PutObject finds the first one's object."""
    world.upload("k", b"one")
    state = {"lost": False}

    def lose(call: Call) -> None:
        if call.operation == "PutObject" and not state["lost"]:
            state["lost"] = True
            raise refuse("PutObject", "PreconditionFailed", 412)

    world.after = lose
    assert converge(rig) == Replicated(3, None, Proof.SOURCE_CHECKSUM, adopted=True)
    rig.assert_covered("k")


def test_a_commit_whose_answer_was_lost_ends_in_the_same_row(rig: Rig, world: World):
    world.upload("k", b"one")
    state = {"lost": False}

    def lose(call: Call) -> None:
        if call.operation == "PutItem" and not state["lost"]:
            state["lost"] = True
            raise refuse("PutItem", "ConditionalCheckFailedException", 400)

    world.after = lose
    assert converge(rig) == Skipped(SkipReason.CURRENT)
    rig.assert_covered("k")
    assert len(world.mutations) == 1


def test_a_key_that_keeps_changing_is_given_back_instead_of_fought_over_for_ever(rig: Rig, world: World):
    """TERM: the number of rounds is bounded."""
    world.upload("k", b"one")

    def again(call: Call) -> None:
        if call.operation == "PutItem":
            raise refuse("PutItem", "ConditionalCheckFailedException", 400)

    world.before = again
    with pytest.raises(HydrationError, match="given back") as error:
        converge(rig)
    assert error.value.code == "contended"
    assert len(world.calls) < 60


# -- overwrite during a copy, in parts ------------------------------------------------------------


def test_a_large_object_arrives_in_parts_all_of_one_source_version(rig: Rig, world: World):
    body = b"".join(bytes([n]) * MIB for n in range(12))
    world.upload("big", body)
    outcome = converge(rig, "big")
    assert isinstance(outcome, Replicated)
    assert outcome.parts == 3
    assert rig.replica_body("big") == body
    assert world.replica.uploads == {}
    rig.assert_covered("big")


def test_an_overwrite_during_a_large_copy_never_mixes_two_versions(rig: Rig, world: World):
    """MIX. Versioned: the pinned version is carried to its end; unversioned: the copy starts over with the new one."""
    old, new = b"o" * (12 * MIB), b"n" * (11 * MIB)
    rig.copier._pool = InLine()  # type: ignore[assignment] # else all parts may have been read by then
    world.upload("big", old)
    world.before = once("UploadPart", lambda: world.upload("big", new))
    assert isinstance(converge(rig, "big"), Replicated)
    assert rig.replica_body("big") == (old if world.source.versioned else new)
    assert world.replica.uploads == {}, "an upload was left open"
    converge(rig, "big")
    assert rig.replica_body("big") == new
    rig.assert_covered("big")


def test_a_large_object_deleted_during_its_copy_leaves_no_upload_behind(rig: Rig, world: World):
    """ORPHAN."""
    world.upload("big", b"o" * (12 * MIB))
    world.before = once("UploadPart", lambda: world.remove("big"))
    converge(rig, "big")
    assert world.replica.uploads == {}


# -- deletes --------------------------------------------------------------------------------------


def test_under_retain_a_deleted_source_keeps_its_replica_and_the_row_says_so(world: World):
    rig = Rig(world, policy=DeletePolicy.RETAIN)
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    assert rig.drain()[-1].outcome == Skipped(SkipReason.SOURCE_GONE)
    assert rig.replica_body("k") == b"one"
    assert rig.row("k").state is State.GONE


def test_under_retain_an_object_that_comes_back_is_replicated_again(world: World):
    rig = Rig(world, policy=DeletePolicy.RETAIN)
    for body in (b"one", b"two"):
        rig.upload("k", body)
        rig.drain()
        rig.assert_covered("k")
        rig.remove("k")
        rig.drain()
        assert rig.row("k").state is State.GONE


def test_under_mirror_a_delete_takes_two_phases(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    world.calls.clear()
    assert rig.run()[0].outcome == Skipped(SkipReason.DELETE_PENDING)
    assert world.operations() == ["BatchGetItem", "GetObject", "SendMessage", "PutItem"], "confirm hint, then tombstone"
    assert rig.replica_body("k") == b"one", "nothing is deleted in the first phase"
    assert rig.row("k").state is State.DELETING
    assert rig.run() == [], "the confirm hint is delayed"
    assert rig.drain()[-1].outcome == Deleted()
    assert rig.replica_body("k") is None
    assert rig.row("k").state is State.DELETED


def test_a_confirm_hint_that_comes_too_early_delays_itself_again(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    rig.run()
    world.queues[QUEUE][0].visible_at = world.now + 5
    world.now += 5
    assert rig.run()[0].outcome == Skipped(SkipReason.TOO_EARLY)
    assert rig.replica_body("k") == b"one"
    assert rig.drain()[-1].outcome == Deleted()
    rig.assert_covered("k")


def test_a_source_that_is_back_cancels_the_delete_and_is_copied_anew(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")
    rig.run()
    rig.upload("k", b"two")
    outcomes = [done.outcome for done in rig.drain()]
    assert any(isinstance(outcome, Replicated) for outcome in outcomes)
    assert Skipped(SkipReason.TOMBSTONE_GONE) in outcomes, "the confirm hint finds its tombstone gone"
    assert rig.replica_body("k") == b"two"
    rig.assert_covered("k")


def test_a_confirm_hint_that_finds_the_source_back_sends_a_plain_hint_and_cancels(rig: Rig, world: World):
    """It never copies: its redelivery would be ignored once the tombstone is gone."""
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")
    rig.run()
    world.upload("k", b"two")  # its event is lost
    world.now += 60
    assert rig.run()[0].outcome == Skipped(SkipReason.DELETE_CANCELLED)
    assert rig.row("k").state is State.PENDING
    assert isinstance(rig.run()[0].outcome, Replicated)
    rig.assert_covered("k")


def test_a_pending_delete_whose_confirm_hint_was_lost_is_finished_by_the_next_hint(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    rig.run()
    world.queues[QUEUE].clear()
    world.now += 60
    assert converge(rig) == Deleted()
    rig.assert_covered("k")


def test_a_delete_of_a_replica_that_is_gone_already_is_still_recorded(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    rig.run()
    world._remove(world.replica, "k")
    assert rig.drain()[-1].outcome == Deleted()
    assert rig.row("k").state is State.DELETED


def test_a_delete_racing_a_re_create_ends_with_the_object_there(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")
    rig.run()
    world.before = once("DeleteObject", lambda: rig.upload("k", b"two"))
    rig.drain()
    rig.assert_covered("k")
    rig.assert_monotonic("k")


def test_a_403_is_never_an_absence(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)

    def deny(call: Call) -> None:
        if call.operation == "GetObject":
            raise refuse("GetObject", "AccessDenied", 403, "Access Denied")

    world.before = deny
    outcome = converge(rig)
    assert isinstance(outcome, Failed)
    assert outcome.code == "source-access-denied"
    assert outcome.final
    assert rig.replica_body("k") == b"one"
    assert rig.row("k").state is State.FAILED


def test_a_403_leaves_a_pending_delete_as_it_is(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    rig.run()

    def deny(call: Call) -> None:
        if call.operation == "GetObject":
            raise refuse("GetObject", "AccessDenied", 403)

    world.before = deny
    with pytest.raises(HydrationError):
        converge(rig)
    assert rig.row("k").state is State.DELETING


# -- failures that are the object's own -----------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (("InvalidObjectState", 403, "not valid for the object's storage class"), "archived"),
        (("AccessDenied", 403, "not authorized to perform: kms:Decrypt on resource"), "source-kms-denied"),
        (("KMS.DisabledException", 400, "key is disabled"), "source-kms-denied"),
        (("InvalidRequest", 400, "The object was stored using a form of Server Side Encryption."), "sse-c"),
    ],
    ids=["archived", "kms", "disabled key", "sse-c"],
)
def test_a_permanent_failure_is_recorded_and_the_message_is_done_with(
    rig: Rig, world: World, refusal: tuple[str, int, str], code: str
):
    world.upload("k", b"one")

    def refused(call: Call) -> None:
        if call.operation == "GetObject":
            raise refuse("GetObject", *refusal)

    world.before = refused
    for attempt in (1, 2):
        outcome = converge(rig)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.final) == (code, True)
        assert (rig.row("k").state, rig.row("k").error, rig.row("k").attempts) == (State.FAILED, code, attempt)
    world.before = lambda _call: None
    assert isinstance(converge(rig), Replicated), "a restored or repaired object is copied at the next hint"
    assert (rig.row("k").error, rig.row("k").attempts) == (None, 0)
    rig.assert_covered("k")


def test_a_failure_keeps_what_is_known_of_the_replica_so_that_the_next_write_is_conditional_on_it(
    rig: Rig, world: World
):
    world.upload("k", b"one")
    converge(rig)
    known = rig.row("k").replica
    world.before = once("GetObject", denied)
    converge(rig)
    assert rig.row("k").replica == known


# -- scope by size --------------------------------------------------------------------------------


def test_an_object_that_outgrows_the_scope_is_as_good_as_deleted(world: World):
    rig = Rig(world, policy=DeletePolicy.RETAIN, scope=Scope(max_bytes=4))
    world.upload("k", b"one")
    converge(rig)
    world.upload("k", b"too large")
    assert converge(rig) == Skipped(SkipReason.SOURCE_GONE)
    assert rig.replica_body("k") == b"one"


# -- tags -----------------------------------------------------------------------------------------


def test_tags_travel_with_the_bytes(rig: Rig, world: World):
    world.upload("k", b"one", tags={"team": "a&b=c", "π": ""})
    converge(rig)
    assert world.replica.current("k").tags == {"team": "a&b=c", "π": ""}
    assert world.operations() == ["GetItem", "GetObject", "GetObjectTagging", "PutObject", "PutItem"]


@pytest.mark.parametrize("size", [3, 6 * MIB], ids=["one PUT", "parts"])
def test_tags_that_no_header_can_hold_are_set_after_the_bytes_and_before_the_row(size: int, rig: Rig, world: World):
    rig.upload("k", b"a" * size, tags=LONG_TAGS)
    rig.drain()
    operations = world.operations(principal="own")
    assert operations.index("PutObjectTagging") < operations.index("PutItem")
    assert world.replica.current("k").tags == LONG_TAGS
    rig.assert_covered("k")


def test_a_copier_stopped_before_it_set_such_tags_is_made_good_when_its_message_returns(rig: Rig, world: World):
    def stop(call: Call) -> None:
        if call.operation == "PutObjectTagging":
            world.before = lambda _call: None
            raise refuse(call.operation, "InternalError", 500)

    rig.upload("k", b"one", tags=LONG_TAGS)
    world.before = stop
    rig.run()
    assert world.replica.current("k").tags == {}
    rig.drain()
    assert world.replica.current("k").tags == LONG_TAGS
    assert world.operations().count("PutObject") == 2, "the second was refused: the first is adopted"
    rig.assert_covered("k")


def test_tags_are_not_asked_for_where_the_source_says_there_are_none(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    assert "GetObjectTagging" not in world.operations()


def test_a_tag_change_converges_without_moving_a_byte(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    world.source.current("k").tags = {"stage": "gold"}
    assert converge(rig, about_tags=True) == TagsReplicated(None)
    assert world.replica.current("k").tags == {"stage": "gold"}
    world.source.current("k").tags = {}
    assert converge(rig, about_tags=True) == TagsReplicated(None)
    assert world.replica.current("k").tags == {}
    assert converge(rig, about_tags=True) == Skipped(SkipReason.CURRENT)
    assert len(world.mutations) == 1
    rig.assert_covered("k")


def test_a_tag_event_s_number_supersedes_no_write(rig: Rig, world: World):
    """Nothing says that S3 numbers tag events as it numbers writes."""
    rig.upload("k", b"one")
    rig.drain()
    world.source.current("k").tags = {"stage": "gold"}
    world.send(event("k", "FFFFFFFF", kind="Object Tags Added"))
    rig.drain()
    assert world.replica.current("k").tags == {"stage": "gold"}
    rig.upload("k", b"two")
    rig.drain()
    rig.assert_covered("k")


def test_denied_tags_never_block_the_bytes_and_are_counted(rig: Rig, world: World):
    world.upload("k", b"one", tags={"team": "a"})

    def deny(call: Call) -> None:
        if call.operation == "GetObjectTagging":
            raise refuse("GetObjectTagging", "AccessDenied", 403)

    world.before = deny
    assert converge(rig) == Replicated(3, None, Proof.SOURCE_CHECKSUM, tags_denied=True)
    assert world.replica.current("k").tags == {}
    world.before = lambda _call: None
    assert converge(rig) == TagsReplicated(None), "and are caught up with once they may be read"
    assert world.replica.current("k").tags == {"team": "a"}


def test_tags_that_cannot_be_read_any_more_are_not_taken_away(rig: Rig, world: World):
    """GetObject counts no tags where the role may not see them: that is "cannot tell", not "none"."""
    world.upload("k", b"one", tags={"team": "a"})
    converge(rig)

    def deny(call: Call) -> None:
        if call.operation == "GetObjectTagging":
            raise refuse("GetObjectTagging", "AccessDenied", 403)

    world.before = deny
    world.source.current("k").attributes["TagsHidden"] = True
    assert converge(rig) == Skipped(SkipReason.CURRENT, tags_denied=True)
    assert converge(rig, about_tags=True) == Skipped(SkipReason.CURRENT, tags_denied=True)
    assert world.replica.current("k").tags == {"team": "a"}


# -- FENCE ----------------------------------------------------------------------------------------


def test_a_hint_out_of_scope_touches_nothing(world: World):
    rig = Rig(world, scope=Scope(prefixes=("ours/",)))
    world.upload("theirs/k", b"one")
    world.send(event("theirs/k", "01"))
    assert rig.run()[0].outcome == Skipped(SkipReason.OUT_OF_SCOPE, detail="prefix")
    assert world.calls == []


def test_a_restored_object_is_copied_when_its_event_comes(rig: Rig, world: World):
    world.upload("k", b"one")
    world.before = once("GetObject", archived)
    assert isinstance(converge(rig), Failed)
    world.send(event("k", kind="Object Restore Completed"))
    assert isinstance(rig.run()[0].outcome, Replicated)
    rig.assert_covered("k")


# -- how a replica was proven -----------------------------------------------------------------------------------------


def test_the_row_keeps_both_checksums_and_the_proof(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    row = rig.row("k")
    own = str(checksum.of(b"one"))
    assert (row.checksum, row.replica_checksum, row.proof) == (own, own, Proof.SOURCE_CHECKSUM)


def test_of_a_source_without_a_checksum_the_row_keeps_the_replica_s_alone(rig: Rig, world: World):
    world.upload("k", b"one")
    world.source.keys["k"][-1].checksum = None
    assert converge(rig) == Replicated(3, None, Proof.COMPUTED)
    row = rig.row("k")
    assert (row.checksum, row.replica_checksum, row.proof) == (None, str(checksum.of(b"one")), Proof.COMPUTED)


def test_the_row_of_a_composite_source_tells_its_parts(rig: Rig, world: World):
    world.upload_in_parts("k", [b"one"], "SHA256")
    assert converge(rig) == Replicated(3, None, Proof.COMPOSITE)
    row = rig.row("k")
    own = str(composite.of([checksum.of(b"one", "SHA256")]))
    assert (row.checksum, row.replica_checksum, row.proof) == (own, str(checksum.of(b"one")), Proof.COMPOSITE)


def test_a_deleted_replica_is_proven_by_nothing(rig: Rig, world: World):
    rig.upload("k")
    rig.drain()
    rig.remove("k")
    rig.drain()
    row = rig.row("k")
    assert (row.state, row.checksum, row.replica_checksum, row.proof) == (State.DELETED, None, None, None)


def left_behind(world: World, body: bytes) -> None:
    """A replica with the provenance of the source's current object, of which no row knows."""
    version = world.source.keys["k"][-1]
    identity = SourceIdentity(version.id if version.id != "null" else None, version.etag, version.modified, 3)
    metadata = {"hydration-source": identity.token(), "hydration-generation": "0"}
    world._store(world.replica, "k", body, {"Metadata": metadata}, {})


def test_what_is_adopted_is_proven_by_the_checksums_that_s3_stored(rig: Rig, world: World):
    world.upload("k", b"one")
    left_behind(world, b"one")
    assert converge(rig) == Replicated(3, None, Proof.SOURCE_CHECKSUM, adopted=True)
    row = rig.row("k")
    own = str(checksum.of(b"one"))
    assert (row.checksum, row.replica_checksum, row.proof) == (own, own, Proof.SOURCE_CHECKSUM)


def test_what_is_adopted_without_comparable_checksums_is_known_by_its_size(rig: Rig, world: World):
    world.upload("k", b"one")
    world.source.keys["k"][-1].checksum = None
    left_behind(world, b"one")
    assert converge(rig) == Replicated(3, None, Proof.SIZE_ONLY, adopted=True)
    row = rig.row("k")
    assert (row.checksum, row.replica_checksum, row.proof) == (None, str(checksum.of(b"one")), Proof.SIZE_ONLY)


@pytest.mark.parametrize("body", [b"two", b"four"], ids=["another checksum", "another size"])
def test_a_replica_with_other_bytes_is_never_adopted_whatever_its_provenance_says(rig: Rig, world: World, body: bytes):
    world.upload("k", b"one")
    left_behind(world, body)
    assert converge(rig) == Replicated(3, None, Proof.SOURCE_CHECKSUM)
    rig.assert_covered("k")


def test_a_touch_leaves_the_proof_as_it_is(rig: Rig, world: World):
    world.upload("k", b"one")
    converge(rig)
    before = rig.row("k")
    assert converge(rig) == Skipped(SkipReason.CURRENT)
    assert (rig.row("k").replica_checksum, rig.row("k").proof) == (before.replica_checksum, before.proof)


# -- what the simulation found -----------------------------------------------------------------------------------------


def test_a_copier_that_was_refused_its_row_is_never_superseded_by_whoever_was_faster():
    """Put, put, rollback: the second put's copier is overtaken by the rollback's touch, between its PUT and its row."""
    world = World(versioned=True)
    rig = Rig(world)
    first = world.upload("k", b"one")
    converge(rig, sequencer=first)
    second = world.upload("k", b"two")
    back = {}

    def roll_back(call: Call) -> None:
        if call.operation == "GetObject" and call.principal == "source" and not back:
            back["sequencer"] = world.rollback("k")
            converge(rig, sequencer=back["sequencer"])  # finds the row current, and touches it

    world.after = roll_back
    converge(rig, sequencer=second)
    rig.assert_covered("k")


def test_tags_set_late_are_set_again():
    """The copier of the first change of tags is overtaken between reading them and setting them."""
    world = World(versioned=True)
    rig = Rig(world)
    world.upload("k", b"one")
    converge(rig)
    world.source.current("k").tags = {"n": "1"}  # type: ignore[union-attr]
    done = []

    def overtaken(call: Call) -> None:
        if call.operation == "GetObjectTagging" and not done:
            done.append(1)
            world.source.current("k").tags = {"n": "2"}  # type: ignore[union-attr]
            converge(rig, about_tags=True)

    world.after = overtaken
    converge(rig, about_tags=True)
    assert world.replica.current("k").tags == {"n": "2"}  # type: ignore[union-attr]
