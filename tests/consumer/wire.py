"""The wire, at botocore's last step: what would have been sent, prepared and signed, and answers of our choosing.

botocore hands every request to `before-send` handlers first, and takes an AWSResponse from them for the answer: nothing
goes over the network, and everything up to it (validation, serialising, signing, retries, parsing) is the real thing.
"""

import io
from collections import deque
from dataclasses import dataclass, field

from botocore.awsrequest import AWSPreparedRequest, AWSResponse


@dataclass
class Answer:
    """`status` 0: `fault` is raised instead of an answer. With another status, `fault` breaks the body off."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: Exception | None = None


@dataclass(frozen=True)
class Sent:
    """One request as it left: `operation` as in the service's model, `headers` as text."""

    service: str
    operation: str
    request: AWSPreparedRequest

    @property
    def headers(self):
        return {
            name: value.decode() if isinstance(value, bytes) else value for name, value in self.request.headers.items()
        }

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

    def answer(self, operation, *answers):
        self.answers[operation] = deque(answers)

    def _answer(self, request, event_name, **_):
        _, service, operation = event_name.split(".")
        self.sent.append(Sent(service, operation, request))
        answers = self.answers.get(operation)
        answer = Answer() if not answers else answers.popleft() if len(answers) > 1 else answers[0]
        if not answer.status:
            raise answer.fault
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        return AWSResponse(request.url, answer.status, headers, _Body(answer.body, answer.fault))

    def only(self, operation):
        """The one request of this operation."""
        (sent,) = [each for each in self.sent if each.operation == operation]
        return sent


def s3_error(code, status, message=""):
    """S3's answer to a refused request."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message or code}</Message></Error>"
    return Answer(body.encode(), status, {"Content-Type": "application/xml"})
