"""What can go wrong on the wire, and at which calls."""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat

from consumer_replicator.row_item import address
from tests.consumer.fake_aws import CONSUMER, PRODUCER, REPLICA, SOURCE, TABLE, refuse
from tests.faults.aws_server import Bad, Gone, Reset, Spoil
from tests.faults.wire_sites import SHARDS, SITES, Site

READ_TIMEOUT = 1.0
"""Seconds, in place of ten."""
SHORT_TIMEOUT = 0.1
"""In place of ten where it is to pass."""
ELSEWHERE = "http://elsewhere.invalid/"
"""Where a redirect points to: nobody may go there."""

DENIED = "User is not authorized to perform this action"
USER = f"User: arn:aws:sts::{CONSUMER}:assumed-role/role/f is not authorized to perform"
KEYS = {
    "source": f"{USER}: kms:Decrypt on resource: arn:aws:kms:us-east-1:{PRODUCER}:key/source",
    "own": f"{USER}: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:{CONSUMER}:key/replica",
}
SCP = "User is not authorized to perform this action with an explicit deny in a service control policy"
BOMB = (
    b'<!DOCTYPE b [<!ENTITY a0 "boom boom boom boom boom ">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"]>"
)
"""Ten to the ninth times the first entity."""
INSIDE = b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"
WHITESPACE = b" " * 100 + b"\n"
DECLARED = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True)
class Fault:
    """`at`: the calls that it can hit. `hits`: raises what the server then does, before the call takes effect.

    `spoils`: what is sent for head and body of its answer, after it took effect. `waits`: for the read timeout.
    """

    name: str
    at: Callable[[Site], bool]
    hits: Callable[[Site], None] | None = None
    spoils: Spoil | None = None
    waits: bool = False

    @property
    def sites(self) -> list[Site]:
        return [site for site in SITES if self.at(site)]


def every(_site: Site) -> bool:
    return True


def s3(site: Site) -> bool:
    return site.service == "s3"


TYPICAL = frozenset(
    {
        "AssumeRole",
        "BatchGetItem",
        "PutItem",
        "GetObject",
        "HeadObject",
        "PutObject",
        "UploadPart",
        "CompleteMultipartUpload",
        "ListParts (complete)",
        "UpdateItem (range)",
        "SendMessage (confirm)",
        "SendMessageBatch (ranges)",
        "ListObjectsV2 (source)",
        "Query (manifest)",
    }
)
"""Each client with each form of answer: where what matters is how an answer is read."""


def typical(site: Site) -> bool:
    return site.name in TYPICAL


def replicators(site: Site) -> bool:
    return s3(site) and site.way != "transfer"


def json_spoken(site: Site) -> bool:
    return site.service in ("dynamodb", "sqs")


def xml(site: Site) -> bool:
    return site.answers == "xml"


def object_read(site: Site) -> bool:
    return site.operation == "GetObject"


def with_body(site: Site) -> bool:
    return site.answers in ("xml", "json", "object")


def typical_body(site: Site) -> bool:
    return typical(site) and with_body(site)


def says_what_it_did(site: Site) -> bool:
    """Where an empty document is no answer: it is GetItem's for "there is none", and PutItem's for "done"."""
    return json_spoken(site) and site.operation not in ("GetItem", "PutItem", "ChangeMessageVisibility")


def named(*operations: str) -> Callable[[Site], bool]:
    return lambda site: site.operation in operations


def named_site(*names: str) -> Callable[[Site], bool]:
    return lambda site: site.name in names


def lean(site: Site) -> bool:
    """The clients of our own, which are under every object's copy."""
    return site.operation in ("GetObject", "PutObject", "UploadPart", "GetItem", "BatchGetItem", "PutItem")


# -- before the call takes effect ----------------------------------------------------------------------------------


def _refused(status: int, code: str, message: str = "") -> Callable[[Site], None]:
    def hit(site: Site) -> None:
        raise refuse(site.operation, code, status, message)

    return hit


def _denied_by_kms(site: Site) -> None:
    raise refuse(site.operation, "AccessDenied", 403, KEYS[site.principal])


def _raised(error: type[Exception]) -> Callable[[Site], None]:
    def hit(_site: Site) -> None:
        raise error

    return hit


def _silence(_site: Site) -> None:
    threading.Event().wait(2 * SHORT_TIMEOUT)
    raise Reset


def _said(status: int, content: bytes, **headers: str) -> Callable[[Site], None]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}

    def hit(_site: Site) -> None:
        raise Bad(status, content, told)

    return hit


