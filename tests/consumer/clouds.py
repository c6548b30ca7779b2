"""Both functions' surroundings on moto, for handlers with real clients: two accounts, buckets, table, queues, settings.

Not relied on: moto does not check trust policies or ExternalId, keeps MD5 ETags under SSE-KMS, and accepts wrong
checksums; those are tested on Stubber, on the fakes and in the sandbox.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.s3.models import s3_backends

from consumer_replicator.handlers import replicator, transfer
from tests.consumer.fake_aws import CONSUMER, PRODUCER, SOURCE
from tests.consumer.moto_table import create_table
from tests.consumer.wire import on_moto

REGION = "us-east-1"
NUMBERS = itertools.count()


@dataclass
class Context:
    function_name: str = "s3-hydration-replicator"
    aws_request_id: str = "request-1"
    milliseconds: int = 60_000
    memory_limit_in_mb: str = "1024"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Clouds:
    producer_s3: Any
    consumer_s3: Any
    sqs: Any
    queue: str
    dead_letters: str
    ranges: str

    def upload(self, key: str, body: bytes, *, age: float = 0, **attributes: Any) -> None:
        """`age` in seconds: how long ago it was uploaded. moto keeps both buckets in the account of its environment."""
        self.producer_s3.put_object(Bucket=SOURCE, Key=key, Body=body, **attributes)
        s3_backends[CONSUMER]["aws"].buckets[SOURCE].keys[key].last_modified -= timedelta(seconds=age)

    def record(self, body: str) -> dict[str, Any]:
        """A message sent to the objects queue, as the function's mapping hands it over."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        return self.records(self.queue)[0]

    def records(self, queue: str) -> list[dict[str, Any]]:
        """What waits in a queue, up to ten, as the function's mapping hands it over; acknowledged at once."""
        asked = {"QueueUrl": queue, "AttributeNames": ["All"], "MaxNumberOfMessages": 10}
        messages = self.sqs.receive_message(**asked).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in messages
        ]

    def replicate(self) -> None:
        """The replicator works off what waits in its queue."""
        records = self.records(self.queue)
        assert replicator.handler({"Records": records}, Context()) == {"batchItemFailures": []}


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clouds]:
    for name, value in {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own", "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", CONSUMER)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        on_moto(monkeypatch)
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
        create_table(boto3.client("dynamodb", REGION))
        queue, dead_letters, ranges = (
            sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects", "dead", "ranges")
        )
        environment = {
            "INSTANCE_NAME": f"test-{next(NUMBERS)}",  # the logger keeps the stream of its first use, by this name
            "SOURCE_BUCKET": "source-bucket",
            "SOURCE_ACCOUNT_ID": PRODUCER,
            "SOURCE_ROLE_ARN": role,
            "SOURCE_EXTERNAL_ID": "an-external-id-of-20",
            "REPLICA_BUCKET": "replica-bucket",
            "REPLICA_ACCOUNT_ID": CONSUMER,
            "REPLICA_KMS_KEY_ARN": f"arn:aws:kms:{REGION}:{CONSUMER}:key/k",
            "MANIFEST_TABLE": "manifest",
            "QUEUE_URL": queue,
            "DEAD_LETTER_QUEUE_URL": dead_letters,
            "RANGES_QUEUE_URL": ranges,
            "SETTLE_SECONDS": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"HYDRATION_{name}", value)
        forget_applications()
        yield Clouds(producer_s3, consumer_s3, sqs, queue, dead_letters, ranges)
        forget_applications()


def forget_applications() -> None:
    """Like a fresh execution environment: settings are read and clients made anew."""
    for function in (replicator, transfer):
        function._application.cache_clear()
