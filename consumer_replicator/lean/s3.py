"""GetObject, PutObject and UploadPart over the lean client; everything else is the wrapped client's (edge).

What a table here does not name (a parameter, a type, a kind of bucket, an answer that asks to go elsewhere) is handed
to botocore, whole.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError, ParamValidationError
from botocore.utils import parse_timestamp

from consumer_replicator.lean.endpoint import Endpoint, endpoint_of
from consumer_replicator.lean.request_body import Stream
from consumer_replicator.lean.service import Reply, Request, Service, uncounted
from consumer_replicator.lean.signature import STREAMING_UNSIGNED_PAYLOAD_TRAILER, UNSIGNED_PAYLOAD

ALGORITHMS = (
    *("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"),
    *("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"),
)
CHECKSUMS = {f"Checksum{name}": f"x-amz-checksum-{name.lower()}" for name in ALGORITHMS}
OWNER = {"ExpectedBucketOwner": "x-amz-expected-bucket-owner"}
EXPIRES = "s3-hydration-expires"
"""Expires as the text it is: S3 takes any, botocore a date only (see `replica`)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`headers` and `query`: parameter -> its name on the wire."""

    name: str
    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]


GET_OBJECT = Operation(
    "GetObject",
    "GET",
    {
        **OWNER,
        "ChecksumMode": "x-amz-checksum-mode",
        "IfMatch": "if-match",
        "IfNoneMatch": "if-none-match",
        "Range": "range",
    },
    {"PartNumber": "partNumber", "VersionId": "versionId"},
)
PUT_OBJECT = Operation(
    "PutObject",
    "PUT",
    {
        **OWNER,
        **CHECKSUMS,
        EXPIRES: "expires",
        "BucketKeyEnabled": "x-amz-server-side-encryption-bucket-key-enabled",
        "CacheControl": "cache-control",
        "ContentDisposition": "content-disposition",
        "ContentEncoding": "content-encoding",
        "ContentLanguage": "content-language",
        "ContentType": "content-type",
        "IfMatch": "if-match",
        "IfNoneMatch": "if-none-match",
        "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
        "ServerSideEncryption": "x-amz-server-side-encryption",
        "StorageClass": "x-amz-storage-class",
        "Tagging": "x-amz-tagging",
        "WebsiteRedirectLocation": "x-amz-website-redirect-location",
    },
    {},
)
UPLOAD_PART = Operation(
    "UploadPart", "PUT", {**OWNER, **CHECKSUMS}, {"PartNumber": "partNumber", "UploadId": "uploadId"}
)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html, and so on."""

