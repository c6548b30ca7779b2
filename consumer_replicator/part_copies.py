"""Has S3 copy parts of a source object into an upload at the replica, for server-side copies (edge).

The one call that is about both buckets, so one principal must read there and write here: the function's own role, which
the producer lets in for nothing else.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator import errors
from consumer_replicator.aws_errors import answered, code_of, translated
from consumer_replicator.checksum import Checksum
from consumer_replicator.errors import HydrationError, ReplicaMoved, SourceMoved
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Part

SOURCE_GONE = errors.ABSENT | errors.CONDITION_FAILED | {"NoSuchVersion", "InvalidRange", "416"}
NOT_LET_IN = frozenset({"source-access-denied", "source-kms-denied"})
GRANT = "CopyMode is server-side, for which the producer must let the replicator's own role in (AllowServerSideCopies)."


@dataclass(frozen=True, slots=True)
class CopiedPart:
    """`checksum`: what S3 made of the bytes that it wrote, in the upload's algorithm."""

    etag: str
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class BucketOf:
    """A bucket by its name, and the account that must own it."""

    owner: str
    name: str


class PartCopies:
    """`s3` signs with the function's own role, and waits for an answer as long as a part may take."""

    def __init__(self, s3: Any, source: BucketOf, replica: BucketOf) -> None:
        self._s3 = s3
        self._source = source
        self._replica = replica

    def copy(self, key: str, identity: SourceIdentity, upload_id: str, part: Part, algorithm: str) -> CopiedPart:
        """Copies one part into an upload of this checksum algorithm, pinned to the very object that `identity` names.

        :raises SourceMoved: that object is gone or replaced.
        :raises ReplicaMoved: the upload is gone.
        :raises HydrationError: everything else. A denial that does not say otherwise is the source's: that the role may
            write here was seen when the upload was opened.
        """
        source: dict[str, str] = {"Bucket": self._source.name, "Key": key}
        pin = {}
        if identity.pinned_version:
            source["VersionId"] = identity.pinned_version
        else:
            pin["CopySourceIfMatch"] = f'"{identity.etag}"'
        try:
            with translated("source"):
                answer = self._asked(
                    Key=key,
                    UploadId=upload_id,
                    PartNumber=part.number,
                    CopySource=source,
                    CopySourceRange=f"bytes={part.first}-{part.last}",
                    **pin,
                )
        except HydrationError as error:
            if error.code in NOT_LET_IN:
                raise HydrationError(error.code, f"{GRANT} {error}") from error
            raise
        with answered():
            copied = answer["CopyPartResult"]
            etag, value = copied["ETag"], copied.get(f"Checksum{algorithm}")
        if not value:
            raise HydrationError("unexpected", f"Part {part.number} was copied without its {algorithm}.")
        return CopiedPart(etag, Checksum(algorithm, value))

    def _asked(self, **request: Any) -> Any:
        try:
            return self._s3.upload_part_copy(
                Bucket=self._replica.name,
                ExpectedBucketOwner=self._replica.owner,
                ExpectedSourceBucketOwner=self._source.owner,
                **request,
            )
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                raise ReplicaMoved(f"{error.operation_name}: NoSuchUpload") from error
            if code_of(error) in SOURCE_GONE:
                raise SourceMoved(f"{error.operation_name}: {code_of(error)}") from error
            if self._is_about_the_replica(error):
                with translated("replica"):
                    raise
            raise

    def _is_about_the_replica(self, error: ClientError) -> bool:
        """Where S3 names what was denied: a key of the replica's account, or the replica's bucket.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html"""
        return any(name in str(error) for name in (f":{self._replica.owner}:key/", f":::{self._replica.name}/"))
