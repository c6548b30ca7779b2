"""Memory does not depend on how much is copied: measured on a process that copies from and to another, over sockets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer_replicator.copier import HELD_BYTES

MIB = 1024**2
ROOT = Path(__file__).parents[2]
SMALL, LARGE = 64 * MIB, 512 * MIB
"""512 MiB take a second or two; `python -m tests.consumer.copy_once` measures any size."""


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """Of the endless S3."""
    command = [sys.executable, "-m", "tests.consumer.endless_s3"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def copied(port: str, size: int, part_bytes: int) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.consumer.copy_once", port, str(size), str(part_bytes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("part_bytes", [8 * MIB, 64 * MIB, 0], ids=["parts", "large parts", "one PUT"])
def test_peak_memory_is_that_of_the_streams_whatever_the_size(port: str, part_bytes: int):
    small, large = copied(port, SMALL, part_bytes), copied(port, LARGE, part_bytes)
    assert large["parts"] == (LARGE // part_bytes if part_bytes else 0)
    assert large["peak"] - small["peak"] < 8 * MIB
    assert large["peak"] - large["before"] < 8 * HELD_BYTES + 8 * MIB, "eight parts side by side, as the formula has it"
    assert large["peak"] < 100 * MIB
