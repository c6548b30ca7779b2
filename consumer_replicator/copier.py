"""Moves the bytes of one source object into one new replica: a single PUT, or a multipart upload.

Within an invocation, memory is bounded whatever the size: at most one object below the threshold per concurrent
message, and `part_concurrency` parts in all. No thread outlives the call that started it: a straggler that resumed
after the invocation would break the bound that two-phase deletes rest on.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from consumer_replicator import checksum
from consumer_replicator.checksum import Checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import DEFAULT_PART_BYTES, Part, parts
from consumer_replicator.replica import Replica, UploadedPart, Writing
from consumer_replicator.row import ReplicaVersion
from consumer_replicator.source import Source, SourceObject

PART_TRIES = 3
WORTH_ANOTHER_TRY = frozenset({"truncated", "connection", "aws-error"})


@dataclass(frozen=True, slots=True)
class Copied:
    """`parts` is 0 for a single PUT."""

    version: ReplicaVersion
    checksum: Checksum
    parts: int = 0


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
        proof = found.checksum or checksum.of(body)
        return Copied(self._replica.put(writing, body, proof), proof)

    def _copy_in_parts(self, found: SourceObject, writing: Writing, deadline: Deadline) -> Copied:
        found.body.close()  # parts are read by ranges of their own, pinned to this identity
        proof = found.checksum if found.checksum and found.checksum.fits_multipart else None
        algorithm = proof.algorithm if proof else checksum.COMPUTED
        upload_id = self._replica.open_upload(writing, algorithm)
        try:
            uploaded = self._carry(found.identity, writing.key, upload_id, algorithm, deadline)
            whole = proof or checksum.combined([(part.checksum, part.size) for part in uploaded])
            version = self._replica.complete_upload(writing, upload_id, uploaded, whole)
        except BaseException:
            with suppress(HydrationError):  # the sweep and the bucket's lifecycle rule take what is left
                self._replica.abort_upload(writing.key, upload_id)
            raise
        return Copied(version, whole, len(uploaded))

    def _carry(
        self, identity: SourceIdentity, key: str, upload_id: str, algorithm: str, deadline: Deadline
    ) -> list[UploadedPart]:
        """All parts, a window of them at a time. Returns or raises only when none is under way any more."""
        uploaded: list[UploadedPart] = []
        window: deque[Future[UploadedPart]] = deque()
        try:
            for part in parts(identity.size, self._part_bytes):
                if len(window) == self._window:
                    uploaded.append(window.popleft().result())
                window.append(self._pool.submit(self._carry_one, identity, key, upload_id, algorithm, part, deadline))
            uploaded.extend(future.result() for future in window)
        finally:
            for future in window:
                future.cancel()
            wait(window)
        return uploaded

    def _carry_one(
        self, identity: SourceIdentity, key: str, upload_id: str, algorithm: str, part: Part, deadline: Deadline
    ) -> UploadedPart:
        """One part, from a new GET at every try: a stream that was consumed cannot be sent again."""
        for tries_left in reversed(range(PART_TRIES)):
            deadline.check()
            try:
                body = self._source.part(key, identity, part)
                return self._replica.upload_part(key, upload_id, part.number, body, checksum.of(body, algorithm))
            except HydrationError as error:
                if error.code not in WORTH_ANOTHER_TRY or not tries_left:
                    raise
        raise AssertionError("unreachable")
