"""What is copied: the workloads, their bytes on disk, and whether what arrived is what was sent."""

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from consumer_replicator import checksum

KIB, MIB = 1024, 1024**2
BLOCK = MIB
LOOKS, LOOK_BYTES = 64, 4 * KIB  # of every object: all of a small one, and a big one every 64th of its length


@dataclass(frozen=True, slots=True)
class Workload:
    """`count` objects of `size` bytes."""

    name: str
    count: int
    size: int

    @property
    def bucket(self) -> str:
        return f"bench-{self.name}"

    @property
    def title(self) -> str:
        return f"{self.count:,} x {_size(self.size)}"

    @property
    def bytes(self) -> int:
        return self.count * self.size

    def every_key(self) -> Iterator[str]:
        return (f"data/{number:06d}" for number in range(self.count))

    def scaled(self, scale: float) -> "Workload":
        """Fewer objects; of the few big ones all, but smaller."""
        if self.count > 10:
            return replace(self, count=max(1, round(self.count * scale)))
        return replace(self, size=max(MIB, round(self.size * scale / MIB) * MIB))


WORKLOADS = (
    Workload("w1", 5_000, 4 * KIB),
    Workload("w2", 500, MIB),
    Workload("w3", 4, 512 * MIB),
)
START = Workload("start", 1, 1)
"""What a tool's start costs: its program loaded, both endpoints greeted, one object of one byte copied."""


def write(workload: Workload, folder: Path) -> dict[str, str]:
    """Writes its objects as files below `folder`, noise that nothing compresses; the CRC64NVME of each key."""
    noise = random.Random(workload.name)
    checksums = {}
    for key in workload.every_key():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        crc = 0
        with path.open("wb") as file:
            for first in range(0, workload.size, BLOCK):
                block = noise.randbytes(min(BLOCK, workload.size - first))
                crc = checksum._CRC64NVME.calc(block, crc)
                file.write(block)
        checksums[key] = base64.b64encode(crc.to_bytes(8, "big")).decode("ascii")
    return checksums


def differences(workload: Workload, source: Path, replica: Path) -> list[str]:
    """What did not arrive as it was sent, a sentence each: objects that are missing or too many, sizes, bytes."""
    wanted = set(workload.every_key())
    arrived = {path.relative_to(replica).as_posix() for path in replica.rglob("*") if path.is_file()}
    found = [f"{key} is missing" for key in sorted(wanted - arrived)]
    found += [f"{key} was never sent" for key in sorted(arrived - wanted)]
    for key in sorted(wanted & arrived):
        size = (replica / key).stat().st_size
        if size != workload.size:
            found.append(f"{key} has {size} bytes, not {workload.size}")
        elif _looks(source / key, workload.size) != _looks(replica / key, workload.size):
            found.append(f"{key} has other bytes")
    return found


def _looks(path: Path, size: int) -> list[bytes]:
    """Some of its bytes, the last ones among them."""
    step = max(LOOK_BYTES, size // LOOKS)
    with path.open("rb") as file:
        looks = []
        for place in (*range(0, size, step), max(0, size - LOOK_BYTES)):
            file.seek(place)
            looks.append(file.read(LOOK_BYTES))
        return looks


def save_checksums(path: Path, checksums: dict[str, str]) -> None:
    path.write_text(json.dumps(checksums))


def _size(size: int) -> str:
    for unit, step in (("MiB", MIB), ("KiB", KIB)):
        if size >= step:
            return f"{size / step:g} {unit}"
    return f"{size} bytes"
