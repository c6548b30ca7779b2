"""Full-object checksums: the source's own where it has one, else CRC64NVME computed in passing.

Sent with the write, S3 itself refuses a differing body: end-to-end proof without reading twice. A multipart upload
takes only CRC algorithms as FULL_OBJECT; COMPOSITE values ("...-3") depend on part boundaries and do not travel.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anycrc

SINGLE_PUT_ALGORITHMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
"""Those that botocore knows and S3 keeps as FULL_OBJECT for an object written by one PUT, the preferred first."""
COMPUTED = "CRC64NVME"

_CRC64NVME = anycrc.Model("CRC64-NVME")
_CRC32C = anycrc.Model("CRC32-ISCSI")
_CRCS: Mapping[str, tuple[Callable[[bytes], int], int]] = {
    "CRC64NVME": (_CRC64NVME.calc, 8),
    "CRC32C": (_CRC32C.calc, 4),
    "CRC32": (zlib.crc32, 4),
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` as S3 spells it, `value` in base64."""

    algorithm: str
    value: str

    @property
    def fits_multipart(self) -> bool:
        return self.algorithm in _CRCS

    def parameter(self) -> dict[str, str]:
        """As S3 clients take it, e.g. {"ChecksumCRC32": "..."}."""
        return {f"Checksum{self.algorithm}": self.value}

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


def of(body: bytes, algorithm: str = COMPUTED) -> Checksum:
    """The checksum of some bytes, by one of the CRC algorithms."""
    calculate, width = _CRCS[algorithm]
    return Checksum(algorithm, base64.b64encode(calculate(body).to_bytes(width, "big")).decode("ascii"))


def combined(values: list[tuple[Checksum, int]]) -> Checksum:
    """The CRC64NVME of a whole from those of its parts, in order, each with its length in bytes."""
    total = 0
    for checksum, length in values:
        total = _CRC64NVME.combine(total, int.from_bytes(base64.b64decode(checksum.value), "big"), length)
    return Checksum(COMPUTED, base64.b64encode(total.to_bytes(8, "big")).decode("ascii"))


def from_answer(answer: Mapping[str, Any]) -> Checksum | None:
    """The full-object checksum in an answer of GetObject or HeadObject; None where it has none, or a COMPOSITE one."""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for algorithm in SINGLE_PUT_ALGORITHMS:
        value = answer.get(f"Checksum{algorithm}")
        if isinstance(value, str) and "-" not in value:
            return Checksum(algorithm, value)
    return None
