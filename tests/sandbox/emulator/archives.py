"""CloudFormation in MiniStack 1.5.33 knows no `AWS::Events::Archive`, although its EventBridge does.

The archive is MiniStack's own, made through its API.
"""

import json
from typing import Any

from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners


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
