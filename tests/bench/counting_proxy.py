"""An HTTP proxy that passes everything on and counts it by the operation's API name: how many calls a client makes.

It never sits in a measured path: calls are counted in a run of their own, whose time is thrown away.
"""

import http.client
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

CHUNK = 262_144
TIMEOUT = 120.0  # seconds for the server to answer
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "upgrade"})

# (method, sub-resource in the query) -> operation.
OF_OBJECTS = {
    ("GET", ""): "GetObject",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "uploadId"): "ListParts",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
OF_BUCKETS = {
    ("GET", ""): "ListObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
    ("POST", "delete"): "DeleteObjects",
}
SUBRESOURCES = frozenset(part for _, part in (*OF_OBJECTS, *OF_BUCKETS) if part)


def operation(method: str, target: str, headers: Mapping[str, str]) -> str:
    """The API's name of a request: S3 in path style, DynamoDB by its header; else method and path, never a guess."""
    if action := next((value for name, value in headers.items() if name.lower() == "x-amz-target"), ""):
        return action.rpartition(".")[2]
    parts = urlsplit(target)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    named = next((name for name in query if name in SUBRESOURCES), "")
    table = OF_OBJECTS if key else OF_BUCKETS
    return "ListBuckets" if not bucket else table.get((method, named), f"{method} {target[:60]}")


class Proxy:
    """A context manager, `endpoint_url` inside. What becomes of a request is `forward`'s to say, on the thread of its
    connection, which has one of its own to the server behind. `ends`: exceptions that end a connection, unsaid.
    """

    ends: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forward(self, request: BaseHTTPRequestHandler, upstream: http.client.HTTPConnection) -> None:
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.upstream = http.client.HTTPConnection(proxy._upstream, timeout=TIMEOUT)

            def handle(self) -> None:
                with suppress(*proxy.ends):
                    super().handle()

            def finish(self) -> None:
                self.upstream.close()
                with suppress(*proxy.ends):
                    super().finish()

            def log_message(self, *_: Any) -> None:
                pass

            def forward(self) -> None:
                proxy.forward(self, self.upstream)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815 - http.server's names

        return Handler


class CountingProxy(Proxy):
    """`calls` by operation; `failed` of them by status, 400 and above."""

    def __init__(self, upstream: str) -> None:
        self.calls: Counter[str] = Counter()
        self.failed: Counter[int] = Counter()
        self._lock = threading.Lock()
        super().__init__(upstream)

    def count(self, name: str, status: int) -> None:
        with self._lock:
            self.calls[name] += 1
            if status >= 400:
                self.failed[status] += 1

    def forward(self, request: BaseHTTPRequestHandler, upstream: http.client.HTTPConnection) -> None:
        answer = pass_on(request, upstream)
        self.count(operation(request.command, request.path, dict(request.headers.items())), answer.status)
        pass_back(request, answer)  # only now: whoever has the answer finds the call counted


def pass_on(request: BaseHTTPRequestHandler, upstream: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """One request, in chunks, headers as they are: the Host is signed. Returns the answer, its body unread."""
    upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name.lower() not in HOP_BY_HOP:
            upstream.putheader(name, value)
    upstream.endheaders()
    left = int(request.headers.get("content-length", 0))
    while left > 0 and (chunk := request.rfile.read(min(CHUNK, left))):
        upstream.send(chunk)
        left -= len(chunk)
    return upstream.getresponse()


def pass_back(request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
    request.send_response_only(answer.status, answer.reason)
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP:
            request.send_header(name, value)
    bodyless = request.command == "HEAD" or answer.status in (204, 304)
    chunked = not bodyless and answer.getheader("content-length") is None
    if chunked:
        request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while not bodyless and (chunk := answer.read(CHUNK)):
        request.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
    if chunked:
        request.wfile.write(b"0\r\n\r\n")
    answer.read()
