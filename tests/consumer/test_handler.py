"""The real handler with real clients on moto: both principals, good, bad and malformed input.

Not relied on: moto does not check trust policies or ExternalId, keeps MD5 ETags under SSE-KMS, and accepts wrong
checksums; those are tested on Stubber, on the fakes and in the sandbox.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from consumer_replicator.handlers import replicator
from consumer_replicator.settings import SettingsError
from tests.consumer.fake_aws import CONSUMER, PRODUCER
from tests.consumer.rig import event

REGION = "us-east-1"
NUMBERS = itertools.count()


@dataclass
class Context:
    function_name: str = "s3-hydration-replicator"
    aws_request_id: str = "request-1"
    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Clouds:
    producer_s3: Any
    consumer_s3: Any
    sqs: Any
    queue: str
    dead_letters: str
    sent: int = 0

    def upload(self, key: str, body: bytes, **attributes: Any) -> None:
        self.producer_s3.put_object(Bucket="source-bucket", Key=key, Body=body, **attributes)

    def record(self, body: str) -> dict[str, Any]:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        message = self.sqs.receive_message(QueueUrl=self.queue, AttributeNames=["All"])["Messages"][0]
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
        }


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clouds]:
    for name, value in {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own", "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", CONSUMER)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        role = f"arn:aws:iam::{PRODUCER}:role/read"
        assumed = boto3.client("sts", REGION).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        producer_s3 = boto3.client(
            "s3",
            REGION,
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )
        consumer_s3, sqs = boto3.client("s3", REGION), boto3.client("sqs", REGION)
        for s3, bucket in ((producer_s3, "source-bucket"), (consumer_s3, "replica-bucket")):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb", REGION).create_table(
            TableName="manifest",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        queue, dead_letters = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects", "dead"))
        environment = {
            "INSTANCE_NAME": f"test-{next(NUMBERS)}",  # the logger keeps the stream of its first use, by this name
            "SOURCE_BUCKET": "source-bucket",
            "SOURCE_ACCOUNT_ID": PRODUCER,
            "SOURCE_ROLE_ARN": role,
            "SOURCE_EXTERNAL_ID": "an external id of 16",
            "REPLICA_BUCKET": "replica-bucket",
            "REPLICA_ACCOUNT_ID": CONSUMER,
            "REPLICA_KMS_KEY_ARN": f"arn:aws:kms:{REGION}:{CONSUMER}:key/k",
            "MANIFEST_TABLE": "manifest",
            "QUEUE_URL": queue,
            "DEAD_LETTER_QUEUE_URL": dead_letters,
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"HYDRATION_{name}", value)
        replicator._application.cache_clear()
        yield Clouds(producer_s3, consumer_s3, sqs, queue, dead_letters)
        replicator._application.cache_clear()


def test_an_uploaded_object_arrives_under_the_consumer_s_key_with_what_it_carries(clouds: Clouds):
    clouds.upload(
        "a+b %2F/ü",
        b"hello",
        ContentType="text/plain",
        CacheControl="no-cache",
        Metadata={"owner": "team"},
        Tagging="stage=gold",
    )
    answer = replicator.handler({"Records": [clouds.record(event("a+b %2F/ü", "01"))]}, Context())
    assert answer == {"batchItemFailures": []}
    replica = clouds.consumer_s3.get_object(Bucket="replica-bucket", Key="a+b %2F/ü")
    assert replica["Body"].read() == b"hello"
    assert (replica["ContentType"], replica["CacheControl"]) == ("text/plain", "no-cache")
    assert replica["ServerSideEncryption"] == "aws:kms"
    assert replica["SSEKMSKeyId"].endswith(f":{CONSUMER}:key/k")
    assert replica["Metadata"]["owner"] == "team"
    assert replica["Metadata"]["hydration-source"].startswith("v/")
    tags = clouds.consumer_s3.get_object_tagging(Bucket="replica-bucket", Key="a+b %2F/ü")["TagSet"]
    assert tags == [{"Key": "stage", "Value": "gold"}]


def test_a_large_object_arrives_in_parts(clouds: Clouds):
    body = bytes(range(256)) * 4096 * 9
    clouds.upload("big", body)
    assert replicator.handler({"Records": [clouds.record(event("big", "01"))]}, Context()) == {"batchItemFailures": []}
    replica = clouds.consumer_s3.get_object(Bucket="replica-bucket", Key="big")
    assert replica["Body"].read() == body
    assert replica["ETag"].endswith('-2"')
    assert "MultipartUploads" not in clouds.consumer_s3.list_multipart_uploads(Bucket="replica-bucket")


def test_good_and_bad_messages_in_one_batch_each_get_what_they_deserve(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    clouds.upload("good", b"hello")
    records = [clouds.record(body) for body in (event("good", "01"), "nonsense", event("missing", "02"))]
    assert replicator.handler({"Records": records}, Context()) == {"batchItemFailures": []}
    aside = clouds.sqs.receive_message(QueueUrl=clouds.dead_letters, MessageAttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in aside] == ["nonsense"]
    assert aside[0]["MessageAttributes"]["hydration-error-code"]["StringValue"] == "not-json"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = {line["message"]: line for line in lines if "message" in line}
    assert set(outcomes) == {"replicated", "failed", "skipped"}
    assert outcomes["replicated"]["key"] == "good"
    assert outcomes["replicated"]["event_id"] == "e-1"
    assert outcomes["skipped"]["reason"] == "source-gone"
    assert "an external id of 16" not in json.dumps(lines)


def test_with_no_time_left_every_message_comes_back(clouds: Clouds):
    clouds.upload("k", b"hello")
    record = clouds.record(event("k", "01"))
    answer = replicator.handler({"Records": [record]}, Context(milliseconds=0))
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}


def test_an_unusable_environment_is_told_in_full_at_the_first_invocation(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HYDRATION_SOURCE_BUCKET")
    monkeypatch.setenv("HYDRATION_DELETE_POLICY", "sometimes")
    with pytest.raises(SettingsError) as error:
        replicator.handler({"Records": []}, Context())
    assert "HYDRATION_SOURCE_BUCKET" in str(error.value)
    assert "HYDRATION_DELETE_POLICY" in str(error.value)
    assert "an external id of 16" not in str(error.value)
