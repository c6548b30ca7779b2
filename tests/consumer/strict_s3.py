"""The fake AWS's S3 behind a real socket: HTTP/1.1 with keep-alive, `100-continue` and `aws-chunked` bodies.

It enforces what the fake enforces, checksums above all, and stores nothing of a body that did not arrive whole. The
hash that a signature may hold of the payload is not compared, although S3 does that: over TLS there is none, so that a
flipped bit must be found without it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

from botocore.exceptions import ClientError

from consumer_replicator.checksum import ALGORITHMS, Checksum
from tests.consumer.fake_aws import World

PRINCIPALS = {"AKIDSOURCE": "source", "AKIDOWN": "own"}
"""Who signed, by the access key."""
CHECKSUMS = {f"x-amz-checksum-{algorithm.lower()}": f"Checksum{algorithm}" for algorithm in ALGORITHMS}
ASKED = {
    "x-amz-expected-bucket-owner": "ExpectedBucketOwner",
    "x-amz-checksum-mode": "ChecksumMode",
    "x-amz-checksum-algorithm": "ChecksumAlgorithm",
    "x-amz-checksum-type": "ChecksumType",
    "x-amz-tagging": "Tagging",
    "x-amz-storage-class": "StorageClass",
    "if-match": "IfMatch",
    "if-none-match": "IfNoneMatch",
    "range": "Range",
    "content-type": "ContentType",
    **CHECKSUMS,
}
ANSWERED = {name: header for header, name in CHECKSUMS.items()} | {
    "ETag": "etag",
    "VersionId": "x-amz-version-id",
    "ContentRange": "content-range",
    "ContentType": "content-type",
    "ChecksumType": "x-amz-checksum-type",
    "PartsCount": "x-amz-mp-parts-count",
    "TagCount": "x-amz-tagging-count",
}
METADATA = "x-amz-meta-"


class Told:
    """A checksum that came behind its body."""

    def __init__(self, told: Checksum) -> None:
        self.algorithm = told.algorithm
        self._value = told.value

    def value(self) -> str:
        return self._value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def do_GET(self) -> None:
        client = self._client()
        self._answer(client.get_object_tagging if "tagging" in self._query() else client.get_object)

    def do_HEAD(self) -> None:
        self._answer(self._client().head_object)

    def do_PUT(self) -> None:
        client = self._client()
        self._answer(client.upload_part if "partNumber" in self._query() else client.put_object)

    def do_POST(self) -> None:
        client = self._client()
        self._answer(client.create_multipart_upload if "uploads" in self._query() else client.complete_multipart_upload)

    def do_DELETE(self) -> None:
        client = self._client()
        self._answer(client.delete_object_tagging if "tagging" in self._query() else client.abort_multipart_upload)

    def log_message(self, *_: object) -> None:
        pass

    # -- what is asked ---------------------------------------------------------------------------------------------

    def _client(self) -> Any:
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        return self.world.s3(PRINCIPALS[key])

    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def _parameters(self) -> dict[str, Any]:
        """:raises ConnectionError: the body did not arrive whole."""
        _, bucket, key = unquote(urlsplit(self.path).path).split("/", 2)
        parameters: dict[str, Any] = {"Bucket": bucket, "Key": key}
        parameters |= {ASKED[name.lower()]: value for name, value in self.headers.items() if name.lower() in ASKED}
        metadata = {
            name.lower().removeprefix(METADATA): value
            for name, value in self.headers.items()
            if name.lower().startswith(METADATA)
        }
        query = self._query()
        parameters |= {"VersionId": query["versionId"]} if "versionId" in query else {}
        parameters |= {"UploadId": query["uploadId"]} if "uploadId" in query else {}
        parameters |= {"PartNumber": int(query["partNumber"])} if "partNumber" in query else {}
        if self.command == "PUT":
            parameters |= {"Metadata": metadata} | self._body()
        elif self.command == "POST" and "uploads" in query:
            parameters["Metadata"] = metadata
        elif self.command == "POST":
            parameters["MpuObjectSize"] = int(self.headers["x-amz-mp-object-size"])
            parameters["MultipartUpload"] = {"Parts": _parts(self._read(int(self.headers["content-length"])))}
        return parameters

    def _body(self) -> dict[str, Any]:
        raw = self._read(int(self.headers["content-length"]))
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return {"Body": raw, "ContentLength": len(raw)}
        body, trailers = _unframed(raw)
        if len(body) != int(self.headers["x-amz-decoded-content-length"]):
            raise ConnectionError("A body of another length than was told.")
        told = [Checksum(CHECKSUMS[name].removeprefix("Checksum"), value) for name, value in trailers.items()]
        return {"Body": body, "ContentLength": len(body), **({"TrailingChecksum": Told(told[0])} if told else {})}

    def _read(self, size: int) -> bytes:
        found: bytes = self.rfile.read(size)
        if len(found) != size:
            raise ConnectionError(f"{len(found)} of {size} bytes arrived.")
        return found

    # -- what is answered ------------------------------------------------------------------------------------------

    def _answer(self, act: Any) -> None:
        try:
            parameters = self._parameters()
            try:
                self._told(200, act(**parameters))
            except ClientError as error:
                self._refused(error)
        except ConnectionError:  # whoever asked is gone
            self.close_connection = True

    def _refused(self, error: ClientError) -> None:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self._send(status, {"content-type": "application/xml"}, b"" if self.command == "HEAD" else content)

    def _told(self, status: int, answer: dict[str, Any]) -> None:
        headers = {ANSWERED[name]: str(value) for name, value in answer.items() if name in ANSWERED}
        headers |= {f"{METADATA}{name}": value for name, value in answer.get("Metadata", {}).items()}
        if "LastModified" in answer:
            headers["last-modified"] = format_datetime(answer["LastModified"], usegmt=True)
        if self.command == "HEAD":
            self._send(status, headers, b"", answer["ContentLength"])
        elif "TagSet" in answer:
            assert not answer["TagSet"], "objects of these tests have no tags"
            self._send(status, headers, b"<Tagging><TagSet></TagSet></Tagging>")
        elif self.command == "GET":
            self._send(206 if "ContentRange" in answer else status, headers, answer["Body"].read())
        elif self.command == "POST":
            tags = "".join(f"<{name}>{value}</{name}>" for name, value in answer.items())
            self._send(status, headers, f"<Result>{tags}</Result>".encode())
        else:
            self._send(status, headers, b"")

    def _send(self, status: int, headers: dict[str, str], content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


def _parts(document: bytes) -> list[dict[str, Any]]:
    parts = []
    for part in ET.fromstring(document):
        found: dict[str, Any] = {child.tag.rpartition("}")[2]: child.text for child in part}
        parts.append(found | {"PartNumber": int(found["PartNumber"])})
    return parts


def _unframed(raw: bytes) -> tuple[bytes, dict[str, str]]:
    """The body and the trailers of an `aws-chunked` request.
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

    :raises ConnectionError: it is framed otherwise.
    """
    body, place = bytearray(), 0
    while True:
        end = raw.find(b"\r\n", place)
        try:
            size = int(raw[place:end], 16)
        except ValueError as error:
            raise ConnectionError("A damaged frame.") from error
        place = end + 2
        if not size:
            break
        body += raw[place : place + size]
        place += size
        if raw[place : place + 2] != b"\r\n":
            raise ConnectionError("A damaged frame.")
        place += 2
    *lines, before_last, last = raw[place:].decode("ascii", "replace").split("\r\n")
    if before_last or last:
        raise ConnectionError("A damaged end.")
    told = [line.partition(":") for line in lines]
    return bytes(body), {name: value for name, _, value in told if name in CHECKSUMS}


@contextmanager
def served(world: World) -> Iterator[int]:
    """The port on loopback that the world's buckets answer at."""
    handler = type("Handler", (_Handler,), {"world": world})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
