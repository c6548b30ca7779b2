"""The truth table of `plan`, row by row, and what can be told without looking at the source."""

from dataclasses import replace

import pytest

from consumer_replicator.hint import Hint, PartRange
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.outcome import SkipReason
from consumer_replicator.parts import Cut
from consumer_replicator.plan import (
    Adopt,
    Announce,
    BeginAnew,
    CancelDelete,
    Carry,
    CommitDeleted,
    Complete,
    Decision,
    Delay,
    Delete,
    DeletePolicy,
    LookAgain,
    MarkGone,
    Postpone,
    Put,
    ReplicaSeen,
    Restart,
    Resume,
    Skip,
    Split,
    Tombstone,
    Touch,
    Verify,
    View,
    before_reading,
    decide,
    decide_range,
    looks_first,
)
from consumer_replicator.row import ReplicaVersion, Row, State, Upload
from consumer_replicator.splitting import Way

NOW = 1_800_000_000.0
V1 = SourceIdentity("v1", "etag-1", 100, 3)
V2 = SourceIdentity("v2", "etag-2", 200, 3)
OURS = ReplicaVersion("replica-1", "r1")
OTHER = ReplicaVersion("replica-2", "r2")
PLAIN = Hint("key", "event")
CONFIRM = Hint("key", "event", tombstone=5)
FORCE = Hint("key", "event", force=True)


UPLOAD = Upload("u-1", V1, OURS, 3, Cut(3, 1, 2), "CRC64NVME", "FULL_OBJECT", done=frozenset({1}))
WHOLE_UPLOAD = replace(UPLOAD, done=frozenset({1, 2}))


def row(state: State, *, source: SourceIdentity | None = V1, replica: ReplicaVersion | None = OURS) -> Row:
    return Row(generation=5, state=state, written_at=NOW, source=source, replica=replica, sequencer="0A")


def seen(version: ReplicaVersion, source: SourceIdentity | None = None, generation: int | None = 5) -> ReplicaSeen:
    return ReplicaSeen(version, source.token() if source else None, generation)


def fast(state: State | None, source: SourceIdentity | None, *, hint: Hint = PLAIN, **view: object) -> View:
    known = row(state) if state else None
    return View(hint=hint, row=known, source=source, policy=DeletePolicy.MIRROR, **view)  # type: ignore[arg-type]


def slow(state: State | None, source: SourceIdentity | None, replica: ReplicaSeen | None, **view: object) -> View:
    return fast(state, source, slow=True, seen=replica, **view)


PRESENT = [
    ("no row, first look", fast(None, V1), Put(None)),
    ("no row, nothing at the replica", slow(None, V1, None), Put(None)),
    ("no row, an unknown replica", slow(None, V1, seen(OTHER)), Put(OTHER)),
    ("no row, a replica of this source", slow(None, V1, seen(OTHER, V1)), Adopt(OTHER)),
    ("no row, a replica of another source", slow(None, V1, seen(OTHER, V2)), Put(OTHER)),
    ("live and the same", fast(State.LIVE, V1), Verify()),
    ("live and the same, replica as recorded", slow(State.LIVE, V1, seen(OURS, V2)), Touch()),
    ("live and the same, another replica of it", slow(State.LIVE, V1, seen(OTHER, V1)), Adopt(OTHER)),
    ("live and the same, a strange replica", slow(State.LIVE, V1, seen(OTHER, V2)), Put(OTHER)),
    ("live and the same, replica vanished", slow(State.LIVE, V1, None), Put(None)),
    ("live and different", fast(State.LIVE, V2), Put(OURS)),
    ("live and different, replica is the new one", slow(State.LIVE, V2, seen(OTHER, V2)), Adopt(OTHER)),
    ("live and different, replica is the old one", slow(State.LIVE, V2, seen(OURS, V1)), Put(OURS)),
    ("pending", fast(State.PENDING, V1), Put(OURS)),
    ("pending, replica of this generation", slow(State.PENDING, V1, seen(OTHER, V1, 5)), Adopt(OTHER)),
    ("pending, replica of an older generation", slow(State.PENDING, V1, seen(OTHER, V1, 4)), Put(OTHER)),
    ("pending, replica of no known generation", slow(State.PENDING, V1, seen(OTHER, V1, None)), Put(OTHER)),
    ("deleting", fast(State.DELETING, V1), CancelDelete(OURS)),
    ("deleting, ripe", fast(State.DELETING, V1, ripe=True), CancelDelete(OURS)),
    ("deleting, looked", slow(State.DELETING, V1, seen(OTHER, V1)), CancelDelete(OTHER)),
    ("deleting, confirm hint", fast(State.DELETING, V1, hint=CONFIRM, ripe=True), CancelDelete(OURS)),
    ("deleted", fast(State.DELETED, V1), Put(None)),
    ("deleted, a replica of this source", slow(State.DELETED, V1, seen(OTHER, V1)), Adopt(OTHER)),
    ("gone and back", fast(State.GONE, V1), Put(OURS)),
    ("failed", fast(State.FAILED, V1), Put(OURS)),
    ("failed, replica is of this source", slow(State.FAILED, V1, seen(OTHER, V1)), Adopt(OTHER)),
]


