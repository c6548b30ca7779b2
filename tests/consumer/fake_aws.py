"""In-memory S3, DynamoDB and SQS behind the client calls that the replicator makes, enforcing AWS's real rules.

Emulators are forgiving where the protocol leans on AWS (see tests/sandbox/README.md), so these are not: conditions on
every write, replica ETags unique per write as under SSE-KMS, a delete marker on a versioned bucket, consistent reads,
at-least-once delivery with receive counts and delays. Each call is one atomic step; `World.before` and `World.after`
see every step, and may raise (a crash, a throttle, a lost answer) or hand the turn to another worker.
"""

import heapq
import io
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from consumer_replicator import checksum, composite
from consumer_replicator.checksum import Checksum
from consumer_replicator.parts import MAX_PARTS, MIN_PART_BYTES
from tests.consumer.fake_client import DLQ, QUEUE, RANGES, REPLICA, SOURCE, TABLE, Call, Client, refuse
from tests.consumer.fake_dynamodb import FakeDynamoDB, item_bytes
from tests.consumer.fake_sqs import FakeSqs

__all__ = [
    "CONSUMER",
    "DLQ",
    "KEY_ARN",
    "PRODUCER",
    "QUEUE",
    "RANGES",
    "REPLICA",
    "SOURCE",
    "STREAM_BYTES",
    "TABLE",
    "UPLOADS",
    "Bucket",
    "Call",
    "FakeDynamoDB",
    "FakeS3",
    "FakeSqs",
    "UploadedPart",
    "Version",
    "Waiting",
    "World",
    "item_bytes",
    "refuse",
]

COMPUTABLE = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
UPLOADS = {
    *((algorithm, "FULL_OBJECT") for algorithm in ("CRC64NVME", "CRC32C", "CRC32")),
    *((algorithm, "COMPOSITE") for algorithm in ("CRC32C", "CRC32", "SHA256", "SHA1")),
}
"""What S3 lets an upload be opened with.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html"""
STREAM_BYTES = 1024**2
HEAD_BYTES, SIGNED_BYTES = 8 * 1024, 3 * 1024
PRODUCER, CONSUMER = "111111111111", "222222222222"
KEY_ARN = f"arn:aws:kms:us-east-1:{CONSUMER}:key/replica"


@dataclass
class Version:
    """`checksum`: as S3 stored it. `parts`: the bodies that it was uploaded in; none after one PUT.

    `initiated`: its place among the versions of its key: that of its upload, whenever that was completed.
    """

    id: str
    body: bytes
    etag: str
    attributes: dict[str, Any]
    tags: dict[str, str]
    modified: int
    marker: bool = False
    checksum: Checksum | None = None
    parts: list[bytes] = field(default_factory=list)
    initiated: int = 0


@dataclass(frozen=True)
class UploadedPart:
    body: bytes
    etag: str
    checksum: Checksum

    def listed(self, number: int) -> dict[str, Any]:
        return {"PartNumber": number, "Size": len(self.body), "ETag": self.etag, **self.checksum.parameter()}


@dataclass
class Bucket:
    name: str
    owner: str
    versioned: bool
    opaque_etags: bool = True
    keys: dict[str, list[Version]] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)

    def current(self, key: str) -> Version | None:
        """The version that was initiated last, unless that is a delete marker.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#distributedmpupload"""
        versions = self.keys.get(key, [])
        return versions[-1] if versions and not versions[-1].marker else None


@dataclass
class Waiting:
    """A message in a queue: `visible_at` in the world's seconds, `receive_count` as SQS counts."""

    id: str
    body: str
    visible_at: float
    attributes: dict[str, Any]
    receive_count: int = 0


