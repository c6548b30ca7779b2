"""50 TB, simulated: every call of the real protocol is made, and no byte moves. Live events pass beside it.

A fleet of functions works on one queue as Lambda's mapping has it: each receives up to ten messages, those without a
group first (SQS is fair between groups), and is occupied for as long as its parts take at 625 Mbps, more or less.
"""

import heapq
import random
import statistics
from collections import Counter
from dataclasses import replace

import pytest

from consumer_replicator import batch, checksum, server_side
from consumer_replicator.deadline import Deadline
from consumer_replicator.outcome import Replicated
from consumer_replicator.parts import GIB, MAX_OBJECT_BYTES, MIB, part_size
from consumer_replicator.proof import Proof
from consumer_replicator.queue import Message
from consumer_replicator.replica import Replica
from consumer_replicator.row import State
from consumer_replicator.row_item import to_item
from consumer_replicator.source import Source
from consumer_replicator.splitting import Splitting
from tests.consumer.fake_aws import CONSUMER, DLQ, KEY_ARN, PRODUCER, QUEUE, REPLICA, SOURCE, item_bytes
from tests.consumer.rig import Rig, event
from tests.consumer.schedule import InLine
from tests.consumer.sized_aws import SizedWorld, SizesOnly, checksum_of_zeros

TB = 10**12
TIMEOUT, RESERVE = 900.0, 30.0
VISIBILITY = 6 * TIMEOUT
A_ROUND_TRIP = 0.05


