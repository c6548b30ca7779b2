"""S3's events to the default bus, made to look as AWS documents them.

MiniStack 1.5.33 leaves `version-id` out, gives a time with milliseconds, a size and an empty etag on deletes, and sends
nothing when tags change. Shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html; which event has
which field: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

from tests.sandbox.emulator.gap import Function, around

TAGS_ADDED, TAGS_DELETED = "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete"
s3._S3_EVENTBRIDGE_EVENT_DETAIL_TYPE["ObjectTagging:Put"] = "Object Tags Added"
s3._S3_EVENTBRIDGE_EVENT_DETAIL_TYPE["ObjectTagging:Delete"] = "Object Tags Deleted"
in_event: ContextVar[dict[str, Any] | None] = ContextVar("in_event", default=None)


@around(s3, "_fire_s3_event")
def remember_what_the_event_leaves_out(original: Function, *args: Any, **kwargs: Any) -> None:
    token = in_event.set(kwargs)
    try:
        original(*args, **kwargs)
    finally:
        in_event.reset(token)


@around(eventbridge, "_dispatch_event")
def s3_events_as_documented(original: Function, event: dict[str, Any], view: Any = None) -> None:
    fields = in_event.get()
    if fields is None:
        original(event, view)
        return
    token = in_event.set(None)  # what the rules do with the event is no part of making it
    try:
        original(documented(event, fields))
    finally:
        in_event.reset(token)


def documented(event: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The event with the fields that S3 gives its type, and no others."""
    detail = json.loads(event["Detail"])
    of_object = detail["object"]
    if fields.get("version_id"):
        of_object["version-id"] = fields["version_id"]
    if not fields.get("sequencer"):
        del of_object["sequencer"]
    if not of_object["etag"]:
        del of_object["etag"]
    if event["DetailType"] in ("Object Deleted", "Object Tags Added", "Object Tags Deleted"):
        del of_object["size"]
    whole_seconds = event["Time"].partition(".")[0].removesuffix("Z") + "Z"
    return {**event, "Detail": json.dumps(detail), "Time": whole_seconds}


@around(s3, "_put_object_tagging")
def tags_added(original: Function, bucket: str, key: str, body: bytes, query: Any = None) -> Any:
    return with_tag_event(original(bucket, key, body, query), bucket, key, TAGS_ADDED)


@around(s3, "_delete_object_tagging")
def tags_deleted(original: Function, bucket: str, key: str, query: Any = None) -> Any:
    return with_tag_event(original(bucket, key, query), bucket, key, TAGS_DELETED)


def with_tag_event(answer: Any, bucket: str, key: str, event_name: str) -> Any:
    """Fires the event if the call went well: it names the version and its ETag, without size or sequencer."""
    status, headers, _ = answer
    if status < 300:
        version_id = headers.get("x-amz-version-id")
        s3._fire_s3_event_async(bucket, key, event_name, etag=etag_of(bucket, key, version_id), version_id=version_id)
    return answer


def etag_of(bucket: str, key: str, version_id: str | None) -> str:
    for version in s3._object_versions.get((bucket, key), []):
        if version["version_id"] == version_id:
            return str(version["etag"])
    return str(s3._buckets[bucket]["objects"][key]["etag"])
