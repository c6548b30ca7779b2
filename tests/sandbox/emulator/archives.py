"""CloudFormation in MiniStack 1.5.33 knows no `AWS::Events::Archive`, although its EventBridge does.

The archive is MiniStack's own, made through its API. Its replay compares an event's time with the bounds as numbers,
and dies of one that is text, as that of an event from another account is; and it runs in a thread that knows of no TLS.
"""

import json
from datetime import datetime
from typing import Any

from ministack import app
from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.gap import Function, around


@around(eventbridge, "_archive_event")
def times_are_kept_as_numbers(original: Function, event: dict[str, Any], view: Any = None) -> None:
    kept = event["Time"]
    original({**event, "Time": datetime.fromisoformat(kept).timestamp() if isinstance(kept, str) else kept}, view)


@around(eventbridge, "_dispatch_event")
def a_replay_counts_as_tls(original: Function, event: dict[str, Any], view: Any = None) -> None:
    if "ReplayName" in event:
        app.pin_request_origin("127.0.0.1", secure_transport=True)
    original(event, view)


def create(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
    request = {
        "ArchiveName": properties["ArchiveName"],
        "EventSourceArn": properties["SourceArn"],
        "Description": properties.get("Description", ""),
        "EventPattern": json.dumps(properties["EventPattern"]),
        "RetentionDays": int(properties.get("RetentionDays", 0)),
    }
    status, _, body = eventbridge._create_archive(request)
    if status != 200:
        raise ValueError(body.decode())
    return request["ArchiveName"], {"Arn": json.loads(body)["ArchiveArn"]}


def update(physical_id: str, _old: Any, new: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
    changed = {"ArchiveName": physical_id, "RetentionDays": int(new.get("RetentionDays", 0))}
    status, _, body = eventbridge._update_archive(changed)
    if status != 200:
        raise ValueError(body.decode())
    return physical_id, {"Arn": json.loads(body)["ArchiveArn"]}


def delete(physical_id: str, _properties: Any) -> None:
    eventbridge._delete_archive({"ArchiveName": physical_id})


provisioners._RESOURCE_HANDLERS["AWS::Events::Archive"] = {"create": create, "update": update, "delete": delete}
