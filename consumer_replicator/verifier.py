"""Compares replicas with their sources, many at once: two HEADs each, a second look where the first may have fallen
between a write and its copy, and bytes where they are asked for and nothing else tells.

Order: source, then replica; on the second look the row first, read consistently. What is called different has then
been seen twice, neither side changed in between, and the manifest calling it current: there was a moment at which all
three held.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import batched

from consumer_replicator.checksum import Running
from consumer_replicator.comparison import (
    Basis,
    Comparison,
    Doubt,
    Look,
    Stored,
    Verified,
    after_another_look,
    cannot_tell,
    compare,
    different,
    reading,
    same,
)
from consumer_replicator.deadline import Deadline
from consumer_replicator.drift import Current, Finding
from consumer_replicator.errors import ChangedUnderUs, HydrationError
from consumer_replicator.estimate import BYTES_PER_SECOND
from consumer_replicator.manifest import Manifest
from consumer_replicator.stored_objects import StoredObjects
from consumer_replicator.tries import Tries

WINDOW = 200
"""Findings that are looked at side by side: the least that an invocation does."""
COUNTED_ON_BYTES_PER_SECOND = BYTES_PER_SECOND / 2
SHARE_OF_AN_INVOCATION = 0.8
"""What one object's bytes may take of it: the rest is for getting there."""
OF_NO_OBJECT = frozenset({"throttled", "expired-credentials", "assume-role-denied", "own-access-denied"})
"""Failures that say nothing of the object at hand: the range is interrupted, and goes on later."""
OF_THE_NETWORK = frozenset({"connection", "aws-error"})


class NotNow(Exception):
    """This invocation has no time for what comes next."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the checksums of one object tell. `look`: the last one at it."""

    claim: Current
    look: Look
    comparison: Comparison
    read: int = 0

    @property
    def sides(self) -> tuple[Stored, Stored]:
        """Source and replica of a comparison whose bytes would tell."""
        if self.look.source is None or self.look.replica is None:
            raise AssertionError("an absent side has no bytes")
        return self.look.source, self.look.replica

    @property
    def bytes_to_read(self) -> int:
        source, replica = self.sides
        return source.identity.size * reading(source.checksum, replica.checksum).bodies


