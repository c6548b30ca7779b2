"""Drift, one key at a time, summed up in bounded memory: by kind, by prefix, the biggest and the oldest. Pure.

What a verify calls different comes before everything that it cannot tell, however big or old that is.

Prefixes are those that end in "/" (S3 has no folders, people do), down to `DEPTH` levels and `MOST_PREFIXES` in all;
a key whose prefix is not kept counts for the nearest one above it. `prefixes()` picks the few to show: starting from
the whole bucket, the heaviest is replaced by the prefixes below it for as long as there is room, so that the list is
as fine as the drift is concentrated.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from consumer_replicator.comparison import Answer
from consumer_replicator.run_facts import DriftEntry, Kind, KindCount, PrefixCount

DEPTH = 6
MOST_PREFIXES = 2000
SHOWN_PREFIXES = 12
SHOWN_KEYS = 20


type _Kept = tuple[bool, float, int, DriftEntry]


class _Below:
    """Drift below one prefix, all levels."""

    __slots__ = ("bytes", "children", "kinds")

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.bytes = 0
        self.children: list[str] = []

    @property
    def objects(self) -> int:
        return self.kinds.total()


class DriftTally:
    def __init__(self, *, keys: int = SHOWN_KEYS, most_prefixes: int = MOST_PREFIXES) -> None:
        self._keys = keys
        self._most_prefixes = most_prefixes
        self._below: dict[str, _Below] = {"": _Below()}
        self._objects: Counter[Kind] = Counter()
        self._bytes: Counter[Kind] = Counter()
        self._biggest: list[_Kept] = []
        self._oldest: list[_Kept] = []
        self._seen = 0

    def add(self, entry: DriftEntry) -> None:
        self._seen += 1
        self._objects[entry.kind] += 1
        self._bytes[entry.kind] += entry.size or 0
        for prefix in self._kept_prefixes(entry.key):
            self._below[prefix].kinds[entry.kind] += 1
            self._below[prefix].bytes += entry.size or 0
        first = entry.kind == Answer.DIFFERENT
        # The third place of the tuple decides ties (the earlier stays), so that entries are never compared.
        if entry.size is not None:
            _keep(self._biggest, (first, entry.size, -self._seen, entry), self._keys)
        if entry.last_modified is not None:
            _keep(self._oldest, (first, -entry.last_modified, -self._seen, entry), self._keys)

    @property
    def kinds(self) -> Mapping[Kind, KindCount]:
        return {kind: KindCount(count, self._bytes[kind]) for kind, count in self._objects.items()}

    @property
    def biggest(self) -> tuple[DriftEntry, ...]:
        return _best_first(self._biggest)

    @property
    def oldest(self) -> tuple[DriftEntry, ...]:
        return _best_first(self._oldest)

    def prefixes(self, limit: int = SHOWN_PREFIXES) -> tuple[PrefixCount, ...]:
        """At most `limit`, the most objects first; together they have all the drift, each key in exactly one."""
        shown = {"": self._below[""]}
        final: list[PrefixCount] = []
        while shown:
            prefix = max(shown, key=lambda name: shown[name].objects)
            node = shown.pop(prefix)
            children = self._heaviest(node, limit - len(final) - len(shown))
            shown |= children
            rest = _count(prefix, node, children.values())
            if rest.objects:
                final.append(rest)
        return tuple(sorted(final, key=lambda count: (-count.objects, count.prefix)))

    def _kept_prefixes(self, key: str) -> Iterator[str]:
        yield ""
        above, end = "", -1
        for _ in range(DEPTH):
            end = key.find("/", end + 1)
            if end < 0:
                return
            prefix = key[: end + 1]
            if prefix not in self._below:
                if len(self._below) >= self._most_prefixes:
                    return
                self._below[prefix] = _Below()
                self._below[above].children.append(prefix)
            yield prefix
            above = prefix

    def _heaviest(self, node: _Below, room: int) -> dict[str, _Below]:
        """The children to show in the place of `node`: as many as fit, with a line for the rest where there is one."""
        children = sorted(node.children, key=lambda name: -self._below[name].objects)
        if sum(self._below[name].objects for name in children) < node.objects or len(children) > room:
            room -= 1
        return {name: self._below[name] for name in children[: max(room, 0)]}


def _best_first(kept: list[_Kept]) -> tuple[DriftEntry, ...]:
    return tuple(entry for *_, entry in sorted(kept, key=lambda each: each[:3], reverse=True))


def _keep(heap: list[_Kept], item: _Kept, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, item)
    elif most:
        heapq.heappushpop(heap, item)


def _count(prefix: str, node: _Below, shown: Iterable[_Below]) -> PrefixCount:
    shown = list(shown)
    kinds = Counter(node.kinds)
    for child in shown:
        kinds -= child.kinds
    size = node.bytes - sum(child.bytes for child in shown)
    return PrefixCount(prefix, kinds.total(), size, dict(kinds), rest=bool(shown))
