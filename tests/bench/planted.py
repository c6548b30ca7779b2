"""The objects of a measured pair of buckets, and the drift that is planted among them. Pure, and the same every time.

One key in a hundred is wrong, in the six ways that a replica can be, in turn. A tool that compares should find all.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

EVERY = 100
FOLDERS = 100


class Planted(StrEnum):
    """What is wrong with a key; the values are how the output calls it."""

    MISSING = "never copied"
    LONGER = "changed, other size"
    SAME_SIZE = "changed, same size"
    LATE_COPY = "changed as it was copied"  # same size, and its older bytes were written last
    EXTRA = "deleted at the source"
    REMOVED = "replica removed, row left"  # by hand, behind the manifest's back


@dataclass(frozen=True, slots=True)
class Planned:
    """One key. `before` is its body when the replica was made, `after` what the source has in the end (None: gone)."""

    key: str
    planted: Planted | None
    before: bytes
    after: bytes | None

    @property
    def replicated(self) -> bool:
        return self.planted not in (Planted.MISSING, Planted.REMOVED)

    @property
    def changed(self) -> bool:
        return self.after is not None and self.after != self.before


def planned(count: int) -> Iterator[Planned]:
    """`count` keys in no order, spread over a hundred folders; a hundredth of them drifted."""
    kinds = list(Planted)
    for number in range(count):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        key = f"data/{int(digest[:8], 16) % FOLDERS:02}/object-{digest[8:24]}.parquet"
        drifted = number % EVERY == EVERY // 2
        planted = kinds[number // EVERY % len(kinds)] if drifted else None
        before = f"1 {key}".encode()
        yield Planned(key, planted, before, _after(planted, key, before))


def _after(planted: Planted | None, key: str, before: bytes) -> bytes | None:
    match planted:
        case Planted.EXTRA:
            return None
        case Planted.LONGER:
            return f"2 {key}, and longer".encode()
        case Planted.SAME_SIZE | Planted.LATE_COPY:
            return f"2 {key}".encode()
        case _:
            return before
