"""converge(key): brings one replica to its source's current state, whatever the hint said.

The steps of the protocol, in its order. Each may be repeated after a crash; `plan` decides, this acts. The rules it
keeps: a replica is only written against the ETag that belongs to the row read before the source; a row is only written
under the generation read; after any refusal everything is read again; "nothing to do" is only said under a row write.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from consumer_replicator import plan, tags
from consumer_replicator.copier import Copied, Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, ReplicaMoved, SourceMoved
from consumer_replicator.hint import Hint
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Deleted, Replicated, Skipped, SkipReason, TagsReplicated
from consumer_replicator.part_ranges import PartRanges
from consumer_replicator.plan import DeletePolicy, ReplicaSeen, View
from consumer_replicator.proof import proof_of
from consumer_replicator.queue import Queue
from consumer_replicator.replica import Replica, Writing
from consumer_replicator.row import ReplicaVersion, Row, State, generation_of, touched
from consumer_replicator.rows import Again, Result, Rows
from consumer_replicator.source import Source, SourceObject
from consumer_replicator.split import Split
from consumer_replicator.splitting import Splitting, Time, Way
from producer_events.scope import OutOfScope, Scope

MAX_PASSES = 8


class Converger:
    """`confirm_delay`: seconds that no invocation can outlive. `now`: seconds since the epoch.

    `max_receive_count`: after so many tries a message does not come back.
    """

    def __init__(
        self,
        source: Source,
        replica: Replica,
        manifest: Manifest,
        queue: Queue,
        copier: Copier,
        *,
        scope: Scope,
        policy: DeletePolicy,
        confirm_delay: float,
        splitting: Splitting,
        max_receive_count: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._replica = replica
        self._manifest = manifest
        self._queue = queue
        self._copier = copier
        self._rows = Rows(manifest, replica, max_receive_count=max_receive_count, now=now)
        self._split = Split(source, replica, manifest, queue, copier, self._rows, splitting)
        self.ranges = PartRanges(replica, manifest, queue, copier, self._rows, splitting)
        self._splitting = splitting
        self._scope = scope
        self._policy = policy
        self._confirm_delay = confirm_delay

    def converge(self, hint: Hint, row: Row | None, deadline: Deadline) -> Result:
        """Converges the hint's key, or carries the range it asks for, beginning with `row`, read before.

        :raises HydrationError: the hint must come back: a transient failure, or `contended`, or `out-of-time`.
        """
        slow = plan.looks_first(hint, row)
        for _ in range(MAX_PASSES):
            try:
                if hint.range is not None:
                    return self.ranges.carry(hint, hint.range, row, deadline)
                deadline.check()
                return self._pass(hint, row, slow, deadline)
            except Again as again:
                slow = again.slow
            except ReplicaMoved:
                slow = True
            except SourceMoved:
                slow = False
            hint = replace(hint, refused=True)
            row = self._manifest.read(hint.key)
        raise HydrationError("contended")

    def _pass(self, hint: Hint, row: Row | None, slow: bool, deadline: Deadline) -> Result:
        early = plan.before_reading(hint, row)
        if early:
            return Skipped(early.reason), row
        try:
            seen = self._look(hint.key, row) if slow else None
            with self._source.current(hint.key) as current:
                found = current if current and self._in_scope(hint.key, current) else None
                return self._act(
                    View(
                        hint=hint,
                        row=row,
                        source=found.identity if found else None,
                        policy=self._policy,
                        slow=slow,
                        seen=seen,
                        ripe=row is not None and self._wait(row) <= 0,
                        checksum=found.checksum if found else None,
                        way=self._way(hint, found, deadline),
                    ),
                    found,
                    deadline,
                )
        except HydrationError as error:
            return self._rows.fail(hint, row, error)

    def _way(self, hint: Hint, found: SourceObject | None, deadline: Deadline) -> Way:
        size = found.identity.size if found else 0
        return self._splitting.way(size, Time.of(deadline), again=hint.receive_count > 1)

    def _in_scope(self, key: str, current: SourceObject) -> bool:
        """An object that left the scope by its size is as good as deleted."""
        return not isinstance(self._scope.judge(key, current.identity.size), OutOfScope)

    def _look(self, key: str, row: Row | None) -> ReplicaSeen | None:
        """HEAD of the replica, then the row again: what HEAD saw must belong to the generation that we rely on."""
        seen = self._replica.head(key)
        if generation_of(self._manifest.read(key)) != generation_of(row):
            raise Again(slow=True)
        return seen

    def _wait(self, row: Row) -> float:
        """Seconds until no invocation that was alive when the row was written can be alive."""
        return row.written_at + self._confirm_delay - self._rows.now()

    def _act(self, view: View, found: SourceObject | None, deadline: Deadline) -> Result:  # noqa: C901, PLR0911, PLR0912 - a line each
        match plan.decide(view):
            case plan.Skip(reason):
                return Skipped(reason), view.row
            case plan.Verify():
                return self._verify(view, _there(found))
            case plan.Touch():
                return self._touch(view, _there(found))
            case plan.Put(expected):
                return self._copy(view, _there(found), expected, deadline)
            case plan.Postpone():
                raise HydrationError("out-of-time")
            case plan.Split(expected):
                return self._split.begin(view, _there(found), expected, Time.of(deadline))
            case plan.Resume(upload):
                return self._split.resume(view, upload)
            case plan.Complete(upload):
                return self._split.complete(view, _there(found), upload)
            case plan.Restart(expected):
                raise self._split.restarted(view, expected)
            case plan.Adopt(version):
                return self._adopt(view, _there(found), version)
            case plan.CancelDelete(expected):
                return self._cancel(view, expected)
            case plan.Tombstone(expected):
                return self._tombstone(view, expected)
            case plan.Delete(expected):
                self._replica.delete(view.hint.key, expected)
                return self._commit_deleted(view)
            case plan.CommitDeleted():
                return self._commit_deleted(view)
            case plan.MarkGone():
                row = self._write(view, self._next(view, State.GONE), slow_if_refused=False)
                return Skipped(SkipReason.SOURCE_GONE), row
            case plan.Delay():
                return self._delay(view)
            case plan.LookAgain():
                raise Again(slow=True)

    # -- the source is there ---------------------------------------------------------------------------------------

    def _verify(self, view: View, found: SourceObject) -> Result:
        seen = self._replica.head(view.hint.key)
        if seen is None or view.row is None or view.row.replica is None or seen.version.etag != view.row.replica.etag:
            raise Again(slow=True)
        return self._touch(view, found)

    def _touch(self, view: View, found: SourceObject) -> Result:
        row = view.row
        if row is None or row.replica is None:
            raise AssertionError("plan touches only rows that have a replica")
        tags_now = tags.wanted(self._source, found, view.hint, row)
        stale = not tags_now.denied and tags_now.digest != row.tags
        if stale or (view.hint.may_be_half_done and not tags_now.denied):
            self._replica.set_tags(view.hint.key, row.replica, tags_now.values)
        after = touched(
            row, now=self._rows.now(), sequencer=view.hint.sequencer, tags=tags_now.digest if stale else row.tags
        )
        written = self._write(view, after, slow_if_refused=False)
        if stale:
            return TagsReplicated(self._rows.lag(view.hint, view.row)), written
        return Skipped(SkipReason.CURRENT, tags_denied=tags_now.denied), written

    def _copy(self, view: View, found: SourceObject, expected: ReplicaVersion | None, deadline: Deadline) -> Result:
        tags_now = tags.wanted(self._source, found, view.hint, view.row)
        writing = Writing(
            key=view.hint.key,
            carried=found.carried,
            tags=tags_now.values,
            expected=expected,
            source=found.identity.token(),
            generation=generation_of(view.row),
        )
        copied = self._copier.copy(found, writing, deadline)
        if writing.leaves_tags:  # before the row: what a copier that is stopped here has made is adopted, tags and all
            self._replica.set_tags(writing.key, copied.version, writing.tags)
        row = self._rows.live(view.hint, view.row, found, copied, tags_now)
        return Replicated(
            size=found.identity.size,
            lag=self._rows.lag(view.hint, view.row),
            proof=copied.proof,
            parts=copied.parts,
            retries=copied.retries,
            tags_denied=tags_now.denied,
            missing_metadata=found.missing_metadata,
        ), row

    def _adopt(self, view: View, found: SourceObject, version: ReplicaVersion) -> Result:
        tags_now = tags.wanted(self._source, found, view.hint, view.row)
        if not tags_now.denied:  # those that the stopped copier gave it are not known
            self._replica.set_tags(view.hint.key, version, tags_now.values)
        stored = view.seen.checksum if view.seen else None
        proof = proof_of(stored, found.checksum)
        row = self._rows.live(view.hint, view.row, found, Copied(version, stored, proof), tags_now)
        return Replicated(
            size=found.identity.size,
            lag=self._rows.lag(view.hint, view.row),
            proof=proof,
            adopted=True,
            tags_denied=tags_now.denied,
        ), row

    def _cancel(self, view: View, expected: ReplicaVersion | None) -> Result:
        """A confirm hint never copies: its redelivery would be ignored once the tombstone is gone."""
        confirming = view.hint.tombstone is not None
        if confirming:
            self._queue.send_plain(view.hint.key, view.hint.event_id)
        after = replace(self._next(view, State.PENDING), replica=expected)
        try:
            row: Row | None = self._write(view, after, slow_if_refused=False)
        except Again:
            row = None
        if confirming:
            return Skipped(SkipReason.DELETE_CANCELLED), row
        raise Again(slow=False)

    # -- the source is not there -----------------------------------------------------------------------------------

    def _tombstone(self, view: View, expected: ReplicaVersion | None) -> Result:
        """The confirm hint first: a row DELETING must never be without one."""
        after = replace(self._next(view, State.DELETING), replica=expected)
        self._queue.send_confirm(view.hint.key, view.hint.event_id, after.generation, self._confirm_delay)
        return Skipped(SkipReason.DELETE_PENDING), self._write(view, after, slow_if_refused=False)

    def _commit_deleted(self, view: View) -> Result:
        after = replace(
            self._next(view, State.DELETED),
            source=None,
            checksum=None,
            replica=None,
            replica_checksum=None,
            proof=None,
            tags="",
        )
        return Deleted(), self._write(view, after, slow_if_refused=False)

    def _delay(self, view: View) -> Result:
        if view.row is None or view.hint.tombstone is None:
            raise AssertionError("plan delays only confirm hints, which have a row")
        self._queue.send_confirm(view.hint.key, view.hint.event_id, view.hint.tombstone, self._wait(view.row))
        return Skipped(SkipReason.TOO_EARLY), view.row

    def _next(self, view: View, state: State) -> Row:
        return self._rows.next(view.hint, view.row, state)

    def _write(self, view: View, after: Row, *, slow_if_refused: bool) -> Row:
        return self._rows.write(view.hint.key, view.row, after, slow_if_refused=slow_if_refused)


def _there(found: SourceObject | None) -> SourceObject:
    if found is None:
        raise AssertionError("plan copies only what is there")
    return found
