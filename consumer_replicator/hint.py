"""A hint says that a key may have changed, never what it is now. Pure: from a message's body to a hint, and back.

Three messages become hints: the producer's object events (raw EventBridge envelopes), and our own plain and confirm
hints. A *confirm* hint belongs to one tombstone and names its generation; it deletes, and never copies.
Our own form, JSON with every character outside ASCII escaped (SQS refuses what XML 1.0 does not allow):

    {"s3-hydration-hint": 1, "kind": "confirm", "bucket": "...", "key": "...", "tombstone": 7, "id": "..."}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consumer_replicator.errors import Rejected
from producer_events.object_event import MAX_KEY_BYTES, BadEvent, ObjectEvent, decode, parse_object_event

MARK = "s3-hydration-hint"


@dataclass(frozen=True, slots=True)
class Hint:
    """`event_time` in seconds since the epoch; `event_id` correlates its log lines; `force`: copy anyway."""

    key: str
    event_id: str
    event_time: float | None = None
    sequencer: str | None = None
    about_tags: bool = False
    tombstone: int | None = None
    receive_count: int = 1
    force: bool = False


def fits_a_key(key: str) -> str:
    """Bytes, not characters: a longer key would make DynamoDB refuse the whole batch of rows it is asked for in."""
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"is not 1 to {MAX_KEY_BYTES} bytes of UTF-8")
    return key


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    version: Annotated[int, Field(ge=1, le=1, alias=MARK)] = 1
    bucket: Annotated[str, Field(min_length=3, max_length=63)]
    key: Annotated[str, AfterValidator(fits_a_key)]
    id: Annotated[str, Field(max_length=128)]


class PlainHint(_Message):
    """`force`: copy even if current. A reconcile's hints carry its run id as their `id`."""

    kind: Literal["plain"] = "plain"
    force: bool = False


class ConfirmHint(_Message):
    kind: Literal["confirm"] = "confirm"
    tombstone: Annotated[int, Field(ge=1)]


_OWN: TypeAdapter[PlainHint | ConfirmHint] = TypeAdapter(
    Annotated[PlainHint | ConfirmHint, Field(discriminator="kind")]
)


def to_body(message: PlainHint | ConfirmHint) -> str:
    """The message as an SQS body."""
    plain = isinstance(message, PlainHint) and not message.force
    return json.dumps(message.model_dump(by_alias=True, exclude={"force"} if plain else None), ensure_ascii=True)


def parse_hint(body: str, *, bucket: str, account: str, receive_count: int = 1) -> Hint:
    """The hint that an SQS body carries.

    :raises Rejected: not JSON, not ours, malformed, or about another bucket or account than the configured source.
    """
    try:
        document = decode(body)
        if MARK in document:
            return _from_own(document, bucket, receive_count)
        event = parse_object_event(document)
    except BadEvent as bad:
        raise Rejected(bad.code, str(bad)) from None
    return _from_event(event, bucket, account, receive_count)


def _from_own(document: Mapping[str, Any], bucket: str, receive_count: int) -> Hint:
    try:
        message = _OWN.validate_python(document)
    except ValidationError:
        raise Rejected("bad-hint") from None
    if message.bucket != bucket:
        raise Rejected("foreign-bucket", f"The hint names bucket {message.bucket!a}; the source is {bucket!a}.")
    tombstone = message.tombstone if isinstance(message, ConfirmHint) else None
    force = isinstance(message, PlainHint) and message.force
    return Hint(key=message.key, event_id=message.id, tombstone=tombstone, force=force, receive_count=receive_count)


def _from_event(event: ObjectEvent, bucket: str, account: str, receive_count: int) -> Hint:
    if event.bucket != bucket:
        raise Rejected("foreign-bucket", f"The event names bucket {event.bucket!a}; the source is {bucket!a}.")
    if event.account != account:
        raise Rejected("foreign-account", f"The event is from account {event.account!a}; the producer is {account!a}.")
    return Hint(
        key=event.key,
        event_id=event.id,
        event_time=event.time.timestamp(),
        sequencer=event.sequencer,
        about_tags=event.about_tags,
        receive_count=receive_count,
    )
