"""A manifest row: what is known of one key, and the writes it may undergo.

Every write raises the generation by one and is conditional on the generation read before (see `manifest`). A write
keeps what it does not replace: the replica's ETag above all, since the next PUT or DELETE is conditional on it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Cut
from consumer_replicator.proof import Proof
from producer_events.sequencer import newest

NO_TAGS = ""
TAGS_DENIED = "denied"
TAGS_LEFT = "left"
"""Of an upload that was opened without its tags: they are set once it is complete."""


class State(StrEnum):
    """The values are what items carry: one letter, because DynamoDB bills every byte."""

    PENDING = "P"  # wanted, not yet there: a pending delete was cancelled
    LIVE = "L"  # the replica was made from `source`
    UPLOADING = "U"  # `upload` is under way, by several invocations; the replica is what it was
    DELETING = "D"  # tombstone written, confirm hint outstanding
    DELETED = "X"  # tombstone, expires
    GONE = "G"  # the source was deleted, the replica is kept
    FAILED = "F"  # `error` says why; the replica is what it was


SETTLED = frozenset({State.LIVE, State.DELETED, State.GONE})
WITHOUT_REPLICA = frozenset({State.DELETED})


@dataclass(frozen=True, slots=True)
class ReplicaVersion:
    """One object in the replica bucket: `etag` without quotes, `version_id` where the bucket is versioned."""

    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that several invocations carry, range by range.

    `source`: the object that every part is read from. `expected`: the replica that completing it is conditional on.
    `generation`: of the row that its opener had read, as its provenance says. `algorithm`, `type`: of its checksum.
    `tags`: a digest of those it was opened with. `sent_at`: when all of its ranges had been sent, None until then.
    `done`: the numbers of the finished ranges.
    """

    id: str
    source: SourceIdentity
    expected: ReplicaVersion | None
    generation: int
    cut: Cut
    algorithm: str
    type: str
    tags: str = NO_TAGS
    sent_at: float | None = None
    done: frozenset[int] = frozenset()

    @property
    def missing(self) -> list[int]:
        """The numbers of the ranges that are not finished."""
        return [number for number in range(1, self.cut.ranges + 1) if number not in self.done]

    @property
    def is_whole(self) -> bool:
        return len(self.done) >= self.cut.ranges and not self.missing


@dataclass(frozen=True, slots=True)
class Row:
    """`written_at` and `event_time` in seconds since the epoch; `tags` a digest, "" for none, "denied" if unread.

    `event_time`: of the event that led to this very write; None for hints without one, and for touches. So the lag of a
    LIVE row with an event time is `written_at` - `event_time`.

    `checksum` is the source's stored checksum, `replica_checksum` the one that S3 stored for the replica, each as text
    ("CRC32:AAAA", COMPOSITE: "CRC32:AAAA-3"); `proof` how the one replica was held against the other. All three are
    None where they are not known: rows of before proofs were kept have none, and carry the replica's checksum in
    `checksum` where the source had none.
    """

    generation: int
    state: State
    written_at: float
    source: SourceIdentity | None = None
    checksum: str | None = None
    replica: ReplicaVersion | None = None
    replica_checksum: str | None = None
    proof: Proof | None = None
    tags: str = NO_TAGS
    sequencer: str | None = None
    event_time: float | None = None
    attempts: int = 0
    error: str | None = None
    upload: Upload | None = None


def generation_of(row: Row | None) -> int:
    """0 where there is no row: the first write makes generation 1."""
    return row.generation if row else 0


def replica_of(row: Row | None) -> ReplicaVersion | None:
    """The replica that the row vouches for; None also where the row says that it was deleted."""
    return None if row is None or row.state in WITHOUT_REPLICA else row.replica


def upload_of(row: Row | None) -> Upload | None:
    return row.upload if row else None


def successor(row: Row | None, state: State, *, now: float, sequencer: str | None, event_time: float | None) -> Row:
    """The next row, in `state`: one generation on, the highest sequencer seen before the read, everything else kept.

    But for the upload: whatever comes next, an upload that was under way is off, or done.
    """
    before = row or Row(generation=0, state=state, written_at=now)
    return replace(
        before,
        generation=before.generation + 1,
        state=state,
        written_at=now,
        sequencer=newest(before.sequencer, sequencer),
        event_time=event_time,
        attempts=0,
        error=None,
        upload=None,
    )


def touched(row: Row, *, now: float, sequencer: str | None, tags: str) -> Row:
    """The same row, one generation on: "somebody looked, and there was nothing to do"."""
    return replace(
        row,
        generation=row.generation + 1,
        written_at=now,
        sequencer=newest(row.sequencer, sequencer),
        event_time=None,
        tags=tags,
    )
