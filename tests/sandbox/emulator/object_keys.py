"""MiniStack 1.5.33 writes a KMS key's name beside an object and asks nobody; S3 asks KMS, as the caller.

Writing needs kms:GenerateDataKey, reading kms:Decrypt, a part both; identity policy and key policy must allow it, with
`kms:ViaService` and the encryption context, which is the bucket's ARN with a bucket key and the object's without one
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html). A disabled key serves nobody. Roles are
checked; roots pass, as everywhere here.
"""

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import kms, s3

from tests.sandbox.emulator.gap import Function, around

ENCRYPTION = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"
BUCKET_KEY = "x-amz-server-side-encryption-bucket-key-enabled"
MANAGED = "alias/aws/s3"


@around(s3, "_resolve_sse_write_headers")
def a_key_that_is_not_named_is_the_accounts_own(original: Function, headers: dict[str, str], bucket: str) -> Any:
    """`aws:kms` alone means AWS's key for S3 in this account, not the bucket's default; MiniStack refuses it."""
    if headers.get(ENCRYPTION) == "aws:kms" and not headers.get(KEY):
        headers = {**headers, KEY: f"arn:aws:kms:{get_region()}:{get_account_id()}:{MANAGED}"}
    return original(headers, bucket)


@around(s3, "_put_object")
def a_put_needs_a_data_key(original: Function, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
    return new_key_refused(headers, bucket, key) or original(bucket, key, body, headers)


@around(s3, "_create_multipart_upload")
def an_upload_needs_a_data_key(original: Function, bucket: str, key: str, headers: dict[str, str]) -> Any:
    return new_key_refused(headers, bucket, key) or original(bucket, key, headers)


@around(s3, "_upload_part")
def a_part_needs_the_uploads_data_key(original: Function, bucket: str, key: str, *rest: Any) -> Any:
    answer = original(bucket, key, *rest)
    return refused("kms:Decrypt", answer[1], bucket, key) or answer


@around(s3, "_get_object")
def a_get_decrypts(original: Function, bucket: str, key: str, *rest: Any) -> Any:
    answer = original(bucket, key, *rest)
    return refused("kms:Decrypt", answer[1], bucket, key) or answer


@around(s3, "_head_object")
def a_head_with_checksums_decrypts(
    original: Function, bucket: str, key: str, headers: dict[str, str], *rest: Any
) -> Any:
    answer = original(bucket, key, headers, *rest)
    if headers.get("x-amz-checksum-mode", "").upper() != "ENABLED":
        return answer
    return refused("kms:Decrypt", answer[1], bucket, key) or answer


def new_key_refused(headers: dict[str, str], bucket: str, key: str) -> Any:
    applied, error = s3._resolve_sse_write_headers(headers, bucket)
    return None if error else refused("kms:GenerateDataKey", applied, bucket, key)


def refused(action: str, encryption: dict[str, str], bucket: str, key: str) -> Any:
    """The error that S3 answers with when the key named in these headers does not serve the caller; None if it does."""
    arn = encryption.get(KEY, "")
    if not arn or arn.endswith(MANAGED):
        return None
    account = arn.split(":")[4]
    with request_scope(account, get_region()):
        record = kms._resolve_key(arn)
    if record is None:
        return s3._error("KMS.NotFoundException", f"Key '{arn}' does not exist", 400)
    if record["KeyState"] != "Enabled":
        return s3._error("KMS.DisabledException", f"{arn} is disabled.", 400)
    context = f"arn:aws:s3:::{bucket}" + ("" if encryption.get(BUCKET_KEY) == "true" else f"/{key}")
    if allowed(action, arn, record["Policy"], account, context):
        return None
    caller = iam_evaluator.caller_arn()
    return s3._error("AccessDenied", f"User: {caller} is not authorized to perform: {action} on resource: {arn}", 403)


def allowed(action: str, arn: str, policy: Any, owner: str, context: str) -> bool:
    caller = iam_evaluator.caller_arn()
    if ":assumed-role/" not in caller:
        return True
    account, role = caller.split(":")[4], caller.split("/")[1]
    keys = {
        "kms:viaservice": f"s3.{get_region()}.amazonaws.com",
        "kms:calleraccount": account,
        "kms:encryptioncontext:aws:s3:arn": context,
    }
    asked = EvalContext(caller, "AssumedRole", account, action, arn, get_region(), service_context=keys)
    identity = iam_evaluator.evaluate(asked, iam_evaluator._gather_role_policies(role, account))
    decision = iam_evaluator.combine_resource_policy(identity, asked, policy, owner, required=True)
    return bool(decision.decision == "Allow")