class World:
    """Everything there is. `now` is the one clock; tests move it.

    `least_part_bytes`: of all parts but the last; small ones let a test split a word.
    `lets_replicator_in`: whether the producer allows server-side copies. `copied`: what S3 makes of bytes on their way.
    """

    def __init__(self, *, versioned: bool = True, least_part_bytes: int = MIN_PART_BYTES) -> None:
        self.now = 1_800_000_000.0
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = lambda _call: None
        self.after: Callable[[Call], None] = lambda _call: None
        self.mutations: list[tuple[str, bytes | None]] = []
        self.numbers = itertools.count(1)
        self.buckets = {
            SOURCE: Bucket(SOURCE, PRODUCER, versioned),
            REPLICA: Bucket(REPLICA, CONSUMER, versioned=True),
        }
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.queues: dict[str, deque[Waiting]] = {QUEUE: deque(), DLQ: deque(), RANGES: deque()}
        self.history: dict[str, list[bytes | None]] = {}
        self.page_keys = 1_000
        self.page_bytes = 1024**2
        self.least_part_bytes = least_part_bytes
        self.lets_replicator_in = False
        self.copied: Callable[[bytes], bytes] = lambda body: body

    @property
    def source(self) -> Bucket:
        return self.buckets[SOURCE]

    @property
    def replica(self) -> Bucket:
        return self.buckets[REPLICA]

    # -- the producer's side -------------------------------------------------------------------------------------

    def upload(self, key: str, body: bytes, *, tags: dict[str, str] | None = None, **attributes: Any) -> str:
        """Somebody writes to the source; the sequencer that the event would have."""
        with self.lock:
            self._store(self.source, key, body, attributes, tags or {})
            self.history.setdefault(key, []).append(body)
            return self.sequencer()

    def upload_in_parts(self, key: str, bodies: list[bytes], algorithm: str = "CRC32", **attributes: Any) -> str:
        """A multipart upload to the source that ends in a COMPOSITE checksum, as most SDKs make it."""
        with self.lock:
            sequencer = self.upload(key, b"".join(bodies), **attributes)
            version = self.source.keys[key][-1]
            version.checksum = composite.of([checksum.of(body, algorithm) for body in bodies])
            version.parts = bodies
            return sequencer

    def remove(self, key: str) -> str:
        with self.lock:
            self._remove(self.source, key)
            self.history.setdefault(key, []).append(None)
            return self.sequencer()

    def rollback(self, key: str) -> str:
        """The newest version (or delete marker) is permanently deleted: the one before is current again."""
        with self.lock:
            self.source.keys[key].pop()
            current = self.source.current(key)
            self.history.setdefault(key, []).append(current.body if current else None)
            return self.sequencer()

    def sequencer(self) -> str:
        """Of differing lengths, right-padded: the shorter the number's zero tail allows, as S3's may be."""
        return f"{next(self.numbers):08X}00".rstrip("0") or "0"

    def _store(
        self, bucket: Bucket, key: str, body: bytes, attributes: dict[str, Any], tags: dict[str, str]
    ) -> Version:
        number = next(self.numbers)
        version = Version(
            id=f"v{number:06d}" if bucket.versioned else "null",
            body=body,
            etag=f"{number:032x}",
            attributes=attributes,
            tags=dict(tags),
            modified=int(self.now),
            checksum=checksum.of(body),
            initiated=number,
        )
        if bucket.versioned:
            bucket.keys.setdefault(key, []).append(version)
        else:
            bucket.keys[key] = [version]
        return version

    def _remove(self, bucket: Bucket, key: str) -> None:
        if not bucket.versioned:
            bucket.keys.pop(key, None)
        else:
            number = next(self.numbers)
            marker = Version(f"v{number:06d}", b"", "", {}, {}, int(self.now), marker=True, initiated=number)
            bucket.keys.setdefault(key, []).append(marker)

    # -- clients -------------------------------------------------------------------------------------------------

    def s3(self, principal: str) -> "FakeS3":
        return FakeS3(self, principal)

    def dynamodb(self) -> FakeDynamoDB:
        return FakeDynamoDB(self, "own")

    def sqs(self) -> FakeSqs:
        return FakeSqs(self, "own")

    def operations(self, *, principal: str | None = None) -> list[str]:
        return [call.operation for call in self.calls if principal in (None, call.principal)]

    # -- the queue's other end -----------------------------------------------------------------------------------

    def send(self, body: str, delay: float = 0, queue: str = QUEUE, attributes: Any = None) -> None:
        with self.lock:
            number = next(self.numbers)
            self.queues[queue].append(Waiting(f"m{number}", body, self.now + delay, attributes or {}))

    def receive(self, limit: int = 10, queue: str = QUEUE, visibility: float = 90) -> list[dict[str, Any]]:
        """Records as a Lambda mapping hands them over."""
        records: list[dict[str, Any]] = []
        with self.lock:
            for message in self.queues[queue]:
                if len(records) == limit:
                    break
                if message.visible_at <= self.now:
                    message.receive_count += 1
                    message.visible_at = self.now + visibility
                    attributes = {"ApproximateReceiveCount": str(message.receive_count)}
                    record = {"messageId": message.id, "receiptHandle": message.id, "body": message.body}
                    records.append(record | {"attributes": attributes})
        return records

    def acknowledge(self, ids: set[str], queue: str = QUEUE) -> None:
        with self.lock:
            for place in reversed(self._places(ids, queue)):
                del self.queues[queue][place]

    def _places(self, ids: Collection[str], queue: str) -> list[int]:
        """Where these messages are, from the front: what was just received is not far behind it."""
        left, places = set(ids), []
        for place, message in enumerate(self.queues[queue]):
            if not left:
                break
            if message.id in left:
                left.remove(message.id)
                places.append(place)
        return places


