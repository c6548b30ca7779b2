"""The real batch worker in virtual time: many functions on one fair queue, S3 and DynamoDB that throttle.

One invocation is worked on at a time, at the moment it begins; what it takes is counted from the calls it made. So a
load of hours is had in seconds, and the same each time.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumer_replicator.batch import Done
from tests.consumer.fake_aws import DLQ, QUEUE, Bucket, Call, FakeSqs, Waiting, World, refuse
from tests.consumer.rig import Rig

CALL_SECONDS = 0.015
BATCH = 10
VISIBILITY = 5_400.0
S3_CALLS = frozenset({"GetObject", "PutObject", "HeadObject", "DeleteObject"})
TABLE_CALLS = frozenset({"PutItem", "GetItem", "BatchGetItem", "UpdateItem"})


class Tokens:
    """A service's pace: `rate` calls a second, `rate` of them saved up."""

    def __init__(self, rate: float) -> None:
        self.rate = self._left = rate
        self._at = 0.0
        self.refused = 0

    def take(self, now: float) -> bool:
        self._left = min(self.rate, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True


@dataclass
class FairQueue:
    """Visible messages without a group first, then those of groups in turn: SQS's fairness, at its plainest.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html"""

    now: Callable[[], float]
    ready: dict[str, deque[Waiting]] = field(default_factory=lambda: {"": deque()})
    later: list[tuple[float, int, Waiting]] = field(default_factory=list)
    held: dict[str, Waiting] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return sum(map(len, self.ready.values())) + len(self.later) + len(self.held)

    def add(self, message: Waiting) -> None:
        if message.visible_at > self.now():
            heapq.heappush(self.later, (message.visible_at, next(self.numbers), message))
        else:
            self.ready.setdefault(message.attributes.get("MessageGroupId", ""), deque()).append(message)

    def take(self, limit: int) -> list[Waiting]:
        while self.later and self.later[0][0] <= self.now():
            self.add(heapq.heappop(self.later)[2])
        taken = []
        for group in self.ready.values():
            while group and len(taken) < limit:
                taken.append(group.popleft())
        for message in taken:
            message.receive_count += 1
            self.held[message.id] = message
        return taken

    def next_visible(self) -> float | None:
        return self.later[0][0] if self.later else None


class LoadedSqs(FakeSqs):
    world: "LoadedWorld"

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            message = self.world.queue.held.pop(entry["ReceiptHandle"])
            message.visible_at = self.world.now + entry["VisibilityTimeout"]
            self.world.queue.add(message)
        return {"Successful": [], "Failed": []}


class LoadedWorld(World):
    """`denied`: keys whose objects the read role may not read. Buckets keep one version of each key, so that what the
    product keeps shows in memory."""

    def __init__(self, *, s3_rate: float, table_rate: float) -> None:
        super().__init__(versioned=False)
        self.buckets["replica-bucket"] = Bucket("replica-bucket", self.replica.owner, versioned=False)
        self.queue = FairQueue(lambda: self.now)
        self.denied: set[str] = set()
        self.s3_pace, self.table_pace = Tokens(s3_rate), Tokens(table_rate)
        self.call_count = 0
        self.before = self._pace

    def _pace(self, call: Call) -> None:
        self.call_count += 1
        if call.operation in S3_CALLS and not self.s3_pace.take(self.now):
            raise refuse(call.operation, "SlowDown", 503)
        if call.operation in TABLE_CALLS and not self.table_pace.take(self.now):
            raise refuse(call.operation, "ProvisionedThroughputExceededException", 400)
        if call.operation == "GetObject" and call.key in self.denied:
            raise refuse("GetObject", "AccessDenied", 403)

    def send(self, body: str, delay: float = 0, queue: str = QUEUE, attributes: Any = None) -> None:
        message = Waiting(f"m{next(self.numbers)}", body, self.now + delay, attributes or {})
        if queue == QUEUE:
            self.queue.add(message)
        else:
            self.queues[queue].append(message)

    def sqs(self) -> LoadedSqs:
        return LoadedSqs(self, "own")

    def forget(self) -> None:
        """What the fake keeps for tests that look back; here it would be all the memory there is."""
        self.calls.clear()
        self.mutations.clear()
        self.history.clear()

    def dead_letters(self) -> list[Waiting]:
        return list(self.queues[DLQ])


@dataclass
class Fleet:
    """`functions` at once, each a batch at a time. `seen`: told of every message that ended, and when."""

    rig: Rig
    world: LoadedWorld
    functions: int
    seen: Callable[[Done, float], None]
    invocations: int = 0

    def run(self, arrivals: Iterable[tuple[float, Callable[[], None]]], limit: float) -> None:
        """Until the queue is empty and nothing more arrives. `limit`: virtual seconds that this may take."""
        order = itertools.count()
        begin = self.world.now
        agenda = [(self.world.now, next(order)) for _ in range(self.functions)]
        coming = iter(arrivals)
        arrival = next(coming, None)
        while agenda:
            at, number = heapq.heappop(agenda)
            assert at - begin < limit, f"{len(self.world.queue):,} messages are left after {limit:,} seconds"
            while arrival and arrival[0] <= at:
                self.world.now = max(self.world.now, arrival[0])
                arrival[1]()
                arrival = next(coming, None)
            self.world.now = max(self.world.now, at)
            again = self._invoke()
            if again is None:
                times = [arrival[0] if arrival else None, self.world.queue.next_visible()]
                again = min((time for time in times if time is not None), default=None)
                if again is None:
                    continue  # this function is not called any more
            heapq.heappush(agenda, (max(again, at), number))

    def _invoke(self) -> float | None:
        """When it has ended; None: there was nothing to do."""
        taken = self.world.queue.take(BATCH)
        if not taken:
            return None
        self.invocations += 1
        calls = self.world.call_count
        done = self.rig.work([_record(message) for message in taken])
        seconds = CALL_SECONDS * max(1.0, (self.world.call_count - calls) / len(taken))
        for each in done:
            if not each.comes_back:
                self.world.queue.held.pop(each.message.id, None)
                self.seen(each, self.world.now + seconds)
        self.world.forget()
        return self.world.now + seconds


def _record(message: Waiting) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(message.receive_count)}
    return {"messageId": message.id, "receiptHandle": message.id, "body": message.body, "attributes": attributes}


def resident_bytes() -> int:
    """Of this process; 0 where the kernel does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return 0
