"""Carries one part of a multipart upload: held in memory where it is small, from one request into the other if not."""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from consumer_replicator import checksum
from consumer_replicator.checksum import COMPOSITE, FULL_OBJECT, Checksum, Running
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Part
from consumer_replicator.passing import Passing
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Replica, UploadedPart
from consumer_replicator.source import Source, SourceBody
from consumer_replicator.tries import WORTH_ANOTHER_STREAM, Tries


@dataclass(frozen=True, slots=True)
class Opened:
    """A multipart upload that is under way: parts of `part_bytes`, checksummed in `algorithm`, the last one smaller.

    `type` is FULL_OBJECT, or COMPOSITE where the parts are those of the source.
    """

    upload_id: str
    part_bytes: int
    algorithm: str
    type: str = FULL_OBJECT


class Carrier(Protocol):
    """Gets parts of a source object into an upload, for any number of threads.

    `unmatched`: what a whole of such parts is proven by, where the source has no checksum that it could be held to.
    """

    unmatched: ClassVar[Proof]

    def carry(
        self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline, /
    ) -> UploadedPart: ...


class PartCarrier:
    """`held_bytes`: larger parts are streamed."""

    unmatched: ClassVar = Proof.COMPUTED

    def __init__(self, source: Source, replica: Replica, tries: Tries, held_bytes: int) -> None:
        self._source = source
        self._replica = replica
        self._tries = tries
        self._held_bytes = held_bytes

    def carry(self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline) -> UploadedPart:
        """:raises ReplicaMoved: the upload is gone.
        :raises SourceMoved: the source object was replaced.
        :raises HydrationError: `out-of-time`, and what the edges raise, after a few tries.
        """
        carry = self._stream if part.size > self._held_bytes else self._hold
        return carry(key, identity, upload, part, deadline)

    def _hold(self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline) -> UploadedPart:
        """Read until it is right, then sent from memory until it has arrived."""
        body = bytearray(part.size)

        def read(retries: int) -> tuple[Checksum, int]:
            with self._source.part(key, identity, part, by_number=upload.type == COMPOSITE) as arriving:
                arriving.fill(memoryview(body), deadline)
                known = _known(arriving, upload)
            found = checksum.of(body, upload.algorithm)
            if known and found != known:
                raise HydrationError("truncated", f"Part {part.number} does not have the source's checksum.")
            return found, retries

        sent, read_again = self._tries.run(read, deadline)

        def send(retries: int) -> UploadedPart:
            uploaded = self._replica.upload_part(key, upload.upload_id, part.number, body, sent)
            return replace(uploaded, retries=read_again + retries)

        return self._tries.run(send, deadline)

    def _stream(
        self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline
    ) -> UploadedPart:
        """Read and sent at once: after a failure both begin anew."""

        def attempt(retries: int) -> UploadedPart:
            with self._source.part(key, identity, part, by_number=upload.type == COMPOSITE) as arriving:
                sent = _known(arriving, upload) or Running(upload.algorithm)
                body = Passing(arriving, deadline, sent)
                uploaded = self._replica.upload_part(key, upload.upload_id, part.number, body, sent)
            return replace(uploaded, retries=retries)

        return self._tries.run(attempt, deadline, WORTH_ANOTHER_STREAM)


def _known(arriving: SourceBody, upload: Opened) -> Checksum | None:
    """The source's own checksum of this very part, where it is of the upload's kind."""
    own = arriving.checksum
    return own if own and not own.parts and own.algorithm == upload.algorithm else None
