"""Ranges of the key space: half-open to the left, tiling it exactly. Pure.

Keys are text of up to 1,024 bytes of UTF-8, in the order of their bytes, which is Python's order of text (by code
point). Nothing is assumed about delimiters. Bounds are themselves possible keys, so that they can be sent to S3
(StartAfter) and DynamoDB (sort key conditions) as they are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_KEY_BYTES = 1_024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

HIGHEST = "\U0010ffff"
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = 0x110000 - len(SURROGATES)


@dataclass(frozen=True, slots=True, order=True)
class KeyRange:
    """The keys after `after` ("": from the first), up to and with `until` (None: to the last)."""

    after: str = ""
    until: str | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= self.after:
            raise ValueError("A range of keys must end after it begins.")

    def __contains__(self, key: str) -> bool:
        return self.after < key and (self.until is None or key <= self.until)

    def rest(self, cursor: str) -> "KeyRange | None":
        """What is left once everything up to and with `cursor` is done; None: nothing."""
        if self.until is not None and cursor >= self.until:
            return None
        return KeyRange(max(self.after, cursor), self.until)

    def cut(self, boundaries: Iterable[str]) -> list["KeyRange"]:
        """The range in pieces that end at those of the boundaries that lie inside it, in order."""
        inside = sorted({boundary for boundary in boundaries if boundary in self and boundary != self.until})
        ends: list[str | None] = [*inside, self.until]
        return [KeyRange(after, until) for after, until in zip([self.after, *inside], ends, strict=True)]

    def common(self, other: "KeyRange") -> "KeyRange | None":
        """The keys of both ranges; None: there are none."""
        after = max(self.after, other.after)
        untils = [until for until in (self.until, other.until) if until is not None]
        until = min(untils, default=None)
        return None if until is not None and until <= after else KeyRange(after, until)


EVERYTHING = KeyRange()


def of_prefix(prefix: str) -> KeyRange:
    """Exactly the keys that begin with the prefix."""
    return KeyRange(before(prefix), last_with(prefix)) if prefix else EVERYTHING


def of_prefixes(prefixes: Iterable[str]) -> list[KeyRange]:
    """The keys that begin with any of the prefixes, each in one range; no prefixes: everything."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return [of_prefix(prefix) for prefix in kept] or [EVERYTHING]


def last_with(prefix: str) -> str:
    """The greatest possible key that begins with the prefix.

    :raises ValueError: no key is that long.
    """
    room = MAX_KEY_BYTES - len(prefix.encode())
    if room < 0:
        raise ValueError(f"A prefix of more than {MAX_KEY_BYTES} bytes begins no key.")
    return prefix + HIGHEST * (room // 4) + ("", "\x7f", "\u07ff", "\uffff")[room % 4]


def before(key: str) -> str:
    """The greatest possible key below `key`; "" where there is none."""
    head, last = key[:-1], key[-1:]
    if last in ("", "\0"):
        return head  # nothing lies between "a" and "a\0"
    return last_with(head + _character(_index(last) - 1))


def midpoint(low: str, high: str | None) -> str | None:
    """A key strictly between the two (`high` None: the end), near the middle by UTF-8 bytes, short; None: none found.

    Keys that share a beginning are told apart at the first character that differs.
    """
    shared = shared_prefix(low, high) if high is not None else ""
    floor = _weight(low[len(shared) : len(shared) + 1])
    ceiling = _weight(HIGHEST) + 1 if high is None else _weight(high[len(shared) :][:1])
    middle = _nearest((floor + ceiling) // 2)
    if floor < _weight(middle) < ceiling:
        found: str | None = shared + middle
    elif high is not None and shared + high[len(shared)] < high:
        found = shared + high[len(shared)]  # "a" and "bc": "b"
    elif len(low) > len(shared):  # "ax" and "b": between "ax" and the end of "a…"
        tail = midpoint(low[len(shared) + 1 :], None)
        found = None if tail is None else low[: len(shared) + 1] + tail
    else:
        found = None
    return found if found is not None and len(found.encode()) <= MAX_KEY_BYTES else None


def shared_prefix(one: str, other: str) -> str:
    """The longest text that both begin with."""
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return one[:position]
    return min(one, other, key=len)


def _index(character: str) -> int:
    """The place of a character among those that UTF-8 can carry, which leave out the surrogates."""
    point = ord(character)
    return point if point < SURROGATES.start else point - len(SURROGATES)


def _character(index: int) -> str:
    return chr(index if index < SURROGATES.start else index + len(SURROGATES))


def _weight(character: str) -> int:
    """The character's place in the order of bytes as a number of 32 bits; that of "" is -1, below every character.

    ASCII so takes half of the space, as it does in most keys, and not a ten-thousandth of it.
    """
    return int.from_bytes(character.encode().ljust(4, b"\0")) if character else -1


def _nearest(weight: int) -> str:
    """The greatest character of at most this weight."""
    return _character(
        max(bisect_right(range(CODE_POINTS), weight, key=lambda index: _weight(_character(index))) - 1, 0)
    )


# -- boundaries remembered from a run ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeySample:
    """Every `stride`-th key of a listing, in order. Strides are powers of two."""

    stride: int = 1
    keys: tuple[str, ...] = ()


class Sampler:
    """Takes a sample of the keys that pass by, of at most `limit` keys however many pass."""

    def __init__(self, limit: int = 128) -> None:
        self._limit = limit
        self._stride = 1
        self._seen = 0
        self._keys: list[str] = []

    def see(self, key: str) -> None:
        self._seen += 1
        if self._seen % self._stride:
            return
        self._keys.append(key)
        if len(self._keys) > self._limit:
            self._stride *= 2
            self._keys = self._keys[1::2]

    def sample(self) -> KeySample:
        return KeySample(self._stride, tuple(self._keys))


def boundaries(samples: Sequence[KeySample], parts: int) -> list[str]:
    """Up to `parts` - 1 keys that cut what was sampled into parts of nearly equal counts.

    `samples` are those of adjacent ranges, in any order; the finer are thinned to the stride of the coarsest.
    """
    coarsest = max((sample.stride for sample in samples), default=1)
    keys = sorted({key for sample in samples for key in _thinned(sample, coarsest)})
    wanted = min(parts - 1, len(keys))
    return [keys[(place * len(keys)) // (wanted + 1)] for place in range(1, wanted + 1)] if wanted > 0 else []


def _thinned(sample: KeySample, stride: int) -> tuple[str, ...]:
    step = stride // sample.stride
    return sample.keys[step - 1 :: step]