class FakeS3(Client):
    """S3 for one principal: the read role sees only the source, the own role only the replica."""

    takes_streams = True

    def _bucket(self, operation: str, name: str, owner: str) -> Bucket:
        bucket = self.world.buckets[name]
        may = bucket.owner == PRODUCER if self.principal == "source" else bucket.owner == CONSUMER
        if not may or owner != bucket.owner:
            raise refuse(operation, "AccessDenied", 403)
        return bucket

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        Range: str | None = None,  # noqa: N803
        PartNumber: int | None = None,  # noqa: N803
        ChecksumMode: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        assert not (Range and PartNumber), "S3 takes one of both"

        def act() -> dict[str, Any]:
            bucket = self._bucket("GetObject", Bucket, ExpectedBucketOwner)
            version = _pinned(bucket, "GetObject", Key, VersionId, IfMatch)
            first, last = _span(version, "GetObject", Range, PartNumber)
            body = version.body[first : last + 1]
            answer = _described(bucket, version) | {"ContentLength": len(body)}
            answer["Body"] = StreamingBody(io.BytesIO(body), len(body))
            if Range or PartNumber:
                answer["ContentRange"] = f"bytes {first}-{last}/{len(version.body)}"
            if ChecksumMode == "ENABLED" and not Range:
                answer |= _checksummed(version, PartNumber)
            return answer

        return self._step("GetObject", Key, act)

    def head_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        PartNumber: int | None = None,  # noqa: N803
        ChecksumMode: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("HeadObject", Bucket, ExpectedBucketOwner)
            version = _pinned(bucket, "HeadObject", Key, VersionId, IfMatch)
            first, last = _span(version, "HeadObject", None, PartNumber)
            answer = _described(bucket, version) | {"ContentLength": last + 1 - first}
            if PartNumber and version.parts:
                answer["PartsCount"] = len(version.parts)
            return answer | (_checksummed(version, PartNumber) if ChecksumMode == "ENABLED" else {})

        return self._step("HeadObject", Key, act)

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        MaxKeys: int = 1_000,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Read at once, page by page: what changes between two pages is seen, or not, as on S3."""

        def act() -> dict[str, Any]:
            bucket = self._bucket("ListObjectsV2", Bucket, ExpectedBucketOwner)
            if ContinuationToken == "":
                raise refuse("ListObjectsV2", "InvalidArgument", 400)
            after = StartAfter if ContinuationToken is None else ContinuationToken.removeprefix("token of ")
            keys = (key for key in bucket.keys if key > after and key.startswith(Prefix) and bucket.current(key))
            page = heapq.nsmallest(min(MaxKeys, self.world.page_keys) + 1, keys)
            more = len(page) > min(MaxKeys, self.world.page_keys)
            contents = [_entry(key, bucket.current(key)) for key in page[: min(MaxKeys, self.world.page_keys)]]
            answer = {"IsTruncated": more, "KeyCount": len(contents)}
            answer |= {"Contents": contents} if contents else {}
            return answer | ({"NextContinuationToken": f"token of {contents[-1]['Key']}"} if more else {})

        return self._step("ListObjectsV2", None, act)

    def get_object_tagging(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("GetObjectTagging", Bucket, ExpectedBucketOwner)
            version = _find(bucket, "GetObjectTagging", Key, VersionId)
            return {"TagSet": [{"Key": name, "Value": value} for name, value in version.tags.items()]}

        return self._step("GetObjectTagging", Key, act)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("PutObject", parameters["Bucket"], parameters["ExpectedBucketOwner"])
            body, told = _received(parameters)
            _check_head("PutObject", parameters)
            _check_condition(bucket, "PutObject", parameters)
            if told is None or not _fits(body, told):
                raise refuse("PutObject", "BadDigest", 400)
            return self._written(bucket, parameters["Key"], body, parameters, told)

        return self._step("PutObject", parameters["Key"], act)

    def _written(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        parameters: dict[str, Any],
        stored: Checksum,
        parts: list[bytes] | None = None,
        initiated: int | None = None,
    ) -> dict[str, Any]:
        """`initiated`: an upload that was completed after a newer version was written is hidden behind it."""
        tags = dict(parse_qsl(parameters.get("Tagging", ""), keep_blank_values=True))
        version = self.world._store(bucket, key, body, parameters, tags)
        version.checksum, version.parts = stored, parts or []
        if initiated is not None:
            version.initiated = initiated
            bucket.keys[key].sort(key=lambda each: each.initiated)
        if bucket.current(key) is version:
            self.world.mutations.append((key, body))
        return {"ETag": f'"{version.etag}"', "VersionId": version.id, **stored.parameter()}

    def delete_object(self, *, Bucket: str, Key: str, ExpectedBucketOwner: str, IfMatch: str) -> dict[str, Any]:  # noqa: N803
        def act() -> dict[str, Any]:
            bucket = self._bucket("DeleteObject", Bucket, ExpectedBucketOwner)
            version = bucket.current(Key)
            if version is None:
                raise refuse("DeleteObject", "NoSuchKey", 404)
            if IfMatch != f'"{version.etag}"':
                raise refuse("DeleteObject", "PreconditionFailed", 412)
            self.world._remove(bucket, Key)
            self.world.mutations.append((Key, None))
            return {}

        return self._step("DeleteObject", Key, act)

    def put_object_tagging(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        Tagging: dict[str, Any],  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("PutObjectTagging", Bucket, ExpectedBucketOwner)
            version = _find(bucket, "PutObjectTagging", Key, VersionId)
            version.tags = {tag["Key"]: tag["Value"] for tag in Tagging["TagSet"]}
            return {}

        return self._step("PutObjectTagging", Key, act)

    def delete_object_tagging(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("DeleteObjectTagging", Bucket, ExpectedBucketOwner)
            _find(bucket, "DeleteObjectTagging", Key, VersionId).tags = {}
            return {}

        return self._step("DeleteObjectTagging", Key, act)

    def create_multipart_upload(self, **parameters: Any) -> dict[str, Any]:
        algorithm, kind = parameters["ChecksumAlgorithm"], parameters["ChecksumType"]
        if (algorithm, kind) not in UPLOADS:
            raise refuse("CreateMultipartUpload", "InvalidRequest", 400, f"{kind} cannot be used with {algorithm}.")

        def act() -> dict[str, Any]:
            bucket = self._bucket("CreateMultipartUpload", parameters["Bucket"], parameters["ExpectedBucketOwner"])
            _check_head("CreateMultipartUpload", parameters)
            number = next(self.world.numbers)
            upload_id = f"upload-{number}"
            upload = {"parameters": parameters, "parts": {}, "initiated": self.world.now, "number": number}
            bucket.uploads[upload_id] = upload
            return {"UploadId": upload_id}

        return self._step("CreateMultipartUpload", parameters["Key"], act)

    def upload_part(self, **parameters: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("UploadPart", parameters["Bucket"], parameters["ExpectedBucketOwner"])
            upload = _upload(bucket, "UploadPart", parameters["UploadId"])
            number, expected = parameters["PartNumber"], upload["parameters"]["ChecksumAlgorithm"]
            body, told = _received(parameters)
            if told is None or told.algorithm != expected:
                what = told.algorithm if told else "null"
                message = f"Checksum Type mismatch occurred, expected checksum Type: {expected}, actual: {what}"
                raise refuse("UploadPart", "InvalidRequest", 400, message)
            if not _fits(body, told):
                raise refuse("UploadPart", "BadDigest", 400)
            if not 1 <= number <= MAX_PARTS:
                raise refuse("UploadPart", "InvalidArgument", 400)
            etag = f'"{next(self.world.numbers):032x}"'
            upload["parts"][number] = UploadedPart(body, etag, told)
            return {"ETag": etag, **told.parameter()}

        return self._step("UploadPart", parameters["Key"], act)

    def list_parts(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        PartNumberMarker: int = 0,  # noqa: N803
        MaxParts: int = 1_000,  # noqa: N803
    ) -> dict[str, Any]:
        assert 1 <= MaxParts <= 1_000

        def act() -> dict[str, Any]:
            bucket = self._bucket("ListParts", Bucket, ExpectedBucketOwner)
            upload = _upload(bucket, "ListParts", UploadId)
            numbers = sorted(number for number in upload["parts"] if number > PartNumberMarker)
            page = numbers[: min(MaxParts, self.world.page_keys)]
            listed = [upload["parts"][number].listed(number) for number in page]
            answer: dict[str, Any] = {"IsTruncated": len(page) < len(numbers), **({"Parts": listed} if listed else {})}
            return answer | ({"NextPartNumberMarker": page[-1]} if answer["IsTruncated"] else {})

        return self._step("ListParts", Key, act)

    def upload_part_copy(self, **parameters: Any) -> dict[str, Any]:
        """Both buckets at once: the own role reads the source only where the producer lets it in."""

        def act() -> dict[str, Any]:
            operation, asked = "UploadPartCopy", parameters["CopySource"]
            bucket = self._bucket(operation, parameters["Bucket"], parameters["ExpectedBucketOwner"])
            upload = _upload(bucket, operation, parameters["UploadId"])
            source = self.world.buckets[asked["Bucket"]]
            if not self.world.lets_replicator_in or parameters["ExpectedSourceBucketOwner"] != source.owner:
                raise refuse(operation, "AccessDenied", 403)
            version = _find(source, operation, asked["Key"], asked.get("VersionId"))
            if parameters.get("CopySourceIfMatch", f'"{version.etag}"') != f'"{version.etag}"':
                raise refuse(operation, "PreconditionFailed", 412)
            first, last = map(int, parameters["CopySourceRange"].removeprefix("bytes=").split("-"))
            if last >= len(version.body):
                raise refuse(operation, "InvalidArgument", 400)
            body = self.world.copied(version.body[first : last + 1])
            found = checksum.of(body, upload["parameters"]["ChecksumAlgorithm"])
            etag = f'"{next(self.world.numbers):032x}"'
            upload["parts"][parameters["PartNumber"]] = UploadedPart(body, etag, found)
            return {"CopyPartResult": {"ETag": etag, **found.parameter()}}

        return self._step("UploadPartCopy", parameters["Key"], act)

    def complete_multipart_upload(self, **parameters: Any) -> dict[str, Any]:
        operation = "CompleteMultipartUpload"

        def act() -> dict[str, Any]:
            bucket = self._bucket(operation, parameters["Bucket"], parameters["ExpectedBucketOwner"])
            upload = _upload(bucket, operation, parameters["UploadId"])
            _check_condition(bucket, operation, parameters)
            taken = _taken(upload, parameters["MultipartUpload"]["Parts"], self.world.least_part_bytes)
            bodies = [part.body for part in taken]
            body = b"".join(bodies)
            if parameters["MpuObjectSize"] != len(body):
                raise refuse(operation, "InvalidRequest", 400)
            stored = _completed(upload, parameters, taken, body)
            del bucket.uploads[parameters["UploadId"]]
            written = (bucket, parameters["Key"], body, upload["parameters"], stored, bodies, upload["number"])
            return self._written(*written)

        return self._step(operation, parameters["Key"], act)

    def list_multipart_uploads(
        self,
        *,
        Bucket: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
        EncodingType: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert EncodingType == "url"

        def act() -> dict[str, Any]:
            bucket = self._bucket("ListMultipartUploads", Bucket, ExpectedBucketOwner)
            uploads = [
                {
                    "Key": upload["parameters"]["Key"],
                    "UploadId": upload_id,
                    "Initiated": datetime.fromtimestamp(upload["initiated"], UTC),
                }
                for upload_id, upload in bucket.uploads.items()
            ]
            return {"Uploads": uploads, "IsTruncated": False}

        return self._step("ListMultipartUploads", None, act)

    def abort_multipart_upload(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        ExpectedBucketOwner: str,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("AbortMultipartUpload", Bucket, ExpectedBucketOwner)
            _upload(bucket, "AbortMultipartUpload", UploadId)
            del bucket.uploads[UploadId]
            return {}

        return self._step("AbortMultipartUpload", Key, act)


def _find(bucket: Bucket, operation: str, key: str, version_id: str | None) -> Version:
    if version_id is None:
        version = bucket.current(key)
        if version is None:
            raise refuse(operation, "NoSuchKey", 404)
        return version
    for version in bucket.keys.get(key, []):
        if version.id == version_id and not version.marker:
            return version
    raise refuse(operation, "NoSuchVersion", 404)


def _pinned(bucket: Bucket, operation: str, key: str, version_id: str | None, if_match: str | None) -> Version:
    try:
        version = _find(bucket, operation, key, version_id)
    except ClientError as error:
        if operation == "HeadObject":  # whose answers have no body to carry a code
            raise refuse(operation, "404", 404) from error
        raise
    if if_match is not None and if_match != f'"{version.etag}"':
        raise refuse(operation, "412" if operation == "HeadObject" else "PreconditionFailed", 412)
    return version


def _span(version: Version, operation: str, wanted: str | None, number: int | None) -> tuple[int, int]:
    """The first and the last byte of what is asked for."""
    if wanted:
        first, last = (int(position) for position in wanted.removeprefix("bytes=").split("-"))
        if first >= len(version.body):
            raise refuse(operation, "InvalidRange", 416)
        return first, min(last, len(version.body) - 1)
    parts = version.parts or [version.body]
    if number is None:
        return 0, len(version.body) - 1
    if number > len(parts):
        raise refuse(operation, "416" if operation == "HeadObject" else "InvalidPartNumber", 416)
    first = sum(map(len, parts[: number - 1]))
    return first, first + len(parts[number - 1]) - 1


def _checksummed(version: Version, number: int | None) -> dict[str, Any]:
    """Of a part only where the object's is COMPOSITE; of the object as it was stored."""
    stored = version.checksum
    if stored is None:
        return {}
    kind = "COMPOSITE" if stored.parts else "FULL_OBJECT"
    if number is None or not version.parts:
        return {**stored.parameter(), "ChecksumType": kind}
    if not stored.parts:
        return {}
    return {**checksum.of(version.parts[number - 1], stored.algorithm).parameter(), "ChecksumType": kind}


