"""Whether a replica holds its source's bytes, told without reading them: same, different, or cannot tell. Pure.

What S3 has stored of both sides (HeadObject with its checksum) and the manifest row are the evidence:

    full-object checksums of one algorithm   equal: same                     else: different
    COMPOSITE checksums of one algorithm     equal: same                     else: the parts may end elsewhere; go on
    sizes                                                                    else: different
    the row proven when the copy was made    both sides still are what the row says of them: same
    otherwise                                cannot tell, with the reason

"Different" is said of a replica that the manifest calls current, and of nothing else: drift that the manifest itself
knows is the reconcile's. It takes two looks between which neither side has changed (see `verifier`), since the first
may have fallen between a write and its copy.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from dataclasses import dataclass
from enum import StrEnum

from consumer_replicator import checksum, identity
from consumer_replicator.checksum import Checksum
from consumer_replicator.drift import Listed
from consumer_replicator.identity import Sameness, SourceIdentity
from consumer_replicator.proof import Proof
from consumer_replicator.row import Row, State

COMPUTABLE = frozenset({"CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1"})
"""Algorithms that bytes can be checksummed in here."""
PROVEN = frozenset({Proof.SOURCE_CHECKSUM, Proof.COMPOSITE, Proof.COMPUTED})


class Answer(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    CANNOT_TELL = "cannot-tell"


class Basis(StrEnum):
    """What "same" and "different" rest on."""

    CHECKSUMS = "checksums"  # S3 stored comparable ones for both sides
    SIZE = "size"  # different, or nothing on both sides
    MANIFEST = "manifest"  # both are what they were when the copy was proven
    BYTES = "bytes"  # they were read just now


class Doubt(StrEnum):
    """Why it cannot be told. The first group may change within seconds; the second is cured by reading the bytes."""

    CHANGING = "changing"  # one side, or the row, changed while it was looked at
    SOURCE_ABSENT = "source-absent"  # deleted since it was listed
    REPLICA_ABSENT = "replica-absent"  # although the manifest has a row for it

    NO_SOURCE_CHECKSUM = "no-source-checksum"
    NO_REPLICA_CHECKSUM = "no-replica-checksum"
    OTHER_ALGORITHM = "other-algorithm"
    OTHER_TYPE = "other-type"  # FULL_OBJECT on one side, COMPOSITE on the other
    OTHER_PARTS = "other-parts"  # COMPOSITE on both sides: the parts end elsewhere, or the bytes differ

    TOO_LARGE = "too-large"  # to be read within one invocation


READABLE = frozenset(
    {
        Doubt.NO_SOURCE_CHECKSUM,
        Doubt.NO_REPLICA_CHECKSUM,
        Doubt.OTHER_ALGORITHM,
        Doubt.OTHER_TYPE,
        Doubt.OTHER_PARTS,
    }
)
PASSING = frozenset({Doubt.CHANGING, Doubt.SOURCE_ABSENT, Doubt.REPLICA_ABSENT})


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of either bucket, as HeadObject tells it: `checksum` None where S3 has stored none that we know.
    `made_under`: of a replica, the generation of the row that its writer had read.
    """

    identity: SourceIdentity
    checksum: Checksum | None
    made_under: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Row, source and replica, read one after the other."""

    row: Row | None
    source: Stored | None
    replica: Stored | None

    def is_like(self, other: "Look") -> bool:
        """Whether nothing has changed between the two looks, so that all three held at once."""
        return (self.source, self.replica) == (other.source, other.replica)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`why`: a `Basis`, a `Doubt`, the kind of drift that the manifest knows of, or a failure code."""

    answer: Answer
    why: str

    @property
    def wants_another_look(self) -> bool:
        return self.answer is Answer.DIFFERENT or self.why in PASSING

    @property
    def can_be_read(self) -> bool:
        """Whether the bytes would tell."""
        return self.answer is Answer.CANNOT_TELL and self.why in READABLE


