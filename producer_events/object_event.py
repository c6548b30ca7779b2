"""The object-event contract: what leaves the producer account, as the consumer reads it.

S3 sends these events to EventBridge, whose rules deliver them untouched, so a message on the objects queue is the raw
envelope (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html). The contract is

- An event is a hint: it says that a key may have changed, never what the object is now. Only the envelope, the bucket
  and the key have to be there; what else it tells is optional, because S3 leaves it out now and then (`size` and `etag`
  on plain deletes, `sequencer` on restores).
- The key is verbatim. EventBridge events carry it as it is, unlike S3's older notifications, which URL-encode it; so
  nothing here unquotes, strips or normalises it.
- Unknown fields are ignored and the major version must be equal, as the page above asks ("equal-to comparison on the
  major version"). The schema's version is `detail.event-version`, "1.1" today; `version` and `detail.version` are "0"
  in all events, and another number there would be another envelope. A version that is absent is today's.
- What does not fit raises BadEvent, and nothing else is raised, whatever the message is.

`event_contract` has each field's rule. The reader here takes an event only where those rules plainly hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from producer_events.message_body import BadEvent, decode, excerpt, no_event
from producer_events.sequencer import normalised

__all__ = ["DETAIL_TYPES", "MAX_KEY_BYTES", "BadEvent", "DetailType", "ObjectEvent", "decode", "parse_object_event"]

MAX_KEY_BYTES: Final = 1024
"""Of UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""
MAX_TEXT: Final = 1024
"""Characters of any other text."""

DetailType = Literal[
    "Object Created",
    "Object Deleted",
    "Object Restore Completed",
    "Object Tags Added",
    "Object Tags Deleted",
]
DETAIL_TYPES: Final[tuple[DetailType, ...]] = get_args(DetailType)
"""The events that are replicated. The others (ACL, storage class, access tier, annotations) change nothing we carry."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """What an event tells; None where it leaves something out.

    `size` is bytes; `etag` is opaque and without quotes; `sequencer` is upper-case hexadecimal.
    `reason`: PutObject, POST Object, CopyObject, CompleteMultipartUpload; DeleteObject, Lifecycle Expiration.
    `deletion_type`: Permanently Deleted (perhaps of a version that was not current) or Delete Marker Created.
    `source_storage_class`: of a restore.
    """

    detail_type: DetailType
    id: str
    account: str
    time: datetime
    region: str
    bucket: str
    key: str
    size: int | None = None
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    reason: str | None = None
    requester: str | None = None
    deletion_type: str | None = None
    source_storage_class: str | None = None

    @property
    def about_tags(self) -> bool:
        return self.detail_type in ("Object Tags Added", "Object Tags Deleted")


def parse_object_event(body: str | bytes | Mapping[str, Any]) -> ObjectEvent:
    """The event in an SQS message body, or in what `decode` made of one. BadEvent for everything else, of any type."""
    envelope = body if isinstance(body, Mapping) else decode(body)
    if envelope.get("source") != "aws.s3":
        raise no_event(f"its source is {excerpt(envelope.get('source'))}, not aws.s3")
    detail_type = envelope.get("detail-type")
    if not isinstance(detail_type, str) or detail_type not in DETAIL_TYPES:
        raise no_event(f"its detail-type is {excerpt(detail_type)}, which is not replicated")
    _refuse_other_majors(envelope)
    try:
        return plainly_read(envelope, detail_type)
    except ValueError:
        from producer_events import event_contract  # noqa: PLC0415 - heavy at start, rarely needed

        return event_contract.read(envelope, detail_type)


def _refuse_other_majors(envelope: Mapping[str, Any]) -> None:
    detail = envelope.get("detail")
    inner = detail if isinstance(detail, Mapping) else {}
    for name, version, known in (
        ("version", envelope.get("version"), "0"),
        ("detail.version", inner.get("version"), "0"),
        ("detail.event-version", inner.get("event-version"), "1"),
    ):
        if version is None:
            continue
        if not isinstance(version, str) or version.split(".", 1)[0] != known:
            raise BadEvent("unknown-version", f"The event's {name} is {excerpt(version)}; only major {known} is known.")


class _InDoubt(ValueError):
    """Something is not as S3 writes it. Whether it is wrong is for the contract to say."""


def plainly_read(envelope: Mapping[str, Any], detail_type: DetailType) -> ObjectEvent:
    """The event in an envelope in which everything is as S3 writes it.

    :raises ValueError: it is not; that tells nothing about whether the contract admits it.
    """
    detail = _fields(_fields(envelope).get("detail"))
    thing = _fields(detail.get("object"))
    return ObjectEvent(
        detail_type=detail_type,
        id=_text(envelope.get("id")),
        account=_account(envelope.get("account")),
        time=_moment(envelope.get("time")),
        region=_text(envelope.get("region")),
        bucket=_text(_fields(detail.get("bucket")).get("name")),
        key=_key(thing.get("key")),
        size=_size(thing.get("size")),
        etag=_text_or_none(thing.get("etag")),
        version_id=_text_or_none(thing.get("version-id")),
        sequencer=normalised(thing.get("sequencer")),
        reason=_text_or_none(detail.get("reason")),
        requester=_text_or_none(detail.get("requester")),
        deletion_type=_text_or_none(detail.get("deletion-type")) if detail_type == "Object Deleted" else None,
        source_storage_class=(
            _text_or_none(detail.get("source-storage-class")) if detail_type == "Object Restore Completed" else None
        ),
    )


def _fields(value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise _InDoubt
    return value


def _text(value: object) -> str:
    if type(value) is not str or not 1 <= len(value) <= MAX_TEXT:
        raise _InDoubt
    value.encode()  # UnicodeEncodeError is a ValueError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _key(value: object) -> str:
    if type(value) is not str or not 1 <= len(value.encode()) <= MAX_KEY_BYTES:
        raise _InDoubt
    return value


def _account(value: object) -> str:
    if type(value) is not str or len(value) != 12 or not (value.isascii() and value.isdigit()):
        raise _InDoubt
    return value


def _size(value: object) -> int | None:
    if value is None or (type(value) is int and 0 <= value < 2**63):
        return value
    raise _InDoubt


def _moment(value: object) -> datetime:
    if type(value) is str and (found := datetime.fromisoformat(value)).tzinfo is not None:
        return found
    raise _InDoubt
