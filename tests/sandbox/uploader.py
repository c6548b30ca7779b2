"""Carries a workload out against the producer's bucket, as any S3 client of the producer would.

Every function answers with how many object events S3 owes for what it did: one for a put, a delete or a change of tags.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig

from tests.sandbox.workload import MIB, Changes, Upload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MULTIPART_FROM = 8 * MIB
WORKERS = 4  # enough to keep the emulator busy, few enough to leave the function some of the machine
PARTS = TransferConfig(multipart_threshold=MULTIPART_FROM, multipart_chunksize=MULTIPART_FROM, max_concurrency=2)


@dataclass(frozen=True)
class Uploader:
    """`done(key, bytes)` is called after every change; what it raises ends the work."""

    s3: "S3Client"
    bucket: str
    done: Callable[[str, int], None] = lambda _key, _bytes: None

    def put_all(self, uploads: Iterable[Upload]) -> int:
        """Side by side: the keys must differ."""
        return self._each(self.put, uploads)

    def put(self, upload: Upload) -> int:
        # Files from 8 MiB on go up in parts, as every SDK sends them: their ETags are not MD5s and their event says
        # CompleteMultipartUpload.
        with upload.open() as body:
            arguments = cast("dict[str, Any]", upload.arguments)
            if upload.size < MULTIPART_FROM:
                self.s3.put_object(Bucket=self.bucket, Key=upload.key, Body=body, **arguments)
            else:
                self.s3.upload_fileobj(body, self.bucket, upload.key, ExtraArgs=arguments, Config=PARTS)
        self.done(upload.key, upload.size)
        return 1

    def put_in_turn(self, uploads: Iterable[Upload], pause: float) -> int:
        """One after the other, `pause` seconds apart: each finds the consumer idle."""
        count = 0
        for upload in uploads:
            count += self.put(upload)
            time.sleep(pause)
        return count

    def change(self, changes: Changes) -> int:
        """Tags and deletes side by side; then the burst and the re-created key, which are about their order."""
        return (
            self._each(self._tag, changes.tagged.items())
            + self._each(self._untag, changes.untagged)
            + self._each(self._delete, changes.deleted)
            + sum(map(self.put, changes.burst))
            + self._delete(changes.recreated.key)
            + self.put(changes.recreated)
        )

    def _tag(self, tagged: tuple[str, Mapping[str, str]]) -> int:
        key, tags = tagged
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        self.s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging=cast("Any", {"TagSet": tag_set}))
        return self._one(key)

    def _untag(self, key: str) -> int:
        self.s3.delete_object_tagging(Bucket=self.bucket, Key=key)
        return self._one(key)

    def _delete(self, key: str) -> int:
        self.s3.delete_object(Bucket=self.bucket, Key=key)
        return self._one(key)

    def _one(self, key: str) -> int:
        self.done(key, 0)
        return 1

    @staticmethod
    def _each[T](act: Callable[[T], int], things: Iterable[T]) -> int:
        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(act, things))
