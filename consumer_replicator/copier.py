"""Moves the bytes of one source object into one new replica: a single PUT, or a multipart upload.

How each is proven (`proof.Proof`):

    way      source's checksum              what S3 is asked to check               proof
    -------  -----------------------------  --------------------------------------  ---------------
    one PUT  FULL_OBJECT                    that value                              source-checksum
             COMPOSITE of one or two parts  CRC64NVME computed in passing           composite
             another COMPOSITE, or none     CRC64NVME computed in passing           computed
    parts    FULL_OBJECT, a CRC             that value, for the whole               source-checksum
             COMPOSITE, of uniform parts    each part's value; the same boundaries  composite
             anything else, or none         CRC64NVME of the parts, combined        computed

`composite`: the bytes that were read are cut where the source was cut and come to the source's value, or nothing is
completed. Where that is, a HEAD of the source's first part tells. A FULL_OBJECT checksum that no multipart upload takes
(SHA256, SHA1, ...) goes by one PUT up to `LONG_PUT_BYTES`; above that such objects are `computed`, since their parts
arrive out of order and a hash wants them in order.

Memory is bounded whatever the size. What is small is held, and sent again from memory; what is large is streamed from
one request into the other, and after a failure read again by a GET that is pinned to the same object:

    batch concurrency x HELD_BYTES + part concurrency x HELD_BYTES (last parts alone) + a block of 256 KiB a stream

(Behind an HTTP proxy botocore's own client is used, which sends no stream: there, all that is one request is held.)

No thread outlives the call that started it: a straggler that resumed after the invocation would break the bound that
two-phase deletes rest on.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass

from consumer_replicator import checksum, composite
from consumer_replicator.checksum import COMPOSITE, FULL_OBJECT, Checksum, Running
from consumer_replicator.composite import Cutting
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.part_carrier import Carrier, Opened, PartCarrier
from consumer_replicator.parts import DEFAULT_PART_BYTES, MAX_PART_BYTES, MIB, Part, part_size, parts
from consumer_replicator.passing import Passing, must_be
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Replica, UploadedPart, Writing
from consumer_replicator.row import ReplicaVersion
from consumer_replicator.source import Source, SourceObject
from consumer_replicator.tries import WORTH_ANOTHER_STREAM, Tries

HELD_BYTES = 4 * MIB
"""Nothing larger is held in memory. It is less than S3's least part: only the last part of an upload is ever held."""
STREAM_FROM_BYTES = 256 * 1024
"""Above this, one PUT that the source's checksum goes with is streamed; below, holding the bytes is cheaper."""
LONG_PUT_BYTES = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Copied:
    """A replica that was made. `checksum` is what S3 stored for it, `parts` is 0 for a single PUT.

    `retries`: how often bytes had to be read or sent again.
    """

    version: ReplicaVersion
    checksum: Checksum | None
    proof: Proof
    parts: int = 0
    retries: int = 0


