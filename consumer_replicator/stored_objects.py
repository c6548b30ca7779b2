"""Objects of either bucket, looked at and read for a comparison: the source's with the assumed role, the replica's with
the own (edge).

Nothing is written. Bodies are pinned by ETag: under SSE-KMS it is another at every write, and where it is the MD5 of
the bytes, an object written anew with the same bytes is as good.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator import checksum, errors, identity
from consumer_replicator.aws_errors import Whose, answered, code_of, translated
from consumer_replicator.carried import generation_in
from consumer_replicator.comparison import Stored
from consumer_replicator.errors import ChangedUnderUs, HydrationError

PIECE_BYTES = 1024**2
MOVED = errors.ABSENT | errors.CONDITION_FAILED


class StoredObjects:
    """`s3` signs with the role that `whose` bucket asks for; `owner` is its account id. May be used by many threads."""

    def __init__(self, s3: Any, bucket: str, owner: str, whose: Whose) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._whose = whose

    def head(self, key: str) -> Stored | None:
        """The current object with its stored checksum; None: there is none.

        :raises HydrationError: everything else. A refusal says no more than 403: an answer to HEAD has no body.
        """
        with translated(self._whose):
            try:
                answer = self._s3.head_object(Key=key, ChecksumMode="ENABLED", **self._where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT:
                    return None
                raise
        with answered():
            made_under = generation_in(answer.get("Metadata", {}))
            return Stored(identity.from_answer(answer), checksum.from_answer(answer), made_under)

    def pieces(self, key: str, stored: Stored) -> Iterator[bytes]:
        """The bytes of exactly this object, at most 1 MiB at a time.

        :raises ChangedUnderUs: the object is gone or replaced.
        :raises HydrationError: `truncated`, `connection`, and everything else.
        """
        with translated(self._whose):
            try:
                answer = self._s3.get_object(Key=key, IfMatch=f'"{stored.identity.etag}"', **self._where)
            except ClientError as error:
                if code_of(error) in MOVED:
                    raise ChangedUnderUs(f"{error.operation_name}: {code_of(error)}") from error
                raise
        left = stored.identity.size
        try:
            while piece := self._read(answer["Body"]):
                left -= len(piece)
                yield piece
        finally:
            answer["Body"].close()
        if left:
            raise HydrationError("truncated", f"{stored.identity.size - left} of {stored.identity.size} bytes.")

    def _read(self, body: Any) -> bytes:
        with translated(self._whose):
            piece: bytes = body.read(PIECE_BYTES)
            return piece
