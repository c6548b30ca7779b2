"""The sweep: aborts multipart uploads that no row names and that are too old to be under way.

A killed invocation leaves its upload open, and its parts are billed. The bucket's lifecycle rule would take it days
later; the sweep does after a parameter, by default a day, long after the longest invocation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.aws_errors import code_of, translated
from consumer_replicator.manifest import Manifest
from consumer_replicator.row import State


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """`initiated` in seconds since the epoch."""

    key: str
    upload_id: str
    initiated: float


class Sweep:
    """`s3` signs with the function's own role. `older_than` in seconds."""

    def __init__(self, s3: Any, bucket: str, owner: str, manifest: Manifest, older_than: float) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._manifest = manifest
        self._older_than = older_than

    def run(self, now: float) -> int:
        """Aborts what is orphaned; how many there were. An upload whose key's row says UPLOADING is left alone."""
        aborted = 0
        for upload in self._open_uploads():
            if now - upload.initiated <= self._older_than:
                continue
            row = self._manifest.read(upload.key)
            if row is None or row.state is not State.UPLOADING:
                self._abort(upload)
                aborted += 1
        return aborted

    def _open_uploads(self) -> Iterator[OpenUpload]:
        request: dict[str, Any] = dict(self._where)
        while True:
            with translated("replica"):
                answer = self._s3.list_multipart_uploads(**request)
            for upload in answer.get("Uploads", []):
                yield OpenUpload(upload["Key"], upload["UploadId"], upload["Initiated"].timestamp())
            if not answer.get("IsTruncated"):
                return
            request["KeyMarker"] = answer["NextKeyMarker"]
            request["UploadIdMarker"] = answer["NextUploadIdMarker"]

    def _abort(self, upload: OpenUpload) -> None:
        with translated("replica"):
            try:
                self._s3.abort_multipart_upload(Key=upload.key, UploadId=upload.upload_id, **self._where)
            except ClientError as error:
                if code_of(error) not in ("NoSuchUpload", "404"):
                    raise
