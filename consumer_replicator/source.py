"""The producer's bucket, read with the assumed role and nothing else (edge).

Every read names the bucket's expected owner, so that a bucket of the same name in other hands is never believed.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator import carried, checksum, errors
from consumer_replicator.aws_errors import code_of, translated
from consumer_replicator.carried import Carried
from consumer_replicator.checksum import Checksum
from consumer_replicator.errors import HydrationError, SourceMoved, TagsDenied
from consumer_replicator.identity import NO_VERSION, SourceIdentity
from consumer_replicator.parts import Part

RESERVED_TAG_PREFIX = "aws:"
"""Tags of AWS itself: readable, but nobody else may write them.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """The source's current object, as one GetObject answered. `body` is a stream, unread."""

    identity: SourceIdentity
    carried: Carried
    checksum: Checksum | None
    tag_count: int
    missing_metadata: int
    body: Any

    def read(self) -> bytes:
        """The whole body.

        :raises HydrationError: `truncated`, `connection`.
        """
        with translated("source"):
            data: bytes = self.body.read()
        if len(data) != self.identity.size:
            raise HydrationError("truncated", f"Read {len(data)} of {self.identity.size} bytes.")
        return data


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
            yield _source_object(answer)
        finally:
            answer["Body"].close()

    def _get(self, key: str) -> Mapping[str, Any] | None:
        with translated("source"):
            try:
                answer: Mapping[str, Any] = self._s3.get_object(Key=key, ChecksumMode="ENABLED", **self._where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT:
                    return None
                raise
            return answer

    def part(self, key: str, identity: SourceIdentity, part: Part) -> bytes:
        """The bytes of one part, pinned to the very object that `identity` names.

        :raises SourceMoved: that object is gone or replaced.
        :raises HydrationError: everything else.
        """
        version = identity.pinned_version
        pin = {"VersionId": version} if version else {"IfMatch": f'"{identity.etag}"'}
        with translated("source"):
            try:
                answer = self._s3.get_object(Key=key, Range=f"bytes={part.first}-{part.last}", **pin, **self._where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT | errors.CONDITION_FAILED | {"NoSuchVersion", "InvalidRange"}:
                    raise SourceMoved(f"{error.operation_name}: {code_of(error)}") from error
                raise
            data: bytes = answer["Body"].read()
        if len(data) != part.size:
            raise HydrationError("truncated", f"Part {part.number}: read {len(data)} of {part.size} bytes.")
        return data

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
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"] if not tag["Key"].startswith(RESERVED_TAG_PREFIX)}


def _source_object(answer: Mapping[str, Any]) -> SourceObject:
    version = answer.get("VersionId")
    return SourceObject(
        identity=SourceIdentity(
            version_id=None if version == NO_VERSION else version,
            etag=answer["ETag"].strip('"'),
            last_modified=int(answer["LastModified"].timestamp()),
            size=answer["ContentLength"],
        ),
        carried=carried.from_answer(answer),
        checksum=checksum.from_answer(answer),
        tag_count=answer.get("TagCount", 0),
        missing_metadata=answer.get("MissingMeta", 0),
        body=answer["Body"],
    )
