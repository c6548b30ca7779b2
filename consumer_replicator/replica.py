"""The consumer's bucket: every write is conditional, under the consumer's key, with its provenance (edge).

Nothing is ever written outside this one bucket.
Conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote_plus, urlencode

from botocore.exceptions import ClientError

from consumer_replicator import checksum, errors, identity
from consumer_replicator.aws_errors import answered, code_of, translated
from consumer_replicator.carried import PROVENANCE_SOURCE, Carried, generation_in, storage_class, with_provenance
from consumer_replicator.checksum import COMPOSITE, FULL_OBJECT, Checksum, Running
from consumer_replicator.errors import HydrationError, ReplicaMoved
from consumer_replicator.pages import Onward
from consumer_replicator.parts import MAX_PARTS
from consumer_replicator.plan import ReplicaSeen
from consumer_replicator.row import ReplicaVersion

EXPIRES = "s3-hydration-expires"
NO_UPLOAD = frozenset({"NoSuchUpload", "404"})
ALL_PARTS = range(1, MAX_PARTS + 1)
PARTS_A_PAGE = 1_000
UPLOAD_MOVED = frozenset({"NoSuchUpload", "InvalidPart"})
TAGGING_CHARACTERS = 2_000
"""Tags that need more of a header are set by a request of their own. Ten of the longest need up to 46,000, and S3 takes
8 KB of headers in all, of which metadata may be 2.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""


class Readable(Protocol):
    """A body of `size` bytes that is read once, in order. A client cannot send it a second time."""

    @property
    def size(self) -> int: ...

    def readinto(self, view: memoryview, /) -> int: ...


type Body = bytes | bytearray | Readable


@dataclass(frozen=True, slots=True)
class Writing:
    """What a new replica is written with. `expected` None: there must be none yet. `source` is an identity's token."""

    key: str
    carried: Carried
    tags: Mapping[str, str]
    expected: ReplicaVersion | None
    source: str
    generation: int

    @property
    def condition(self) -> dict[str, str]:
        return {"IfMatch": f'"{self.expected.etag}"'} if self.expected else {"IfNoneMatch": "*"}

    @property
    def tagging(self) -> str:
        """The tags as they go with the bytes; empty where there are none, or where they must be set afterwards."""
        text = urlencode(self.tags, quote_via=quote)
        return text if len(text) <= TAGGING_CHARACTERS else ""

    @property
    def leaves_tags(self) -> bool:
        """Whether the new replica does not have its tags yet."""
        return bool(self.tags) and not self.tagging


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """`retries`: how often its bytes had to be read or sent again."""

    number: int
    size: int
    etag: str
    checksum: Checksum
    retries: int = 0


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """`initiated` in seconds since the epoch."""

    key: str
    upload_id: str
    initiated: float


