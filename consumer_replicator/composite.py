"""COMPOSITE checksums: the checksum of the parts' checksums, one after another, and "-" and their number. Pure.

They can be matched only by cutting where the source was cut. Where all its parts but the last have one size, that size
and the number of parts say where.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html#composite-checksums
"""

from collections.abc import Buffer, Sequence

from consumer_replicator.checksum import Checksum, Running
from consumer_replicator.parts import MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES

MIRRORED = frozenset({"CRC32", "CRC32C", "SHA1", "SHA256"})
"""The algorithms whose COMPOSITE value can be computed here, and asked of an upload. CRC64NVME has none."""


def of(parts: Sequence[Checksum]) -> Checksum:
    """From the checksums of all parts, in order, all of one algorithm."""
    running = Running(parts[0].algorithm)
    for part in parts:
        running.add(part.digest)
    return Checksum(running.algorithm, f"{running.value()}-{len(parts)}")


def is_uniform(size: int, count: int, part_bytes: int) -> bool:
    """Whether `size` bytes can have been cut into `count` parts of `part_bytes`, the last one smaller, within S3's
    limits."""
    allowed = 1 <= count <= MAX_PARTS and 0 < part_bytes <= MAX_PART_BYTES
    return allowed and (count == 1 or part_bytes >= MIN_PART_BYTES) and -(-size // part_bytes) == count


class Cutting:
    """The COMPOSITE checksum of bytes shown piece by piece, in order, cut after every `part_bytes`."""

    def __init__(self, algorithm: str, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._done: list[Checksum] = []
        self._running = Running(algorithm)
        self._room = part_bytes

    def add(self, piece: Buffer) -> None:
        rest = memoryview(piece)
        while rest:
            here, rest = rest[: self._room], rest[self._room :]
            self._running.add(here)
            self._room -= len(here)
            if not self._room:
                self._done.append(self._running.checksum())
                self._running, self._room = Running(self._running.algorithm), self._part_bytes

    def checksum(self) -> Checksum:
        cut_short = self._room < self._part_bytes or not self._done
        return of([*self._done, self._running.checksum()] if cut_short else self._done)