def _redirected(status: int, code: str) -> Callable[[Site], None]:
    """To another region's endpoint, S3's way: and to another host, as no S3 does."""
    text = f"<Error><Code>{code}</Code><Endpoint>elsewhere.invalid</Endpoint><Bucket>{REPLICA}</Bucket></Error>"
    return _said(status, text.encode(), location=ELSEWHERE, x_amz_bucket_region="eu-west-1")


def _all_failed(site: Site) -> None:
    entries = [{"Id": str(n), "Code": "InternalError", "SenderFault": False} for n in range(10)]
    raise Bad(200, json.dumps({"Successful": [], "Failed": entries}).encode())


def _unprocessed(_site: Site) -> None:
    left = {TABLE: {"Keys": [address(SOURCE, "k", SHARDS)], "ConsistentRead": True}}
    raise Bad(200, json.dumps({"Responses": {TABLE: []}, "UnprocessedKeys": left}).encode())


# -- after it took effect ------------------------------------------------------------------------------------------


def _lost(_head: bytes, _content: bytes) -> Iterator[bytes]:
    return iter(())


def _cut_head(head: bytes, _content: bytes) -> Iterable[bytes]:
    return [head[: len(head) // 2]]


def _cut_body(head: bytes, content: bytes) -> Iterable[bytes]:
    return [head, content[: len(content) // 2]]


def _stopped(head: bytes, content: bytes) -> Iterable[bytes | float]:
    return [head, content[: len(content) // 2], 4 * SHORT_TIMEOUT]


def _trickled(head: bytes, content: bytes) -> Iterable[bytes | float]:
    """A byte at a time, each well within the read timeout."""
    return chain.from_iterable(zip(((head + content)[n : n + 1] for n in range(len(head + content))), repeat(0.03)))


def _flipped(head: bytes, content: bytes) -> Iterable[bytes]:
    return [head, bytes([content[0] ^ 1]), content[1:]]


def _longer(head: bytes, content: bytes) -> Iterable[bytes]:
    return [head + content + b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nforeign"]


def _lines(head: bytes, without: bytes) -> list[bytes]:
    """Of an answer's head, but the field of this name, and the end."""
    return [line for line in head.split(b"\r\n") if line and not line.lower().startswith(without)]


def _chunked(head: bytes) -> bytes:
    return b"\r\n".join([*_lines(head, b"content-length"), b"transfer-encoding: chunked", b"", b""])


def _with(head: bytes, body: bytes) -> Iterable[bytes]:
    """Another body, with its length."""
    return [b"\r\n".join([*_lines(head, b"content-length"), b"content-length: %d" % len(body), b"", b""]), body]


def _endless(head: bytes, content: bytes) -> Iterable[bytes | float]:
    """The chunk that ends the body never comes."""
    return [_chunked(head), b"%x\r\n%s\r\n" % (len(content), content) if content else b"", 4 * SHORT_TIMEOUT]


def _swollen(head: bytes, content: bytes) -> Iterable[bytes]:
    """A header field of 100 KB."""
    return [head[:-2], b"x-filling: %s\r\n\r\n" % (b"f" * 100_000), content]


def _other_range(head: bytes, content: bytes) -> Iterable[bytes]:
    """The bytes after those that were asked for, and as many, honestly."""
    first = len(content)
    told = b"content-range: bytes %d-%d/%d" % (first, 2 * first - 1, 2 * first)
    return [b"\r\n".join([*_lines(head, b"content-range"), told, b"", b""]), b"x" * first]


def _with_a_body(head: bytes, _content: bytes) -> Iterable[bytes]:
    """As no answer to HEAD may have one; with an answer inside that a kept connection could take for its next."""
    return [head + b'HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: "foreign"\r\n\r\n']


def _done_at_last(head: bytes, content: bytes) -> Iterable[bytes]:
    """S3 begins its answer to a long completion, and keeps the connection alive with whitespace."""
    body = DECLARED + WHITESPACE + content
    return [_chunked(head), *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:40], body[40:])), b"0\r\n\r\n"]


def _expired(head: bytes, content: bytes) -> Iterable[bytes]:
    return [head, re.sub(rb"(<Expiration>)....", rb"\g<1>2020", content)]


def _without_ids(head: bytes, _content: bytes) -> Iterable[bytes]:
    return _with(head, b'{"Successful": [{}], "Failed": []}')


def _some_failed(head: bytes, _content: bytes) -> Iterable[bytes]:
    """SQS has taken all, and says so of the first only."""
    failed = [{"Id": str(n), "Code": "InternalError", "SenderFault": False} for n in range(1, 10)]
    return _with(head, json.dumps({"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": failed}).encode())


RESET, CLOSED, LOST = _raised(Reset), _raised(Gone), _lost
FAULTS = [
    Fault("503 SlowDown", every, _refused(503, "SlowDown")),
    Fault(
        "400 ThrottlingException",
        lambda site: typical(site) and not s3(site),
        _refused(400, "ThrottlingException"),
    ),
    Fault(
        "400 ProvisionedThroughputExceededException",
        lambda site: typical(site) and site.service == "dynamodb",
        _refused(400, "ProvisionedThroughputExceededException"),
    ),
    Fault("500 InternalError", every, _refused(500, "InternalError")),
    Fault("502 with a page of HTML", typical, _said(502, b"<html><body>Bad Gateway</body></html>")),
    Fault("400 RequestTimeout", replicators, _refused(400, "RequestTimeout")),
    Fault("400 ExpiredToken", every, _refused(400, "ExpiredToken")),
    Fault("403 RequestTimeTooSkewed", replicators, _refused(403, "RequestTimeTooSkewed")),
    Fault(
        "403 Signature expired (clock skew)",
        lambda site: typical(site) and not s3(site),
        _refused(403, "InvalidSignatureException", "Signature expired: 20261124T000000Z is now earlier"),
    ),
    Fault("403 AccessDenied", every, _refused(403, "AccessDenied", DENIED)),
    Fault("403 AccessDenied by a service control policy", typical, _refused(403, "AccessDenied", SCP)),
    Fault("403 AccessDenied that names KMS", s3, _denied_by_kms),
    Fault(
        "400 KMS.DisabledException",
        named("GetObject", "PutObject", "UploadPart", "UploadPartCopy"),
        _refused(400, "KMS.DisabledException"),
    ),
    Fault("301 to another host", lambda site: typical(site) and s3(site), _redirected(301, "PermanentRedirect")),
    Fault("307 to another host", typical, _redirected(307, "TemporaryRedirect")),
    Fault("connection reset before the answer", every, RESET),
    Fault("connection closed before the answer", typical, CLOSED),
    Fault("no answer within the read timeout", typical, _silence, waits=True),
    Fault("answer lost (done all the same)", every, spoils=LOST),
    Fault("head of the answer cut off (done all the same)", every, spoils=_cut_head),
    Fault("body of the answer cut off (done all the same)", with_body, spoils=_cut_body),
    Fault("body that stops and stays open (done all the same)", typical_body, spoils=_stopped, waits=True),
    Fault(
        "a byte at a time, within the timeout (done all the same)",
        lambda site: lean(site) and site.way == "stream",
        spoils=_trickled,
        waits=True,
    ),
    Fault("body longer than its length (done all the same)", typical_body, spoils=_longer),
    Fault("chunks without an end (done all the same)", typical_body, spoils=_endless, waits=True),
    Fault("head of 100 KB (done all the same)", typical, spoils=_swollen),
    Fault("HEAD answered with a body", named("HeadObject"), spoils=_with_a_body),
    Fault("bit flipped in the body read", object_read, spoils=_flipped),
    Fault("Content-Range of other bytes, and those", named_site("GetObject (part)"), spoils=_other_range),
    Fault(
        "200 with a body that is no document",
        lambda site: site.answers in ("xml", "json") or site.operation in ("PutObject", "UploadPart"),
        _said(200, b"<<<{{ no document"),
    ),
    Fault("200 with a document of another kind", lambda site: site.answers == "xml", _said(200, b"<a><b/></a>")),
    Fault("200 with an empty document", says_what_it_did, _said(200, b"{}")),
    Fault("200 with an error inside", xml, _said(200, INSIDE)),
    Fault("200 with credentials that have expired", named("AssumeRole"), spoils=_expired),
    Fault(
        "200, whitespace, then an error",
        named("CompleteMultipartUpload", "UploadPartCopy"),
        _said(200, DECLARED + WHITESPACE + INSIDE),
    ),
    Fault("200, whitespace, then the answer", named("CompleteMultipartUpload", "UploadPartCopy"), spoils=_done_at_last),
    Fault(
        "200 with an entity bomb",
        lambda site: typical(site) and xml(site),
        _said(200, BOMB + b"<a><Bucket>&a9;</Bucket><Key>&a9;</Key></a>"),
    ),
    Fault(
        "503 with an entity bomb",
        named_site("GetObject", "ListParts (complete)"),
        _said(503, BOMB + b"<Error><Code>&a9;</Code></Error>"),
    ),
    Fault("200 with all entries failed", named("SendMessageBatch", "ChangeMessageVisibility"), _all_failed),
    Fault("200 with some entries failed", named("SendMessageBatch", "ChangeMessageVisibility"), spoils=_some_failed),
    Fault("200 without the entries' ids", named("SendMessageBatch", "ChangeMessageVisibility"), spoils=_without_ids),
    Fault("200 with UnprocessedKeys", named_site("BatchGetItem"), _unprocessed),
]