def under(upload: Upload, view: View) -> View:
    """The view, with that upload under way."""
    assert view.row is not None
    return replace(view, row=replace(view.row, upload=upload))


UPLOADING = [
    ("its object", under(UPLOAD, fast(State.UPLOADING, V1)), Resume(UPLOAD)),
    ("its object, whole", under(WHOLE_UPLOAD, fast(State.UPLOADING, V1)), Complete(WHOLE_UPLOAD)),
    ("its object, whatever its size", under(UPLOAD, fast(State.UPLOADING, V1, way=Way.SPLIT)), Resume(UPLOAD)),
    ("its object, forced", under(UPLOAD, fast(State.UPLOADING, V1, hint=FORCE)), Resume(UPLOAD)),
    ("its object, confirm hint", under(UPLOAD, fast(State.UPLOADING, V1, hint=CONFIRM)), CancelDelete(OURS)),
    ("its object, the replica is as before", under(UPLOAD, slow(State.UPLOADING, V1, seen(OURS, V2))), Put(OURS)),
    ("its object, this upload's replica", under(UPLOAD, slow(State.UPLOADING, V1, seen(OTHER, V1, 3))), Adopt(OTHER)),
    ("its object, this generation's", under(UPLOAD, slow(State.UPLOADING, V1, seen(OTHER, V1, 5))), Adopt(OTHER)),
    ("its object, an older replica of it", under(UPLOAD, slow(State.UPLOADING, V1, seen(OTHER, V1, 2))), Put(OTHER)),
    ("its object, nothing there", under(UPLOAD, slow(State.UPLOADING, V1, None)), Put(None)),
    ("another object", under(UPLOAD, fast(State.UPLOADING, V2)), Put(OURS)),
    ("another object, though whole", under(WHOLE_UPLOAD, fast(State.UPLOADING, V2)), Put(OURS)),
    ("another object, its replica", under(UPLOAD, slow(State.UPLOADING, V2, seen(OTHER, V2, 5))), Adopt(OTHER)),
    (
        "another object, generation of the upload",
        under(UPLOAD, slow(State.UPLOADING, V2, seen(OTHER, V2, 3))),
        Put(OTHER),
    ),
    ("no upload, of an older release", fast(State.UPLOADING, V1), Put(OURS)),
    ("nothing any more", under(UPLOAD, fast(State.UPLOADING, None)), Tombstone(OURS)),
]

FORCED = [
    ("no row", fast(None, V1, hint=FORCE), Put(None)),
    ("no row, a copy of it", slow(None, V1, seen(OTHER, V1, 0), hint=FORCE), Put(OTHER)),
    ("live and the same", fast(State.LIVE, V1, hint=FORCE), Put(OURS)),
    ("live and the same, replica as recorded", slow(State.LIVE, V1, seen(OURS, V1, 4), hint=FORCE), Put(OURS)),
    ("live and the same, replica vanished", slow(State.LIVE, V1, None, hint=FORCE), Put(None)),
    ("live and the same, copied just now", slow(State.LIVE, V1, seen(OTHER, V1, 5), hint=FORCE), Adopt(OTHER)),
    ("live and the same, an older copy of it", slow(State.LIVE, V1, seen(OTHER, V1, 4), hint=FORCE), Put(OTHER)),
    ("live and different", fast(State.LIVE, V2, hint=FORCE), Put(OURS)),
    ("deleting", fast(State.DELETING, V1, hint=FORCE), CancelDelete(OURS)),
    ("deleted", fast(State.DELETED, V1, hint=FORCE), Put(None)),
    ("failed", fast(State.FAILED, V1, hint=FORCE), Put(OURS)),
]

