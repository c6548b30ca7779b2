"""CloudFormation in MiniStack 1.5.33 drops a bucket's `BucketEncryption`, so that objects are not encrypted by default.

The configuration is what PutBucketEncryption would have stored
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html).
"""

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import s3
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.gap import Function, around


@around(provisioners, "_s3_apply_configurations")
def the_default_encryption_is_kept(original: Function, bucket: str, properties: dict[str, Any], *old: Any) -> Any:
    answer = original(bucket, properties, *old)
    rules = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    if rules:
        s3._bucket_encryption[bucket] = document(rules[0])
    return answer


def document(rule: dict[str, Any]) -> str:
    default = rule["ServerSideEncryptionByDefault"]
    key = default.get("KMSMasterKeyID", "")
    return (
        f'<ServerSideEncryptionConfiguration xmlns="{s3.S3_NS}"><Rule><ApplyServerSideEncryptionByDefault>'
        f"<SSEAlgorithm>{escape(default['SSEAlgorithm'])}</SSEAlgorithm>"
        + (f"<KMSMasterKeyID>{escape(key)}</KMSMasterKeyID>" if key else "")
        + "</ApplyServerSideEncryptionByDefault>"
        f"<BucketKeyEnabled>{str(rule.get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled>"
        "</Rule></ServerSideEncryptionConfiguration>"
    )
