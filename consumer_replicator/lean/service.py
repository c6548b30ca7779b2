"""A call to a service: signed, sent, made again where botocore would, and its refusal parsed by botocore (edge)."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ResponseStreamingError,
)
from botocore.parsers import create_parser
from botocore.retries.standard import RetryContext

from consumer_replicator.lean import endpoint as wrapped
from consumer_replicator.lean.connection import Answer
from consumer_replicator.lean.endpoint import Endpoint
from consumer_replicator.lean.pool import Pool
from consumer_replicator.lean.request_body import Stream
from consumer_replicator.lean.retry import Retries

HELD_LIMIT = 64 * 1024**2
"""Bytes of an answer that is no object; DynamoDB's stay below 16 MB, S3's far below."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` and `query` percent-encoded, the query in canonical order; `headers` by lower-case name, unsigned."""

    endpoint: Endpoint
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | memoryview | Stream = b""

    @property
    def is_spent(self) -> bool:
        """Whether it cannot be sent again."""
        return isinstance(self.body, Stream) and self.body.touched


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no refusal. `content` is its body, empty where that is left to be read as a stream."""

    answer: Answer
    content: bytes
    retries: int

    @property
    def metadata(self) -> dict[str, Any]:
        """As botocore's ResponseMetadata."""
        headers = self.answer.headers
        metadata: dict[str, Any] = {"HTTPStatusCode": self.answer.status, "HTTPHeaders": headers}
        metadata["RetryAttempts"] = self.retries
        if "x-amzn-requestid" in headers:
            metadata["RequestId"] = headers["x-amzn-requestid"]
        elif "x-amz-request-id" in headers:
            metadata["RequestId"] = headers["x-amz-request-id"]
            metadata["HostId"] = headers.get("x-amz-id-2", "")
        return metadata


def uncounted(_operation: str) -> None:
    pass


def _accepted(_answer: Answer, _content: bytes) -> BotoCoreError | None:
    return None


class Service:
    """What all operations of one wrapped client share. Threads share it."""

    def __init__(self, client: Any, counted: Callable[[str], None]) -> None:
        self._client = client
        self._counted = counted
        self._credentials = wrapped.credentials(client)
        self._retries = Retries(client)
        self._fixed = f"user-agent: {wrapped.user_agent(client)}\r\naccept-encoding: identity\r\n"
        self.pool = Pool(wrapped.transport(client))

    def call(
        self,
        operation: str,
        request: Request,
        *,
        streamed: bool = False,
        fault: Callable[[Answer, bytes], BotoCoreError | None] = _accepted,
    ) -> Reply:
        """Makes a call. `streamed`: its answer's body is left unread; `fault` finds one in an answer that was read.

        :raises ClientError: it was refused.
        :raises BotoCoreError: everything else. What a streamed body's source raises passes through.
        """
        self._counted(operation)
        attempts = Attempts(self._client, operation, self._retries)
        while True:
            head = self._head(request)
            self._retries.wait_for_turn()
            answer, content = None, b""
            try:
                answer = self.pool.exchange(request.endpoint, head, request.body)
                if answer.status >= 300 or not streamed:
                    content = _read(answer)
                failure = fault(answer, content)
            except BotoCoreError as error:
                failure = error
            if answer and not failure and answer.status < 300:
                self._retries.succeeded(attempts.context)
                return Reply(answer, content, attempts.made)
            attempts.failed(answer, content, failure, spent=request.is_spent)

    def _head(self, request: Request) -> bytes:
        """The request's head, signed now.

        :raises ParamValidationError: something in it would end its line, and begin a header of somebody else's choice.
        """
        if self._credentials is None:
            raise NoCredentialsError
        endpoint, query = request.endpoint, request.query
        headers = endpoint.signer.sign(
            request.method,
            request.path,
            query,
            {**request.headers, "host": endpoint.authority},
            self._credentials.get_frozen_credentials(),
            time.time(),
        )
        lines = "\r\n".join([f"{name}: {value}" for name, value in headers.items()])
        if not lines.count("\r") == lines.count("\n") == len(headers) - 1 or "\0" in lines:
            raise ParamValidationError(report="A header's value with a line end or NUL in it.")
        target = f"{request.path}?{query}" if query else request.path
        return f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n{self._fixed}\r\n".encode()


@dataclass(slots=True)
class Attempts:
    """The failed attempts of one call: waits for the next, or raises what the last one came to."""

    client: Any
    operation: str
    retries: Retries
    made: int = 0
    context: dict[str, Any] = field(default_factory=dict)

    def failed(self, answer: Answer | None, content: bytes, failure: BotoCoreError | None, *, spent: bool) -> None:
        self.made += 1
        model = self.client.meta.service_model.operation_model(self.operation)
        http = AWSResponse("", answer.status, cast("Any", answer.headers), _Content(content)) if answer else None
        parsed = self._parsed(http, model) if http and not failure else None
        asked = RetryContext(self.made, model, parsed, http, failure, self.context)
        delay = self.retries.delay(asked, spent=spent)
        if delay is not None:
            time.sleep(delay)
            return
        if failure:
            raise failure
        assert parsed is not None
        parsed["ResponseMetadata"] |= {"RetryAttempts": self.made - 1, **asked.get_retry_metadata()}
        raise self._refusal(parsed)

    def _parsed(self, http: AWSResponse, model: Any) -> dict[str, Any]:
        service = self.client.meta.service_model
        parser = create_parser(service.resolved_protocol)
        response = {"headers": http.headers, "status_code": http.status_code, "body": http.content, "context": {}}
        parsed: dict[str, Any] = parser.parse(response, model.output_shape)
        modelled = service.shape_for_error_code(parsed.get("Error", {}).get("Code"))
        return parsed | parser.parse(response, modelled) if modelled else parsed

    def _refusal(self, parsed: dict[str, Any]) -> ClientError:
        error: ClientError = self.client.exceptions.from_code(parsed.get("Error", {}).get("Code"))(
            parsed, self.operation
        )
        return error


def _read(answer: Answer) -> bytes:
    """:raises ResponseStreamingError: it breaks off, or says that it is too long to be held."""
    if answer.body.size > HELD_LIMIT:
        answer.body.close()
        raise ResponseStreamingError(error=f"an answer of {answer.body.size} bytes, more than {HELD_LIMIT}")
    try:
        return answer.body.read()
    except IncompleteReadError as error:
        raise ResponseStreamingError(error=error) from error


class _Content(io.BytesIO):
    """What botocore's response reads its content from."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()