ABSENT = [
    ("no row", fast(None, None), Tombstone(None)),
    ("no row, a replica is there", slow(None, None, seen(OTHER)), Tombstone(OTHER)),
    ("live", fast(State.LIVE, None), Tombstone(OURS)),
    ("live, looked", slow(State.LIVE, None, seen(OTHER)), Tombstone(OTHER)),
    ("pending", fast(State.PENDING, None), Tombstone(OURS)),
    ("deleted", fast(State.DELETED, None), Tombstone(None)),
    ("gone", fast(State.GONE, None), Tombstone(OURS)),
    ("failed", fast(State.FAILED, None), Tombstone(OURS)),
    ("deleting, too early", fast(State.DELETING, None), Skip(SkipReason.DELETE_PENDING)),
    ("deleting, too early, confirm hint", fast(State.DELETING, None, hint=CONFIRM), Delay()),
    ("deleting, ripe", fast(State.DELETING, None, ripe=True), Delete(OURS)),
    ("deleting, ripe, confirm hint", fast(State.DELETING, None, hint=CONFIRM, ripe=True), Delete(OURS)),
    ("deleting, ripe, looked", slow(State.DELETING, None, seen(OURS), ripe=True), Delete(OURS)),
    ("deleting, ripe, another there", slow(State.DELETING, None, seen(OTHER), ripe=True), Tombstone(OTHER)),
    ("deleting, ripe, nothing there", slow(State.DELETING, None, None, ripe=True), CommitDeleted()),
]


@pytest.mark.parametrize(("view", "decision"), [case[1:] for case in PRESENT], ids=[case[0] for case in PRESENT])
def test_with_the_source_there(view: View, decision: Decision):
    assert decide(view) == decision


@pytest.mark.parametrize(("view", "decision"), [case[1:] for case in UPLOADING], ids=[case[0] for case in UPLOADING])
def test_with_an_upload_under_way(view: View, decision: Decision):
    assert decide(view) == decision


PUTS = [case[1] for case in (*PRESENT, *UPLOADING) if isinstance(case[2], Put)]


@pytest.mark.parametrize("view", PUTS)
def test_what_would_be_put_is_split_or_postponed_where_its_size_asks_for_it(view: View):
    put = decide(view)
    assert isinstance(put, Put)
    split = decide(replace(view, way=Way.SPLIT))
    assert split == (Restart(put.expected) if view.slow else Split(put.expected))
    assert decide(replace(view, way=Way.LATER)) == Postpone()


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("case", [case for case in (*PRESENT, *ABSENT) if not isinstance(case[2], Put)], ids=str)
def test_size_decides_nothing_but_how_to_copy(case: tuple[str, View, Decision], way: Way):
    assert decide(replace(case[1], way=way)) == case[2]


@pytest.mark.parametrize(("view", "decision"), [case[1:] for case in FORCED], ids=[case[0] for case in FORCED])
def test_a_hint_that_forces_copies_what_is_current_and_changes_nothing_else(view: View, decision: Decision):
    assert decide(view) == decision


@pytest.mark.parametrize("view", [case[1] for case in ABSENT], ids=[case[0] for case in ABSENT])
def test_force_decides_nothing_about_what_is_not_there(view: View):
    assert decide(replace(view, hint=replace(view.hint, force=True))) == decide(view)


@pytest.mark.parametrize(("view", "decision"), [case[1:] for case in ABSENT], ids=[case[0] for case in ABSENT])
def test_with_the_source_gone_under_mirror(view: View, decision: Decision):
    assert decide(view) == decision


@pytest.mark.parametrize("view", [case[1] for case in ABSENT], ids=[case[0] for case in ABSENT])
def test_nothing_is_ever_deleted_under_retain(view: View):
    decision = decide(replace(view, policy=DeletePolicy.RETAIN))
    assert isinstance(decision, MarkGone | Skip | Delay)


def test_a_ripe_delete_whose_row_knows_no_replica_looks_before_it_says_deleted():
    view = replace(fast(State.DELETING, None, ripe=True), row=row(State.DELETING, replica=None))
    assert decide(view) == LookAgain()
    assert decide(replace(view, slow=True, seen=seen(OTHER))) == Tombstone(OTHER)


