"""What can go wrong on the wire, where, and what came of it when the real replicator met it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from consumer_replicator.principals import ATTEMPTS
from tests.consumer.fake_aws import Call, refuse
from tests.faults.aws_server import AwsServer, Bad, Reset

READ_TIMEOUT = 0.25
"""Seconds, in place of ten."""
XML = ("AssumeRole", "CreateMultipartUpload", "CompleteMultipartUpload", "GetObjectTagging")
JSON = ("BatchGetItem", "PutItem", "SendMessage")
DENIED = "User is not authorized to perform this action"
KMS = "User is not authorized to perform: kms:Decrypt on this resource"
INSIDE = b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"

UPLOAD = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
S3_READS, S3_WRITES = ("GetObject", "GetObjectTagging"), ("PutObject", *UPLOAD, "DeleteObject", "PutObjectTagging")
S3 = (*S3_READS, "HeadObject", *S3_WRITES)
EVERY = ("AssumeRole", "BatchGetItem", *S3, "SendMessage", "PutItem")
"""The calls that copying, tagging and deleting are made of."""


@dataclass(frozen=True)
class Fault:
    """`hits`: raises what the server then does, before the call takes effect. `spoils`: sent for head and body of its
    answer, after it took effect.
    """

    name: str
    operations: tuple[str, ...]
    hits: Callable[[str], None] | None = None
    spoils: Callable[[bytes, bytes], bytes] | None = None


def _refused(status: int, code: str, message: str = "") -> Callable[[str], None]:
    def hit(operation: str) -> None:
        raise refuse(operation, code, status, message)

    return hit


def _reset(_operation: str) -> None:
    raise Reset


def _silence(_operation: str) -> None:
    threading.Event().wait(2 * READ_TIMEOUT)
    raise Reset


def _nonsense(_operation: str) -> None:
    raise Bad(200, b"<<<{{ no document")


def _error_inside(_operation: str) -> None:
    raise Bad(200, INSIDE)


def _cut_head(head: bytes, _content: bytes) -> bytes:
    return head[: len(head) // 2]


def _cut_body(head: bytes, content: bytes) -> bytes:
    return head + content[: len(content) // 2]


def _flipped(head: bytes, content: bytes) -> bytes:
    return head + bytes([content[0] ^ 1]) + content[1:]


OWN = ("BatchGetItem", "PutItem", "SendMessage")
FAULTS = [
    Fault("503 SlowDown", EVERY, _refused(503, "SlowDown")),
    Fault("400 ThrottlingException", ("AssumeRole", *OWN), _refused(400, "ThrottlingException")),
    Fault("500 InternalError", EVERY, _refused(500, "InternalError")),
    Fault("400 RequestTimeout", S3, _refused(400, "RequestTimeout")),
    Fault("400 ExpiredToken", EVERY, _refused(400, "ExpiredToken")),
    Fault("403 RequestTimeTooSkewed", S3, _refused(403, "RequestTimeTooSkewed")),
    Fault("403 AccessDenied", EVERY, _refused(403, "AccessDenied", DENIED)),
    Fault("403 AccessDenied that names KMS", S3, _refused(403, "AccessDenied", KMS)),
    Fault("400 KMS.DisabledException", ("GetObject", "PutObject"), _refused(400, "KMS.DisabledException")),
    Fault("connection reset before the answer", EVERY, _reset),
    Fault("no answer within the read timeout", EVERY, _silence),
    Fault("head of the answer cut off (done all the same)", EVERY, spoils=_cut_head),
    Fault("body of the answer cut off (done all the same)", (*XML, "GetObject", *JSON), spoils=_cut_body),
    Fault("bit flipped in the body read", ("GetObject",), spoils=_flipped),
    Fault("200 with a body that is no document", (*XML, "PutObject", "UploadPart", *JSON), _nonsense),
    Fault("200 with an error inside", ("CompleteMultipartUpload",), _error_inside),
]


@dataclass
class Hit:
    """A fault in place at one operation of a world, until it is lifted. `met`: how often."""

    fault: Fault
    operation: str
    server: AwsServer
    met: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def attempts(self) -> int:
        """Without those of which a kept connection was replaced at once: whether there was one is chance."""
        return self.met - self.met % ATTEMPTS if self.fault.hits is _reset else self.met

    def place(self) -> None:
        self.server.world.before = self._before
        if self.fault.spoils:
            self.server.spoils[self.operation] = self.fault.spoils

    def lift(self) -> None:
        self.server.world.before = lambda _call: None
        self.server.spoils.clear()

    def _before(self, call: Call) -> None:
        if call.operation != self.operation:
            return
        with self.lock:
            self.met += 1
        if self.fault.hits:
            self.fault.hits(self.operation)


@dataclass(frozen=True)
class Result:
    """`code`: of the failure, or what the outcome was. `attempts`: requests that met the fault in one invocation, 0
    where nobody was there to count them.
    """

    fault: str
    operation: str
    code: str
    error_class: str
    attempts: int
    then: str