class Replica:
    """`s3` signs with the function's own role; `classes` is the storage class policy: `preserve` or a class.

    `takes_streams`: whether it sends what can be read but once. Ours does; botocore's wants to rewind.
    """

    def __init__(self, s3: Any, bucket: str, owner: str, key_arn: str, classes: str) -> None:
        self._s3 = s3
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn, "BucketKeyEnabled": True}
        self._classes = classes
        self.takes_streams: bool = getattr(s3, "takes_streams", False)
        for operation in ("PutObject", "CreateMultipartUpload"):
            s3.meta.events.register(f"provide-client-params.s3.{operation}", _take_expires)
            s3.meta.events.register(f"before-call.s3.{operation}", _send_expires)

    def head(self, key: str) -> ReplicaSeen | None:
        """The current replica with its provenance, or None.

        :raises HydrationError: anything but an answer or an absence.
        """
        with translated("replica"):
            try:
                answer = self._s3.head_object(Key=key, ChecksumMode="ENABLED", **self._where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT:
                    return None
                raise
        with answered():
            return _seen(answer)

    def put(self, writing: Writing, body: Body, sent: Checksum | Running) -> ReplicaVersion:
        """Writes the replica in one request; S3 refuses a body that does not have this checksum.

        :raises ReplicaMoved: the replica is not the expected one.
        :raises HydrationError: everything else.
        """
        with self._conditional():
            answer = self._s3.put_object(
                Body=body,
                ContentLength=_size(body),
                **_checksummed(sent),
                **self._attributes(writing),
                **writing.condition,
            )
        with answered():
            return _version(answer)

    def _attributes(self, writing: Writing) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "Key": writing.key,
            "Metadata": with_provenance(writing.carried.metadata, writing.source, writing.generation),
            "StorageClass": storage_class(self._classes, writing.carried.storage_class),
            **writing.carried.headers,
            **self._encryption,
            **self._where,
        }
        if tagging := writing.tagging:
            attributes["Tagging"] = tagging
        if writing.carried.expires is not None:
            attributes[EXPIRES] = writing.carried.expires
        return attributes

    def open_upload(self, writing: Writing, algorithm: str, checksum_type: str = FULL_OBJECT) -> str:
        """Opens a multipart upload whose checksum is to be of this algorithm and type; its upload id."""
        with translated("replica"):
            answer = self._s3.create_multipart_upload(
                ChecksumAlgorithm=algorithm, ChecksumType=checksum_type, **self._attributes(writing)
            )
        with answered():
            return str(answer["UploadId"])

    def upload_part(self, key: str, upload_id: str, number: int, body: Body, sent: Checksum | Running) -> UploadedPart:
        """Uploads one part; S3 refuses a body that does not have this checksum.

        :raises ReplicaMoved: the upload is gone.
        :raises HydrationError: everything else.
        """
        with self._conditional():
            answer = self._s3.upload_part(
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentLength=_size(body),
                **_checksummed(sent),
                **self._where,
            )
        known = sent.checksum() if isinstance(sent, Running) else sent
        with answered():
            return UploadedPart(number, _size(body), answer["ETag"], known)

    def list_parts(self, key: str, upload_id: str, among: range = ALL_PARTS) -> list[UploadedPart]:
        """The parts that an upload has, in the order of their numbers; of these numbers alone.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html

        :raises ReplicaMoved: the upload is gone.
        :raises HydrationError: everything else.
        """
        found: list[UploadedPart] = []
        onward = Onward("an upload's parts")
        request: dict[str, Any] = {"Key": key, "UploadId": upload_id, **self._where}
        if among != ALL_PARTS:
            request |= {"PartNumberMarker": among.start - 1, "MaxParts": min(len(among), PARTS_A_PAGE)}
        while True:
            with self._conditional():
                answer = self._s3.list_parts(**request)
            with answered():  # one without its end would look like an upload without parts
                found += [_uploaded(part) for part in answer.get("Parts", []) if part["PartNumber"] in among]
                if not answer["IsTruncated"] or answer["NextPartNumberMarker"] >= among.stop - 1:
                    return found
                request["PartNumberMarker"] = answer["NextPartNumberMarker"]
            onward.to(request["PartNumberMarker"])

    def complete_upload(
        self,
        writing: Writing,
        upload_id: str,
        uploaded: list[UploadedPart],
        whole: Checksum,
    ) -> ReplicaVersion:
        """Makes the upload the replica, if the replica is still the expected one and the whole has this checksum.

        S3 checks a FULL_OBJECT one; a COMPOSITE one it makes itself, of the parts' checksums, which it checks.

        :raises ReplicaMoved: 412, or 409, which asks for the whole upload again.
        :raises HydrationError: `truncated`: it has another checksum; `aws-error`: the answer says neither yes nor no.
        """
        checked = {"ChecksumType": COMPOSITE} if whole.parts else {"ChecksumType": FULL_OBJECT, **whole.parameter()}
        with self._conditional():
            answer = self._s3.complete_multipart_upload(
                Key=writing.key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": part.number, "ETag": part.etag, **part.checksum.parameter()} for part in uploaded
                    ]
                },
                MpuObjectSize=sum(part.size for part in uploaded),
                **checked,
                **writing.condition,
                **self._where,
            )
        try:
            with answered():
                return _version(answer)
        except HydrationError as error:
            raise HydrationError("aws-error", str(error)) from error

    def abort_upload(self, key: str, upload_id: str) -> None:
        with translated("replica"):
            try:
                self._s3.abort_multipart_upload(Key=key, UploadId=upload_id, **self._where)
            except ClientError as error:
                if code_of(error) not in NO_UPLOAD:
                    raise

    def open_uploads(self) -> Iterator[OpenUpload]:
        """Every multipart upload that is neither completed nor aborted.

        Keys come URL-encoded, since XML cannot carry all of them; botocore decodes them for object listings only.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
        """
        request: dict[str, Any] = {"EncodingType": "url", **self._where}
        onward = Onward("the open uploads")
        while True:
            with translated("replica"), answered():
                answer = self._s3.list_multipart_uploads(**request)
                decoded = unquote_plus if answer.get("EncodingType") == "url" else str
                uploads = [
                    OpenUpload(decoded(upload["Key"]), upload["UploadId"], upload["Initiated"].timestamp())
                    for upload in answer.get("Uploads", [])
                ]
                more = answer["IsTruncated"]
                if more:
                    request["KeyMarker"] = decoded(answer["NextKeyMarker"])
                    request["UploadIdMarker"] = answer["NextUploadIdMarker"]
            yield from uploads
            if not more:
                return
            onward.to((request["KeyMarker"], request["UploadIdMarker"]))

    def delete(self, key: str, expected: ReplicaVersion) -> None:
        """Deletes the replica if it is still the expected one; one that is already gone is fine.

        :raises ReplicaMoved: the replica is another one.
        """
        with translated("replica"):
            try:
                self._s3.delete_object(Key=key, IfMatch=f'"{expected.etag}"', **self._where)
            except ClientError as error:
                if code_of(error) in errors.CONDITION_FAILED:
                    raise ReplicaMoved("DeleteObject") from error
                if code_of(error) not in errors.ABSENT:
                    raise

    def set_tags(self, key: str, version: ReplicaVersion, tags: Mapping[str, str]) -> None:
        """Makes these the tags of this very version of the replica.

        :raises ReplicaMoved: that version is gone.
        """
        where: dict[str, Any] = {"Key": key, **self._where}
        if version.version_id:
            where["VersionId"] = version.version_id
        with translated("replica"):
            try:
                if tags:
                    tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
                    self._s3.put_object_tagging(Tagging={"TagSet": tag_set}, **where)
                else:
                    self._s3.delete_object_tagging(**where)
            except ClientError as error:
                if code_of(error) in errors.ABSENT | {"NoSuchVersion", "MethodNotAllowed"}:
                    raise ReplicaMoved(error.operation_name) from error
                raise

    @contextmanager
    def _conditional(self) -> Iterator[None]:
        """If-Match on a key that is gone answers 404: the replica moved, as with 412 and 409. Nor is an upload the one
        that was known if it is gone, or a part of it replaced by a request that took effect after it had been given up.
        """
        with translated("replica"):
            try:
                yield
            except ClientError as error:
                if code_of(error) in errors.CONDITION_FAILED | errors.ABSENT | UPLOAD_MOVED:
                    raise ReplicaMoved(error.operation_name) from error
                raise


