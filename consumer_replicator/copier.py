"""Moves the bytes of one source object into one new replica: a single PUT, or a multipart upload.

Within an invocation, memory is bounded whatever the size: at most one object below the threshold per concurrent
message, and `part_concurrency` parts in all. No thread outlives the call that started it: a straggler that resumed
after the invocation would break the bound that two-phase deletes rest on.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from consumer_replicator import checksum
from consumer_replicator.checksum import Checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import DEFAULT_PART_BYTES, Part, part_size, parts
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Replica, UploadedPart, Writing
from consumer_replicator.row import ReplicaVersion
from consumer_replicator.source import Source, SourceObject

PART_TRIES = 3
WORTH_ANOTHER_TRY = frozenset({"truncated", "connection", "aws-error"})


@dataclass(frozen=True, slots=True)
class Copied:
    """A replica that was made. `checksum` is what S3 stored for it, `parts` is 0 for a single PUT."""

    version: ReplicaVersion
    checksum: Checksum | None
    proof: Proof
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A multipart upload that is under way: parts of `part_bytes`, checksummed in `algorithm`, the last one smaller."""

    upload_id: str
    part_bytes: int
    algorithm: str
    type: str = "FULL_OBJECT"


class Copier:
    """`threshold` and `max_bytes` in bytes: up to `threshold` one PUT, above `max_bytes` not at all."""

    def __init__(
        self,
        source: Source,
        replica: Replica,
        *,
        threshold: int,
        max_bytes: int,
        part_concurrency: int,
        part_bytes: int = DEFAULT_PART_BYTES,
    ) -> None:
        self._source = source
        self._replica = replica
        self._threshold = threshold
        self._max_bytes = max_bytes
        self._part_bytes = part_bytes
        self._window = part_concurrency
        self._pool = ThreadPoolExecutor(part_concurrency, thread_name_prefix="part")

    def copy(self, found: SourceObject, writing: Writing, deadline: Deadline) -> Copied:
        """Makes the replica.

        :raises ReplicaMoved: the replica is not the expected one any more.
        :raises SourceMoved: the source object was replaced during the copy.
        :raises HydrationError: `too-large`, `out-of-time`, and what the edges raise.
        """
        size = found.identity.size
        if size > self._max_bytes:
            raise HydrationError("too-large", f"{size} bytes; one invocation carries {self._max_bytes}.")
        if size > self._threshold:
            return self._copy_in_parts(found, writing, deadline)
        body = found.read()
        sent = found.checksum or checksum.of(body)
        version = self._replica.put(writing, body, sent)
        return Copied(version, sent, Proof.SOURCE_CHECKSUM if found.checksum else Proof.COMPUTED)

    def _copy_in_parts(self, found: SourceObject, writing: Writing, deadline: Deadline) -> Copied:
        found.body.close()  # parts are read by ranges of their own, pinned to this identity
        upload = self.open(found, writing)
        try:
            wanted = parts(found.identity.size, upload.part_bytes)
            uploaded = self.carry(writing.key, found.identity, upload, wanted, deadline)
            return self.complete(writing, upload, uploaded, found)
        except BaseException:
            with suppress(HydrationError):  # the sweep and the bucket's lifecycle rule take what is left
                self._replica.abort_upload(writing.key, upload.upload_id)
            raise

    def open(self, found: SourceObject, writing: Writing) -> Opened:
        """Opens a multipart upload that the source's own checksum fits, where it has one that can."""
        own = found.checksum
        algorithm = own.algorithm if own and own.fits_multipart else checksum.COMPUTED
        step = part_size(found.identity.size, self._part_bytes)
        return Opened(self._replica.open_upload(writing, algorithm), step, algorithm)

    def carry(
        self, key: str, identity: SourceIdentity, upload: Opened, wanted: Iterable[Part], deadline: Deadline
    ) -> list[UploadedPart]:
        """Carries these parts, a window of them at a time. Returns or raises only when none is under way any more.

        :raises ReplicaMoved: the upload is gone.
        :raises SourceMoved: the source object was replaced.
        """
        uploaded: list[UploadedPart] = []
        window: deque[Future[UploadedPart]] = deque()
        try:
            for part in wanted:
                if len(window) == self._window:
                    uploaded.append(window.popleft().result())
                window.append(self._pool.submit(self._carry_one, identity, key, upload, part, deadline))
            uploaded.extend(future.result() for future in window)
        finally:
            for future in window:
                future.cancel()
            wait(window)
        return uploaded

    def complete(self, writing: Writing, upload: Opened, uploaded: list[UploadedPart], found: SourceObject) -> Copied:
        """Makes the upload the replica. `uploaded`: all its parts, in order.

        :raises ReplicaMoved: 412, or 409, which asks for the whole upload again.
        """
        own = found.checksum
        if own and own.algorithm == upload.algorithm:
            whole, proof = own, Proof.SOURCE_CHECKSUM
        else:
            whole, proof = checksum.combined([(part.checksum, part.size) for part in uploaded]), Proof.COMPUTED
        version = self._replica.complete_upload(writing, upload.upload_id, uploaded, whole)
        return Copied(version, whole, proof, len(uploaded))

    def _carry_one(
        self, identity: SourceIdentity, key: str, upload: Opened, part: Part, deadline: Deadline
    ) -> UploadedPart:
        """One part, from a new GET at every try: a stream that was consumed cannot be sent again."""
        for tries_left in reversed(range(PART_TRIES)):
            deadline.check()
            try:
                body = self._source.part(key, identity, part)
                sent = checksum.of(body, upload.algorithm)
                return self._replica.upload_part(key, upload.upload_id, part.number, body, sent)
            except HydrationError as error:
                if error.code not in WORTH_ANOTHER_TRY or not tries_left:
                    raise
        raise AssertionError("unreachable")
