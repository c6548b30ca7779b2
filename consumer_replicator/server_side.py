"""Server-side mode: S3 itself copies the parts of large objects; not one of their bytes passes through the function.

Everything else is the `Copier`'s, and so the same: the source's identity from a GetObject by the read role, a multipart
upload with the replica's attributes, key and provenance, a completion on condition that the replica is still the
expected one, and S3's own refusal of a whole that has not the source's checksum. Small objects are streamed as ever.

CopyObject is not used, though it takes up to 5 GB in one request. It answers with the checksum of a replica that is
there already: bytes that differ would have been shown, under a provenance that vouches for them. A multipart upload is
compared before it is anything. Nor does S3 stop a copy when whoever asked for it is gone, on which two-phase deletes
rely; a part that comes too late is part of nothing.
"""

from typing import ClassVar

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.part_carrier import Opened
from consumer_replicator.part_copies import PartCopies
from consumer_replicator.parts import GIB, MIB, Part
from consumer_replicator.proof import Proof
from consumer_replicator.replica import UploadedPart
from consumer_replicator.tries import Tries

COPIED_PART_BYTES = 128 * MIB
"""A second or two of S3's work: enough parts of one object side by side, few requests, and little to do again."""
COPIES_AT_ONCE = 16
"""Each costs the function a connection, no memory and no bandwidth."""
SLOW_BYTES_PER_SECOND = 50_000_000
"""What S3 copies of one part, taken low: a part that may not be done by the deadline is not begun."""
BYTES_PER_SECOND = COPIES_AT_ONCE * 100_000_000
"""What S3 copies for one invocation: common knowledge, not measured."""
WHOLE_BYTES = 256 * GIB
"""Up to this an object is one invocation's, where nothing else is said: a few minutes."""


class PartsWithinS3:
    """A `part_carrier.Carrier`. What S3 made of its own copy proves no more than its size where the source has nothing
    to match it with: nobody saw the bytes."""

    unmatched: ClassVar = Proof.SIZE_ONLY

    def __init__(self, copies: PartCopies, tries: Tries) -> None:
        self._copies = copies
        self._tries = tries

    def carry(self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline) -> UploadedPart:
        """:raises ReplicaMoved: the upload is gone.
        :raises SourceMoved: the source object was replaced.
        :raises HydrationError: `out-of-time`, and what the edge raises, after a few tries.
        """

        def attempt(retries: int) -> UploadedPart:
            if deadline.remaining() < part.size / SLOW_BYTES_PER_SECOND:
                raise HydrationError("out-of-time")
            copied = self._copies.copy(key, identity, upload.upload_id, part, upload.algorithm)
            return UploadedPart(part.number, part.size, copied.etag, copied.checksum, retries)

        return self._tries.run(attempt, deadline)
