"""The object-event contract as models: what a field may be, and what is said of one that is not.

`object_event` reads the events that S3 writes without them, and asks here in every case of doubt: importing pydantic is
a third of a cold start. A test holds the two to the same answers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from producer_events.message_body import no_event, plain
from producer_events.object_event import MAX_KEY_BYTES, MAX_TEXT, DetailType, ObjectEvent
from producer_events.sequencer import normalised


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
_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_utf8)]


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
    key: _Key
    size: int | None = Field(default=None, ge=0, lt=2**63)
    etag: _Text | None = None
    version_id: _Text | None = None
    sequencer: _Sequencer = None


class Detail(_Contract):
    bucket: Bucket
    object: Object
    reason: _Text | None = None
    requester: _Text | None = None


class DeletedDetail(Detail):
    deletion_type: _Text | None = None


class RestoreDetail(Detail):
    source_storage_class: _Text | None = None


class Envelope(_Contract):
    id: _Text
    source: Literal["aws.s3"]
    detail_type: DetailType
    account: str = Field(pattern=r"^[0-9]{12}$")
    time: _Time
    region: _Text
    detail: Detail


class DeletedEnvelope(Envelope):
    detail: DeletedDetail


class RestoreEnvelope(Envelope):
    detail: RestoreDetail


_MODELS: Mapping[DetailType, type[Envelope]] = {
    "Object Deleted": DeletedEnvelope,
    "Object Restore Completed": RestoreEnvelope,
}


def read(envelope: Mapping[str, Any], detail_type: DetailType) -> ObjectEvent:
    """The event in an envelope of that type. BadEvent where a field is amiss, which it names."""
    try:
        found = _MODELS.get(detail_type, Envelope).model_validate(envelope)
    except ValidationError as error:
        raise no_event(_first_fault(error)) from None
    detail = found.detail
    return ObjectEvent(
        detail_type=found.detail_type,
        id=found.id,
        account=found.account,
        time=found.time,
        region=found.region,
        bucket=detail.bucket.name,
        key=detail.object.key,
        size=detail.object.size,
        etag=detail.object.etag,
        version_id=detail.object.version_id,
        sequencer=detail.object.sequencer,
        reason=detail.reason,
        requester=detail.requester,
        deletion_type=detail.deletion_type if isinstance(detail, DeletedDetail) else None,
        source_storage_class=detail.source_storage_class if isinstance(detail, RestoreDetail) else None,
    )


def _first_fault(error: ValidationError) -> str:
    # Field names are the contract's own, texts pydantic's or ours; neither quotes the message.
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{field} is missing"
    return f"{field}: {plain(fault['msg'].removeprefix('Value error, '))}"
