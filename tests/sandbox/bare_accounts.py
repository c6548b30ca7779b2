"""The emulator without the products, for tests of the emulator itself."""

import json
import time
from functools import cache
from typing import Any

from tests.sandbox.accounts import PRODUCER_ACCOUNT, REGION, client
from tests.sandbox.calls import Call, read_calls
from tests.sandbox.emulator_process import EmulatorProcess


class BareAccounts:
    def __init__(self, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.client = cache(lambda service, account=PRODUCER_ACCOUNT: client(emulator.endpoint_url, service, account))

    def close(self) -> None:
        self.emulator.stop()

    def calls(self, since: float = 0.0) -> list[Call]:
        return read_calls(self.emulator.calls, since)

    def key(self, account: str = PRODUCER_ACCOUNT) -> str:
        """ARN of a new KMS key."""
        arn: str = self.client("kms", account).create_key()["KeyMetadata"]["Arn"]
        return arn

    def bucket(self, name: str, *, versioned: bool = False, key: str = "", events: bool = False) -> Any:
        """Makes the producer's bucket; `key` encrypts it by default."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if key:
            default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
            rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
            s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
        if events:
            s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        return s3


class Mailbox:
    """A queue that rules may send to, and what arrived in it. With `closed` its policy lets nobody in."""

    def __init__(self, aws: BareAccounts, name: str, account: str = PRODUCER_ACCOUNT, *, closed: bool = False) -> None:
        self._sqs = aws.client("sqs", account)
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{account}:{name}"
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": self.arn}]}
        if not closed:
            self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def take(self, number: int, within: float = 5.0) -> list[dict[str, Any]]:
        """That many messages; AssertionError when they do not come, or one more does."""
        taken: list[dict[str, Any]] = []
        deadline = time.monotonic() + within
        while len(taken) < number and time.monotonic() < deadline:
            taken += self._receive()
        taken += self._receive()
        assert len(taken) == number, f"{len(taken)} messages instead of {number}: {taken}"
        return taken

    def events(self, number: int) -> list[dict[str, Any]]:
        """The messages' bodies, as JSON."""
        return [json.loads(message["Body"]) for message in self.take(number)]

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        for message in found:
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        if not found:
            time.sleep(0.05)
        return found
