"""A copier's row writes: each under the generation that was read, and none that leaves an upload without a row."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from consumer_replicator.copier import Copied
from consumer_replicator.errors import ErrorClass, HydrationError, RowMoved
from consumer_replicator.hint import Hint
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Failed, Outcome
from consumer_replicator.replica import Replica
from consumer_replicator.row import Row, State, successor, upload_of
from consumer_replicator.source import SourceObject
from consumer_replicator.tags import Tags


class Again(Exception):
    """Start over with the row; `slow`: with a HEAD of the replica."""

    def __init__(self, *, slow: bool) -> None:
        super().__init__()
        self.slow = slow


type Result = tuple[Outcome, Row | None]
"""What became of a hint, and the row as this copier left it (None: not known, or there is none)."""


class Rows:
    """`now`: seconds since the epoch. `max_receive_count`: after so many tries a message does not come back."""

    def __init__(
        self,
        manifest: Manifest,
        replica: Replica,
        *,
        max_receive_count: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._manifest = manifest
        self._replica = replica
        self._max_receive_count = max_receive_count
        self.now = now

    def next(self, hint: Hint, row: Row | None, state: State) -> Row:
        return successor(row, state, now=self.now(), sequencer=hint.sequencer, event_time=hint.event_time)

    def write(self, key: str, before: Row | None, after: Row, *, slow_if_refused: bool, completed: bool = False) -> Row:
        """Writes the row, then aborts the upload that it does not name any more, unless that was `completed`.

        :raises Again: the row is not the one that was read.
        """
        try:
            self._manifest.write(key, before, after)
        except RowMoved as refused:
            raise Again(slow=slow_if_refused) from refused
        if not completed:
            self.let_go(key, before, after)
        return after

    def let_go(self, key: str, before: Row | None, after: Row) -> None:
        """Aborts what `before` names and `after` does not. Where that fails, the sweep does it."""
        dropped, kept = upload_of(before), upload_of(after)
        if dropped and (kept is None or kept.id != dropped.id):
            with suppress(HydrationError):
                self._replica.abort_upload(key, dropped.id)

    def live(
        self,
        hint: Hint,
        row: Row | None,
        found: SourceObject,
        copied: Copied,
        tags_now: Tags,
        *,
        completed: bool = False,
    ) -> Row:
        """Commits the replica that was made, or found, for this object. `completed`: by the row's own upload."""
        after = replace(
            self.next(hint, row, State.LIVE),
            source=found.identity,
            checksum=str(found.checksum) if found.checksum else None,
            replica=copied.version,
            replica_checksum=str(copied.checksum) if copied.checksum else None,
            proof=copied.proof,
            tags=tags_now.digest,
            event_time=_event_time(hint, row),
        )
        return self.write(hint.key, row, after, slow_if_refused=True, completed=completed)

    def lag(self, hint: Hint, row: Row | None) -> float | None:
        """Seconds from the event to now; None without one."""
        event_time = _event_time(hint, row)
        return None if event_time is None else max(0.0, self.now() - event_time)

    def is_last_try(self, hint: Hint) -> bool:
        return hint.receive_count >= self._max_receive_count

    def fail(self, hint: Hint, row: Row | None, error: HydrationError) -> Result:
        """Row FAILED(code): reconcile tries again with growing spacing.

        A pending delete is left as it is. An upload under way is kept until the message's last try: a refusal may pass,
        and much may have been carried. Not where its parts are wrong: they stay what they are.

        :raises HydrationError: the error itself, where the message comes back.
        :raises Again: the row is not the one that was read.
        """
        if error.error_class is not ErrorClass.PERMANENT or (row is not None and row.state is State.DELETING):
            raise error
        if upload_of(row) and error.code != "checksum-mismatch" and not self.is_last_try(hint):
            raise error
        self._manifest.note_failure(self.now())
        attempts = row.attempts + 1 if row else 1
        after = replace(self.next(hint, row, State.FAILED), error=error.code, attempts=attempts)
        return Failed(error.code, str(error), final=True), self.write(hint.key, row, after, slow_if_refused=False)


def _event_time(hint: Hint, row: Row | None) -> float | None:
    """An upload is completed by a hint without an event: the row keeps the time of the one that began it."""
    began = row.event_time if row and row.upload else None
    return began if hint.event_time is None else hint.event_time
