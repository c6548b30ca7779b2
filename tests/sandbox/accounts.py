"""The two accounts: who they are, and what the products made in them."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"
PRODUCER_ACCOUNT = "111111111111"
CONSUMER_ACCOUNT = "222222222222"
ORGANISATION_ID = "o-a1b2c3d4e5"
# To MiniStack an access key that is an account's number means the root of that account, and this is its secret.
SECRET_ACCESS_KEY = "test"


def credentials(account_id: str) -> dict[str, str]:
    """Of an account's root, as keyword arguments of boto3. MiniStack makes up an account that it has not seen."""
    return {"aws_access_key_id": account_id, "aws_secret_access_key": SECRET_ACCESS_KEY, "region_name": REGION}


def client(endpoint_url: str, service: str, account_id: str) -> Any:
    """A boto3 client of an account's root at the emulator."""
    config = Config(max_pool_connections=32, retries={"total_max_attempts": 3, "mode": "standard"})
    untyped: Any = boto3  # its stubs know services by literal name only
    return untyped.client(service, endpoint_url=endpoint_url, config=config, **credentials(account_id))


@dataclass(frozen=True)
class Producer:
    """What the producer's stack made."""

    bucket: str
    kms_key_arn: str
    role_arn: str
    external_id: str
    undelivered_events_url: str
    account_id: str = PRODUCER_ACCOUNT

    @classmethod
    def of(cls, outputs: dict[str, str], external_id: str) -> "Producer":
        return cls(
            bucket=outputs["BucketName"],
            kms_key_arn=outputs["KmsKeyArn"],
            role_arn=outputs["RoleArn"],
            external_id=external_id,
            undelivered_events_url=outputs["UndeliveredEventsUrl"],
        )

    @property
    def credentials(self) -> dict[str, str]:
        return credentials(self.account_id)


@dataclass(frozen=True)
class Consumer:
    """What the consumer's stack made. `queue_url` is the objects queue, `table` the manifest, `function_name` the
    replicator's, `transfer_name` that of the function that reconciles.
    """

    bucket: str
    kms_key_arn: str
    event_bus_arn: str
    queue_url: str
    dead_letter_queue_url: str
    undelivered_events_url: str
    ranges_queue_url: str
    ranges_dead_letter_queue_url: str
    table: str
    function_name: str
    function_role_arn: str
    transfer_name: str
    account_id: str = CONSUMER_ACCOUNT

    @classmethod
    def of(cls, outputs: dict[str, str]) -> "Consumer":
        return cls(
            bucket=outputs["ReplicaBucketName"],
            kms_key_arn=outputs["ReplicaKmsKeyArn"],
            event_bus_arn=outputs["EventBusArn"],
            queue_url=outputs["ObjectsQueueUrl"],
            dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
            undelivered_events_url=outputs["UndeliveredEventsUrl"],
            ranges_queue_url=outputs["RangesQueueUrl"],
            ranges_dead_letter_queue_url=outputs["RangesDeadLetterQueueUrl"],
            table=outputs["ManifestTableName"],
            function_name=outputs["ReplicatorName"],
            function_role_arn=outputs["ReplicatorRoleArn"],
            transfer_name=outputs["TransferName"],
        )

    @property
    def credentials(self) -> dict[str, str]:
        return credentials(self.account_id)
