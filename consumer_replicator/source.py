"""The producer's bucket, read with the assumed role and nothing else (edge).

Every read names the bucket's expected owner, so that a bucket of the same name in other hands is never believed.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator import carried, checksum, errors, identity
from consumer_replicator.aws_errors import answered, code_of, translated
from consumer_replicator.carried import Carried
from consumer_replicator.checksum import FULL_OBJECT, Checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError, SourceMoved, TagsDenied
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import MAX_PART_BYTES, MAX_PARTS, Part

PIECE_BYTES = 256 * 1024
"""Read between two looks at the clock."""
RESERVED_TAG_PREFIX = "aws:"
"""Tags of AWS itself: readable, but nobody else may write them.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""

GONE = errors.ABSENT | errors.CONDITION_FAILED | {"NoSuchVersion"}
NO_SUCH_PART = frozenset({"400", "416", "501", "InvalidPartNumber", "InvalidRange", "NotImplemented"})
"""What HeadObject answers where the part is not there, or parts are not told apart at all."""


class SourceBody:
    """The bytes of one answer of GetObject, `size` of them, read once and in order.

    Every method raises HydrationError: `truncated` where they end too early, `connection`, and what the edge knows.
    `checksum`: the source's own for exactly these bytes, where the answer had one.
    """

    def __init__(self, raw: Any, size: int, checksum: Checksum | None = None) -> None:
        self.size = size
        self.checksum = checksum
        self._raw = raw
        self._left = size

    def read(self) -> bytes:
        """All of them, as new bytes."""
        with translated("source"):
            data: bytes = self._raw.read()
        if len(data) != self.size:
            raise HydrationError("truncated", f"Read {len(data)} of {self.size} bytes.")
        return data

    def readinto(self, view: memoryview) -> int:
        """The next bytes, at least one; 0 only when all were read."""
        if not self._left:
            return 0
        with translated("source"):
            count: int = self._raw.readinto(view[: self._left])
        if not count:
            raise HydrationError("truncated", f"Read {self.size - self._left} of {self.size} bytes.")
        self._left -= count
        return count

    def fill(self, view: memoryview, deadline: Deadline) -> None:
        """All of them, into a buffer of exactly their size. Raises `out-of-time`, too: they may come slowly."""
        while view:
            deadline.check()
            view = view[self.readinto(view[:PIECE_BYTES]) :]

    def close(self) -> None:
        with suppress(Exception):  # what is left of a connection is not worth a failure
            self._raw.close()


@dataclass(frozen=True, slots=True)
class SourceObject:
    """The source's current object, as one GetObject answered. `body` is unread; `checksum` may be COMPOSITE."""

    identity: SourceIdentity
    carried: Carried
    checksum: Checksum | None
    tag_count: int
    missing_metadata: int
    body: SourceBody

    def read(self, deadline: Deadline) -> bytes | bytearray:
        """All of its bytes. Raises `out-of-time`, too."""
        if self.body.size <= PIECE_BYTES:
            return self.body.read()
        body = bytearray(self.body.size)
        self.body.fill(memoryview(body), deadline)
        return body


