"""Carries ranges of parts, each under a message of its own: some of an upload's parts, and the row told.

    row - GET each part, pinned to the upload's source object - UploadPart - add the range to the finished ones, on
    condition that the row names this upload - where all are finished: a plain hint for the key

A range message never completes an upload: the plain hint does, which reads the source again. Whatever keeps a range
from being carried for good (its object was replaced, its upload is gone) sends a plain hint too, which says of which
upload a range is missing. A message that comes back carries only the parts that the upload does not have yet.
"""

from collections.abc import Sequence

from consumer_replicator import plan
from consumer_replicator.copier import Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, ReplicaMoved, RowMoved, SourceMoved
from consumer_replicator.hint import Hint, PartRange
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Deferred, Outcome, RangeCopied, Skipped, SkipReason
from consumer_replicator.parts import Part
from consumer_replicator.queue import Queue
from consumer_replicator.replica import Replica, UploadedPart
from consumer_replicator.row import Row, Upload
from consumer_replicator.rows import Result, Rows
from consumer_replicator.split import opened
from consumer_replicator.splitting import Splitting, Time


class PartRanges:
    def __init__(
        self,
        replica: Replica,
        manifest: Manifest,
        queue: Queue,
        copier: Copier,
        rows: Rows,
        splitting: Splitting,
    ) -> None:
        self._replica = replica
        self._manifest = manifest
        self._queue = queue
        self._copier = copier
        self._rows = rows
        self._splitting = splitting

    def carry(self, hint: Hint, part_range: PartRange, row: Row | None, deadline: Deadline) -> Result:
        """:raises HydrationError: the message must come back.
        :raises Again: the row is not the one that was read.
        """
        match plan.decide_range(part_range, row):
            case plan.Skip(reason):
                return Skipped(reason), row
            case plan.Announce():
                self._queue.send_plain(hint.key, hint.event_id)
                return Skipped(SkipReason.RANGE_DONE), row
            case plan.BeginAnew():
                self._queue.send_plain(hint.key, hint.event_id)
                return Skipped(SkipReason.UPLOAD_GONE), row
            case plan.Carry(upload):
                try:
                    return self._carry(hint, part_range.number, upload, deadline), None
                except HydrationError as error:
                    return self._rows.fail(hint, row, error)

    def _carry(self, hint: Hint, number: int, upload: Upload, deadline: Deadline) -> Outcome:
        wanted = upload.cut.range(number)
        if not wanted:
            raise HydrationError("bad-hint", f"The upload has {upload.cut.ranges} ranges, not {number}.")
        if not self._splitting.has_room(sum(part.size for part in wanted), Time.of(deadline)):
            return self.defer(hint, PartRange(upload.id, number))
        try:
            uploaded = self._carry_parts(hint, upload, wanted, deadline)
        except (SourceMoved, ReplicaMoved) as moved:
            self._queue.send_plain(hint.key, hint.event_id, resend=upload.id)
            changed = isinstance(moved, SourceMoved)
            return Skipped(SkipReason.SOURCE_CHANGED if changed else SkipReason.UPLOAD_GONE)
        if uploaded is None:
            return self.defer(hint, PartRange(upload.id, number))
        try:
            done = self._manifest.add_range(hint.key, upload.id, number, self._rows.now())
        except RowMoved:
            return Skipped(SkipReason.UPLOAD_GONE)
        if done >= upload.cut.ranges:
            self._queue.send_plain(hint.key, hint.event_id)
        retries = sum(part.retries for part in uploaded)
        return RangeCopied(number, sum(part.size for part in uploaded), len(uploaded), retries)

    def _carry_parts(
        self, hint: Hint, upload: Upload, wanted: list[Part], deadline: Deadline
    ) -> list[UploadedPart] | None:
        """None: the time was up in the message's last try, but this one got further, so the next one will too."""
        left = self._left(hint.key, upload, wanted) if hint.receive_count > 1 else wanted
        try:
            return self._copier.carry(hint.key, upload.source, opened(upload), left, deadline)
        except HydrationError as error:
            if (
                error.code == "out-of-time"
                and self._rows.is_last_try(hint)
                and self._left(hint.key, upload, wanted) != left
            ):
                return None
            raise

    def _left(self, key: str, upload: Upload, wanted: list[Part]) -> list[Part]:
        """Those that the upload does not have yet: whatever it has was read from the one object it is made from."""
        among = range(wanted[0].number, wanted[-1].number + 1)
        there = {(part.number, part.size) for part in self._replica.list_parts(key, upload.id, among)}
        return [part for part in wanted if (part.number, part.size) not in there]

    # -- ranges that have to wait -------------------------------------------------------------------------------------

    def turn(self, asked: Sequence[tuple[PartRange, Row | None]], deadline: Deadline) -> int:
        """How many of these ranges, from the first on, this invocation takes on."""
        return self._splitting.turn([_bytes(*each) for each in asked], Time.of(deadline))

    def defer(self, hint: Hint, part_range: PartRange) -> Deferred:
        """Another invocation carries it. Having had no room uses up no try: in the last one it is sent anew."""
        if not self._rows.is_last_try(hint):
            return Deferred()
        self._queue.send_ranges(hint.key, hint.event_id, part_range.upload_id, {part_range.number: 0})
        return Deferred(sent_again=True)


def _bytes(part_range: PartRange, row: Row | None) -> int:
    """What carrying it takes; nothing, where it is done or obsolete."""
    match plan.decide_range(part_range, row):
        case plan.Carry(upload):
            return upload.cut.range_bytes(part_range.number)
        case _:
            return 0
