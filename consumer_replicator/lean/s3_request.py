"""The requests of GetObject, PutObject and UploadPart (edge).

What is not named here (a parameter, a type) is no request of ours: it is botocore's.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, and so on
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ParamValidationError

from consumer_replicator.lean.endpoint import Endpoint
from consumer_replicator.lean.request_body import BASE64_SIZE, Stream
from consumer_replicator.lean.service import Request
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

METADATA = "x-amz-meta-"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
"""What a header's name is made of. https://www.rfc-editor.org/rfc/rfc9110#name-tokens"""


def request_of(operation: Operation, endpoint: Endpoint, parameters: Mapping[str, Any]) -> Request | None:
    """The request that asks for this; None: it is botocore's. `endpoint` is the bucket's, its path ends before the key.

    :raises ParamValidationError: there can be no such metadata.
    """
    rest = {name: value for name, value in parameters.items() if name not in ("Bucket", "Key")}
    body = _body(rest) if operation.method == "PUT" else b""
    headers = _metadata_headers(rest.pop("Metadata", {})) if operation is PUT_OBJECT else {}
    if body is None or headers is None:
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
    path = endpoint.path + quote(parameters["Key"], safe="/~")
    return Request(endpoint, operation.method, path, "&".join(sorted(query)), headers, body)


def _body(rest: dict[str, Any]) -> bytes | memoryview | Stream | None:
    """Takes what is about the body out of the parameters; None: botocore's."""
    body, size = rest.pop("Body", b""), rest.pop("ContentLength", None)
    if isinstance(body, bytes | bytearray | memoryview):
        view = body if isinstance(body, bytes) else memoryview(body).cast("B")
        return view if size in (None, len(view)) and "TrailingChecksum" not in rest else None
    trailing = rest.pop("TrailingChecksum", None)
    if hasattr(body, "readinto") and isinstance(size, int) and (trailing is None or trailing.algorithm in BASE64_SIZE):
        return Stream(body, size, trailing)
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