class Source:
    """`s3` signs with the assumed role; `owner` is the producer's account id."""

    def __init__(self, s3: Any, bucket: str, owner: str) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}

    @contextmanager
    def current(self, key: str) -> Iterator[SourceObject | None]:
        """The current object, or None where there is none (404, a delete marker). A 403 is never an absence.

        :raises HydrationError: everything else.
        """
        answer = self._get(key)
        if answer is None:
            yield None
            return
        try:
            with answered():
                found = _source_object(answer)
            yield found
        finally:
            answer["Body"].close()

    def _get(self, key: str) -> Mapping[str, Any] | None:
        with translated("source"), answered():
            try:
                answer: Mapping[str, Any] = self._s3.get_object(Key=key, ChecksumMode="ENABLED", **self._where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT:
                    return None
                raise
            return answer

    @contextmanager
    def part(self, key: str, identity: SourceIdentity, part: Part, *, by_number: bool = False) -> Iterator[SourceBody]:
        """The bytes of one part, unread, pinned to the very object that `identity` names.

        `by_number`: the part is expected to be one of those that the source itself was uploaded in, so that its own
        checksum comes along; where its boundaries turn out to be others, the range is read without one.

        :raises SourceMoved: that object is gone or replaced.
        :raises HydrationError: everything else.
        """
        body = self._numbered(key, identity, part) if by_number else None
        body = body or self._ranged(key, identity, part)
        try:
            yield body
        finally:
            body.close()

    def _ranged(self, key: str, identity: SourceIdentity, part: Part) -> SourceBody:
        answer = self._pinned(key, identity, Range=f"bytes={part.first}-{part.last}")
        size, told = answer.get("ContentLength"), answer.get("ContentRange")
        if size != part.size:
            answer["Body"].close()
            raise HydrationError("truncated", f"Part {part.number}: {size} of {part.size} bytes.")
        if told not in (None, f"bytes {part.first}-{part.last}/{identity.size}"):
            answer["Body"].close()
            raise HydrationError("truncated", f"Part {part.number}: other bytes came than were asked for.")
        return SourceBody(answer["Body"], part.size)

    def _numbered(self, key: str, identity: SourceIdentity, part: Part) -> SourceBody | None:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestParameters"""
        try:
            answer = self._pinned(key, identity, PartNumber=part.number, ChecksumMode="ENABLED")
        except SourceMoved:  # or merely no such part: the range will tell
            return None
        if answer.get("ContentRange") == f"bytes {part.first}-{part.last}/{identity.size}":
            own = checksum.from_answer({**answer, "ChecksumType": FULL_OBJECT})  # the type is told of the object
            return SourceBody(answer["Body"], part.size, own)
        answer["Body"].close()
        return None

    def _pinned(self, key: str, identity: SourceIdentity, **what: Any) -> Mapping[str, Any]:
        with translated("source"), answered():
            try:
                answer: Mapping[str, Any] = self._s3.get_object(Key=key, **what, **_pin(identity), **self._where)
            except ClientError as error:
                if code_of(error) in GONE | {"InvalidRange", "InvalidPartNumber", "416"}:
                    raise SourceMoved(f"{error.operation_name}: {code_of(error)}") from error
                raise
            return answer

    def uploaded_part(self, key: str, identity: SourceIdentity, number: int) -> int | None:
        """How many bytes the part had that the object was uploaded with under this number; None if that cannot be told.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html

        :raises SourceMoved: that object is gone or replaced.
        :raises HydrationError: everything else.
        """
        with translated("source"):
            try:
                answer = self._s3.head_object(Key=key, PartNumber=number, **_pin(identity), **self._where)
            except ClientError as error:
                if code_of(error) in NO_SUCH_PART:
                    return None
                if code_of(error) in GONE:
                    raise SourceMoved(f"{error.operation_name}: {code_of(error)}") from error
                raise
        return int(answer["ContentLength"]) if "PartsCount" in answer and "ContentLength" in answer else None

    def tags(self, key: str, identity: SourceIdentity) -> dict[str, str]:
        """The object's tags, without those that only AWS may write.

        :raises TagsDenied: the read role may not.
        :raises SourceMoved: the object is gone.
        :raises HydrationError: everything else.
        """
        pin = {"VersionId": identity.pinned_version} if identity.pinned_version else {}
        with translated("source"):
            try:
                answer = self._s3.get_object_tagging(Key=key, **pin, **self._where)
            except ClientError as error:
                if code_of(error) in errors.DENIED and error.operation_name == "GetObjectTagging":  # not AssumeRole
                    raise TagsDenied from error
                if code_of(error) in errors.ABSENT | {"NoSuchVersion", "MethodNotAllowed"}:
                    raise SourceMoved(f"{error.operation_name}: {code_of(error)}") from error
                raise
        with answered():
            tags = answer["TagSet"]
            return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith(RESERVED_TAG_PREFIX)}


def _pin(identity: SourceIdentity) -> dict[str, str]:
    version = identity.pinned_version
    return {"VersionId": version} if version else {"IfMatch": f'"{identity.etag}"'}


def _source_object(answer: Mapping[str, Any]) -> SourceObject:
    """:raises ValueError: it says that it is larger than S3's objects can be."""
    if not 0 <= answer["ContentLength"] <= MAX_PARTS * MAX_PART_BYTES:
        raise ValueError("a size that no object has")
    return SourceObject(
        identity=identity.from_answer(answer),
        carried=carried.from_answer(answer),
        checksum=checksum.from_answer(answer),
        tag_count=answer.get("TagCount", 0),
        missing_metadata=answer.get("MissingMeta", 0),
        body=SourceBody(answer["Body"], answer["ContentLength"]),
    )
