"""The fake AWS behind a real socket: S3 in REST and XML, DynamoDB and SQS in JSON, STS in its query form.

Requests are read and answers written by botocore's own models of the services, so that every client can be used. What
is enforced is what the fakes enforce.
"""

import json
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape
from botocore.session import get_session

from consumer_replicator.checksum import ALGORITHMS, Checksum
from tests.consumer.fake_aws import CONSUMER, Call, World
from tests.consumer.strict_s3 import Told, _unframed

OWN_KEY, SOURCE_KEY = "AKIDOWN", "AKIDSOURCE"
OWN_SECRET, SOURCE_SECRET, TOKEN = "own-role-secret", "read-role-secret", "read-role-token"
PRINCIPALS = {OWN_KEY: "own", SOURCE_KEY: "source"}
"""Who signed, by the access key."""
CHECKSUMS = {f"Checksum{algorithm}" for algorithm in ALGORITHMS}

OPERATIONS = [
    ("GET", "tagging", "GetObjectTagging"),
    ("GET", "uploadId", "ListParts"),
    ("GET", "list-type", "ListObjectsV2"),
    ("GET", "uploads", "ListMultipartUploads"),
    ("GET", "", "GetObject"),
    ("HEAD", "", "HeadObject"),
    ("PUT", "tagging", "PutObjectTagging"),
    ("PUT", "partNumber", "UploadPart"),
    ("PUT", "", "PutObject"),
    ("POST", "uploads", "CreateMultipartUpload"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("DELETE", "tagging", "DeleteObjectTagging"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("DELETE", "", "DeleteObject"),
]
"""Method, parameter of the query, operation; the first that fits."""


class Gone(ConnectionError):
    """The connection ends here, without an answer."""


class Reset(Gone):
    """The connection is reset."""


type Spoil = Callable[[bytes, bytes], Iterable[bytes | float]]
"""What is sent for an answer's head and body: bytes, and seconds to wait in between."""


class Bad(Exception):
    """An answer that no fake would give. `content` is sent as it is; `headers` besides the usual ones."""

    def __init__(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.content = content
        self.headers = headers or {}


@cache
def model(service: str) -> Any:
    return get_session().get_service_model(service)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "AwsServer"
    operation = ""

    def setup(self) -> None:
        super().setup()
        self._opened_in = self.server.world

    @property
    def world(self) -> World:
        return self._opened_in if self.server.pinned else self.server.world

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        try:
            self._answer()
        except Reset:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for each in (self.rfile, self.wfile, self.connection):
                each.close()
        except ConnectionError:
            self.close_connection = True
        except Exception:
            self.server.defects.append(traceback.format_exc())
            raise

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the server's names

    def _answer(self) -> None:
        content = self._read(int(self.headers.get("content-length", 0)))
        target = self.headers.get("x-amz-target", "")
        if target.startswith("DynamoDB"):
            self._json(self.world.dynamodb(), target, content)
        elif target.startswith("AmazonSQS"):
            self._json(self.world.sqs(), target, content)
        elif self.command == "POST" and self.path == "/":
            self._sts(dict(parse_qsl(content.decode())))
        else:
            self._s3(content)

    def _read(self, size: int) -> bytes:
        found: bytes = self.rfile.read(size)
        if len(found) != size:
            raise Gone
        return found

    def _send(self, status: int, headers: dict[str, str], content: bytes, length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status} Answer"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"content-length: {len(content) if length is None else length}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        spoil, self.server.spoil.next = getattr(self.server.spoil, "next", None), None
        if spoil:
            for piece in spoil(head, content):
                self._say(piece)
            raise Gone
        self.wfile.write(head + content)

    def _say(self, piece: bytes | float) -> None:
        if isinstance(piece, bytes):
            self.wfile.write(piece)
            return
        self.connection.settimeout(piece)  # whoever gives up meanwhile ends the wait
        try:
            if not self.connection.recv(1):
                raise Gone
        except TimeoutError:
            self.connection.settimeout(None)

    # -- DynamoDB and SQS ------------------------------------------------------------------------------------------

    def _json(self, client: Any, target: str, content: bytes) -> None:
        self.operation = target.rpartition(".")[2]
        asked = json.loads(content)
        if "QueueUrl" in asked:
            asked["QueueUrl"] = asked["QueueUrl"].rpartition("/")[2]
        kind = {"content-type": "application/x-amz-json-1.0"}
        try:
            answer = getattr(client, xform_name(self.operation))(**asked)
        except Bad as bad:
            self._send(bad.status, kind | bad.headers, bad.content)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            refusal = {"__type": f"com.amazonaws#{code}", "message": message}
            self._send(error.response["ResponseMetadata"]["HTTPStatusCode"], kind, json.dumps(refusal).encode())
        else:
            self._send(200, kind, json.dumps(answer).encode())

    # -- STS -------------------------------------------------------------------------------------------------------

    def _sts(self, asked: dict[str, str]) -> None:
        self.operation = asked["Action"]
        assert self.operation == "AssumeRole"
        call = Call("own", "AssumeRole", None)
        try:
            self.world.before(call)
            self.world.calls.append(call)
            self.world.after(call)
        except Bad as bad:
            self._send(bad.status, {"content-type": "text/xml"} | bad.headers, bad.content)
            return
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self._send(status, {"content-type": "text/xml"}, f"{text}</Error></ErrorResponse>".encode())
            return
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = (
            "<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult><Credentials>"
            f"<AccessKeyId>{SOURCE_KEY}</AccessKeyId><SecretAccessKey>{SOURCE_SECRET}</SecretAccessKey>"
            f"<SessionToken>{TOKEN}</SessionToken><Expiration>{until}</Expiration></Credentials></AssumeRoleResult>"
            "</AssumeRoleResponse>"
        )
        self._send(200, {"content-type": "text/xml"}, text.encode())

    # -- S3 --------------------------------------------------------------------------------------------------------

    def _s3(self, content: bytes) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.command == "HEAD" and not urlsplit(self.path).path[1:].partition("/")[2]:
            self._send(200, {"x-amz-bucket-region": "us-east-1"}, b"", 0)  # botocore asks where the bucket is
            return
        operation = next(
            name for method, mark, name in OPERATIONS if method == self.command and (not mark or mark in query)
        )
        if operation == "UploadPart" and "x-amz-copy-source" in self.headers:
            operation = "UploadPartCopy"
        self.operation = operation
        signer = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        client = self.world.s3(PRINCIPALS[signer])
        asked = self._asked(operation, query, content)
        try:
            answer = getattr(client, xform_name(operation))(**asked)
        except Bad as bad:
            content = b"" if self.command == "HEAD" else bad.content
            self._send(bad.status, {"content-type": "application/xml"} | bad.headers, content)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self._send(status, {"content-type": "application/xml"}, b"" if self.command == "HEAD" else text)
        else:
            self._told(operation, answer)

    def _asked(self, operation: str, query: dict[str, str], content: bytes) -> dict[str, Any]:
        shape = model("s3").operation_model(operation).input_shape
        _, bucket, *key = unquote(urlsplit(self.path).path).split("/", 2)
        found: dict[str, Any] = {"Bucket": bucket} | ({"Key": key[0]} if key and key[0] else {})
        for name, member in shape.members.items():
            place, told = member.serialization.get("location"), member.serialization.get("name", name)
            if place == "header" and told in self.headers:
                found[name] = _typed(member, self.headers[told])
            elif place == "querystring" and told in query:
                found[name] = _typed(member, query[told])
            elif place == "headers":
                prefixed = {header.lower(): value for header, value in self.headers.items()}
                begin = told.lower()
                found[name] = {
                    header.removeprefix(begin): value for header, value in prefixed.items() if header.startswith(begin)
                }
        payload = shape.serialization.get("payload")
        if payload == "Body":
            found |= self._body(content)
        elif payload:
            found[payload] = _read_xml(shape.members[payload], ET.fromstring(content))
        if operation.endswith("Tagging"):  # of the request's own XML
            found = {name: value for name, value in found.items() if name not in CHECKSUMS | {"ChecksumAlgorithm"}}
        if operation == "ListObjectsV2":
            assert found.pop("EncodingType") == "url"
        if "CopySource" in found:
            path, _, version = found["CopySource"].partition("?versionId=")
            bucket, _, copied = unquote(path).lstrip("/").partition("/")
            found["CopySource"] = {"Bucket": bucket, "Key": copied} | ({"VersionId": version} if version else {})
        return found

    def _body(self, content: bytes) -> dict[str, Any]:
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return {"Body": content, "ContentLength": len(content)}
        body, trailers = _unframed(content)
        if len(body) != int(self.headers["x-amz-decoded-content-length"]):
            raise Gone
        told = [Checksum(name.removeprefix("x-amz-checksum-").upper(), value) for name, value in trailers.items()]
        return {"Body": body, "ContentLength": len(body), **({"TrailingChecksum": Told(told[0])} if told else {})}

    def _told(self, operation: str, answer: dict[str, Any]) -> None:
        shape = model("s3").operation_model(operation).output_shape
        headers: dict[str, str] = {}
        rest = dict(answer)
        for name, member in shape.members.items() if shape else ():
            place, told = member.serialization.get("location"), member.serialization.get("name", name)
            if place == "header" and name in rest:
                headers[told.lower()] = _as_header(rest.pop(name))
            elif place == "headers" and name in rest:
                headers |= {told + header: value for header, value in rest.pop(name).items()}
        headers.pop("content-length", None)
        if operation == "ListObjectsV2":
            found = [entry | {"Key": quote(entry["Key"])} for entry in rest.get("Contents", [])]
            rest |= {"EncodingType": "url", **({"Contents": found} if found else {})}
        if self.command == "HEAD":
            self._send(200, headers, b"", answer["ContentLength"])
        elif operation == "GetObject":
            self._send(206 if "ContentRange" in answer else 200, headers, answer["Body"].read())
        elif shape and (payload := shape.serialization.get("payload")):
            self._send(200, headers, _as_xml(payload, shape.members[payload], rest[payload]).encode())
        elif self.command in ("GET", "POST"):
            self._send(200, headers, _as_xml(f"{operation}Result", shape, rest).encode())
        else:
            self._send(204 if self.command == "DELETE" else 200, headers, b"")


def _typed(shape: Shape, text: str) -> Any:
    return int(text) if shape.type_name in ("integer", "long") else text


def _as_header(value: Any) -> str:
    return format_datetime(value, usegmt=True) if isinstance(value, datetime) else str(value)


def _read_xml(shape: Any, element: ET.Element) -> Any:
    if shape.type_name != "structure":
        return _typed(shape, element.text or "")
    found: dict[str, Any] = {}
    for child in element:
        tag = child.tag.rpartition("}")[2]
        name, member = next(
            (name, member) for name, member in shape.members.items() if member.serialization.get("name", name) == tag
        )
        if member.type_name != "list":
            found[name] = _read_xml(member, child)
        elif member.serialization.get("flattened"):
            found.setdefault(name, []).append(_read_xml(member.member, child))
        else:
            found[name] = [_read_xml(member.member, each) for each in child]
    return found


def _as_xml(tag: str, shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        inner = "".join(
            _as_xml(shape.members[name].serialization.get("name", name), shape.members[name], each)
            for name, each in value.items()
        )
        return f"<{tag}>{inner}</{tag}>"
    if shape.type_name == "list":
        if shape.serialization.get("flattened"):
            return "".join(_as_xml(tag, shape.member, each) for each in value)
        of = shape.member.serialization.get("name", "member")
        return f"<{tag}>{''.join(_as_xml(of, shape.member, each) for each in value)}</{tag}>"
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, datetime):
        value = value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return f"<{tag}>{escape(str(value))}</{tag}>"


class AwsServer(ThreadingHTTPServer):
    """`world`: may be replaced by another at any time. `defects`: of the server itself; there should be none.

    `pinned`: a connection belongs to the world that was there when it was opened: what a dead process still asks for.

    `spoil.next`: of the thread that serves a call, what it sends in place of the answer's head and body; then the
    connection ends.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, world: World, *, pinned: bool, certificate: Path | None = None) -> None:
        self.world = world
        self.certificate = certificate
        self.pinned = pinned
        self.defects: list[str] = []
        self.spoil = threading.local()
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def server_bind(self) -> None:
        """Without asking the network what 127.0.0.1 is called: that may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.server_address[1]}"

    def queue_url(self, name: str) -> str:
        return f"{self.url}/{CONSUMER}/{name}"

    def handle_error(self, *_: object) -> None:
        """A connection's end is no news; defects are kept."""


@contextmanager
def served(world: World, *, pinned: bool = False, certificate: Path | None = None) -> Iterator[AwsServer]:
    """All services at one address on loopback; over TLS where there is a certificate."""
    server = AwsServer(world, pinned=pinned, certificate=certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
