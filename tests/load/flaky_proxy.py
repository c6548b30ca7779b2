"""An HTTP proxy between the functions and AWS that is at fault now and then: seeded, and every fault counted.

Each fault is one that AWS or the way to it really has. A third of them come after the call took effect, so that whoever
called is told of a failure that was none.
"""

import threading
import time
from collections import Counter
from email.message import Message
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler
from random import Random

from tests.bench.counting_proxy import HOP_BY_HOP, Proxy, pass_back, pass_on
from tests.sandbox.check import RESERVED

CHUNK = 65_536
TIMEOUT = 60.0
SLOW_SECONDS = 1.5


class Fault(StrEnum):
    THROTTLED = "throttled"  # refused, nothing done
    INTERNAL = "internal error"  # refused, nothing done
    EXPIRED = "expired token"  # refused, nothing done
    REFUSED = "connection closed before the call"
    LOST = "answer lost after the call took effect"
    ERROR_AFTER = "500 after the call took effect"
    CUT = "answer cut in its body"
    FLIPPED_ANSWER = "bit flipped in a body read"
    FLIPPED_REQUEST = "bit flipped in a body written"
    SLOW = "slow answer"


ERRORS = {
    Fault.THROTTLED: {"s3": (503, "SlowDown"), "dynamodb": (400, "ProvisionedThroughputExceededException")},
    Fault.INTERNAL: {"s3": (500, "InternalError"), "dynamodb": (500, "InternalServerError")},
    Fault.EXPIRED: {"s3": (400, "ExpiredToken"), "dynamodb": (400, "ExpiredTokenException")},
    Fault.ERROR_AFTER: {"s3": (500, "InternalError"), "dynamodb": (500, "InternalServerError")},
}
"""Status and code by service; other services are throttled, or have an internal error, in DynamoDB's words.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""


class FlakyProxy(Proxy):
    """`share` of the calls (0 to 1) meet a fault; it may change at any time.

    `under_way`: calls that are neither answered nor given up.
    """

    ends = (OSError, HTTPException)  # a killed function's, or what a fault has made of one

    def __init__(self, upstream: str, share: float, seed: int) -> None:
        self.share = share
        self.faults: Counter[Fault] = Counter()
        self.calls = 0
        self.under_way = 0
        self._random = Random(seed)
        self._lock = threading.Lock()
        super().__init__(upstream)

    def next_fault(self, method: str, path: str, service: str) -> Fault | None:
        """For the next call, counted. Bits are flipped only where S3 keeps a checksum: in objects, not in what is asked
        of S3 or in the product's own files. (On AWS, TLS covers those.)
        """
        with self._lock:
            self.calls += 1
            self.under_way += 1
            if self._random.random() >= self.share:
                return None
            fits = [fault for fault in Fault if _fits(fault, method, path, service)]
            fault = self._random.choice(fits)
            self.faults[fault] += 1
            return fault

    def call_ended(self) -> None:
        with self._lock:
            self.under_way -= 1

    def forward(self, request: BaseHTTPRequestHandler, upstream: HTTPConnection) -> None:
        fault = self.next_fault(request.command, request.path, service_of(request.headers))
        try:
            _forward(request, upstream, fault)
        finally:
            self.call_ended()


def service_of(headers: Message) -> str:
    """As the signature names it; empty for a call that is not signed.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
    """
    scope = (headers.get("Authorization") or "").partition("Credential=")[2].partition(",")[0].split("/")
    return scope[3] if len(scope) == 5 else ""


def _fits(fault: Fault, method: str, path: str, service: str) -> bool:
    match fault:
        case Fault.FLIPPED_ANSWER | Fault.FLIPPED_REQUEST:
            checked = service == "s3" and RESERVED not in path and "?tagging" not in path
            return checked and method == ("GET" if fault is Fault.FLIPPED_ANSWER else "PUT")
        case Fault.EXPIRED:
            return service in ("s3", "dynamodb")
        case _:
            return True


def _forward(request: BaseHTTPRequestHandler, upstream: HTTPConnection, fault: Fault | None) -> None:
    match fault:
        case Fault.REFUSED:
            request.close_connection = True
        case Fault.THROTTLED | Fault.INTERNAL | Fault.EXPIRED:
            _drop_body(request)
            _refuse(request, fault)
        case Fault.FLIPPED_REQUEST:
            pass_back(request, _pass_on_flipped(request, upstream))
        case Fault.LOST | Fault.ERROR_AFTER:
            pass_on(request, upstream).read()
            if fault is Fault.ERROR_AFTER:
                _refuse(request, fault)
            request.close_connection = True
        case Fault.CUT | Fault.FLIPPED_ANSWER:
            _damage(request, pass_on(request, upstream), fault)
        case _:
            if fault is Fault.SLOW:
                time.sleep(SLOW_SECONDS)
            pass_back(request, pass_on(request, upstream))


def _pass_on_flipped(request: BaseHTTPRequestHandler, upstream: HTTPConnection) -> HTTPResponse:
    body = bytearray(request.rfile.read(int(request.headers.get("content-length", 0))))
    framed = "aws-chunked" in request.headers.get("content-encoding", "")
    if len(body) > (CHUNK if framed else 0):  # in a small one the middle may be the frame
        body[len(body) // 2] ^= 1
    upstream.request(request.command, request.path, bytes(body), dict(_end_to_end(request.headers)))
    return upstream.getresponse()


def _end_to_end(headers: Message) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP]


def _damage(request: BaseHTTPRequestHandler, answer: HTTPResponse, fault: Fault) -> None:
    """Answers of errors, and those without a body, are passed back as they are."""
    body = bytearray(answer.read())
    whole = len(body)
    if whole and answer.status in (200, 206) and "xml" not in answer.getheader("content-type", ""):
        if fault is Fault.CUT:
            del body[whole // 2 :]
        else:
            body[whole // 2] ^= 1
    elif fault is Fault.CUT:
        del body[whole // 2 :]
    request.send_response_only(answer.status, answer.reason)
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP | {"content-length"}:
            request.send_header(name, value)
    length = answer.getheader("content-length") if request.command == "HEAD" else str(whole)
    if length is not None and answer.status != 204:
        request.send_header("Content-Length", length)
    request.end_headers()
    request.wfile.write(body)
    if len(body) < whole:
        request.close_connection = True


def _drop_body(request: BaseHTTPRequestHandler) -> None:
    left = int(request.headers.get("content-length", 0))
    while left > 0 and (chunk := request.rfile.read(min(CHUNK, left))):
        left -= len(chunk)


def _refuse(request: BaseHTTPRequestHandler, fault: Fault) -> None:
    service = service_of(request.headers)
    by_service = ERRORS[fault]
    status, code = by_service.get(service, by_service["dynamodb"])
    if service in ("s3", "sts", ""):
        error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        text = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
        kind = "application/xml"
    else:
        text = f'{{"__type": "com.amazonaws.{service}#{code}", "message": "injected"}}'
        kind = "application/x-amz-json-1.0"
    body = b"" if request.command == "HEAD" else text.encode()
    request.send_response_only(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
