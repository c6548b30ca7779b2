"""The two buckets and the manifest that are measured: written in the order in which history would have written them."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consumer_replicator.identity import SourceIdentity
from consumer_replicator.row import ReplicaVersion, Row, State
from consumer_replicator.row_item import address, to_item
from tests.bench import manifest_server
from tests.bench.peers import BenchError
from tests.bench.planted import Planned, Planted

SOURCE, REPLICA, SHARDS = "source", "replica", 16
WRITERS = 16
ATTEMPTS = 6
ONE_SECOND = 1.2  # LastModified is in whole seconds: this much later is later

type Progress = Callable[[str, int, int], None]
"""What is done, how many of it, out of how many."""


def populate(s3: Any, endpoint_url: str, objects: Sequence[Planned], progress: Progress) -> None:
    """Copies first, then what the source has become, then the copies that came too late."""
    for bucket in (SOURCE, REPLICA):
        s3.create_bucket(Bucket=bucket)
    originals = [(SOURCE, each.key, each.before) for each in objects if each.planted is not Planted.EXTRA]
    write(endpoint_url, originals, "source objects written", progress)
    time.sleep(ONE_SECOND)
    without = (Planted.MISSING, Planted.REMOVED)
    copies = [(REPLICA, each.key, each.before) for each in objects if each.planted not in without]
    write(endpoint_url, copies, "replicas written", progress)
    time.sleep(ONE_SECOND)
    changed = [(SOURCE, each.key, each.after or b"") for each in objects if each.changed]
    write(endpoint_url, changed, "source objects changed", progress)
    time.sleep(ONE_SECOND)
    late = [(REPLICA, each.key, each.before) for each in objects if each.planted is Planted.LATE_COPY]
    write(endpoint_url, late, "late copies written", progress)


def write(endpoint_url: str, puts: Sequence[tuple[str, str, bytes]], what: str, progress: Progress) -> None:
    """(bucket, key, body) each, side by side, unsigned. Keys need no quoting here.

    :raises BenchError: one of them was refused.
    """
    done, problems, lock = [0], list[Exception](), threading.Lock()

    def writer(mine: Iterable[tuple[str, str, bytes]]) -> None:
        connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc, timeout=60)
        try:
            for bucket, key, body in mine:
                if problems:
                    return
                put(connection, bucket, key, body)
                with lock:
                    done[0] += 1
        except (OSError, http.client.HTTPException, BenchError) as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=writer, args=(puts[n::WRITERS],), daemon=True) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.1)
        progress(what, done[0], len(puts))
    if problems:
        raise BenchError(f"{problems[0]}")


def put(connection: http.client.HTTPConnection, bucket: str, key: str, body: bytes) -> None:
    """A few attempts: S3 may answer 500 and 503 at any time, and under this load SeaweedFS does."""
    for attempt in range(ATTEMPTS):
        connection.request("PUT", f"/{bucket}/{key}", body)
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
        if answer.status == 200:
            return
        if answer.status < 500:
            break
        time.sleep(0.2 * 2**attempt)
    raise BenchError(f"PUT {bucket}/{key} was answered {answer.status}: {said:.500}")


def items(s3: Any, objects: Sequence[Planned]) -> Iterator[dict[str, Any]]:
    """The manifest's items, as the replicator writes them, as large as those of two versioned buckets."""
    modified = {
        entry["Key"]: int(entry["LastModified"].timestamp())
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=SOURCE)
        for entry in page.get("Contents", [])
    }
    for each in objects:
        if each.planted is not Planted.MISSING:
            row = _row(each, modified.get(each.key))
            yield {**address(SOURCE, each.key, SHARDS), **to_item(row, None)}


def _row(each: Planned, modified: int | None) -> Row:
    """LIVE, made from the body before the change; of what changed, the time before is not known any more."""
    at = int(time.time()) if modified is None else modified
    digest = md5(each.before, usedforsecurity=False).hexdigest()
    version = digest[:32]
    return Row(
        generation=1,
        state=State.LIVE,
        written_at=at + 1.234,
        source=SourceIdentity(version, digest, at - 60 if each.changed else at, len(each.before)),
        checksum=f"CRC64NVME:{digest[:11]}=",
        replica=ReplicaVersion(digest, version[::-1]),  # its ETag is the MD5 of its bytes, as this server says
        sequencer=digest[:18].upper(),
        event_time=at,
    )


def write_items(path: Path, found: Iterable[dict[str, Any]]) -> Counter[str]:
    """One JSON line each. Returns their billed bytes by partition."""
    partitions: Counter[str] = Counter()
    with path.open("w") as file:
        for item in found:
            partitions[item["pk"]["S"]] += manifest_server.size(item)
            file.write(json.dumps(item) + "\n")
    return partitions
