"""From a size to the parts of a multipart upload, and to ranges of parts where several invocations carry it. Pure.

Limits: 10,000 parts of 5 MiB to 5 GiB, objects up to 10,000 x 5 GiB, which AWS calls 50 TB.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3
MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * GIB
MAX_OBJECT_BYTES = MAX_PARTS * MAX_PART_BYTES
DEFAULT_PART_BYTES = 8 * MIB

SIDE_BY_SIDE = 256
"""Ranges that an object is cut into, as far as the limits below let it: as many functions may carry it at once."""
LEAST_RANGE_BYTES = 512 * MIB
"""Smaller ranges would cost more messages and row writes than they gain."""


@dataclass(frozen=True, slots=True)
class Part:
    """`number` counts from 1; `first` and `last` are byte positions, both included, as in a Range header."""

    number: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Cut:
    """An object of `size` > 0 bytes in parts of `part_bytes`, `range_parts` of them a range. Ranges count from 1.

    :raises ValueError: these are no parts that S3 takes.
    """

    size: int
    part_bytes: int
    range_parts: int

    def __post_init__(self) -> None:
        if self.part_bytes < 1 or self.range_parts < 1 or self.parts > MAX_PARTS:
            raise ValueError(f"{self.size} bytes cannot go in {self.range_parts} x {self.part_bytes} bytes.")

    @property
    def parts(self) -> int:
        return -(-self.size // self.part_bytes)

    @property
    def ranges(self) -> int:
        return -(-self.parts // self.range_parts)

    def range(self, number: int) -> list[Part]:
        """The parts of one range, in order; none where there is no such range."""
        first = (number - 1) * self.range_parts + 1
        last = min(first + self.range_parts - 1, self.parts)
        return [_part(each, self.part_bytes, self.size) for each in range(first, last + 1)]

    def range_bytes(self, number: int) -> int:
        return sum(part.size for part in self.range(number))


def part_size(size: int, smallest: int = DEFAULT_PART_BYTES) -> int:
    """Bytes per part: `smallest`, doubled until 10,000 parts hold `size` bytes.

    :raises ValueError: no allowed part size holds the object.
    """
    chosen = smallest
    while chosen * MAX_PARTS < size:
        chosen *= 2
    chosen = min(chosen, MAX_PART_BYTES)
    if chosen * MAX_PARTS < size:
        raise ValueError(f"{size} bytes do not fit {MAX_PARTS} parts of {MAX_PART_BYTES} bytes.")
    return chosen


def parts(size: int, smallest: int = DEFAULT_PART_BYTES) -> Iterator[Part]:
    """The parts of an object of `size` > 0 bytes, in order, without a gap or an overlap."""
    step = part_size(size, smallest)
    for number in range(1, -(-size // step) + 1):
        yield _part(number, step, size)


def range_parts(size: int, part_bytes: int, most: int, least: int = LEAST_RANGE_BYTES) -> int:
    """Parts per range, at least one.

    As many bytes as let `SIDE_BY_SIDE` functions carry the object at once, but not fewer than `least`, nor more than
    `most`: what a killed function loses, and what keeps others waiting.
    """
    return max(1, min(max(least, -(-size // SIDE_BY_SIDE)), most) // part_bytes)


def _part(number: int, part_bytes: int, size: int) -> Part:
    first = (number - 1) * part_bytes
    return Part(number, first, min(first + part_bytes, size) - 1)
