"""Copies one object of the endless S3 into it, in a process of its own, and tells what that took.

    python -m tests.consumer.copy_once PORT SIZE PARTS

PARTS: bytes per part, or 0 for one PUT.
"""

import json
import os
import sys
import time
from pathlib import Path

from botocore.config import Config
from botocore.session import get_session

from consumer_replicator.copier import Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.lean.s3 import LeanS3
from consumer_replicator.replica import Replica, Writing
from consumer_replicator.source import Source


def main(port: int, size: int, part_bytes: int) -> dict[str, object]:
    """`peak` and `before` in bytes of resident memory, `cpu` and `seconds`."""
    client = LeanS3(
        get_session().create_client(
            "s3",
            aws_access_key_id="AKIDOWN",
            aws_secret_access_key="secret",
            endpoint_url=f"http://127.0.0.1:{port}",
            config=Config(
                region_name="us-east-1",
                max_pool_connections=20,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )
    )
    source = Source(client, "source-bucket", "111111111111")
    replica = Replica(client, "replica-bucket", "222222222222", "key", "preserve")
    threshold = 8 * 1024**2 if part_bytes else size
    copier = Copier(source, replica, threshold=threshold, part_concurrency=8, part_bytes=part_bytes or size)
    before, started, used = resident("VmHWM"), time.monotonic(), sum(os.times()[:2])
    with source.current(str(size)) as found:
        assert found is not None
        writing = Writing(str(size), found.carried, {}, None, found.identity.token(), 0)
        copied = copier.copy(found, writing, Deadline(600))
    client.close()
    return {
        "parts": copied.parts,
        "proof": copied.proof.value,
        "before": before,
        "peak": resident("VmHWM"),
        "seconds": round(time.monotonic() - started, 2),
        "cpu": round(sum(os.times()[:2]) - used, 2),
    }


def resident(name: str) -> int:
    """Of this process since it began: getrusage would count what it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*map(int, sys.argv[1:]))))
