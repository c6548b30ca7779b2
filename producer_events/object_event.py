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
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from producer_events.message_body import BadEvent, decode, excerpt, no_event, plain
from producer_events.sequencer import normalised

__all__ = ["DETAIL_TYPES", "MAX_KEY_BYTES", "BadEvent", "ObjectEvent", "decode", "parse_object_event"]

MAX_KEY_BYTES: Final = 1024
"""Of UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""


def _moment(value: object) -> object:
    # Not pydantic's own reading, which takes a number, or the text of one, for seconds since the epoch.
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _utf8(text: str) -> str:
    # Only an envelope that another reader decoded can hold a lone surrogate, which nothing after this could store.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not text that UTF-8 can carry") from None
    return text


def _fits_a_key(key: str) -> str:
    if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"is not 1 to {MAX_KEY_BYTES} bytes of UTF-8")
    return key


_Key = Annotated[str, AfterValidator(_utf8), AfterValidator(_fits_a_key)]
_Sequencer = Annotated[str | None, BeforeValidator(normalised)]
_Time = Annotated[AwareDatetime, BeforeValidator(_moment)]
_Text = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_utf8)]


class _Contract(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=lambda name: name.replace("_", "-"),
        # Only the aliases: a field that S3 does not write is unknown, whatever it looks like in Python.
        validate_by_name=False,
    )


class Bucket(_Contract):
    name: _Text


class Object(_Contract):
    """`size` is bytes; `etag` is opaque and without quotes; `sequencer` is upper-case hexadecimal or absent."""

    key: _Key
    size: int | None = Field(default=None, ge=0, lt=2**63)
    etag: _Text | None = None
    version_id: _Text | None = None
    sequencer: _Sequencer = None


class Detail(_Contract):
    """`reason`: PutObject, POST Object, CopyObject, CompleteMultipartUpload; DeleteObject, Lifecycle Expiration."""

    bucket: Bucket
    object: Object
    reason: _Text | None = None
    requester: _Text | None = None


class DeletedDetail(Detail):
    """`deletion_type`: Permanently Deleted (perhaps of a version that was not current) or Delete Marker Created."""

    deletion_type: _Text | None = None


class RestoreDetail(Detail):
    source_storage_class: _Text | None = None


class _Envelope(_Contract):
    about_tags: ClassVar[bool] = False

    id: _Text
    source: Literal["aws.s3"]
    account: str = Field(pattern=r"^[0-9]{12}$")
    time: _Time
    region: _Text
    detail: Detail

    @property
    def bucket(self) -> str:
        return self.detail.bucket.name

    @property
    def key(self) -> str:
        return self.detail.object.key

    @property
    def sequencer(self) -> str | None:
        return self.detail.object.sequencer

    @property
    def size(self) -> int | None:
        return self.detail.object.size

    @property
    def etag(self) -> str | None:
        return self.detail.object.etag

    @property
    def version_id(self) -> str | None:
        return self.detail.object.version_id


class ObjectCreated(_Envelope):
    detail_type: Literal["Object Created"]


class ObjectDeleted(_Envelope):
    detail_type: Literal["Object Deleted"]
    detail: DeletedDetail


class ObjectRestoreCompleted(_Envelope):
    detail_type: Literal["Object Restore Completed"]
    detail: RestoreDetail


class ObjectTagsAdded(_Envelope):
    about_tags = True
    detail_type: Literal["Object Tags Added"]


class ObjectTagsDeleted(_Envelope):
    about_tags = True
    detail_type: Literal["Object Tags Deleted"]


type ObjectEvent = ObjectCreated | ObjectDeleted | ObjectRestoreCompleted | ObjectTagsAdded | ObjectTagsDeleted

_MODELS: Final[Mapping[str, type[ObjectEvent]]] = {
    "Object Created": ObjectCreated,
    "Object Deleted": ObjectDeleted,
    "Object Restore Completed": ObjectRestoreCompleted,
    "Object Tags Added": ObjectTagsAdded,
    "Object Tags Deleted": ObjectTagsDeleted,
}
DETAIL_TYPES: Final = tuple(_MODELS)
"""The events that are replicated. The others (ACL, storage class, access tier, annotations) change nothing we carry."""


def parse_object_event(body: str | bytes | Mapping[str, Any]) -> ObjectEvent:
    """The event in an SQS message body, or in what `decode` made of one. BadEvent for everything else, of any type."""
    envelope = body if isinstance(body, Mapping) else decode(body)
    if envelope.get("source") != "aws.s3":
        raise no_event(f"its source is {excerpt(envelope.get('source'))}, not aws.s3")
    detail_type = envelope.get("detail-type")
    model = _MODELS.get(detail_type) if isinstance(detail_type, str) else None
    if model is None:
        raise no_event(f"its detail-type is {excerpt(detail_type)}, which is not replicated")
    _refuse_other_majors(envelope)
    try:
        return model.model_validate(envelope)
    except ValidationError as error:
        raise no_event(_first_fault(error)) from None


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


def _first_fault(error: ValidationError) -> str:
    # Field names are the contract's own, texts pydantic's or ours; neither quotes the message.
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{field} is missing"
    return f"{field}: {plain(fault['msg'].removeprefix('Value error, '))}"
