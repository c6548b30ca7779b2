"""A message body from the objects queue, as far as it is JSON, and what is said of one that is no object event.

Anybody who may send to the queue may send anything, so a fault is told in one plain sentence that is safe to log, to
print and to store: what it quotes is bounded and escaped. Of a JSON object that names a field twice, the last counts.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

MAX_BODY_BYTES: Final = 1024 * 1024
"""Of one SQS message: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html."""

type BadEventCode = Literal["not-json", "not-an-object-event", "unknown-version"]
BAD_EVENT_CODES: Final[Mapping[BadEventCode, str]] = {
    "not-json": "the message is not a JSON document in UTF-8",
    "not-an-object-event": "the message is JSON, but no S3 object event that is replicated, or one with a field amiss",
    "unknown-version": "the event's major version is not the one that this code was written for",
}


class BadEvent(ValueError):
    """A message that is no object event. `code` is one of BAD_EVENT_CODES; the text is one printable ASCII sentence."""

    def __init__(self, code: BadEventCode, message: str) -> None:
        super().__init__(message)
        self.code: Final = code


def decode(body: str | bytes) -> dict[str, Any]:
    """The JSON object in a message body. BadEvent where there is none, whatever `body` is."""
    if not isinstance(body, str | bytes):
        raise no_event(f"it is {excerpt(body)}, not a JSON object")
    try:
        raw = body.encode() if isinstance(body, str) else body
    except UnicodeEncodeError:
        raise BadEvent("not-json", "The message is not text that UTF-8 can carry.") from None
    if len(raw) > MAX_BODY_BYTES:
        raise no_event(f"it has {len(raw)} bytes, more than the {MAX_BODY_BYTES} that a queue carries")
    document = _read(raw)
    if not isinstance(document, dict):
        raise no_event(f"it is {excerpt(document)}, not a JSON object")
    return document


MAX_PLAIN_DEPTH: Final = 100


def _in_doubt(_: str) -> NoReturn:
    raise ValueError


_PLAIN: Final = json.JSONDecoder(parse_float=_in_doubt, parse_constant=_in_doubt)


def _read(raw: bytes) -> Any:
    """What the bytes say. The strict reader decides; where the standard library's cannot differ from it, that one
    reads, because importing the other is a tenth of a cold start. Their differences: depth, NaN, lone surrogates."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_PLAIN_DEPTH and b"\\ud" not in raw.lower():
        try:
            return _PLAIN.decode(raw.decode())
        except ValueError:
            pass  # a number with a fraction, or no JSON at all: the strict reader says what is wrong
    from pydantic_core import from_json  # noqa: PLC0415 - heavy at start, rarely needed

    try:
        return from_json(raw, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise BadEvent("not-json", f"The message is not JSON: {plain(str(error))}.") from None


def no_event(why: str) -> BadEvent:
    return BadEvent("not-an-object-event", f"The message is no S3 object event: {why}.")


def excerpt(value: object) -> str:
    if isinstance(value, str):
        return ascii(value[:40]) + ("..." if len(value) > 40 else "")
    return "absent" if value is None else f"a {type(value).__name__}"


def plain(text: str) -> str:
    return ascii(text[:200])[1:-1]
