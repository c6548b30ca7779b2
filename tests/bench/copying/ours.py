"""Ours, as a command: the product's own wiring copies a list of keys, from a cold start.

    python -m tests.bench.copying.ours PLAN.json       the fields of `Plan`

`wiring` makes the clients, the source, the replica and the copier, from settings like a function's. Left out of it are
the queue, the manifest, and AssumeRole: both principals sign with the server's one identity. As many threads as a batch
has copy one key after the other, conditionally, with metadata, provenance and checksum. It prints what the copying
took, the start not in it: {"seconds": ..., "cpu_seconds": ...}.
"""

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Self

from botocore.credentials import Credentials

from consumer_replicator import principals, wiring
from consumer_replicator.copier import Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.principals import Principals
from consumer_replicator.replica import Writing
from consumer_replicator.settings import Settings
from consumer_replicator.source import Source

ACCOUNT, REGION = "111111111111", "us-east-1"
ENDPOINT = "AWS_ENDPOINT_URL_S3"
SECONDS = 900.0

SETTINGS = {
    "source_account_id": ACCOUNT,
    "source_role_arn": f"arn:aws:iam::{ACCOUNT}:role/read",
    "source_external_id": "not-asked-for:one-identity",
    "replica_account_id": ACCOUNT,
    "replica_kms_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
    "manifest_table": "manifest",
    "queue_url": "https://127.0.0.1/queue",
    "dead_letter_queue_url": "https://127.0.0.1/dead-letter-queue",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`checksums`: a file with the CRC64NVME of each key, which S3 keeps and this server cannot; None: there is none.

    `client`: "product", or "botocore" for what it wraps. `threads` 0: as many as a batch has.
    """

    source_url: str
    replica_url: str
    source: str
    replica: str
    keys: list[str]
    checksums: str | None
    client: str = "product"
    threads: int = 0

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


class StoredChecksums:
    """An S3 client whose whole-object answers carry the checksum that S3 would have kept of the object."""

    def __init__(self, client: Any, checksums: dict[str, str]) -> None:
        self._client = client
        self._checksums = checksums

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> Any:
        answer = self._client.get_object(**request)
        if request.get("ChecksumMode") == "ENABLED" and "Range" not in request:
            answer["ChecksumCRC64NVME"] = self._checksums[request["Key"]]
            answer["ChecksumType"] = "FULL_OBJECT"
        return answer


def main(plan: Plan) -> None:
    settings = Settings.from_environment(environment(plan))
    source, copier = put_together(settings, plan)
    gc.freeze()  # as the handler does: the collector leaves alone what was there before the first message
    left: SimpleQueue[str] = SimpleQueue()
    for key in plan.keys:
        left.put(key)
    failures: list[BaseException] = []

    def work() -> None:
        deadline = Deadline(SECONDS)
        try:
            while True:
                copy(source, copier, left.get_nowait(), deadline)
        except Empty:
            return
        except BaseException as failure:  # noqa: BLE001 - told by the main thread
            failures.append(failure)

    began, began_cpu = time.monotonic(), time.process_time()
    threads = [Thread(target=work) for _ in range(plan.threads or settings.batch_concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    print(json.dumps({"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - began_cpu}))


def copy(source: Source, copier: Copier, key: str, deadline: Deadline) -> None:
    """As the converger copies a key that has no row and no tags."""
    with source.current(key) as found:
        assert found is not None
        assert not found.tag_count
        writing = Writing(
            key=key, carried=found.carried, tags={}, expected=None, source=found.identity.token(), generation=0
        )
        copier.copy(found, writing, deadline)


def environment(plan: Plan) -> dict[str, str]:
    values = SETTINGS | {"source_bucket": plan.source, "replica_bucket": plan.replica}
    return {f"HYDRATION_{name.upper()}": value for name, value in values.items()}


def put_together(settings: Settings, plan: Plan) -> tuple[Source, Copier]:
    """The product's source and copier. Each principal's client is made under its own endpoint."""
    if plan.client == "botocore":
        principals.LEAN.clear()
    who = wiring.principals(settings, region=REGION, function_name="bench")
    sign_alike(who)
    os.environ[ENDPOINT] = plan.source_url
    who.source("s3")
    os.environ[ENDPOINT] = plan.replica_url
    who.own("s3")
    converger = wiring.replicator(settings, who)._converger
    source, copier = converger._source, converger._copier
    if plan.checksums is not None:
        source._s3 = StoredChecksums(source._s3, json.loads(Path(plan.checksums).read_text()))
    return source, copier


def sign_alike(who: Principals) -> None:
    """The source's client signs with credentials of the environment, too: this server assumes no roles."""
    who._source._credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


if __name__ == "__main__":
    main(Plan.load(Path(sys.argv[1])))
