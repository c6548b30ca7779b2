"""Whether an object is carried by one invocation or by several, and how much one of them takes on. Pure.

It rests on one figure, the bandwidth of a function inside a VPC (625 Mbps an environment), of which a third is counted
on: reading and writing share it, keys of a batch share it, and S3 is not always fast.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from consumer_replicator.deadline import Deadline
from consumer_replicator.parts import DEFAULT_PART_BYTES, GIB, LEAST_RANGE_BYTES, Cut, range_parts

VPC_BYTES_PER_SECOND = 625_000_000 / 8
SURE_SHARE = 1 / 3
DEFAULT_THRESHOLD_BYTES = 5 * GIB
RANGE_SECONDS = 60.0
"""What a range takes at full bandwidth, at most: a killed function loses a minute."""
TURN_SECONDS = 60.0
"""What the ranges that one invocation takes on take at full bandwidth, at most: then its place is free for others."""
STARTERS = 50
"""Functions that begin on an upload one after the other: as many as the template lets work at once by default."""
FRESH_SECONDS = 5.0


class Way(StrEnum):
    """How an object is carried."""

    WHOLE = "whole"  # by this invocation
    LATER = "later"  # by an invocation that has more time left
    SPLIT = "split"  # in ranges, by several


@dataclass(frozen=True, slots=True)
class Time:
    """Of one invocation, in seconds: the `whole` and what is `left` of it."""

    whole: float
    left: float

    @classmethod
    def of(cls, deadline: Deadline) -> "Time":
        return cls(deadline.whole, deadline.remaining())

    @property
    def is_fresh(self) -> bool:
        return self.whole - self.left <= FRESH_SECONDS


@dataclass(frozen=True, slots=True)
class Splitting:
    """`threshold` in bytes: above it objects are split; 0: above 5 GiB. `bandwidth` in bytes per second.

    `small`: up to so many bytes never wait for another invocation. `least_range` in bytes. `stagger`: seconds over
    which the ranges of an upload begin to be seen.
    """

    threshold: int = 0
    bandwidth: float = VPC_BYTES_PER_SECOND
    small: int = DEFAULT_PART_BYTES
    least_range: int = LEAST_RANGE_BYTES
    stagger: float = TURN_SECONDS

    def sure(self, seconds: float) -> int:
        """Bytes that are surely carried in so many seconds."""
        return max(0, int(seconds * self.bandwidth * SURE_SHARE))

    def way(self, size: int, time: Time, *, again: bool) -> Way:
        """How an object of `size` bytes is carried. `again`: its message has come back before.

        What a fresh invocation carries in one go is not split because the others of its batch have used up the time:
        it goes back once. The second time it is split, so that it is never for ever the last of its batch.
        """
        if size > min(self.threshold or DEFAULT_THRESHOLD_BYTES, self.sure(time.whole)):
            return Way.SPLIT
        if size <= max(self.small, self.sure(time.left)):
            return Way.WHOLE
        return Way.SPLIT if again else Way.LATER

    def cut(self, size: int, part_bytes: int, time: Time) -> Cut:
        """The ranges that an upload of these parts is carried in: each by an invocation like this one."""
        most = min(int(RANGE_SECONDS * self.bandwidth), self.sure(time.whole))
        return Cut(size, part_bytes, range_parts(size, part_bytes, most, self.least_range))

    def turn(self, sizes: Sequence[int], time: Time) -> int:
        """How many ranges of these sizes, in this order, one invocation takes on: at least one where there is one."""
        least = next(filter(None, sizes), 0)
        room = max(least, min(int(TURN_SECONDS * self.bandwidth), self.sure(time.whole)))
        return sum(together <= room for together in accumulate(sizes))

    def delay(self, place: int) -> int:
        """Whole seconds until the range in this place (from 0) of an upload is to be seen.

        Functions that all began at once would all be occupied at once, and live events find none free for a turn.
        """
        return int(min(place / STARTERS, 1.0) * self.stagger)

    def has_room(self, size: int, time: Time) -> bool:
        """Whether a range of `size` bytes may be begun now. In a fresh invocation always: no other has more time."""
        return time.is_fresh or size <= self.sure(time.left)
