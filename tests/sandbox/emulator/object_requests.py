"""Smaller ways in which MiniStack 1.5.33 answers object requests unlike S3."""

import re
from email.header import Header
from typing import Any
from urllib.parse import parse_qs

from ministack.services import s3

from tests.sandbox.emulator.gap import Function, around

BUCKET_KEY = "x-amz-server-side-encryption-bucket-key-enabled"
s3._SSE_STORED_HEADERS += (BUCKET_KEY,)


@around(s3, "_dispatch")
def the_expected_bucket_owner_is_checked(
    original: Function, method: str, bucket: str, key: str, headers: dict[str, str], *rest: Any
) -> Any:
    """MiniStack ignores the header. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html"""
    expected = headers.get("x-amz-expected-bucket-owner")
    if expected and s3._bucket_owner_account(bucket) not in (None, expected):
        return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
    return original(method, bucket, key, headers, *rest)


@around(s3, "_head_object")
def head_counts_the_tags(original: Function, bucket: str, key: str, *rest: Any) -> Any:
    """Only GetObject tells the number. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    status, headers, body = original(bucket, key, *rest)
    if status == 200:
        headers |= s3._object_tagging_count_header(bucket, key, headers.get("x-amz-version-id"))
    return status, headers, body


@around(s3, "_get_object")
def ranges_of_a_version(original: Function, bucket: str, key: str, headers: dict[str, str], query: Any = None) -> Any:
    """With a versionId the whole object comes back, whatever the range, with status 200."""
    status, answer, body = original(bucket, key, headers, query)
    wanted = headers.get("range")
    if status != 200 or not wanted:
        return status, answer, body
    found = s3._parse_range(wanted, len(body))
    if found is None:
        return s3._error("InvalidRange", "The requested range is not satisfiable", 416, f"/{bucket}/{key}")
    start, end = found
    answer = {name: value for name, value in answer.items() if not name.lower().startswith("x-amz-checksum-")}
    answer |= {"Content-Length": str(end - start + 1), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return 206, answer, body[start : end + 1]


@around(s3, "_put_object")
def an_overwrite_drops_the_tags(original: Function, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
    """On a bucket without versions the old object's tags stay on the new one."""
    answer = original(bucket, key, body, headers)
    if answer[0] == 200 and not headers.get("x-amz-tagging"):
        s3._object_tags.pop((bucket, key, None), None)
    return answer


@around(s3, "_create_multipart_upload")
def an_upload_brings_its_tags(original: Function, bucket: str, key: str, headers: dict[str, str]) -> Any:
    """x-amz-tagging is dropped. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    status, answer, body = original(bucket, key, headers)
    if status == 200:
        upload_id = re.search(rb"<UploadId>(.+?)</UploadId>", body)[1].decode()  # type: ignore[index]
        tags = parse_qs(headers.get("x-amz-tagging", ""), keep_blank_values=True)
        s3._multipart_uploads[upload_id]["tags"] = {name: values[0] for name, values in tags.items()}
    return status, answer, body


@around(s3, "_complete_multipart_upload")
def a_completed_upload_has_its_tags(
    original: Function, bucket: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None
) -> Any:
    upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    answer = original(bucket, key, body, query, headers)
    if answer[0] == 200 and upload is not None:
        version_id = answer[1].get("x-amz-version-id")
        s3._object_tags[(bucket, key, version_id)] = upload["tags"]
    return answer


@around(s3, "_resolve_sse_write_headers")
def the_bucket_key_is_remembered(original: Function, headers: dict[str, str], bucket: str) -> Any:
    """Asked for by the request, or by the bucket's default. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html"""
    applied, error = original(headers, bucket)
    if error is None and applied.get("x-amz-server-side-encryption") == "aws:kms":
        default = "BucketKeyEnabled>true<" in str(s3._bucket_encryption.get(bucket) or "")
        if headers.get(BUCKET_KEY, str(default)).lower() == "true":
            applied[BUCKET_KEY] = "true"
    return applied, error


@around(s3, "_object_response_headers")
def metadata_outside_ascii_is_encoded(original: Function, *args: Any, **kwargs: Any) -> Any:
    """S3 answers with RFC 2047 words. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""
    headers = original(*args, **kwargs)
    return {
        name: value if not is_odd(name, value) else Header(value, "utf-8", 10**6).encode()
        for name, value in headers.items()
    }


def is_odd(name: str, value: str) -> bool:
    return name.lower().startswith("x-amz-meta-") and not value.isascii()
