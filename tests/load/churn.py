"""Changes at the source without end: uploads, overwrites, bursts, deletes, re-creations, tags. Seeded.

Each of its threads has keys of its own, so that it knows what is there.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from tests.sandbox.uploader import MULTIPART_FROM, Uploader
from tests.sandbox.workload import Upload

THREADS = 3
LARGE_EVERY_SECONDS = 40.0
BURST = 5
KINDS = {"upload": 60, "delete": 14, "tag": 10, "untag": 4, "burst": 6, "re-create": 6}
"""Weights of what happens to a key that is there."""


@dataclass
class Churn:
    """`rate`: changes a second. `made` counts them by kind, `by_key` by key; each owes an event."""

    s3: Any
    bucket: str
    uploads: Sequence[Upload]
    rate: float
    seed: int
    made: Counter[str] = field(default_factory=Counter)
    by_key: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Until the end of the block; raises what went wrong."""
        threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)
        if self._failures:
            raise self._failures[0]

    def _work(self, number: int) -> None:
        small = [upload for upload in self.uploads if upload.size < MULTIPART_FROM][number::THREADS]
        large = [upload for upload in self.uploads if upload.size >= MULTIPART_FROM][number::THREADS]
        keys = Keys(Uploader(self.s3, self.bucket), Random(self.seed * THREADS + number))
        pause, large_at = THREADS / self.rate, time.monotonic() + LARGE_EVERY_SECONDS * number / THREADS
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                if large and began >= large_at:
                    large_at = began + LARGE_EVERY_SECONDS * min(THREADS, len(self.uploads))
                    upload = keys.random.choice(large)
                    made = keys.upload(upload)
                else:
                    upload = keys.random.choice(small)
                    made = keys.change(upload)
                with self._lock:
                    self.made.update(made)
                    self.by_key[upload.key] += sum(made.values())
                self._stop.wait(max(0.0, pause * sum(made.values()) - (time.monotonic() - began)))
        except BaseException as failure:  # noqa: BLE001 raised again where it is waited for
            self._failures.append(failure)


@dataclass
class Keys:
    """Some keys of the source, and which of them are there."""

    uploader: Uploader
    random: Random
    there: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def change(self, upload: Upload) -> Mapping[str, int]:
        """Does something to the upload's key; what it was."""
        kind = "upload"
        if upload.key in self.there:
            kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        key, s3, bucket = upload.key, self.uploader.s3, self.uploader.bucket
        match kind:
            case "upload":
                return self.upload(upload)
            case "burst":
                return {"upload": sum(sum(self.upload(upload).values()) for _ in range(BURST))}
            case "tag":
                tags: Any = {"TagSet": [{"Key": "number", "Value": str(next(self.numbers))}]}
                s3.put_object_tagging(Bucket=bucket, Key=key, Tagging=tags)
            case "untag":
                s3.delete_object_tagging(Bucket=bucket, Key=key)
            case _:
                s3.delete_object(Bucket=bucket, Key=key)
                self.there.discard(key)
                if kind == "re-create":
                    return {"delete": 1, **self.upload(upload)}
        return {kind: 1}

    def upload(self, upload: Upload) -> Mapping[str, int]:
        """Other bytes each time."""
        stamped = replace(upload, pieces=(*upload.pieces, f"\nwrite {next(self.numbers)}\n".encode()))
        self.uploader.put(stamped)
        self.there.add(upload.key)
        return {"upload in parts" if stamped.size >= MULTIPART_FROM else "upload": 1}