def _received(parameters: dict[str, Any]) -> tuple[bytes, Checksum | None]:
    """What arrives of a request's body, and the checksum told with it: in a header, or after it in a trailer."""
    body, trailer = parameters["Body"], parameters.get("TrailingChecksum")
    if isinstance(body, bytes | bytearray):
        received, length = bytes(body), parameters.get("ContentLength", len(body))
    else:
        length = parameters["ContentLength"]
        buffer = bytearray(length)
        view, count = memoryview(buffer), 0
        while count < length:
            count += body.readinto(view[count : count + STREAM_BYTES])
        received = bytes(buffer)
    assert len(received) == length
    told = Checksum(trailer.algorithm, trailer.value()) if trailer else checksum.from_answer(parameters)
    return received, told


def _fits(body: bytes, told: Checksum) -> bool:
    return told.algorithm not in COMPUTABLE or checksum.of(body, told.algorithm) == told


def _taken(upload: dict[str, Any], listed: list[dict[str, Any]], least: int) -> list[UploadedPart]:
    """The parts that a completion names, as S3 wants them: in order from 1, as they were uploaded, none too small."""
    operation = "CompleteMultipartUpload"
    if [part["PartNumber"] for part in listed] != list(range(1, len(listed) + 1)):
        raise refuse(operation, "InvalidPartOrder", 400)
    taken = []
    for part in listed:
        had = upload["parts"].get(part["PartNumber"])
        told = checksum.from_answer(part)
        if told is None:
            raise refuse(
                operation, "InvalidRequest", 400, "The complete request must include the checksum for each part."
            )
        if had is None or had.etag != part["ETag"] or had.checksum != told:
            raise refuse(operation, "InvalidPart", 400)
        taken.append(had)
    if any(len(part.body) < least for part in taken[:-1]):
        raise refuse(operation, "EntityTooSmall", 400)
    return taken