class Fleet:
    """So many functions. `ended`: what became of every message; `lags`: of small objects; `busy`: all in seconds."""

    def __init__(
        self, world: SizedWorld, functions: int, splitting: Splitting | None = None, part_bytes: int = 8 * MIB
    ) -> None:
        self.world = world
        self.splitting = splitting or Splitting()
        self.rig = Rig(world, splitting=self.splitting, part_bytes=part_bytes, threshold=8 * MIB, max_receive_count=10)
        source = Source(world.s3("source"), SOURCE, PRODUCER)
        replica = Replica(world.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve")
        self.rig.copier._carrier = SizesOnly(source, replica, self._took)
        self.rig.copier._pool = InLine()  # type: ignore[assignment]
        self.free = [(world.now, number) for number in range(functions)]
        self.ended: Counter[str] = Counter()
        self.lags: list[float] = []
        self.busy = 0.0
        self._random = random.Random(1)
        self._speed = self._elapsed = 0.0

    def _took(self, size: int) -> None:
        self._elapsed += size / self._speed

    def work(self, until: float = float("inf")) -> None:
        """Until the queue is empty, or until that time."""
        while self.world.queues[QUEUE]:
            at, number = heapq.heappop(self.free)
            if at < until:
                at = self._invoke(at)
            heapq.heappush(self.free, (at, number))
            if at >= until:
                return

    def _invoke(self, at: float) -> float:
        """Until when the function is occupied."""
        self.world.now = at
        records = self.world.receive(10, visibility=VISIBILITY)
        if not records:
            return min(message.visible_at for message in self.world.queues[QUEUE])
        self._speed = self.splitting.bandwidth * self._random.uniform(0.7, 1.0)
        self._elapsed = A_ROUND_TRIP
        deadline = Deadline(TIMEOUT, RESERVE, clock=lambda: at + self._elapsed)
        done = self.rig.batch.run([Message.from_record(record) for record in records], deadline)
        assert self._elapsed < TIMEOUT, "Lambda would have killed it"
        self.world.acknowledge({each.message.id for each in done if not each.comes_back})
        for each in done:
            self.ended[type(each.outcome).__name__] += 1
            if isinstance(each.outcome, Replicated) and each.outcome.size == 1:
                self.lags.append(each.outcome.lag)
        self.busy += self._elapsed
        return at + self._elapsed


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SizedWorld:
    monkeypatch.setattr(batch, "ThreadPoolExecutor", lambda *_, **__: InLine())
    return SizedWorld()


def assert_whole(fleet: Fleet, size: int) -> None:
    replica, row = fleet.world.replica.current("k"), fleet.rig.row("k")
    assert len(replica.body) == size
    assert (row.state, row.replica.etag, row.proof) == (State.LIVE, replica.etag, Proof.SOURCE_CHECKSUM)
    assert not fleet.world.queues[DLQ]
    assert not fleet.world.replica.uploads


@pytest.mark.parametrize(
    ("size", "ranges", "hours"),
    [
        (5 * GIB + 1, 11, 0.02),
        (100 * GIB, 200, 0.03),
        (5 * TB, 1_165, 0.5),
        (MAX_OBJECT_BYTES, 10_000, 5),
    ],
    ids=["5 GiB and a byte", "100 GiB", "5 TB", "50 TB"],
)
def test_any_size_arrives_whole_and_proven_and_no_part_is_carried_twice(
    world: SizedWorld, size: int, ranges: int, hours: float
):
    world.send(event("k", world.upload_size("k", size)))
    fleet, began = Fleet(world, functions=50), world.now
    fleet.work()
    assert_whole(fleet, size)
    assert fleet.ended["RangeCopied"] == ranges
    assert world.operations().count("UploadPart") == -(-size // part_size(size))
    assert (world.now - began) / 3600 < hours


def test_in_server_side_mode_fifty_terabytes_are_some_hundred_ranges(world: SizedWorld):
    splitting = Splitting(server_side.WHOLE_BYTES, server_side.BYTES_PER_SECOND)
    world.send(event("k", world.upload_size("k", 50 * TB)))
    fleet = Fleet(world, 50, splitting, server_side.COPIED_PART_BYTES)
    fleet.work()
    assert_whole(fleet, 50 * TB)
    assert fleet.ended["RangeCopied"] == 548


def test_thousands_of_live_events_pass_beside_a_large_object_within_seconds(world: SizedWorld):
    """Every function carries ranges all the while; a live event waits until the next one is free."""
    world.send(event("k", world.upload_size("k", 5 * TB)))
    fleet = Fleet(world, functions=50)
    for number in range(5_000):
        at = 1_800_000_000 + number // 4
        fleet.work(until=at)
        world.now = at
        world.send(event(f"small/{number}", world.upload(f"small/{number}", b"1"), time=at))
    assert fleet.ended["RangeCopied"] > 500, "the large object was carried all the while"
    fleet.work()
    assert_whole(fleet, 5 * TB)
    assert len(fleet.lags) == 5_000
    assert statistics.median(fleet.lags) < 3
    assert max(fleet.lags) < 30


def test_functions_that_are_killed_cost_the_range_that_they_carried(world: SizedWorld):
    world.send(event("k", world.upload_size("k", 5 * TB)))
    fleet = Fleet(world, functions=50)
    fleet.work(until=world.now + 300)
    killed = [world.receive(10, visibility=VISIBILITY) for _ in range(5)]
    fleet.work()
    assert_whole(fleet, 5 * TB)
    assert sum(map(len, killed)) == 50
    assert fleet.ended["RangeCopied"] == 1_165


def test_the_row_of_the_largest_object_is_small(world: SizedWorld):
    """10,000 finished ranges: a tenth of what an item may have, and some cents for all of its writes."""
    fleet = Fleet(world, 1)
    world.send(event("k", world.upload_size("k", MAX_OBJECT_BYTES)))
    fleet.work(until=world.now + 1)
    upload = fleet.rig.row("k").upload
    item = to_item(replace(fleet.rig.row("k"), upload=replace(upload, done=frozenset(range(1, 10_001)))), None)
    assert upload.cut.ranges == 10_000
    assert item_bytes(item) < 40 * 1024


def test_the_checksum_of_zeros_is_what_it_would_be_if_somebody_read_them():
    for size in (0, 1, 2, 3, 1000, 4097):
        assert checksum_of_zeros(size) == checksum.of(b"\0" * size)
