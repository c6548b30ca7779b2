"""Where to cut a key space that nobody has listed yet. Pure: it asks through a probe that it is handed.

No delimiter and no alphabet is assumed. A probe is one page of the listing after some key: it costs what asking for one
key costs, and tells how dense the keys are there, so that a corner of a few hundred keys is not cut any further. Each
stretch is cut in the middle between the end of its first page and its own end. Where nothing lies beyond the middle,
the end moves up; and every other time the keys' common beginning is tried, a little more of it each time, so that a
thousand keys under one long prefix do not take a probe for each of its bits.

The cuts need not be good: a run remembers samples of what it listed, and the next one is cut by those (`key_ranges`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from consumer_replicator.key_ranges import KeyRange, last_with, midpoint, shared_prefix

PROBES_PER_PART = 4
MORE_PROBES = 16


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One page: its first and last key (None: it is empty), and whether there are more."""

    first: str | None
    last: str | None
    more: bool


type Probe = Callable[[str], Glimpse]
"""Looks at the page after a key; "" is the beginning."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Keys after `after` and up to `until`, of which a first page is known. `end`: no key lies beyond it.

    `divisible`: keys beyond the first page are likely, and a place to cut has not been ruled out.
    """

    after: str
    until: str | None
    end: str | None
    first: str
    last: str
    divisible: bool
    misses: int = 0

    @property
    def guess(self) -> int:
        """How many pages the stretch may have, if the keys went on as dense as in its first page."""
        shared = len(shared_prefix(self.first, self.end)) if self.end is not None else 0
        first, last, end = (_place(key, shared) for key in (self.first, self.last, self.end))
        return (end - first) // max(last - first, 1)

    def cut(self) -> str | None:
        """Where to probe next; None: nowhere."""
        if self.end is not None and self.last >= self.end:
            return None
        known = len(shared_prefix(self.first, self.end)) if self.end is not None else 0
        common = len(shared_prefix(self.first, self.last))
        if self.misses % 2 and common > known:
            edge = last_with(self.first[: min(common, known + 2 ** (self.misses // 2))])
            if self.end is None or edge < self.end:
                return edge
        return midpoint(self.last, self.end)


def discover(probe: Probe, parts: int, whole: KeyRange) -> list[KeyRange]:
    """`whole` in at most `parts` ranges that tile it, of similar size as far as a few dozen probes can tell."""
    beginning = _stretch(whole, probe(whole.after))
    if beginning is None:
        return [whole]
    stretches = [beginning]
    for _ in range(PROBES_PER_PART * parts + MORE_PROBES):
        divisible = [stretch for stretch in stretches if stretch.divisible]
        if not divisible or len(divisible) >= parts:
            break
        largest = max(divisible, key=lambda stretch: stretch.guess)
        stretches.remove(largest)
        stretches.extend(_divided(largest, probe))
    return whole.cut(_worthwhile(sorted(stretches, key=lambda stretch: stretch.after))[: parts - 1])


def _divided(stretch: _Stretch, probe: Probe) -> list[_Stretch]:
    cut = stretch.cut()
    if cut is None:
        return [replace(stretch, divisible=False)]
    beyond = _stretch(KeyRange(cut, stretch.until), probe(cut))
    if beyond is None:
        return [replace(stretch, end=cut, misses=stretch.misses + 1)]
    return [replace(stretch, until=cut, end=cut, misses=0), replace(beyond, end=stretch.end)]


def _stretch(keys: KeyRange, seen: Glimpse) -> _Stretch | None:
    """None: no key of the range was seen, so that it has none."""
    if seen.first is None or seen.last is None or seen.first not in keys:
        return None
    whole = not seen.more or seen.last not in keys or seen.last == keys.until
    return _Stretch(keys.after, keys.until, keys.until, seen.first, seen.last, divisible=not whole)


def _worthwhile(stretches: list[_Stretch]) -> list[str]:
    """The cuts that leave more than a page on either side: what is smaller stays with its neighbour."""
    divisible = [stretch.after for stretch in stretches if stretch.divisible]
    return divisible[1:]


def _place(key: str | None, shared: int) -> int:
    """The key, after the characters that all keys share, as a number in the order of its first 64 bytes."""
    return 256**64 - 1 if key is None else int.from_bytes(key[shared:].encode()[:64].ljust(64, b"\0"))
