"""Where to cut a key space that nobody has listed yet. Pure: it asks through a probe that it is handed.

No delimiter and no alphabet is assumed. A probe is one page of the listing after some key: it costs what asking for one
key costs, and tells how dense the keys are there, so that a corner of a few hundred keys is not cut any further. Each
stretch is cut in the middle between the end of its first page and its own end. Where nothing lies beyond the middle,
the end moves up; and when that has happened twice, the beginnings that keys share are climbed up, from that of a page
to that of all, so that a million keys below one long prefix do not take a probe for each of its bits.

The cuts need not be good: a run remembers samples of what it listed, and the next one is cut by those (`key_ranges`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from consumer_replicator.key_ranges import KeyRange, last_with, midpoint, shared_prefix

PROBES_PER_PART = 4
MORE_PROBES = 24
FIRST_CLIMB, CLIMB_AGAIN = 2, 8
"""Misses in a row before the shared beginnings are climbed, and between two climbs."""


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
    cuts: int = 0
    misses: int = 0

    @property
    def shared(self) -> str:
        """What all its keys certainly begin with."""
        return shared_prefix(self.first, self.end) if self.end is not None else ""

    @property
    def promise(self) -> int:
        """The doublings between its first page and itself, if keys went on as dense; less for every cut so far."""
        shared = len(self.shared)
        first, last, end = (_place(key, shared) for key in (self.first, self.last, self.end))
        return ((end - first) // max(last - first, 1)).bit_length() - self.cuts

    @property
    def middle(self) -> str | None:
        """Where to probe next; None: nowhere."""
        return None if self.end is not None and self.last >= self.end else midpoint(self.last, self.end)


def discover(probe: Probe, parts: int, whole: KeyRange) -> list[KeyRange]:
    """`whole` in at most `parts` ranges that tile it, of similar size as far as a few dozen probes can tell."""
    return _Search(probe, PROBES_PER_PART * parts + MORE_PROBES).ranges(parts, whole)


class _Search:
    def __init__(self, probe: Probe, most: int) -> None:
        self._probe = probe
        self._left = most

    def ranges(self, parts: int, whole: KeyRange) -> list[KeyRange]:
        beginning = self._look(whole)
        stretches = [beginning] if beginning else []
        while self._left > 0:
            divisible = [stretch for stretch in stretches if stretch.divisible]
            if not divisible or len(divisible) >= parts:
                break
            next_one = max(divisible, key=lambda stretch: stretch.promise)
            stretches.remove(next_one)
            stretches.extend(self._divided(next_one))
        # Cuts that leave more than a page on either side: what is smaller stays with its neighbour.
        worthwhile = sorted(stretch.after for stretch in stretches if stretch.divisible)
        return whole.cut(worthwhile[1:])

    def _divided(self, stretch: _Stretch) -> list[_Stretch]:
        cut = stretch.middle
        if cut is None:
            return [replace(stretch, divisible=False)]
        beyond = self._look(KeyRange(cut, stretch.until))
        if beyond:
            return _cut(stretch, cut, beyond)
        missed = replace(stretch, end=cut, misses=stretch.misses + 1)
        return self._climbed(missed) if missed.misses % CLIMB_AGAIN == FIRST_CLIMB else [missed]

    def _climbed(self, stretch: _Stretch) -> list[_Stretch]:
        """Ends the stretch where the beginning ends that its keys share, and cuts it one step below that.

        Its keys are those from the second page on: the first may begin with a few of another kind.
        """
        second = self._look(KeyRange(stretch.last, stretch.end))
        if second is None or not second.divisible:
            return [replace(stretch, divisible=False)]
        found: tuple[str, _Stretch] | None = None
        beginning = shared_prefix(second.first, second.last)
        while len(beginning) > len(second.shared) and self._left > 0:
            edge = last_with(beginning)
            beyond = self._look(KeyRange(edge, stretch.end)) if edge != stretch.end else None
            if beyond is None:
                stretch = replace(stretch, end=edge)
                break
            found = edge, beyond
            beginning = shared_prefix(second.first, beyond.first)
        return _cut(stretch, *found) if found else [stretch]

    def _look(self, keys: KeyRange) -> _Stretch | None:
        """The stretch of these keys, as far as its first page tells; None: it has no keys."""
        self._left -= 1
        seen = self._probe(keys.after)
        if seen.first is None or seen.last is None or seen.first not in keys:
            return None
        whole = not seen.more or seen.last not in keys or seen.last == keys.until
        return _Stretch(keys.after, keys.until, keys.until, seen.first, seen.last, divisible=not whole)


def _cut(stretch: _Stretch, cut: str, beyond: _Stretch) -> list[_Stretch]:
    cuts = stretch.cuts + 1
    return [
        replace(stretch, until=cut, end=cut, cuts=cuts, misses=0),
        replace(beyond, until=stretch.until, end=stretch.end, cuts=cuts),
    ]


def _place(key: str | None, shared: int) -> int:
    """The key, after the characters that all keys share, as a number in the order of its first 64 bytes."""
    return 256**64 - 1 if key is None else int.from_bytes(key[shared:].encode()[:64].ljust(64, b"\0"))