def _completed(upload: dict[str, Any], parameters: dict[str, Any], taken: list[UploadedPart], body: bytes) -> Checksum:
    """The checksum of the object, by the upload's algorithm and type; what the completion told must be it."""
    operation = "CompleteMultipartUpload"
    algorithm, kind = upload["parameters"]["ChecksumAlgorithm"], upload["parameters"]["ChecksumType"]
    if parameters.get("ChecksumType", kind) != kind:
        raise refuse(operation, "InvalidRequest", 400)
    full = kind == "FULL_OBJECT"
    stored = checksum.of(body, algorithm) if full else composite.of([part.checksum for part in taken])
    told = checksum.from_answer({name: value for name, value in parameters.items() if name != "ChecksumType"})
    if told not in (None, stored):
        raise refuse(operation, "BadDigest", 400)
    return stored


def _entry(key: str, version: Version | None) -> dict[str, Any]:
    assert version is not None
    return {
        "Key": key,
        "ETag": f'"{version.etag}"',
        "LastModified": datetime.fromtimestamp(version.modified, UTC),
        "Size": len(version.body),
        "StorageClass": version.attributes.get("StorageClass", "STANDARD"),
    }


def _upload(bucket: Bucket, operation: str, upload_id: str) -> dict[str, Any]:
    if upload_id not in bucket.uploads:
        raise refuse(operation, "NoSuchUpload", 404)
    return bucket.uploads[upload_id]