class Copier:
    """`threshold` in bytes: up to it one PUT.

    `pause` waits a number of seconds. `carrier`: another way for parts than through memory.
    """

    def __init__(
        self,
        source: Source,
        replica: Replica,
        *,
        threshold: int,
        part_concurrency: int,
        part_bytes: int = DEFAULT_PART_BYTES,
        held_bytes: int = HELD_BYTES,
        stream_from: int = STREAM_FROM_BYTES,
        pause: Callable[[float], None] = time.sleep,
        carrier: Carrier | None = None,
    ) -> None:
        self._source = source
        self._replica = replica
        self._threshold = threshold
        self._part_bytes = part_bytes
        self._held_bytes = held_bytes if replica.takes_streams else MAX_PART_BYTES
        self._stream_from = stream_from if replica.takes_streams else MAX_PART_BYTES
        self._long_put = LONG_PUT_BYTES if replica.takes_streams else 0
        self._tries = Tries(pause)
        self._carrier = carrier or PartCarrier(source, replica, self._tries, self._held_bytes)
        self._window = part_concurrency
        self._pool = ThreadPoolExecutor(part_concurrency, thread_name_prefix="part")

    def copy(self, found: SourceObject, writing: Writing, deadline: Deadline) -> Copied:
        """Makes the replica.

        :raises ReplicaMoved: the replica is not the expected one any more.
        :raises SourceMoved: the source object was replaced during the copy.
        :raises HydrationError: `out-of-time`, and what the edges raise.
        """
        size = found.identity.size
        own = _whole(found)
        by_put_alone = own is not None and not own.fits_multipart
        if size > (max(self._threshold, self._long_put) if by_put_alone else self._threshold):
            return self._copy_in_parts(found, writing, deadline)
        return self._copy_in_one(found, writing, deadline)

    # -- one PUT ---------------------------------------------------------------------------------------------------

    def _copy_in_one(self, found: SourceObject, writing: Writing, deadline: Deadline) -> Copied:
        """Of a COMPOSITE of more parts than two, the size of the first does not tell where the others end."""
        own = _whole(found)
        cut = self._cut(found, writing.key) if found.checksum and found.checksum.parts in (1, 2) else None
        if found.identity.size > (self._stream_from if own else self._held_bytes):
            return self._stream(found, writing, deadline, cut)
        body = found.read(deadline)
        if found.checksum and cut:
            cutting = Cutting(found.checksum.algorithm, cut)
            cutting.add(body)
            must_be(cutting, found.checksum)
        sent = own or checksum.of(body)
        return Copied(self._replica.put(writing, body, sent), sent, _proof(own, cut))

    def _stream(self, found: SourceObject, writing: Writing, deadline: Deadline, cut: int | None) -> Copied:
        """Read and sent at once; after a failure both begin anew."""
        own, whole = _whole(found), Part(1, 0, found.identity.size - 1)

        def attempt(retries: int) -> Copied:
            read_again = self._source.part(writing.key, found.identity, whole) if retries else nullcontext(found.body)
            sent = own or Running()
            proof = (Cutting(found.checksum.algorithm, cut), found.checksum) if found.checksum and cut else None
            with read_again as arriving:
                body = Passing(arriving, deadline, sent, proof)
                version = self._replica.put(writing, body, sent)
            known = sent.checksum() if isinstance(sent, Running) else sent
            return Copied(version, known, _proof(own, cut), retries=retries)

        return self._tries.run(attempt, deadline, WORTH_ANOTHER_STREAM)

    # -- a multipart upload ------------------------------------------------------------------------------------------

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
        """Opens a multipart upload that the source's own checksum fits, where it has one that can.

        :raises SourceMoved: the source object was replaced.
        """
        own, cut = found.checksum, self._cut(found, writing.key)
        if own and cut:
            upload_id = self._replica.open_upload(writing, own.algorithm, COMPOSITE)
            return Opened(upload_id, cut, own.algorithm, COMPOSITE)
        algorithm = own.algorithm if own and own.fits_multipart else checksum.COMPUTED
        upload_id = self._replica.open_upload(writing, algorithm, FULL_OBJECT)
        return Opened(upload_id, part_size(found.identity.size, self._part_bytes), algorithm)

    def carry(
        self, key: str, identity: SourceIdentity, upload: Opened, wanted: Iterable[Part], deadline: Deadline
    ) -> list[UploadedPart]:
        """Carries these parts, a window of them at a time. Returns or raises only when none is under way any more.

        :raises ReplicaMoved: the upload is gone.
        :raises SourceMoved: the source object was replaced.
        :raises HydrationError: `out-of-time`, and what the edges raise.
        """
        uploaded: list[UploadedPart] = []
        window: deque[Future[UploadedPart]] = deque()
        try:
            for part in wanted:
                if len(window) == self._window:
                    uploaded.append(window.popleft().result())
                window.append(self._pool.submit(self._carrier.carry, key, identity, upload, part, deadline))
            uploaded.extend(future.result() for future in window)
        finally:
            for future in window:
                future.cancel()
            wait(window)
        return uploaded

    def complete(self, writing: Writing, upload: Opened, uploaded: list[UploadedPart], found: SourceObject) -> Copied:
        """Makes the upload the replica. `uploaded`: all its parts, in order.

        :raises ReplicaMoved: 412, or 409, which asks for the whole upload again.
        :raises HydrationError: `truncated`: the parts do not have the source's checksum.
        """
        whole, proof = self._proven(writing.key, upload, uploaded, found)
        version = self._replica.complete_upload(writing, upload.upload_id, uploaded, whole)
        return Copied(version, whole, proof, len(uploaded), sum(part.retries for part in uploaded))

    def _proven(
        self, key: str, upload: Opened, uploaded: list[UploadedPart], found: SourceObject
    ) -> tuple[Checksum, Proof]:
        if upload.type == FULL_OBJECT:
            own = _whole(found)
            if own and own.algorithm == upload.algorithm:
                return own, Proof.SOURCE_CHECKSUM
            return checksum.combined([(part.checksum, part.size) for part in uploaded]), self._carrier.unmatched
        whole = composite.of([part.checksum for part in uploaded])
        if whole == found.checksum:
            return whole, Proof.COMPOSITE
        if self._was_cut_alike(key, found.identity, uploaded):
            raise HydrationError("truncated", f"The parts do not have the source's checksum ({upload.algorithm}).")
        return whole, self._carrier.unmatched

    # -- where the source's own parts end ----------------------------------------------------------------------------

    def _cut(self, found: SourceObject, key: str) -> int | None:
        """How many bytes the source's parts have, all but the last; None where it has none, or that cannot be told."""
        own, size = found.checksum, found.identity.size
        if own is None or not own.parts or own.algorithm not in composite.MIRRORED:
            return None
        first = size if own.parts == 1 else self._source.uploaded_part(key, found.identity, 1)
        return first if first and composite.is_uniform(size, own.parts, first) else None

    def _was_cut_alike(self, key: str, identity: SourceIdentity, uploaded: list[UploadedPart]) -> bool:
        """Whether the source really has these parts: the size of its first and their number do not prove it."""
        return all(self._source.uploaded_part(key, identity, part.number) == part.size for part in uploaded)


def _whole(found: SourceObject) -> Checksum | None:
    """The source's FULL_OBJECT checksum."""
    return found.checksum if found.checksum and not found.checksum.parts else None


def _proof(own: Checksum | None, cut: int | None) -> Proof:
    if own:
        return Proof.SOURCE_CHECKSUM
    return Proof.COMPOSITE if cut else Proof.COMPUTED
