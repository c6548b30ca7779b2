"""MiniStack 1.5.33 makes every ETag the MD5 of the bytes; under SSE-KMS S3's is not, and no two writes share one.

"Objects encrypted by SSE-C or SSE-KMS have ETags that are not an MD5 digest of their object data"
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Writing the same bytes again must not look like
nothing happened: conditional writes tell one writer from another by the ETag.
"""

import secrets
from typing import Any

from ministack.services import s3

from tests.sandbox.emulator.gap import Function, around

ENCRYPTION = "x-amz-server-side-encryption"


def opaque(etag: str) -> str:
    """A new ETag of the same form: quotes and the number of parts stay, `"<32 hex>-3"`."""
    _, dash, parts = etag.strip('"').partition("-")
    return f'"{secrets.token_hex(16)}{dash}{parts}"'


@around(s3, "_record_object_version")
def etag_is_made_up_as_the_object_lands(
    original: Function, bucket: str, key: str, prior: Any, record: dict[str, Any], data: Any
) -> Any:
    if record["preserved_headers"].get(ENCRYPTION, "").startswith("aws:kms"):
        record["etag"] = opaque(record["etag"])
    return original(bucket, key, prior, record, data)


@around(s3, "_fire_s3_event_async")
def created_events_name_the_stored_etag(
    original: Function, bucket: str, key: str, event_name: str, *args: Any, **fields: Any
) -> None:
    if event_name.startswith("s3:ObjectCreated:"):
        fields["etag"] = stored_etag(bucket, key)
    original(bucket, key, event_name, *args, **fields)


@around(s3, "_put_object")
def put_answers_with_the_stored_etag(original: Function, bucket: str, key: str, *args: Any) -> Any:
    status, headers, body = original(bucket, key, *args)
    if status == 200:
        headers["ETag"] = stored_etag(bucket, key)
    return status, headers, body


@around(s3, "_copy_object")
def copy_answers_with_the_stored_etag(original: Function, bucket: str, key: str, headers: dict[str, str]) -> Any:
    return renamed(original(bucket, key, headers), bucket, key)


@around(s3, "_complete_multipart_upload")
def completion_answers_with_the_stored_etag(
    original: Function, bucket: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None
) -> Any:
    upload_id = s3._qp(query, "uploadId")
    first_time = upload_id in s3._multipart_uploads
    answer = original(bucket, key, body, query, headers)
    if answer[0] != 200 or not first_time:
        return answer
    s3._completed_multipart_uploads[upload_id]["response"] = answer = renamed(answer, bucket, key)
    return answer


@around(s3, "_upload_part")
def parts_have_opaque_etags_too(
    original: Function, bucket: str, key: str, body: bytes, query: dict[str, Any], headers: dict[str, str]
) -> Any:
    status, answer, text = original(bucket, key, body, query, headers)
    if status == 200 and answer.get(ENCRYPTION, "").startswith("aws:kms"):
        part = s3._multipart_uploads[s3._qp(query, "uploadId")]["parts"][int(s3._qp(query, "partNumber"))]
        answer["ETag"] = part["etag"] = opaque(part["etag"])
    return status, answer, text


def stored_etag(bucket: str, key: str) -> str:
    return str(s3._buckets[bucket]["objects"][key]["etag"])


def renamed(answer: Any, bucket: str, key: str) -> Any:
    """The answer with the stored ETag in its XML, where MiniStack wrote the MD5."""
    status, headers, body = answer
    if status != 200:
        return answer
    before, tag, rest = body.partition(b"<ETag>")
    after = rest.partition(b"</ETag>")[2]
    etag = stored_etag(bucket, key).replace('"', "&quot;").encode()
    return status, headers, before + tag + etag + b"</ETag>" + after if tag else body
