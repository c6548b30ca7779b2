"""The wire, at botocore's last step: what would have been sent, prepared and signed, and answers of our choosing.

botocore hands every request to `before-send` handlers first, and takes an AWSResponse from them for the answer: nothing
goes over the network, and everything up to it (validation, serialising, signing, retries, parsing) is the real thing.
A lean client's last step is its pool of connections, which is taken from it in the same way.
"""

import io
from collections import deque
from dataclasses import dataclass, field

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict

from consumer_replicator.lean import connection
from consumer_replicator.lean.answer_body import Body
from consumer_replicator.lean.pool import Pool


@dataclass
class Answer:
    """`status` 0: `fault` is raised instead of an answer. With another status, `fault` breaks the body off."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: Exception | None = None


class _AnyCase(dict):
    """Headers: the lean clients write all names in lower case, botocore only those that its models do."""

    def __getitem__(self, name):
        return next(value for known, value in self.items() if known.lower() == name.lower())

    def get(self, name, default=None):
        return next((value for known, value in self.items() if known.lower() == name.lower()), default)

    def __contains__(self, name):
        return any(known.lower() == name.lower() for known in self)


@dataclass(frozen=True)
class Sent:
    """One request as it left: `operation` as in the service's model, `headers` as text."""

    service: str
    operation: str
    request: AWSPreparedRequest

    @property
    def headers(self):
        named = self.request.headers.items()
        return _AnyCase({name: value.decode() if isinstance(value, bytes) else value for name, value in named})

    @property
    def body(self):
        body = self.request.body
        text = body.read() if hasattr(body, "read") else body
        return text.decode() if isinstance(text, bytes) else text or ""

    @property
    def signer(self):
        """The access key id that signed it."""
        return self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]

    @property
    def signed_headers(self):
        return self.headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")


class _Body(io.BytesIO):
    """A response's body as urllib3 gives it, which may break off with `fault`."""

    def __init__(self, body, fault):
        super().__init__(body)
        self._fault = fault

    def read(self, amount=None, **_):
        if self._fault:
            raise self._fault
        return super().read(amount)

    def stream(self, **_):
        yield self.read()


class Wire:
    """`answers` by operation, each used once but for the last, which stays; an operation without one gets 200."""

    def __init__(self, *clients):
        self.sent = []
        self.answers = {}
        for client in clients:
            client.meta.events.register("before-send", self._answer)
            if hasattr(client, "_service"):
                client._service.pool = _Pool(self, client.meta.service_model.service_name)

    def answer(self, operation, *answers):
        self.answers[operation] = deque(answers)

    def _answer(self, request, event_name, **_):
        _, service, operation = event_name.split(".")
        answer, headers = self.exchange(service, operation, request)
        return AWSResponse(request.url, answer.status, headers, _Body(answer.body, answer.fault))

    def exchange(self, service, operation, request):
        self.sent.append(Sent(service, operation, request))
        answers = self.answers.get(operation)
        answer = Answer() if not answers else answers.popleft() if len(answers) > 1 else answers[0]
        if not answer.status:
            raise answer.fault
        return answer, {"Content-Length": str(len(answer.body)), **answer.headers}

    def only(self, operation):
        """The one request of this operation."""
        (sent,) = [each for each in self.sent if each.operation == operation]
        return sent


class _Pool:
    """In place of a lean client's connections."""

    def __init__(self, wire, service):
        self._wire = wire
        self._service = service

    def exchange(self, endpoint, head, body):
        request, operation = prepared(endpoint, head, body)
        return received(*self._wire.exchange(self._service, operation, request))

    def close(self):
        """There is nothing to close."""


def prepared(endpoint, head, body):
    """What a lean client sends, as botocore's own last step would have it, and the operation's name."""
    first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = HeadersDict(line.split(": ", 1) for line in lines)
    content = b"".join(bytes(block) for block in body.blocks()) if hasattr(body, "blocks") else bytes(body)
    url = f"{endpoint.address.scheme}://{headers['host']}{target}"
    writes = "UploadPart" if "partNumber=" in target else "PutObject"
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or ("GetObject" if method == "GET" else writes)
    return AWSPreparedRequest(method, url, headers, content, stream_output=False), operation


def received(answer, headers):
    """An answer as a lean client's connection gives it."""

    def receive(_view):
        raise answer.fault or AssertionError("read past the end")

    begun = memoryview(b"" if answer.fault else answer.body)
    body = Body(receive, begun, len(answer.body), lambda _whole: None)
    return connection.Answer(answer.status, {name.lower(): value for name, value in headers.items()}, body)


def on_moto(monkeypatch):
    """Lean clients reach moto, as botocore's do, for as long as the patch holds."""
    from moto.core.models import botocore_stubber

    def exchange(_pool, endpoint, head, body):
        request, operation = prepared(endpoint, head, body)
        service = endpoint.signer._service
        answer = botocore_stubber(event_name=f"before-send.{service}.{operation}", request=request)
        return received(Answer(answer.content, answer.status_code), answer.headers)

    monkeypatch.setattr(Pool, "exchange", exchange)


def s3_error(code, status, message=""):
    """S3's answer to a refused request."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message or code}</Message></Error>"
    return Answer(body.encode(), status, {"Content-Type": "application/xml"})
