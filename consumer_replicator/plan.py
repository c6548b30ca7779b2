"""Deciding, and nothing else: what one pass over a key must do next, from what it has read. Pure.

The rules and their order are those of the exhaustively checked protocol; `architecture.md` tells why each is there.
The truth table, for a plain hint (`=` same identity, `≠` different or cannot tell, `—` absent):

    row         source  fast pass                      slow pass (replica seen by HEAD)
    ----------  ------  -----------------------------  ---------------------------------------------------
    none        any     Put(if none)                   Adopt if its provenance names the source, else Put(seen)
    LIVE        =       Verify, then Touch             Touch if the ETag is the row's, else Adopt or Put(seen)
    LIVE        ≠       Put(row's)                     Adopt if its provenance names the source, else Put(seen)
    PENDING     any     Put(row's)                     Adopt only what was written under this generation, else Put(seen)
    UPLOADING   =       Complete if every range is     Adopt only what this upload made, else Put(seen)
                        done, else Resume
    UPLOADING   ≠       Put(row's)                     Adopt only what was written under this generation, else Put(seen)
    DELETING    any     CancelDelete                   CancelDelete
    other       any     Put(row's; DELETED: if none)   Adopt if its provenance names the source, else Put(seen)
    DELETING    —       Wait until ripe; then Delete(row's), with none known LookAgain
                                                       Wait until ripe; then Delete(seen) if it is the row's, else
                                                       Tombstone(seen); with none seen CommitDeleted
    other       —       Tombstone (mirror) or MarkGone (retain)

`=` of a row UPLOADING: the object that its upload is made from. Put stands for the way that the object's size and the
invocation's time ask for: Put itself; Postpone, where another invocation has the time; Split, where several must carry
it, or in the slow pass Restart.
A hint that forces copies a LIVE row's object although it is the same.
A DELETE is only of a replica that the row names: whoever cancels it puts over that very one, and is refused where the
DELETE came first. A row that knows none would let a PUT through, of an object that is gone since.
A confirm hint differs in three places: a row that is not its tombstone ends it, a source that is back makes it send a
plain hint and cancel, and when it is too early it delays itself again instead of ending.
"""

from dataclasses import dataclass
from enum import StrEnum

from consumer_replicator.checksum import Checksum
from consumer_replicator.checksum import compare as compare_checksums
from consumer_replicator.hint import Hint, PartRange
from consumer_replicator.identity import Sameness, SourceIdentity, compare
from consumer_replicator.outcome import SkipReason
from consumer_replicator.row import SETTLED, ReplicaVersion, Row, State, Upload, generation_of, replica_of, upload_of
from consumer_replicator.splitting import Way
from producer_events.sequencer import is_not_newer


class DeletePolicy(StrEnum):
    RETAIN = "retain"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """What HEAD saw: the replica and its provenance (`source` token and the row generation its writer had read).

    `size` in bytes; `checksum` as S3 stored it.
    """

    version: ReplicaVersion
    source: str | None = None
    generation: int | None = None
    size: int | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class View:
    """All that one pass has read. `ripe`: the longest possible invocation has passed since the tombstone.

    `checksum`: the source object's, as S3 stored it. `way`: how an object of its size is carried now.
    """

    hint: Hint
    row: Row | None
    source: SourceIdentity | None
    policy: DeletePolicy
    slow: bool = False
    seen: ReplicaSeen | None = None
    ripe: bool = False
    checksum: Checksum | None = None
    way: Way = Way.WHOLE

    @property
    def expected(self) -> ReplicaVersion | None:
        """The replica that the next PUT or DELETE is conditional on."""
        if self.slow:
            return self.seen.version if self.seen else None
        return replica_of(self.row)


@dataclass(frozen=True, slots=True)
class Skip:
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Verify:
    """HEAD the replica; if its ETag is the row's, touch the row, else look again."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Write the row again, one generation on: "nothing to do" may only be acknowledged under that condition."""


@dataclass(frozen=True, slots=True)
class Put:
    expected: ReplicaVersion | None


@dataclass(frozen=True, slots=True)
class Postpone:
    """Give the message back: an invocation with more time left carries the object whole."""


@dataclass(frozen=True, slots=True)
class Split:
    """Open an upload, record it in the row, and send its ranges."""

    expected: ReplicaVersion | None


@dataclass(frozen=True, slots=True)
class Resume:
    """The upload is under way: touch the row, and send missing ranges again where they may be lost."""

    upload: Upload


@dataclass(frozen=True, slots=True)
class Complete:
    """Every range is there: make the upload the replica."""

    upload: Upload


@dataclass(frozen=True, slots=True)
class Restart:
    """Write what was seen into the row, without any upload, then look again: what is split begins from a plain row."""

    expected: ReplicaVersion | None


@dataclass(frozen=True, slots=True)
class Adopt:
    """The replica already holds the source's bytes: a copier was stopped between its PUT and its commit."""

    replica: ReplicaVersion


@dataclass(frozen=True, slots=True)
class CancelDelete:
    """Row PENDING, then look again; a confirm hint sends a plain hint first and ends."""

    expected: ReplicaVersion | None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Send the delayed confirm hint, then write the row DELETING under the generation it names: anew, where the replica
    that is there is not the row's."""

    expected: ReplicaVersion | None


@dataclass(frozen=True, slots=True)
class Delete:
    expected: ReplicaVersion


@dataclass(frozen=True, slots=True)
class CommitDeleted:
    """There is no replica any more: only the row is left to write."""


@dataclass(frozen=True, slots=True)
class MarkGone:
    """The source is deleted, the replica is kept."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A confirm hint that came too early: send it again, delayed."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The row knows no replica, but one may be there: go round again with a HEAD."""


