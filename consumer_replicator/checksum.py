"""Checksums as S3 keeps them: of a whole object (FULL_OBJECT), or of its parts' checksums (COMPOSITE). Pure.

A FULL_OBJECT value that is sent with a write makes S3 itself refuse a differing body: end-to-end proof without reading
twice. A multipart upload takes CRC algorithms alone as FULL_OBJECT, and CRC64NVME as nothing else; a COMPOSITE value
("...-3") depends on where the parts end (see `composite`).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import hashlib
import zlib
from collections.abc import Buffer, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import anycrc

from consumer_replicator.identity import Sameness

ALGORITHMS = (
    "CRC64NVME",
    "CRC32C",
    "CRC32",
    "SHA256",
    "SHA1",
    "SHA512",
    "MD5",
    "XXHASH3",
    "XXHASH64",
    "XXHASH128",
)
"""All that S3 stores, the preferred first: an object has one. Another one is as good as none.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html"""
COMPUTED = "CRC64NVME"
FULL_OBJECT, COMPOSITE = "FULL_OBJECT", "COMPOSITE"

_CRC64NVME = anycrc.Model("CRC64-NVME")
_CRC32C = anycrc.Model("CRC32-ISCSI")
_CRCS: Mapping[str, tuple[Callable[[Buffer, int], int], int]] = {
    "CRC64NVME": (_CRC64NVME.calc, 8),
    "CRC32C": (_CRC32C.calc, 4),
    "CRC32": (zlib.crc32, 4),
}


class _Crc:
    """A CRC in hashlib's shape."""

    def __init__(self, calculate: Callable[[Buffer, int], int], width: int) -> None:
        self._calculate = calculate
        self._width = width
        self._crc = 0

    def update(self, piece: Buffer) -> None:
        self._crc = self._calculate(piece, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(self._width, "big")


_HASHES: Mapping[str, Callable[[], Any]] = {
    **{algorithm: partial(_Crc, *crc) for algorithm, crc in _CRCS.items()},
    "SHA256": partial(hashlib.sha256, usedforsecurity=False),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
}
"""What can be computed here."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` as S3 spells it, `value` in base64, followed by "-" and the number of parts where it is COMPOSITE."""

    algorithm: str
    value: str

    @property
    def parts(self) -> int:
        """Of a COMPOSITE one, the number of parts; 0 of a FULL_OBJECT one."""
        return int(self.value.partition("-")[2] or 0)

    @property
    def fits_multipart(self) -> bool:
        """Whether a multipart upload can be held to it as FULL_OBJECT."""
        return not self.parts and self.algorithm in _CRCS

    @property
    def digest(self) -> bytes:
        return base64.b64decode(self.value.partition("-")[0])

    def parameter(self) -> dict[str, str]:
        """As S3 clients take it, e.g. {"ChecksumCRC32": "..."}."""
        return {f"Checksum{self.algorithm}": self.value}

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


class Running:
    """A checksum of bytes shown piece by piece, in order."""

    def __init__(self, algorithm: str = COMPUTED) -> None:
        self.algorithm = algorithm
        self._hash = _HASHES[algorithm]()

    def add(self, piece: Buffer) -> None:
        self._hash.update(piece)

    def value(self) -> str:
        return base64.b64encode(self._hash.digest()).decode("ascii")

    def checksum(self) -> Checksum:
        return Checksum(self.algorithm, self.value())


def of(body: Buffer, algorithm: str = COMPUTED) -> Checksum:
    """The checksum of some bytes, by one of the CRC algorithms, SHA256 or SHA1."""
    running = Running(algorithm)
    running.add(body)
    return running.checksum()


def combined(values: list[tuple[Checksum, int]]) -> Checksum:
    """The CRC64NVME of a whole from those of its parts, in order, each with its length in bytes."""
    total = 0
    for checksum, length in values:
        total = _CRC64NVME.combine(total, int.from_bytes(checksum.digest, "big"), length)
    return Checksum(COMPUTED, base64.b64encode(total.to_bytes(8, "big")).decode("ascii"))


def from_answer(answer: Mapping[str, Any]) -> Checksum | None:
    """The checksum in an answer of GetObject, HeadObject or ListParts; None where it has none that we know."""
    composite = answer.get("ChecksumType", FULL_OBJECT) == COMPOSITE
    for algorithm in ALGORITHMS:
        value = answer.get(f"Checksum{algorithm}")
        if isinstance(value, str):
            _, dash, count = value.partition("-")
            known = count.isascii() and count.isdecimal() and int(count) > 0 if dash else not composite
            return Checksum(algorithm, value) if known else None
    return None


def from_text(text: str) -> Checksum:
    """What `str` made of one, as manifest rows carry it."""
    algorithm, _, value = text.partition(":")
    return Checksum(algorithm, value)


def compare(one: Checksum | None, other: Checksum | None) -> Sameness:
    """Whether two objects have the same bytes, by the checksums that S3 stored for them.

    Different COMPOSITE values say nothing: the parts may end elsewhere.
    """
    if one is None or other is None or one.algorithm != other.algorithm or bool(one.parts) != bool(other.parts):
        return Sameness.UNKNOWN
    if one.value == other.value:
        return Sameness.SAME
    return Sameness.UNKNOWN if one.parts else Sameness.DIFFERENT
