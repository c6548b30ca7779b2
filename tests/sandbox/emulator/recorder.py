"""Writes down every AWS API request that reaches the emulator, one JSON line each: what was asked, by whom, of what.

    {"time": 1764000000.123, "milliseconds": 4.2, "service": "s3", "operation": "GetObject", "status": 200,
     "account": "111111111111", "principal": "arn:aws:sts::111111111111:assumed-role/...",
     "bucket": "...", "key": "..."}

`account` is the caller's. Refused calls have an `error` (its code). In place of bucket and key other services have a
`resource`: a table's or queue's name, a role's ARN. What policies ask about besides, or what needs a permission of its
own, is in `conditions` where there is any: S3's "version", "if-match", "if-none-match", "tags", "checksum", "kms-key",
"prefix"; "partition", the one that DynamoDB writes; "external-id", whether STS was given one. What MiniStack does
inside itself is no API request and is not there: the mapping's ReceiveMessage and DeleteMessage, S3's events, a rule's
deliveries.
"""

import json
import os
import re
import time
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.router import detect_service
from ministack.services import s3

from tests.sandbox.emulator.gap import Function, around

CALLS = os.open(os.environ["SANDBOX_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
ERROR_CODE = re.compile(rb'<Code>([^<]+)</Code>|"__type": ?"(?:[^"#]*#)?([^"]+)"')

# (method, sub-resource in the query) -> operation; for requests that name a key.
OBJECT_OPERATIONS = {
    ("GET", ""): "GetObject",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "uploadId"): "ListParts",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("PUT", "tagging"): "PutObjectTagging",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
BUCKET_OPERATIONS = {
    ("GET", ""): "ListObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("POST", "delete"): "DeleteObjects",
}
# Name in the record -> where S3's request has it.
S3_HEADERS = {
    "if-match": "if-match",
    "if-none-match": "if-none-match",
    "tags": "x-amz-tagging",
    "checksum": "x-amz-checksum-mode",
    "kms-key": "x-amz-server-side-encryption-aws-kms-key-id",
}
S3_QUERIES = {"version": "versionId", "prefix": "prefix"}
SUBRESOURCES = ("tagging", "attributes", "uploadId", "uploads", "list-type", "versions", "delete")


@around(app, "_dispatch_service_request")
async def every_request_is_written_down(
    original: Function, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], *rest: Any
) -> Any:
    began = time.time()
    answer = await original(method, path, headers, body, query, *rest)
    record: dict[str, Any] = {"time": round(began, 6), "milliseconds": round(1000 * (time.time() - began), 3)}
    record |= what(method, path, headers, body, query) | who()
    if asked := conditions(record["service"], record["operation"], headers, body, query):
        record["conditions"] = asked
    record["status"] = status = answer[0]
    if status >= 400 and (found := ERROR_CODE.search(bytes(answer[2]))):
        record["error"] = (found[1] or found[2]).decode()
    os.write(CALLS, json.dumps(record).encode() + b"\n")  # one write to an appending file: lines never mix
    return answer


def who() -> dict[str, str]:
    principal = iam_evaluator.caller_arn()
    return {"account": principal.split(":")[4], "principal": principal}


def what(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> dict[str, Any]:
    service = detect_service(method, path, headers, query)
    if service == "s3":
        return of_s3(method, path, headers, query)
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    form = parse_qs(body.decode(errors="replace")) if not target and b"Action=" in body else {}
    action = target or (form.get("Action") or query.get("Action") or [""])[0]
    if not action:  # a REST service: Lambda, EventBridge Scheduler
        action = (iam_actions.extract_iam_action(service, method, path, headers, body, query) or ":").split(":")[1]
    return {"service": service, "operation": action, "resource": resource(body if target else b"", form, path)}


def of_s3(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> dict[str, Any]:
    bucket, key = s3._parse_bucket_key(path, headers)
    part = next((name for name in SUBRESOURCES if name in query), "")
    if not bucket:
        operation = "ListBuckets"
    else:
        operation = (OBJECT_OPERATIONS if key else BUCKET_OPERATIONS).get((method, part), "")
    if operation == "PutObject" and "x-amz-copy-source" in headers:
        operation = "CopyObject"
    if not operation or (part == "" and extra(query)):
        operation = f"{method} ?{'&'.join(sorted(query))}"
    return {"service": "s3", "operation": operation, "bucket": bucket, "key": key}


def conditions(
    service: str, operation: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> dict[str, Any]:
    match service, operation:
        case "s3", _:
            given = {name: headers[header] for name, header in S3_HEADERS.items() if header in headers}
            return given | {name: query[part][0] for name, part in S3_QUERIES.items() if part in query}
        case "dynamodb", ("PutItem" | "UpdateItem" | "DeleteItem"):
            fields = json.loads(body)
            return {"partition": (fields.get("Item") or fields.get("Key") or {}).get("pk", {}).get("S", "")}
        case "sts", "AssumeRole":
            return {"external-id": "ExternalId=" in body.decode(errors="replace")}
    return {}


def extra(query: dict[str, Any]) -> bool:
    """Whether the query names a sub-resource that the tables do not: acl, policy, encryption, ..."""
    return any(values == [""] for name, values in query.items() if name not in ("prefix", "marker", "delimiter"))


def resource(body: bytes, form: dict[str, list[str]], path: str) -> str:
    """The table, queue, role, stack or log group that a request is about; its path where the request is REST."""
    if form:
        return next((form[name][0] for name in ("RoleArn", "StackName", "TopicArn", "RoleName") if name in form), "")
    if not body:
        return path
    fields = json.loads(body)
    if "RequestItems" in fields:
        return ",".join(sorted(fields["RequestItems"]))
    named = ("TableName", "QueueUrl", "QueueName", "SourceArn", "KeyId", "logGroupName", "Name", "RoleArn")
    return next((str(fields[name]).rpartition("/")[2] for name in named if name in fields), "")
