"""Who is asked what AWS does: the fakes that the schedules run on, and emulators that know nothing of this project.

Each gives the product's own edges, bound to a source bucket, a replica bucket, a table and a queue of its own, and the
few things that only the other side of a client can do.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto import mock_aws

from consumer_replicator.manifest import Manifest
from consumer_replicator.queue import Message, Queue
from consumer_replicator.replica import Replica
from consumer_replicator.source import Source
from tests.consumer import fake_aws
from tests.consumer.fake_aws import CONSUMER, DLQ, KEY_ARN, PRODUCER, QUEUE, REPLICA, SOURCE, TABLE, World
from tests.consumer.moto_table import create_table
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, client
from tests.sandbox.emulator_process import EmulatorProcess

SHARDS = 4
REGION = "us-east-1"
MOTO_ACCOUNT = "123456789012"
NAMES = itertools.count(1)


@dataclass
class Witness:
    """`producer` is an S3 client that may write to the source; `pass_time` lets so many seconds go by."""

    name: str
    source: Source
    replica: Replica
    manifest: Manifest
    queue: Queue
    dynamodb: Any
    upload: Callable[[str, bytes], str | None]
    remove: Callable[[str], None]
    permanently_delete: Callable[[str], None]
    tag: Callable[[str, dict[str, str]], None]
    listed: Callable[[], list[str]]
    receive: Callable[[], list[Message]]
    acknowledge: Callable[[Message], None]
    pass_time: Callable[[float], None]
    part_bytes: int = 5 * 1024**2


def the_fakes() -> Witness:
    world = World(versioned=True)
    own = world.s3("own")

    def tag(key: str, tags: dict[str, str]) -> None:
        version = world.source.current(key)
        assert version is not None
        version.tags = tags

    def upload(key: str, body: bytes) -> str | None:
        world.upload(key, body)
        version = world.source.current(key)
        return version.id if version else None

    def listed() -> list[str]:
        world.page_keys = 2
        keys: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = world.s3("source").list_objects_v2(Bucket=SOURCE, ExpectedBucketOwner=PRODUCER, **more)
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            if not page["IsTruncated"]:
                return keys
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def pass_time(seconds: float) -> None:
        world.now += seconds

    return Witness(
        name="the fakes",
        source=Source(world.s3("source"), SOURCE, PRODUCER),
        replica=Replica(own, REPLICA, CONSUMER, KEY_ARN, "preserve"),
        manifest=Manifest(world.dynamodb(), TABLE, SOURCE, SHARDS, 30),
        queue=Queue(world.sqs(), QUEUE, DLQ, SOURCE),
        dynamodb=world.dynamodb(),
        upload=upload,
        remove=lambda key: (world.remove(key), None)[1],
        permanently_delete=lambda key: (world.rollback(key), None)[1],
        tag=tag,
        listed=listed,
        receive=lambda: [Message.from_record(record) for record in world.receive(visibility=1)],
        acknowledge=lambda message: world.acknowledge({message.id}),
        pass_time=pass_time,
    )


def _emulated(name: str, clients: Callable[[str, str], Any], producer: str, consumer: str) -> Witness:
    """`clients(service, account)`."""
    number = next(NAMES)
    buckets = f"source-{number}", f"replica-{number}"
    s3, own = clients("s3", producer), clients("s3", consumer)
    for where, bucket in ((s3, buckets[0]), (own, buckets[1])):
        where.create_bucket(Bucket=bucket)
        where.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key = clients("kms", consumer).create_key()["KeyMetadata"]["Arn"]
    dynamodb, sqs = clients("dynamodb", consumer), clients("sqs", consumer)
    if TABLE not in dynamodb.list_tables()["TableNames"]:
        create_table(dynamodb)
    urls = [
        sqs.create_queue(QueueName=f"{queue}-{number}", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        for queue in ("objects", "dead")
    ]

    def receive() -> list[Message]:
        asked = {"QueueUrl": urls[0], "AttributeNames": ["All"], "MaxNumberOfMessages": 10}
        return [
            Message(
                found["MessageId"],
                found["ReceiptHandle"],
                found["Body"],
                int(found["Attributes"]["ApproximateReceiveCount"]),
            )
            for found in sqs.receive_message(**asked).get("Messages", [])
        ]

    def permanently_delete(key: str) -> None:
        versions = s3.list_object_versions(Bucket=buckets[0], Prefix=key)
        newest = next(
            each for each in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])] if each["IsLatest"]
        )
        s3.delete_object(Bucket=buckets[0], Key=key, VersionId=newest["VersionId"])

    def listed() -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=buckets[0], PaginationConfig={"PageSize": 2})
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def tag(key: str, tags: dict[str, str]) -> None:
        tag_set = [{"Key": each, "Value": value} for each, value in tags.items()]
        s3.put_object_tagging(Bucket=buckets[0], Key=key, Tagging={"TagSet": tag_set})

    return Witness(
        name=name,
        source=Source(s3, buckets[0], producer),
        replica=Replica(own, buckets[1], consumer, key, "preserve"),
        manifest=Manifest(dynamodb, TABLE, buckets[0], SHARDS, 30),
        queue=Queue(sqs, *urls, buckets[0]),
        dynamodb=dynamodb,
        upload=lambda key, body: s3.put_object(Bucket=buckets[0], Key=key, Body=body).get("VersionId"),
        remove=lambda key: (s3.delete_object(Bucket=buckets[0], Key=key), None)[1],
        permanently_delete=permanently_delete,
        tag=tag,
        listed=listed,
        receive=receive,
        acknowledge=lambda message: sqs.delete_message(QueueUrl=urls[0], ReceiptHandle=message.receipt),
        pass_time=time.sleep,
    )


@contextmanager
def moto() -> Iterator[Callable[[], Witness]]:
    with mock_aws():

        def clients(service: str, _account: str) -> Any:
            return boto3.client(service, REGION)

        yield lambda: _emulated("moto", clients, MOTO_ACCOUNT, MOTO_ACCOUNT)


@contextmanager
def ministack() -> Iterator[Callable[[], Witness]]:
    emulator = EmulatorProcess()
    emulator.start()
    try:
        known: dict[tuple[str, str], Any] = {}

        def clients(service: str, account: str) -> Any:
            if (service, account) not in known:
                known[service, account] = client(emulator.endpoint_url, service, account)
            return known[service, account]

        yield lambda: _emulated("MiniStack", clients, PRODUCER_ACCOUNT, CONSUMER_ACCOUNT)
    finally:
        emulator.stop()


@contextmanager
def fakes() -> Iterator[Callable[[], Witness]]:
    yield the_fakes


WITNESSES = {"the fakes": fakes, "moto": moto, "MiniStack": ministack}
assert fake_aws.REPLICA == REPLICA
