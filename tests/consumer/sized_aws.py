"""Objects that are sizes and not bytes, on the fake AWS: 50 TB go through the real protocol in seconds.

Their bytes would be zeros, of any number, whose CRC64NVME is computed without them: checksums are as real as ever.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from consumer_replicator.checksum import Checksum, combined, of
from consumer_replicator.deadline import Deadline
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.part_carrier import Opened
from consumer_replicator.parts import Part
from consumer_replicator.proof import Proof
from consumer_replicator.replica import Replica, UploadedPart
from consumer_replicator.source import Source
from tests.consumer import fake_aws
from tests.consumer.fake_aws import QUEUE, Bucket, FakeS3, Version, World, refuse


class Zeros:
    """So many zeros. `len` counts them, a slice is some of them, and nobody reads them."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, some: slice) -> "Zeros":
        return Zeros(len(range(self.size)[some]))

    def readinto(self, _view: memoryview) -> int:
        raise AssertionError("nobody can read this much")

    def close(self) -> None:
        pass


@cache
def checksum_of_zeros(size: int) -> Checksum:
    """By halves: the CRC of a whole follows from those of its parts."""
    if size < 2:
        return of(b"\0" * size)
    half = checksum_of_zeros(size // 2)
    return combined([(half, size // 2), (half, size // 2), (checksum_of_zeros(size % 2), size % 2)])


class SizedWorld(World):
    def upload_size(self, key: str, size: int) -> str:
        """Somebody writes so many zeros to the source; the sequencer of the event."""
        return self.upload(key, Zeros(size))  # type: ignore[arg-type]

    def _store(self, bucket: Bucket, key: str, body: Any, *described: Any) -> Version:
        if not isinstance(body, Zeros):
            return super()._store(bucket, key, body, *described)
        version = super()._store(bucket, key, b"", *described)
        version.body, version.checksum = body, checksum_of_zeros(body.size)  # type: ignore[assignment]
        return version

    def send(self, body: str, delay: float = 0, queue: str = QUEUE, attributes: Any = None) -> None:
        """What has no message group goes before what has one: SQS is fair between groups."""
        super().send(body, delay, queue, attributes)
        if "MessageGroupId" not in (attributes or {}):
            self.queues[queue].rotate(1)

    def s3(self, principal: str) -> "SizedS3":
        return SizedS3(self, principal)


class SizedS3(FakeS3):
    def get_object(self, **parameters: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("GetObject", parameters["Bucket"], parameters["ExpectedBucketOwner"])
            pins = (parameters.get("VersionId"), parameters.get("IfMatch"))
            version = fake_aws._pinned(bucket, "GetObject", parameters["Key"], *pins)
            first, last = fake_aws._span(version, "GetObject", parameters.get("Range"), None)
            answer = fake_aws._described(bucket, version) | {"ContentLength": last + 1 - first}
            answer["Body"] = Zeros(last + 1 - first)
            return answer if "Range" in parameters else answer | fake_aws._checksummed(version, None)

        source = self.world.buckets[parameters["Bucket"]].current(parameters["Key"])
        if source is None or not isinstance(source.body, Zeros):
            return super().get_object(**parameters)
        return self._step("GetObject", parameters["Key"], act)

    def upload_part(self, **parameters: Any) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            bucket = self._bucket("UploadPart", parameters["Bucket"], parameters["ExpectedBucketOwner"])
            upload = fake_aws._upload(bucket, "UploadPart", parameters["UploadId"])
            told = checksum_of_zeros(len(parameters["Body"]))
            if parameters["ChecksumCRC64NVME"] != told.value:
                raise refuse("UploadPart", "BadDigest", 400)
            etag = f'"{next(self.world.numbers):032x}"'
            upload["parts"][parameters["PartNumber"]] = fake_aws.UploadedPart(parameters["Body"], etag, told)
            return {"ETag": etag}

        return self._step("UploadPart", parameters["Key"], act)

    def complete_multipart_upload(self, **parameters: Any) -> dict[str, Any]:
        operation = "CompleteMultipartUpload"

        def act() -> dict[str, Any]:
            bucket = self._bucket(operation, parameters["Bucket"], parameters["ExpectedBucketOwner"])
            upload = fake_aws._upload(bucket, operation, parameters["UploadId"])
            fake_aws._check_condition(bucket, operation, parameters)
            taken = fake_aws._taken(upload, parameters["MultipartUpload"]["Parts"], self.world.least_part_bytes)
            body = Zeros(sum(len(part.body) for part in taken))
            stored = checksum_of_zeros(len(body))
            if parameters["MpuObjectSize"] != len(body) or parameters["ChecksumCRC64NVME"] != stored.value:
                raise refuse(operation, "BadDigest", 400)
            del bucket.uploads[parameters["UploadId"]]
            written = (bucket, parameters["Key"], body, upload["parameters"], stored, [], upload["number"])
            return self._written(*written)  # type: ignore[arg-type]

        return self._step(operation, parameters["Key"], act)


class SizesOnly:
    """A `part_carrier.Carrier` that asks for each part, pinned as ever, and sends as many zeros, unread.

    `took`: is told the size of each, for a clock.
    """

    unmatched: ClassVar = Proof.COMPUTED

    def __init__(self, source: Source, replica: Replica, took: Callable[[int], None]) -> None:
        self._source = source
        self._replica = replica
        self._took = took

    def carry(self, key: str, identity: SourceIdentity, upload: Opened, part: Part, deadline: Deadline) -> UploadedPart:
        deadline.check()
        with self._source.part(key, identity, part):
            self._took(part.size)
            sent = checksum_of_zeros(part.size)
            body: Any = Zeros(part.size)
            return self._replica.upload_part(key, upload.upload_id, part.number, body, sent)