IN_DOUBT = frozenset({State.PENDING, State.UPLOADING, State.DELETING})
"""States in which a delete may have been cancelled: a row that has been PENDING may be UPLOADING now."""

type Decision = (
    Skip
    | Verify
    | Touch
    | Put
    | Postpone
    | Split
    | Resume
    | Complete
    | Restart
    | Adopt
    | CancelDelete
    | Tombstone
    | Delete
    | CommitDeleted
    | MarkGone
    | Delay
    | LookAgain
)


def before_reading(hint: Hint, row: Row | None) -> Skip | None:
    """What can be told from the row alone, without any S3 call.

    A hint is superseded when the settled row's sequencer is not lower. Only on the first pass of its first delivery:
    what may be half done must look. Tag events may carry no or another sequencer: never superseded.
    """
    if hint.tombstone is not None:
        ours = row is not None and row.state is State.DELETING and row.generation == hint.tombstone
        return None if ours else Skip(SkipReason.TOMBSTONE_GONE)
    if row is None or row.state not in SETTLED or hint.about_tags or hint.may_be_half_done:
        return None
    if hint.sequencer and row.sequencer and is_not_newer(hint.sequencer, row.sequencer):
        return Skip(SkipReason.SUPERSEDED)
    return None


def looks_first(hint: Hint, row: Row | None) -> bool:
    """Whether the first pass is a slow one: where a replica is there that the row does not name, a PUT would be refused
    after all of its bytes were sent, and the replica may be what is wanted. What is under way is not disturbed."""
    return hint.stray and (row is None or row.state not in IN_DOUBT)


def decide(view: View) -> Decision:
    """What this pass does next, once the source has been read."""
    return _absent(view) if view.source is None else _present(view, view.source)


def _present(view: View, source: SourceIdentity) -> Decision:
    row = view.row
    if view.hint.tombstone is not None or (row and row.state is State.DELETING):
        return CancelDelete(view.expected)
    if not view.hint.force and row and row.state is State.LIVE and _same(row.source, source):
        if not view.slow:
            return Verify()
        if view.expected and row.replica and view.expected.etag == row.replica.etag:
            return Touch()
    if not view.slow and (upload := _upload_of(source, view)):
        return Complete(upload) if upload.is_whole else Resume(upload)
    if view.seen and _made_from(view.seen, source, view):
        return Adopt(view.seen.version)
    return _put(view)


def _put(view: View) -> Decision:
    match view.way:
        case Way.WHOLE:
            return Put(view.expected)
        case Way.LATER:
            return Postpone()
        case Way.SPLIT:
            return Restart(view.expected) if view.slow else Split(view.expected)


def _upload_of(source: SourceIdentity, view: View) -> Upload | None:
    """The upload under way, where it is made from this very object."""
    upload = upload_of(view.row)
    return upload if upload and _same(upload.source, source) else None


def _same(recorded: SourceIdentity | None, source: SourceIdentity) -> bool:
    return recorded is not None and compare(recorded, source) is Sameness.SAME


def _made_from(seen: ReplicaSeen, source: SourceIdentity, view: View) -> bool:
    """Whether a replica found without its row can be trusted.

    After a cancelled delete a DELETE with the old ETag may still be on its way: then only an object written under this
    very generation counts, or by the upload that the row names. So it is with a copy that was asked for although the
    old one is current: without a row every replica was written under its generation, so that none counts. Whatever its
    provenance says, bytes that S3 knows to be others are never taken.
    """
    if seen.source != source.token() or seen.size not in (None, source.size):
        return False
    if view.hint.force and view.row is None:
        return False
    if compare_checksums(seen.checksum, view.checksum) is Sameness.DIFFERENT:
        return False
    in_doubt = view.hint.force or (view.row is not None and view.row.state in IN_DOUBT)
    if not in_doubt or seen.generation == generation_of(view.row):
        return True
    upload = _upload_of(source, view)
    return upload is not None and seen.generation == upload.generation


def _absent(view: View) -> Decision:
    if view.row is None or view.row.state is not State.DELETING:
        return Tombstone(view.expected) if view.policy is DeletePolicy.MIRROR else MarkGone()
    if not view.ripe:
        return Skip(SkipReason.DELETE_PENDING) if view.hint.tombstone is None else Delay()
    if view.policy is DeletePolicy.RETAIN:  # the policy changed while the delete was pending
        return MarkGone()
    if view.expected is None:
        return CommitDeleted() if view.slow else LookAgain()
    named = replica_of(view.row)
    if named is None or named.etag != view.expected.etag:
        return Tombstone(view.expected)
    return Delete(view.expected)


# -- ranges of an upload -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carry:
    """Carry the range's parts, then add it to the finished ones."""

    upload: Upload


@dataclass(frozen=True, slots=True)
class Announce:
    """This range is done, and so are all others: a plain hint completes the upload, never the range's own message."""


@dataclass(frozen=True, slots=True)
class BeginAnew:
    """The upload was dropped, and no other one begun yet. Whoever dropped it may have been stopped, and its message be
    acknowledged by another worker: a plain hint begins it."""


def decide_range(part_range: PartRange, row: Row | None) -> Carry | Announce | BeginAnew | Skip:
    """What becomes of a message that asks for one range, from the row alone."""
    upload = upload_of(row)
    if upload is None or upload.id != part_range.upload_id:
        return BeginAnew() if row and row.state is State.PENDING else Skip(SkipReason.UPLOAD_GONE)
    if part_range.number not in upload.done:
        return Carry(upload)
    return Announce() if upload.is_whole else Skip(SkipReason.RANGE_DONE)
