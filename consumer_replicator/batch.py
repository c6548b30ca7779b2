"""One SQS batch: every message to its end, side by side, none harming its mates.

Messages about one key are worked on one after the other, the highest sequencer first, so that a burst on a key costs
one copy and its other events are superseded. A message that must come back is given back with a delay of its own, not
after the visibility timeout, which is six times the function's. Of ranges of large uploads a batch takes on a turn; the
others are given back before it begins, since other invocations may have nothing to do.
"""

import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from consumer_replicator.converge import Converger
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import ErrorClass, HydrationError, Rejected
from consumer_replicator.hint import Hint, PartRange, parse_hint
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Deferred, Failed, Outcome, Skipped, SkipReason
from consumer_replicator.queue import Message, Queue
from consumer_replicator.row import Row
from producer_events.scope import OutOfScope, Scope

FIRST_RETRY_SECONDS = 10
LAST_RETRY_SECONDS = 900
MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Done:
    """A message with what became of it. `hint` None: its body could not be read as one."""

    message: Message
    hint: Hint | None
    outcome: Outcome

    @property
    def comes_back(self) -> bool:
        match self.outcome:
            case Failed(final=final):
                return not final
            case Deferred(sent_again=sent_again):
                return not sent_again
            case _:
                return False


@dataclass(frozen=True, slots=True)
class _Work:
    message: Message
    hint: Hint