class Verifier:
    """`threads`: comparisons at once. None outlives the call that started it."""

    def __init__(self, source: StoredObjects, replica: StoredObjects, manifest: Manifest, *, threads: int) -> None:
        self._source = source
        self._replica = replica
        self._manifest = manifest
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")

    def verified(
        self, found: Iterable[Finding], deadline: Deadline, *, wanted: Callable[[str], bool], read_bytes: bool
    ) -> Iterator[Finding | Verified]:
        """The findings in their order; those of current objects that are `wanted`, by their keys, are compared.

        `read_bytes`: where no checksum tells, the bodies do.

        :raises NotNow: everything before it was given out; the rest is for another invocation.
        :raises HydrationError: nothing can be compared at the moment.
        """
        for number, window in enumerate(batched(found, WINDOW)):
            if number and deadline.remaining() <= 0:
                raise NotNow
            claims = [each for each in window if isinstance(each, Current) and wanted(each.key)]
            seen = self._each(self._compared, claims)
            if read_bytes:
                seen = self._with_bytes(seen, deadline)
            told = {each.claim.key: each for each in seen}
            left = {each.key for each in claims} - set(told)
            for each in window:
                if each.key in left:
                    raise NotNow
                yield _verified(told[each.key]) if each.key in told else each

    # -- by what is stored -------------------------------------------------------------------------------------------

    def _compared(self, claim: Current) -> _Seen:
        look = Look(claim.row, None, None)
        try:
            first = look = self._look(claim)
            told = compare(first)
            if told.wants_another_look:
                look = self._another_look(claim)
                told = after_another_look(first, look)
        except HydrationError as error:
            if error.code in OF_NO_OBJECT | OF_THE_NETWORK:
                raise
            told = cannot_tell(error.code)
        return _Seen(claim, look, told)

    def _look(self, claim: Current) -> Look:
        return Look(claim.row, self._source.head(claim.key), self._replica.head(claim.key))

    def _another_look(self, claim: Current) -> Look:
        row = self._manifest.read(claim.key)
        return Look(row, self._source.head(claim.key), self._replica.head(claim.key))

    # -- by the bytes ------------------------------------------------------------------------------------------------

    def _with_bytes(self, seen: list[_Seen], deadline: Deadline) -> list[_Seen]:
        """With what the bytes tell; without those from the first on that there is no time for now."""
        seconds, within = 0.0, deadline.remaining()
        fitting: list[_Seen] = []
        for each in seen:
            if each.comparison.can_be_read:
                takes = each.bytes_to_read / COUNTED_ON_BYTES_PER_SECOND
                if takes > SHARE_OF_AN_INVOCATION * deadline.whole:
                    fitting.append(replace(each, comparison=cannot_tell(Doubt.TOO_LARGE)))
                    continue
                seconds += takes
                if seconds > within:
                    break
            fitting.append(each)
        return self._each(lambda each: self._read(each, deadline) if each.comparison.can_be_read else each, fitting)

    def _read(self, seen: _Seen, deadline: Deadline) -> _Seen:
        meter = _Meter()
        try:
            told = same(Basis.BYTES) if self._are_equal(seen, deadline, meter) else self._confirmed(seen)
        except ChangedUnderUs:
            told = cannot_tell(Doubt.CHANGING)
        except HydrationError as error:
            if error.code in OF_NO_OBJECT:
                raise
            told = cannot_tell(Doubt.TOO_LARGE if error.code == "out-of-time" else error.code)
        return replace(seen, comparison=told, read=meter.bytes)

    def _are_equal(self, seen: _Seen, deadline: Deadline, meter: "_Meter") -> bool:
        (source, replica), key = seen.sides, seen.claim.key
        plan = reading(source.checksum, replica.checksum)
        values = [
            known or _checksum(objects, key, stored, plan.algorithm, deadline, meter)
            for known, objects, stored in (
                (plan.source, self._source, source),
                (plan.replica, self._replica, replica),
            )
        ]
        return values[0] == values[1]

    def _confirmed(self, seen: _Seen) -> Comparison:
        """Different, if both sides and what the manifest says of them are still what they were before the reading."""
        look = self._another_look(seen.claim)
        unchanged = look.is_like(seen.look) and compare(look).can_be_read
        return different(Basis.BYTES) if unchanged else cannot_tell(Doubt.CHANGING)

    # -- side by side ------------------------------------------------------------------------------------------------

    def _each[T, R](self, act: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Returns or raises only when nothing is under way any more."""
        under_way = [self._pool.submit(act, item) for item in items]
        wait(under_way, return_when=FIRST_EXCEPTION)
        cancelled = [future for future in under_way if future.cancel()]
        wait(under_way)
        if cancelled:  # because another one failed: that is what there is to tell
            under_way = [future for future in under_way if future not in cancelled and future.exception()]
        return [future.result() for future in under_way]


class _Meter:
    """Bytes read so far."""

    bytes = 0


def _checksum(
    objects: StoredObjects, key: str, stored: Stored, algorithm: str, deadline: Deadline, meter: _Meter
) -> str:
    """Of the whole body, read anew at every try: a stream that broke off cannot be gone on with."""

    def attempt(_retries: int) -> str:
        running = Running(algorithm)
        for piece in objects.pieces(key, stored):
            running.add(piece)
            meter.bytes += len(piece)
            deadline.check()
        return running.value()

    return Tries().run(attempt, deadline)


def _verified(seen: _Seen) -> Verified:
    row = seen.look.row or seen.claim.row
    return Verified(seen.claim.key, seen.claim.listed, row.generation, seen.comparison, seen.read)
