"""MiniStack 1.5.33 leaves condition keys out that the products' policies ask about.

- `s3:x-amz-server-side-encryption-aws-kms-key-id` of a write: the key that the request names; a part's and a
  completion's is the one that their upload named
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html).
- `dynamodb:LeadingKeys` of a request for one item, or for several: their partition keys
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html). Queries have none here.
"""

import json
from collections.abc import Iterator
from typing import Any

from ministack.core import iam_actions
from ministack.services import dynamodb, s3

from tests.sandbox.emulator.gap import Function, around
from tests.sandbox.emulator.object_keys import KEY


@around(iam_actions, "s3_service_context")
def a_write_names_its_key(
    original: Function, action: str, query: dict[str, Any] | None, path: str = "", headers: Any = None
) -> Any:
    context = original(action, query, path, headers)
    if action == "s3:PutObject" and (named := named_key(query or {}, headers or {})):
        context[f"s3:{KEY}"] = named
    return context


def named_key(query: dict[str, Any], headers: dict[str, str]) -> str | None:
    upload_id = iam_actions._query_param(query, "uploadId")
    if not upload_id:
        return headers.get(KEY)
    upload = s3._multipart_uploads.get(upload_id)
    return upload["preserved_headers"].get(KEY) if upload and upload["requested_sse"] else None


@around(iam_actions, "dynamodb_service_context")
def items_have_leading_keys(original: Function, body: bytes) -> Any:
    context = original(body)
    if found := list(leading_keys(json.loads(body or b"{}"))):
        context["dynamodb:LeadingKeys"] = found
    return context


def leading_keys(request: dict[str, Any]) -> Iterator[str]:
    items = [(request.get("TableName"), request.get("Key") or request.get("Item"))]
    for table, asked in (request.get("RequestItems") or {}).items():
        items += [(table, key) for key in asked.get("Keys", ())] if isinstance(asked, dict) else []
    for table, item in items:
        known = dynamodb._tables.get(str(table).rpartition("/")[2])
        if known and item and (value := item.get(known["pk_name"])):
            yield str(next(iter(value.values())))
