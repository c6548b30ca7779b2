"""What became of one hint: a value that names its reason. The books are the sum of these."""

from dataclasses import dataclass
from enum import StrEnum

from consumer_replicator.proof import Proof


class SkipReason(StrEnum):
    OUT_OF_SCOPE = "out-of-scope"
    SUPERSEDED = "superseded"  # the row already knows a state at least as new
    CURRENT = "current"  # the replica is what the source is
    SOURCE_GONE = "source-gone"  # deleted at the source, replica kept (policy `retain`)
    DELETE_PENDING = "delete-pending"  # tombstone written; its confirm hint will delete
    DELETE_CANCELLED = "delete-cancelled"  # the source came back while the delete was pending
    TOO_EARLY = "too-early"  # a confirm hint came before the longest possible invocation had passed
    TOMBSTONE_GONE = "tombstone-gone"  # a confirm hint for a delete that is off or done
    UPLOADING = "uploading"  # several invocations are carrying it already
    UPLOAD_GONE = "upload-gone"  # a range of an upload that is off or done
    RANGE_DONE = "range-done"  # a range that was carried before
    SOURCE_CHANGED = "source-changed"  # a range of an object that is not the source any more: looked at anew


@dataclass(frozen=True, slots=True)
class Replicated:
    """The replica was made, or an unrecorded one adopted. `size` in bytes, `lag` in seconds (None: no event time).

    `retries`: how often some of its bytes had to be read or sent again.
    """

    size: int
    lag: float | None
    proof: Proof
    adopted: bool = False
    parts: int = 0
    retries: int = 0
    tags_denied: bool = False
    missing_metadata: int = 0


@dataclass(frozen=True, slots=True)
class UploadStarted:
    """An upload that several invocations carry was opened, and its ranges were sent. `size` in bytes, of the object."""

    size: int
    parts: int
    ranges: int


@dataclass(frozen=True, slots=True)
class RangeCopied:
    """One range of such an upload was carried. `size` in bytes: what went over the wire for it this time."""

    number: int
    size: int
    parts: int
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Deferred:
    """A range that this invocation has no room for: it comes back at once, or, `sent_again`, as a new message."""

    sent_again: bool = False


@dataclass(frozen=True, slots=True)
class TagsReplicated:
    """The bytes were current; the tags were brought up to date."""

    lag: float | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The replica is deleted and the row is a tombstone."""


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: SkipReason
    detail: str = ""
    tags_denied: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """`final`: the message is done with (row FAILED, or dead-letter queue); otherwise it comes back."""

    code: str
    message: str
    final: bool


type Outcome = Replicated | UploadStarted | RangeCopied | Deferred | TagsReplicated | Deleted | Skipped | Failed