METADATA = "x-amz-meta-"
ELSEWHERE = frozenset(
    {"301", "302", "307", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
    | {"IllegalLocationConstraintException"}
)
"""Codes with which S3 says that the bucket is in another region: botocore finds out which, and remembers."""


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
"""What a header's name is made of (RFC 9110)."""

type Convert = Callable[[str], Any]


class LeanS3:
    """Answers for the botocore S3 client that it wraps. Threads share it. `counted` is told of each call's name."""

    takes_streams = True

    def __init__(self, client: Any, counted: Callable[[str], None] = uncounted) -> None:
        self._client = client
        self._service = Service(client, counted)
        self._endpoints: dict[str, Endpoint | None] = {}
        self._members: dict[str, Mapping[str, tuple[str, Convert | None]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        """Closes the idle connections, and the wrapped client's."""
        self._service.pool.close()
        self._client.close()

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        """`Body` has `read`, `readinto` and `close`; the rest is as botocore's."""
        return self._call(GET_OBJECT, self._client.get_object, parameters)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        """`Body`: bytes; or what has `readinto`, with its `ContentLength`, which is sent once and never again.

        `TrailingChecksum`: follows such a stream, and is asked for its `value()` when the last byte was read.
        """
        return self._call(PUT_OBJECT, self._client.put_object, parameters)

    def upload_part(self, **parameters: Any) -> dict[str, Any]:
        """`Body` and `TrailingChecksum` as for `put_object`."""
        return self._call(UPLOAD_PART, self._client.upload_part, parameters)

    def _call(self, operation: Operation, botocores: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
        request = self._request(operation, parameters)
        if request is None:
            return botocores(**parameters)  # type: ignore[no-any-return]
        try:
            reply = self._service.call(operation.name, request, streamed=operation is GET_OBJECT)
        except ClientError as error:
            if request.is_spent or not _is_elsewhere(error):
                raise
            del self._endpoints[parameters["Bucket"]]
            return botocores(**parameters)  # type: ignore[no-any-return]
        return self._answer(operation, reply)

    # -- the request ---------------------------------------------------------------------------------------------------

    def _request(self, operation: Operation, parameters: Mapping[str, Any]) -> Request | None:
        """None: botocore's.

        :raises BotoCoreError: there can be no such bucket or metadata.
        """
        rest = dict(parameters)
        bucket, key = rest.pop("Bucket", None), rest.pop("Key", None)
        body = _body(rest) if operation.method == "PUT" else b""
        headers = _metadata_headers(rest.pop("Metadata", {})) if operation is PUT_OBJECT else {}
        endpoint = self._endpoint(bucket) if isinstance(bucket, str) and isinstance(key, str) and key else None
        if body is None or headers is None or endpoint is None:
            return None
        query = []
        for name, value in rest.items():
            text = _text(value)
            if text is None:
                return None
            elif name in operation.headers:
                headers[operation.headers[name]] = text
            elif name in operation.query:
                query.append(f"{operation.query[name]}={quote(text, safe='')}")
            else:
                return None
        _describe(body, headers, operation.method, endpoint.address.scheme)
        path = endpoint.path + quote(key, safe="/~")
        return Request(endpoint, operation.method, path, "&".join(sorted(query)), headers, body)

    def _endpoint(self, bucket: str) -> Endpoint | None:
        """Its `path` is the part before the key."""
        if bucket not in self._endpoints:
            found = endpoint_of(self._client, "GetObject", {"Bucket": bucket, "Key": "k"})
            self._endpoints[bucket] = found and replace(found, path=found.path.removesuffix("k"))
        return self._endpoints[bucket]

    # -- the answer ----------------------------------------------------------------------------------------------------

    def _answer(self, operation: Operation, reply: Reply) -> dict[str, Any]:
        members = self._members_of(operation.name)
        answer: dict[str, Any] = {"ResponseMetadata": reply.metadata}
        metadata = {}
        for name, value in reply.answer.headers.items():
            if name in members:
                member, convert = members[name]
                answer[member] = convert(value) if convert else value
            elif name.startswith(METADATA):
                metadata[name.removeprefix(METADATA)] = value
        if operation is GET_OBJECT:
            answer |= {"Metadata": metadata, "Body": reply.answer.body}
        if "Expires" in answer:
            _split_expires(answer)
        return answer

    def _members_of(self, operation: str) -> Mapping[str, tuple[str, Convert | None]]:
        """Header -> the answer's member, and how its text is read where it is not text, by the service's model."""
        if operation not in self._members:
            shape = self._client.meta.service_model.operation_model(operation).output_shape
            self._members[operation] = {
                member.serialization["name"].lower(): (
                    name,
                    None if name == "Expires" else TYPES[member.type_name],
                )
                for name, member in shape.members.items()
                if member.serialization.get("location") == "header"
            }
        return self._members[operation]


def _body(rest: dict[str, Any]) -> bytes | memoryview | Stream | None:
    """Takes what is about the body out of the parameters; None: botocore's."""
    body, size = rest.pop("Body", b""), rest.pop("ContentLength", None)
    if isinstance(body, bytes | bytearray | memoryview):
        view = body if isinstance(body, bytes) else memoryview(body).cast("B")
        return view if size in (None, len(view)) and "TrailingChecksum" not in rest else None
    if hasattr(body, "readinto") and isinstance(size, int):
        return Stream(body, size, rest.pop("TrailingChecksum", None))
    return None


def _metadata_headers(metadata: Any) -> dict[str, str] | None:
    """None: botocore's, which refuses what is not ASCII."""
    headers: dict[str, str] = {}
    for name, value in metadata.items():
        if not (isinstance(value, str) and name.isascii() and value.isascii()):
            return None
        if not TOKEN.fullmatch(name):
            raise ParamValidationError(report="A metadata name that cannot be a header's.")
        headers[METADATA + name.lower()] = value
    return headers


def _describe(body: bytes | memoryview | Stream, headers: dict[str, str], method: str, scheme: str) -> None:
    """Adds the headers that are about the body."""
    if isinstance(body, Stream):
        headers |= body.headers | {"expect": "100-continue"}
        if body.is_framed:
            encodings = [headers["content-encoding"]] if "content-encoding" in headers else []
            headers["content-encoding"] = ",".join([*encodings, "aws-chunked"])
        headers["x-amz-content-sha256"] = STREAMING_UNSIGNED_PAYLOAD_TRAILER if body.is_framed else UNSIGNED_PAYLOAD
        return
    if method == "PUT":
        headers["content-length"] = str(len(body))
    unsigned = body and scheme == "https"
    headers["x-amz-content-sha256"] = UNSIGNED_PAYLOAD if unsigned else sha256(body).hexdigest()


def _text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
    return None


def _is_elsewhere(error: ClientError) -> bool:
    code, status = error.response["Error"].get("Code"), error.response["ResponseMetadata"]["HTTPStatusCode"]
    return code in ELSEWHERE or status in (301, 302, 307)


def _timestamp(text: str) -> datetime:
    """Header dates take botocore's parser 50 microseconds, and are nearly always in the one form."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return parse_timestamp(text)


def _split_expires(answer: dict[str, Any]) -> None:
    """As botocore does: the text it is, and a date where it is one. Nothing is nothing."""
    if text := answer.pop("Expires"):
        answer["ExpiresString"] = text
        with suppress(ValueError, RuntimeError):
            answer["Expires"] = parse_timestamp(text)


TYPES: Mapping[str, Convert | None] = {
    "string": None,
    "boolean": lambda text: text == "true",
    "integer": int,
    "long": int,
    "timestamp": _timestamp,
}