def test_a_live_row_whose_sameness_cannot_be_told_is_copied_again():
    unversioned = replace(V1, version_id=None)
    assert decide(fast(State.LIVE, unversioned)) == Put(OURS)


def test_under_retain_a_pending_delete_of_the_old_policy_keeps_the_replica():
    view = replace(fast(State.DELETING, None, hint=CONFIRM, ripe=True), policy=DeletePolicy.RETAIN)
    assert decide(view) == MarkGone()


# -- before the source is read --------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.LIVE, State.DELETED, State.GONE])
@pytest.mark.parametrize("sequencer", ["09", "0A", "0A00"])
def test_a_hint_that_is_not_newer_than_a_settled_row_is_superseded(state: State, sequencer: str):
    assert before_reading(replace(PLAIN, sequencer=sequencer), row(state)) == Skip(SkipReason.SUPERSEDED)


@pytest.mark.parametrize("sequencer", ["0B", "0A01", None])
def test_a_newer_hint_and_one_without_a_sequencer_look_at_the_source(sequencer: str | None):
    assert before_reading(replace(PLAIN, sequencer=sequencer), row(State.LIVE)) is None


@pytest.mark.parametrize("state", [State.PENDING, State.DELETING, State.FAILED, State.UPLOADING])
def test_an_unsettled_row_supersedes_nothing(state: State):
    assert before_reading(replace(PLAIN, sequencer="01"), row(state)) is None


def test_a_hint_about_a_stray_looks_at_the_replica_first_where_nothing_is_under_way():
    stray = replace(PLAIN, stray=True)
    assert looks_first(stray, None)
    under_way = {State.PENDING, State.UPLOADING, State.DELETING}
    assert {state for state in State if not looks_first(stray, row(state))} == under_way
    assert not any(looks_first(PLAIN, known) for known in (None, *map(row, State)))


def test_a_message_that_comes_back_is_never_superseded():
    """Its first delivery may have written the replica and stopped before its row."""
    assert before_reading(replace(PLAIN, sequencer="01", receive_count=2), row(State.LIVE)) is None


def test_a_tag_event_is_never_superseded():
    assert before_reading(replace(PLAIN, sequencer="01", about_tags=True), row(State.LIVE)) is None


@pytest.mark.parametrize(
    "other",
    [None, row(State.LIVE), row(State.PENDING), replace(row(State.DELETING), generation=6)],
    ids=["no row", "live under the same generation", "cancelled", "another tombstone"],
)
def test_a_confirm_hint_ends_at_any_row_but_its_own_tombstone(other: Row | None):
    assert before_reading(CONFIRM, other) == Skip(SkipReason.TOMBSTONE_GONE)


def test_a_confirm_hint_goes_on_with_its_own_tombstone():
    assert before_reading(CONFIRM, row(State.DELETING)) is None


# -- ranges of an upload -----------------------------------------------------------------------------------------------

ASKED = PartRange("u-1", 2)


@pytest.mark.parametrize(
    "known",
    [
        None,
        row(State.LIVE),
        row(State.UPLOADING),
        replace(row(State.UPLOADING), upload=replace(UPLOAD, id="u-2")),
    ],
)
def test_a_range_of_an_upload_that_no_row_names_is_nothing_to_do(known: Row | None):
    assert decide_range(ASKED, known) == Skip(SkipReason.UPLOAD_GONE)


def test_a_range_whose_upload_was_dropped_for_one_that_nobody_has_begun_has_it_begun():
    """Whoever dropped it may have been stopped, and its message be acknowledged by another worker."""
    assert decide_range(ASKED, row(State.PENDING)) == BeginAnew()


def test_a_range_is_carried_once():
    known = replace(row(State.UPLOADING), upload=UPLOAD)
    assert decide_range(ASKED, known) == Carry(UPLOAD)
    assert decide_range(PartRange("u-1", 1), known) == Skip(SkipReason.RANGE_DONE)


@pytest.mark.parametrize("number", [1, 2])
def test_any_range_of_a_whole_upload_says_so_since_whoever_completed_it_may_have_been_stopped_before(number: int):
    assert decide_range(PartRange("u-1", number), replace(row(State.UPLOADING), upload=WHOLE_UPLOAD)) == Announce()
