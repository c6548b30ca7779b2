"""A hint says that a key may have changed, never what it is now. Pure: from a message's body to a hint, and back.

Four messages become hints: the producer's object events (raw EventBridge envelopes), and our own plain, confirm and
range hints. A *confirm* hint belongs to one tombstone and names its generation; it deletes, and never copies. A *range*
hint belongs to one upload that spreads over several invocations; it carries one range of its parts.
Our own form, JSON with every character outside ASCII escaped (SQS refuses what XML 1.0 does not allow):

    {"s3-hydration-hint": 1, "bucket": "...", "key": "...", "id": "...", "kind": "plain"}
    {"s3-hydration-hint": 1, "bucket": "...", "key": "...", "id": "...", "kind": "confirm", "tombstone": 7}
    {"s3-hydration-hint": 1, "bucket": "...", "key": "...", "id": "...", "kind": "range", "upload": "...", "range": 3}

A plain hint may have `"force": true` (copy even if current), `"stray": true` (a replica is there that the row does not
name: look at it before anything is copied) and `"resend": "<upload id>"` (a range of that upload was given up: send
those that are missing again).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from consumer_replicator.errors import Rejected
from producer_events.object_event import MAX_KEY_BYTES, BadEvent, ObjectEvent, decode, parse_object_event

MARK = "s3-hydration-hint"
VERSION = 1
MAX_ID_CHARACTERS = 128
NUMBERED = frozenset({"Object Created", "Object Deleted"})
"""Events whose sequencers compare. Of others nothing says so, and one kept by a row would supersede the next write."""
MAX_UPLOAD_ID_CHARACTERS = 1024
"""S3 says nothing of the length of an upload id, which is opaque; today's have some 130 characters."""


@dataclass(frozen=True, slots=True)
class PartRange:
    """One range of the parts of one upload; `number` counts from 1."""

    upload_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Hint:
    """`event_time` in seconds since the epoch; `event_id` correlates its log lines; `force`: copy anyway.

    `stray`: a replica has been seen that the row does not name. `range`: carry this range of parts and nothing else.
    `resend`: the id of an upload whose missing ranges must be sent again. `refused`: an earlier pass over it was
    refused a write.
    """

    key: str
    event_id: str
    event_time: float | None = None
    sequencer: str | None = None
    about_tags: bool = False
    tombstone: int | None = None
    receive_count: int = 1
    force: bool = False
    stray: bool = False
    range: PartRange | None = None
    resend: str | None = None
    refused: bool = False

    @property
    def may_be_half_done(self) -> bool:
        """Whether a worker on this hint may have changed the replica already, and left the row as it was."""
        return self.receive_count > 1 or self.refused


def fits_a_key(key: str) -> str:
    """Bytes, not characters: a longer key would make DynamoDB refuse the whole batch of rows it is asked for in."""
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"is not 1 to {MAX_KEY_BYTES} bytes of UTF-8")
    return key


@dataclass(frozen=True, slots=True)
class PlainHint:
    """`force`, `stray`: as in `Hint`. A reconcile's hints carry its run id as their `id`."""

    bucket: str
    key: str
    id: str
    force: bool = False
    stray: bool = False
    resend: str | None = None
    kind: Literal["plain"] = "plain"


@dataclass(frozen=True, slots=True)
class ConfirmHint:
    bucket: str
    key: str
    id: str
    tombstone: int
    kind: Literal["confirm"] = "confirm"


@dataclass(frozen=True, slots=True)
class RangeHint:
    bucket: str
    key: str
    id: str
    upload: str
    range: int
    kind: Literal["range"] = "range"


type OwnHint = PlainHint | ConfirmHint | RangeHint


def to_body(message: OwnHint) -> str:
    """The message as an SQS body. An id that came with an event may be longer than a hint's: it is cut."""
    values: dict[str, Any] = {
        MARK: VERSION,
        "bucket": message.bucket,
        "key": message.key,
        "id": message.id[:MAX_ID_CHARACTERS],
        "kind": message.kind,
    }
    match message:
        case PlainHint(force=force, stray=stray, resend=resend):
            values |= {"force": True} if force else {}
            values |= {"stray": True} if stray else {}
            values |= {"resend": resend} if resend is not None else {}
        case ConfirmHint(tombstone=tombstone):
            values["tombstone"] = tombstone
        case RangeHint(upload=upload, range=number):
            values |= {"upload": upload, "range": number}
    return json.dumps(values, ensure_ascii=True)


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
    """Unknown fields are ignored, so that a next release may add some."""
    try:
        hint = _read(document, receive_count)
        named = _text(document, "bucket", 3, 63)
    except (KeyError, ValueError):
        raise Rejected("bad-hint") from None
    if named != bucket:
        raise Rejected("foreign-bucket", f"The hint names bucket {named!a}; the source is {bucket!a}.")
    return hint


def _read(document: Mapping[str, Any], receive_count: int) -> Hint:
    """:raises KeyError, ValueError: a field that must be there is not, or is not what it must be."""
    if _whole(document, MARK) != VERSION:
        raise ValueError("is of another version")
    common: dict[str, Any] = {
        "key": fits_a_key(_text(document, "key", 1, MAX_KEY_BYTES)),
        "event_id": _text(document, "id", 0, MAX_ID_CHARACTERS),
        "receive_count": receive_count,
    }
    match document["kind"]:
        case "plain":
            resend = _text(document, "resend", 1, MAX_UPLOAD_ID_CHARACTERS) if "resend" in document else None
            return Hint(**common, force=_flag(document, "force"), stray=_flag(document, "stray"), resend=resend)
        case "confirm":
            return Hint(**common, tombstone=_whole(document, "tombstone"))
        case "range":
            upload_id = _text(document, "upload", 1, MAX_UPLOAD_ID_CHARACTERS)
            return Hint(**common, range=PartRange(upload_id, _whole(document, "range")))
        case _:
            raise ValueError("is of no known kind")


def _text(document: Mapping[str, Any], name: str, least: int, most: int) -> str:
    value = document[name]
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValueError(f"{name} is not a text of {least} to {most} characters")
    return value


def _whole(document: Mapping[str, Any], name: str) -> int:
    """An integer from 1; neither a truth value nor a number with a fraction."""
    value = document[name]
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} is not an integer from 1")
    return value


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if value is not True and value is not False:
        raise ValueError(f"{name} is not true or false")
    return value


def _from_event(event: ObjectEvent, bucket: str, account: str, receive_count: int) -> Hint:
    if event.bucket != bucket:
        raise Rejected("foreign-bucket", f"The event names bucket {event.bucket!a}; the source is {bucket!a}.")
    if event.account != account:
        raise Rejected("foreign-account", f"The event is from account {event.account!a}; the producer is {account!a}.")
    return Hint(
        key=event.key,
        event_id=event.id,
        event_time=event.time.timestamp(),
        sequencer=event.sequencer if event.detail_type in NUMBERED else None,
        about_tags=event.about_tags,
        receive_count=receive_count,
    )
