"""A body on its way from one request into another: never held, checksummed in passing. Pure.

It looks at the clock before every piece, since a body of gigabytes would otherwise outlive its invocation; and it
gives its last piece away only when the whole is what it should be, so that a write with wrong bytes stays unfinished.
"""

from typing import Protocol

from consumer_replicator.checksum import Checksum, Running
from consumer_replicator.composite import Cutting
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError


class Arriving(Protocol):
    """What is read: `size` bytes, in order; 0 only when all were read."""

    @property
    def size(self) -> int: ...

    def readinto(self, view: memoryview, /) -> int: ...


class Passing:
    """A `replica.Readable`. `sent`: the checksum that goes with the write; a running one is shown every byte.

    `proof`: the source's COMPOSITE checksum, and the cutting that must come to it.

    `readinto` raises HydrationError: `out-of-time`, `truncated` where the proof fails, and what the reading raises.
    """

    def __init__(
        self,
        arriving: Arriving,
        deadline: Deadline,
        sent: Checksum | Running,
        proof: tuple[Cutting, Checksum] | None = None,
    ) -> None:
        self.size = arriving.size
        self._arriving = arriving
        self._left = arriving.size
        self._deadline = deadline
        self._running = sent if isinstance(sent, Running) else None
        self._proof = proof

    def readinto(self, view: memoryview) -> int:
        self._deadline.check()
        count = self._arriving.readinto(view)
        self._left -= count
        if self._running:
            self._running.add(view[:count])
        if self._proof:
            self._proof[0].add(view[:count])
            if not self._left:
                must_be(*self._proof)
        return count


def must_be(found: Cutting, expected: Checksum) -> None:
    """:raises HydrationError: `truncated`, where the bytes are not those that the source's checksum was made of."""
    if found.checksum() != expected:
        raise HydrationError("truncated", f"The bytes read do not have the source's checksum ({expected.algorithm}).")
