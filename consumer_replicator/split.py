"""A copy that spreads over many invocations: begun, resumed and completed, each under a plain hint.

    begin      open the upload - row UPLOADING (CAS) - abort the one it replaces - send its ranges - note that
    resume     is the upload there? - touch the row (CAS) - send missing ranges again, where they may be lost
    complete   list the parts - complete, if the replica is the expected one - HEAD - row LIVE (CAS)
    restart    row PENDING (CAS) - abort - look again

`converge` has read the row and the source's identity before each of them; what is carried in between is `part_ranges`.

Ranges are sent again only where one may be lost: the row does not say that all were sent, so their sender may have been
stopped; a range was given up, and the hint says of which upload; or they were sent so long ago that every message has
come to its end. Otherwise each hint for a large object would send its hundreds of ranges once more.
"""

from contextlib import suppress
from dataclasses import replace

from consumer_replicator import tags
from consumer_replicator.copier import Copier
from consumer_replicator.errors import HydrationError, ReplicaMoved, RowMoved
from consumer_replicator.hint import Hint
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Replicated, Skipped, SkipReason, UploadStarted
from consumer_replicator.part_carrier import Opened
from consumer_replicator.parts import Cut
from consumer_replicator.plan import View
from consumer_replicator.queue import Queue
from consumer_replicator.replica import Replica, UploadedPart, Writing
from consumer_replicator.row import TAGS_LEFT, ReplicaVersion, Row, State, Upload, generation_of, touched
from consumer_replicator.rows import Again, Result, Rows
from consumer_replicator.source import Source, SourceObject
from consumer_replicator.splitting import Splitting, Time

RANGES_LIVE_SECONDS = 57_600.0
"""Longer than a message is tried: ten times a visibility timeout of 90 minutes. Shorter than what a reconcile lets pass
before it calls an upload unfinished."""


class Split:
    def __init__(
        self,
        source: Source,
        replica: Replica,
        manifest: Manifest,
        queue: Queue,
        copier: Copier,
        rows: Rows,
        splitting: Splitting,
    ) -> None:
        self._source = source
        self._replica = replica
        self._manifest = manifest
        self._queue = queue
        self._copier = copier
        self._rows = rows
        self._splitting = splitting

    def begin(self, view: View, found: SourceObject, expected: ReplicaVersion | None, time: Time) -> Result:
        hint, before = view.hint, view.row
        found.body.close()  # parts are read by ranges of their own, pinned to this identity
        tags_now = tags.wanted(self._source, found, hint, before)
        writing = Writing(
            key=hint.key,
            carried=found.carried,
            tags=tags_now.values,
            expected=expected,
            source=found.identity.token(),
            generation=generation_of(before),
        )
        opened = self._copier.open(found, writing)
        upload = Upload(
            id=opened.upload_id,
            source=found.identity,
            expected=expected,
            generation=writing.generation,
            cut=self._splitting.cut(found.identity.size, opened.part_bytes, time),
            algorithm=opened.algorithm,
            type=opened.type,
            tags=TAGS_LEFT if writing.leaves_tags else tags_now.digest,
        )
        after = replace(
            self._rows.next(hint, before, State.UPLOADING), upload=upload, attempts=before.attempts if before else 0
        )
        try:
            self._record(hint.key, before, after, upload)
        except BaseException:
            with suppress(HydrationError):  # the sweep and the bucket's lifecycle rule take what is left
                self._replica.abort_upload(hint.key, upload.id)
            raise
        self._rows.let_go(hint.key, before, after)
        self._send(hint, upload)
        return UploadStarted(found.identity.size, upload.cut.parts, upload.cut.ranges), None

    def _record(self, key: str, before: Row | None, after: Row, upload: Upload) -> None:
        """A refused write may be our own, whose answer was lost: no other has this upload's id."""
        try:
            self._manifest.write(key, before, after)
        except RowMoved as refused:
            now = self._manifest.read(key)
            if now is None or now.upload is None or now.upload.id != upload.id:
                raise Again(slow=False) from refused

    def _send(self, hint: Hint, upload: Upload) -> None:
        delays = {number: self._splitting.delay(place) for place, number in enumerate(upload.missing)}
        self._queue.send_ranges(hint.key, hint.event_id, upload.id, delays)
        with suppress(RowMoved):  # another upload by now: its own copier sends its ranges
            self._manifest.mark_sent(hint.key, upload.id, self._rows.now())

    def resume(self, view: View, upload: Upload) -> Result:
        hint, row = view.hint, view.row
        if row is None:
            raise AssertionError("plan resumes only what a row names")
        self._replica.list_parts(hint.key, upload.id, among=range(1, 2))  # gone: nobody would ever complete it
        after = touched(row, now=self._rows.now(), sequencer=hint.sequencer, tags=row.tags)
        try:
            self._manifest.touch(hint.key, row, after)
        except RowMoved as refused:
            raise Again(slow=False) from refused
        if self._may_be_lost(hint, upload):
            self._send(hint, upload)
        return Skipped(SkipReason.UPLOADING), None

    def _may_be_lost(self, hint: Hint, upload: Upload) -> bool:
        if upload.sent_at is None or hint.resend == upload.id:
            return True
        return self._rows.now() - upload.sent_at > RANGES_LIVE_SECONDS

    def complete(self, view: View, found: SourceObject, upload: Upload) -> Result:
        hint, row = view.hint, view.row
        found.body.close()
        uploaded = self._replica.list_parts(hint.key, upload.id)
        if not _are_all(uploaded, upload.cut):
            raise ReplicaMoved("ListParts")
        writing = Writing(
            key=hint.key,
            carried=found.carried,
            tags={},
            expected=upload.expected,
            source=found.identity.token(),
            generation=upload.generation,
        )
        try:
            copied = self._copier.complete(writing, opened(upload), uploaded, found)
        except HydrationError as error:
            if error.code == "truncated":
                raise HydrationError("checksum-mismatch") from error
            raise
        seen = self._replica.head(hint.key)
        if seen is None or seen.version.etag != copied.version.etag:
            raise Again(slow=True)  # the current version is the one that was initiated last
        tags_now = tags.wanted(self._source, found, hint, replace(row, tags=upload.tags) if row else None)
        if not tags_now.denied and tags_now.digest != upload.tags:
            self._replica.set_tags(hint.key, copied.version, tags_now.values)
        outcome = Replicated(
            size=found.identity.size,
            lag=self._rows.lag(hint, row),
            proof=copied.proof,
            parts=copied.parts,
            retries=copied.retries,
            tags_denied=tags_now.denied,
            missing_metadata=found.missing_metadata,
        )
        return outcome, self._rows.live(hint, row, found, copied, tags_now, completed=True)

    def restarted(self, view: View, expected: ReplicaVersion | None) -> Again:
        before = view.row
        after = replace(
            self._rows.next(view.hint, before, State.PENDING),
            replica=expected,
            attempts=before.attempts if before else 0,
        )
        self._rows.write(view.hint.key, before, after, slow_if_refused=False)
        return Again(slow=False)


def opened(upload: Upload) -> Opened:
    """The upload as the copier knows it."""
    return Opened(upload.id, upload.cut.part_bytes, upload.algorithm, upload.type)


def _are_all(uploaded: list[UploadedPart], cut: Cut) -> bool:
    wanted = [(part.number, part.size) for number in range(1, cut.ranges + 1) for part in cut.range(number)]
    return [(part.number, part.size) for part in uploaded] == wanted
