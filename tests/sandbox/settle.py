"""Makes changes at the source and follows them until every one has come to its end, or until nothing moves any more."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console

from tests.sandbox.books import DELETED, REPLICATED, TAGS, Books, percentile
from tests.sandbox.live_view import LiveView, Snapshot, counts, shown_key
from tests.sandbox.watch import Depths, Watch, unsettled_rows

LOOK_EVERY_SECONDS = 0.4
JOIN_SECONDS = 5.0
NAMED_AT_MOST = 5


class Stuck(Exception):
    """Nothing has moved for longer than anything may take; the message names what is left."""


class Stopped(Exception):
    """The next change is not made."""


@dataclass
class Stage:
    """The changes of one stage, made in a thread of their own. `changed` is the uploader's callback; `event_lags` are
    seconds from the times of this stage's events to their committed rows.
    """

    name: str
    planned: int
    began: float = field(default_factory=time.time)
    made: int = 0
    made_bytes: int = 0
    finished_at: dict[str, float] = field(default_factory=dict)
    event_lags: list[float] = field(default_factory=list)
    stopping: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failure: BaseException | None = None

    def changed(self, key: str, size: int) -> None:
        with self._lock:
            self.made += 1
            self.made_bytes += size
            self.finished_at[key] = time.time()
        if self.stopping:
            raise Stopped

    def start(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        thread.start()
        return thread

    def _work(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 raised again where it is waited for
            self._failure = failure

    def succeeded(self) -> bool:
        """Raises what stopped the work, if anything did."""
        if self._failure:
            raise self._failure
        return True


@dataclass(frozen=True)
class Before:
    """Where the books stood when a stage began."""

    sent: int
    settled: int
    replicated_bytes: int


@dataclass
class Follower:
    """Follows stages through `watch`, enters what it sees in `books` and draws it. `patience` in seconds.

    `rouse` is called while all messages are done with and log lines are still owed: MiniStack 1.5.33 gathers what a
    function printed for some milliseconds, and what comes later only when that worker runs again.
    """

    watch: Watch
    books: Books
    console: Console
    patience: float
    rouse: Callable[[], None] = lambda: None
    _lately: deque[str] = field(default_factory=lambda: deque(maxlen=3))

    def run(self, stage: Stage, work: Callable[[], object]) -> Stage:
        """Makes the changes and returns when they are settled.

        :raises Stuck: nothing has moved for `patience` seconds, and not all is settled.
        """
        before = Before(self.books.sent, self.books.settled, self.books.bytes_replicated())
        thread = stage.start(work)
        moved_at, last = time.monotonic(), None
        try:
            with LiveView(self.console) as view:
                while True:
                    working = thread.is_alive()
                    self.books.sent = before.sent + stage.made
                    depths = self._look(stage)
                    view.show(self._snapshot(stage, before, depths))
                    if not working and stage.succeeded() and self._settled(depths):
                        return stage
                    if (now := (self.books.entered, stage.made)) != last:
                        moved_at, last = time.monotonic(), now
                    if time.monotonic() - moved_at > self.patience:
                        raise Stuck(self._left(depths))
                    if not working and depths.drained:
                        self.rouse()
                    time.sleep(LOOK_EVERY_SECONDS)
        finally:
            stage.stopping = True
            thread.join(JOIN_SECONDS)

    def _look(self, stage: Stage) -> Depths:
        depths = self.watch.depths()
        copies = [end for end in self.books.enter(self.watch.new_lines()) if end.kind == REPLICATED]
        stage.event_lags.extend(end.lag for end in copies if end.lag is not None)
        self._lately.extend(end.key for end in copies)
        return depths

    def _settled(self, depths: Depths) -> bool:
        return depths.drained and self.books.settled >= self.books.sent and not unsettled_rows(self.watch.rows())

    def _left(self, depths: Depths) -> str:
        """What is not settled, by name, in one sentence."""
        left = [
            f"messages waiting {depths.waiting}, in flight {depths.in_flight}, delayed {depths.delayed}",
            f"in the dead-letter queue {depths.dead_letters}",
            f"{self.books.settled} of {self.books.sent} changes have come to an end",
        ]
        if failing := self.books.names("failed"):
            left.append(f"failing: {counts(failing)}")
        rows = sorted(unsettled_rows(self.watch.rows()).items())
        left += [f"{shown_key(key)} is {state.name}" for key, state in rows[:NAMED_AT_MOST]]
        if len(rows) > NAMED_AT_MOST:
            left.append(f"and {len(rows) - NAMED_AT_MOST} more rows")
        return f"Nothing has moved for {self.patience:.0f} s: {'; '.join(left)}."

    def _snapshot(self, stage: Stage, before: Before, depths: Depths) -> Snapshot:
        books, lags = self.books, stage.event_lags
        seconds = max(time.time() - stage.began, 1.0)
        return Snapshot(
            stage=stage.name,
            seconds=seconds,
            planned=before.sent + stage.planned,
            changed=books.sent,
            bytes_changed=stage.made_bytes,
            settled=books.settled,
            objects_per_second=(books.settled - before.settled) / seconds,
            bytes_per_second=(books.bytes_replicated() - before.replicated_bytes) / seconds,
            replicated=books.count(REPLICATED),
            bytes_replicated=books.bytes_replicated(),
            tags_replicated=books.count(TAGS),
            deleted=books.count(DELETED),
            skipped=books.names("skipped"),
            failed=books.names("failed"),
            waiting=depths.waiting,
            in_flight=depths.in_flight,
            delayed=depths.delayed,
            dead_letters=depths.dead_letters,
            lag_p50=percentile(lags, 0.5),
            lag_p99=percentile(lags, 0.99),
            lately=tuple(self._lately),
        )