@dataclass(frozen=True, slots=True)
class Reading:
    """What must be read to tell. `source`, `replica`: the value in `algorithm` that S3 stored for the side, None where
    its body is to be read."""

    algorithm: str
    source: str | None = None
    replica: str | None = None

    @property
    def bodies(self) -> int:
        return (self.source is None) + (self.replica is None)


@dataclass(frozen=True, slots=True)
class Verified:
    """A listed object that was compared. `generation`: of its row; `read`: bytes that were read to tell."""

    key: str
    listed: Listed
    generation: int
    comparison: Comparison
    read: int = 0


def same(basis: Basis) -> Comparison:
    return Comparison(Answer.SAME, basis.value)


def different(basis: Basis) -> Comparison:
    return Comparison(Answer.DIFFERENT, basis.value)


def cannot_tell(why: str) -> Comparison:
    return Comparison(Answer.CANNOT_TELL, str(why))


def compare(look: Look) -> Comparison:  # noqa: PLR0911 - a table, read from top to bottom
    """What one look tells."""
    row, source, replica = look.row, look.source, look.replica
    if source is None:
        return cannot_tell(Doubt.SOURCE_ABSENT)
    if replica is None:
        return cannot_tell(Doubt.REPLICA_ABSENT)
    told = checksum.compare(source.checksum, replica.checksum)
    of_one_size = source.identity.size == replica.identity.size
    if told is Sameness.SAME and of_one_size:
        return same(Basis.CHECKSUMS)
    if row is None or not _is_claimed(row, source) or _is_being_replaced(row, replica):
        return cannot_tell(Doubt.CHANGING)
    if not of_one_size:
        return different(Basis.SIZE)
    if told is Sameness.DIFFERENT:
        return different(Basis.CHECKSUMS)
    if not source.identity.size:
        return same(Basis.SIZE)
    if _is_proven(row, source, replica):
        return same(Basis.MANIFEST)
    return cannot_tell(_incomparable(source.checksum, replica.checksum))


def after_another_look(first: Look, second: Look) -> Comparison:
    """What the second look tells, unless it rests on a moment that may never have been."""
    told = compare(second)
    if told.answer is Answer.DIFFERENT and not second.is_like(first):
        return cannot_tell(Doubt.CHANGING)
    return told


def reading(source: Checksum | None, replica: Checksum | None) -> Reading:
    """One body where the other side's checksum can be held against it, else both."""
    if replica and _is_usable(replica):
        return Reading(replica.algorithm, replica=replica.value)
    if source and _is_usable(source):
        return Reading(source.algorithm, source=source.value)
    return Reading(checksum.COMPUTED)


def _is_usable(stored: Checksum) -> bool:
    return not stored.parts and stored.algorithm in COMPUTABLE


def _is_claimed(row: Row, source: Stored) -> bool:
    """Whether the manifest calls the replica that of this very source object."""
    return (
        row.state is State.LIVE
        and row.source is not None
        and identity.compare(row.source, source.identity) is Sameness.SAME
    )


def _is_being_replaced(row: Row, replica: Stored) -> bool:
    """Whether a copier has written the replica, and not its row yet: it had read this very row, or a later one."""
    named = row.replica is not None and row.replica.etag == replica.identity.etag
    return not named and replica.made_under is not None and replica.made_under >= row.generation


def _is_proven(row: Row, source: Stored, replica: Stored) -> bool:
    """Whether both sides are exactly what they were when the copy was made, and that copy was proven."""
    return (
        row.proof in PROVEN
        and row.replica is not None
        and row.replica.etag == replica.identity.etag
        and row.checksum == _text(source.checksum)
        and row.replica_checksum == _text(replica.checksum)
        and row.replica_checksum is not None
    )


def _text(stored: Checksum | None) -> str | None:
    return None if stored is None else str(stored)


def _incomparable(source: Checksum | None, replica: Checksum | None) -> Doubt:
    if source is None:
        return Doubt.NO_SOURCE_CHECKSUM
    if replica is None:
        return Doubt.NO_REPLICA_CHECKSUM
    if source.algorithm != replica.algorithm:
        return Doubt.OTHER_ALGORITHM
    return Doubt.OTHER_PARTS if source.parts and replica.parts else Doubt.OTHER_TYPE