def _size(body: Body) -> int:
    return len(body) if isinstance(body, bytes | bytearray) else body.size


def _checksummed(sent: Checksum | Running) -> dict[str, Any]:
    """A checksum that is known goes into a header; a running one follows the body as a trailer (see `lean`)."""
    return {"TrailingChecksum": sent} if isinstance(sent, Running) else dict(sent.parameter())


def _uploaded(part: Mapping[str, Any]) -> UploadedPart:
    known = checksum.from_answer(part)
    if known is None:
        raise HydrationError("unexpected", f"Part {part['PartNumber']} is listed without a checksum.")
    return UploadedPart(part["PartNumber"], part["Size"], part["ETag"], known)


def _seen(answer: Mapping[str, Any]) -> ReplicaSeen:
    return ReplicaSeen(
        version=_version(answer),
        source=answer["Metadata"].get(PROVENANCE_SOURCE),
        generation=generation_in(answer["Metadata"]),
        size=answer["ContentLength"],
        checksum=checksum.from_answer(answer),
    )


def _version(answer: Mapping[str, Any]) -> ReplicaVersion:
    return ReplicaVersion(answer["ETag"].strip('"'), identity.version_in(answer))


# Expires is text to S3 and a date to botocore, which cannot send "0" or "-1", both common. So it takes its own way:
# out of the parameters before they are validated, into the headers before they are signed.


def _take_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if EXPIRES in params:
        context[EXPIRES] = params.pop(EXPIRES)


def _send_expires(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if EXPIRES in context:
        params["headers"]["Expires"] = context[EXPIRES]