def _check_head(operation: str, parameters: dict[str, Any]) -> None:
    """S3 takes 8 KB of headers: those of a caller beside its signature, its session's token and their like.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""
    texts = [text for text in parameters.values() if isinstance(text, str)]
    texts += [f"x-amz-meta-{name}: {value}" for name, value in parameters.get("Metadata", {}).items()]
    if sum(len(text.encode()) for text in texts) > HEAD_BYTES - SIGNED_BYTES:
        raise refuse(operation, "RequestHeaderSectionTooLarge", 400)


def _check_condition(bucket: Bucket, operation: str, parameters: dict[str, Any]) -> None:
    current = bucket.current(parameters["Key"])
    if parameters.get("IfNoneMatch") == "*" and current is not None:
        raise refuse(operation, "PreconditionFailed", 412)
    if "IfMatch" in parameters and current is None:
        raise refuse(operation, "NoSuchKey", 404)
    if "IfMatch" in parameters and current is not None and parameters["IfMatch"] != f'"{current.etag}"':
        raise refuse(operation, "PreconditionFailed", 412)


def _described(bucket: Bucket, version: Version) -> dict[str, Any]:
    answer = {
        "ETag": f'"{version.etag}"',
        "LastModified": datetime.fromtimestamp(version.modified, UTC),
        "Metadata": version.attributes.get("Metadata", {}),
    }
    if bucket.versioned:
        answer["VersionId"] = version.id
    if version.tags and not version.attributes.get("TagsHidden"):  # S3 counts only tags that the role may see
        answer["TagCount"] = len(version.tags)
    carried = ("ContentType", "CacheControl", "ExpiresString", "StorageClass", "MissingMeta")
    return answer | {name: version.attributes[name] for name in carried if name in version.attributes}