class Batch:
    """`bucket`, `account`: the configured source; anything else is refused. `concurrency`: keys worked on at once."""

    def __init__(
        self,
        converger: Converger,
        manifest: Manifest,
        queue: Queue,
        *,
        bucket: str,
        account: str,
        scope: Scope,
        concurrency: int,
        max_receive_count: int,
    ) -> None:
        self._converger = converger
        self._manifest = manifest
        self._queue = queue
        self._bucket = bucket
        self._account = account
        self._scope = scope
        self._concurrency = concurrency
        self._max_receive_count = max_receive_count

    def run(self, messages: Iterable[Message], deadline: Deadline) -> list[Done]:
        """Works on every message; those that come back are already given back. Never raises for a message's sake."""
        refused: list[Done] = []
        work: list[_Work] = []
        for message in messages:
            read = self._read(message)
            if isinstance(read, Done):
                refused.append(read)
            else:
                work.append(read)
        done, waiting = self._work(work, deadline)
        done = [self._settle(each) for each in (*refused, *done)]
        self._give_back([each for each in done if each.comes_back])
        return done + waiting

    def _read(self, message: Message) -> Done | _Work:
        try:
            hint = parse_hint(
                message.body, bucket=self._bucket, account=self._account, receive_count=message.receive_count
            )
        except Rejected as rejected:
            return Done(message, None, Failed(rejected.code, str(rejected), final=False))
        verdict = self._scope.judge(hint.key)
        if isinstance(verdict, OutOfScope):
            return Done(message, hint, Skipped(SkipReason.OUT_OF_SCOPE, detail=verdict.reason))
        return _Work(message, hint)

    def _work(self, work: list[_Work], deadline: Deadline) -> tuple[list[Done], list[Done]]:
        """What became of each, and those that were given back at once."""
        if not work:
            return [], []
        try:
            rows = self._manifest.read_many(each.hint.key for each in work)
        except HydrationError as error:
            return [Done(each.message, each.hint, _failed(error)) for each in work], []
        taken, waiting = self._take_on(work, rows, deadline)
        return self._converge_all(taken, rows, deadline), waiting

    def _take_on(
        self, work: list[_Work], rows: dict[str, Row | None], deadline: Deadline
    ) -> tuple[list[_Work], list[Done]]:
        """A turn of ranges, those first that have waited longest; the others wait for another invocation."""
        ranges = [(each, each.hint.range) for each in work if each.hint.range is not None]
        ranges.sort(key=lambda pair: pair[0].message.receive_count, reverse=True)
        turn = self._converger.ranges.turn([(asked, rows.get(each.hint.key)) for each, asked in ranges], deadline)
        waiting = [Done(each.message, each.hint, self._defer(each.hint, asked)) for each, asked in ranges[turn:]]
        self._give_back([done for done in waiting if done.comes_back])
        others = {done.message.id for done in waiting}
        return [each for each in work if each.message.id not in others], waiting

    def _defer(self, hint: Hint, asked: PartRange) -> Outcome:
        try:
            return self._converger.ranges.defer(hint, asked)
        except HydrationError:
            return Deferred()  # it comes back, and SQS itself sets it aside after its last try

    def _converge_all(self, work: list[_Work], rows: dict[str, Row | None], deadline: Deadline) -> list[Done]:
        if not work:
            return []
        by_key: dict[str, list[_Work]] = {}
        for each in work:
            by_key.setdefault(each.hint.key, []).append(each)
        # A pool per batch: leaving it waits for its threads, so none outlives the invocation.
        with ThreadPoolExecutor(min(self._concurrency, len(by_key)), thread_name_prefix="key") as pool:
            groups = pool.map(lambda group: self._converge_key(group, rows, deadline), by_key.values())
            return [done for group in groups for done in group]

    def _converge_key(self, work: list[_Work], rows: dict[str, Row | None], deadline: Deadline) -> list[Done]:
        done = []
        known = work[0].hint.key in rows
        row = rows.get(work[0].hint.key)
        for each in sorted(work, key=_newest_first, reverse=True):
            try:
                if not known:
                    row = self._manifest.read(each.hint.key)
                outcome, row = self._converger.converge(each.hint, row, deadline)
                known = row is not None
            except HydrationError as error:
                outcome, known = _failed(error), False
            except Exception as error:  # noqa: BLE001 - a bad message never harms its mates
                outcome, known = Failed("unexpected", f"{type(error).__name__}: {error!s:.200}", final=False), False
            done.append(Done(each.message, each.hint, outcome))
        return done

    def _settle(self, done: Done) -> Done:
        """Sets aside what can never succeed, and what has had its last try, each with its reason."""
        outcome = done.outcome
        if not isinstance(outcome, Failed) or outcome.final:
            return done
        hopeless = HydrationError(outcome.code).error_class is ErrorClass.BAD_INPUT
        if not hopeless and done.message.receive_count < self._max_receive_count:
            return done
        try:
            self._queue.set_aside(done.message, outcome.code, outcome.message)
        except HydrationError:
            return done  # it comes back, and SQS itself sets it aside after its last try
        return Done(done.message, done.hint, Failed(outcome.code, outcome.message, final=True))

    def _give_back(self, returning: list[Done]) -> None:
        if not returning:
            return
        try:
            self._queue.give_back({done.message.receipt: _retry_delay(done) for done in returning})
        except HydrationError:
            return  # they come back after the visibility timeout


def _newest_first(work: _Work) -> tuple[bool, bool, str]:
    """Hints with the highest sequencer first, then ranges, confirm hints last. Right-padded, as sequencers compare."""
    return work.hint.tombstone is None, work.hint.range is None, (work.hint.sequencer or "").ljust(64, "0")


def _failed(error: HydrationError) -> Failed:
    return Failed(error.code, str(error), final=False)


def _retry_delay(done: Done) -> int:
    """Seconds: about 10, doubling to about 15 minutes; none for what merely ran out of time, or was given none.

    From half to one and a half of it, by the message's id: what was throttled together must not come back together.
    """
    if isinstance(done.outcome, Deferred) or (isinstance(done.outcome, Failed) and done.outcome.code == "out-of-time"):
        return 0
    doublings = min(max(done.message.receive_count - 1, 0), MOST_DOUBLINGS)
    pause = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS << doublings)
    share = zlib.crc32(f"{done.message.id} {done.message.receive_count}".encode()) / 2**32
    return round(pause * (0.5 + share))
