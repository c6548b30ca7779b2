"""What makes a source object itself, and whether two of them are the same.

The source identity is the version-id where the bucket is versioned, else (ETag, LastModified, size). Source is only
ever compared with source: under SSE-KMS and for multipart uploads an ETag is opaque, so the replica's never equals it.

Sameness has three answers. `UNKNOWN` is not "same": whoever gets it copies again, or sends a hint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NO_VERSION = "null"
"""The version-id S3 gives to objects written while versioning was off or suspended: not unique, so not an identity.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html"""


class Sameness(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """`etag` without its quotes, `last_modified` in whole seconds since the epoch, `size` in bytes."""

    version_id: str | None
    etag: str
    last_modified: int
    size: int

    @property
    def pinned_version(self) -> str | None:
        """The version-id that pins reads to this very object; None where only If-Match can."""
        return None if self.version_id == NO_VERSION else self.version_id

    def token(self) -> str:
        """The identity as one ASCII word: what a replica's provenance metadata names."""
        if self.pinned_version:
            return f"v/{self.pinned_version}"
        return f"e/{self.etag}/{self.last_modified}/{self.size}"


def version_in(answer: Mapping[str, Any]) -> str | None:
    """The version-id in an answer about one object; None where it has none that is its own."""
    version = answer.get("VersionId")
    return None if version == NO_VERSION else version


def from_answer(answer: Mapping[str, Any]) -> SourceIdentity:
    """The identity in an answer of GetObject or HeadObject."""
    return SourceIdentity(
        version_id=version_in(answer),
        etag=answer["ETag"].strip('"'),
        last_modified=int(answer["LastModified"].timestamp()),
        size=answer["ContentLength"],
    )


def compare(one: SourceIdentity, other: SourceIdentity) -> Sameness:
    """Whether two readings of one key saw the same object."""
    if one.pinned_version and other.pinned_version:
        return Sameness.SAME if one.pinned_version == other.pinned_version else Sameness.DIFFERENT
    if (one.etag, one.last_modified, one.size) != (other.etag, other.last_modified, other.size):
        return Sameness.DIFFERENT
    if one.pinned_version or other.pinned_version:  # versioning was switched on or off between the two readings
        return Sameness.UNKNOWN
    return Sameness.SAME
