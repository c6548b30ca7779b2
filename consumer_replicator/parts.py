"""From a size to the ranges of a multipart upload. Pure.

Limits: 10,000 parts of 5 MiB to 5 GiB, objects up to 50 TB.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

MIB = 1024**2
MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * 1024**3
DEFAULT_PART_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """`number` counts from 1; `first` and `last` are byte positions, both included, as in a Range header."""

    number: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def part_size(size: int, smallest: int = DEFAULT_PART_BYTES) -> int:
    """Bytes per part: `smallest`, doubled until 10,000 parts hold `size` bytes.

    :raises ValueError: no allowed part size holds the object.
    """
    chosen = max(smallest, MIN_PART_BYTES)
    while chosen * MAX_PARTS < size:
        chosen *= 2
    chosen = min(chosen, MAX_PART_BYTES)
    if chosen * MAX_PARTS < size:
        raise ValueError(f"{size} bytes do not fit {MAX_PARTS} parts of {MAX_PART_BYTES} bytes.")
    return chosen


def parts(size: int, smallest: int = DEFAULT_PART_BYTES) -> Iterator[Part]:
    """The parts of an object of `size` > 0 bytes, in order, without a gap or an overlap."""
    step = part_size(size, smallest)
    for number, first in enumerate(range(0, size, step), start=1):
        yield Part(number, first, min(first + step, size) - 1)
