"""The two buckets of a running sandbox, each through its own account, and how to wait for what comes of itself."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox import check
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.sandbox import Sandbox

WITHIN = 40.0  # seconds; a second or two on an idle machine


class Pair:
    """What is equal is decided by `check`, which shares no code with the product."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.source = check.Bucket(sandbox.client("s3", PRODUCER_ACCOUNT), sandbox.producer.bucket)
        self.replica = check.Bucket(sandbox.client("s3", CONSUMER_ACCOUNT), sandbox.consumer.bucket)

    def put(self, key: str, body: bytes, **arguments: Any) -> Any:
        return self.source.s3.put_object(Bucket=self.source.name, Key=key, Body=body, **arguments)

    def delete(self, key: str) -> None:
        self.source.s3.delete_object(Bucket=self.source.name, Key=key)

    def differences(self, *keys: str) -> list[check.Difference]:
        """Of those keys; of all without any."""
        verdict = check.compare(self.source, self.replica, replica_key=self.sandbox.consumer.kms_key_arn)
        return [difference for difference in verdict.differences if not keys or difference.key in keys]

    def become_equal(self, *keys: str) -> None:
        """Waits until nothing differs; fails with what still does, and the function's last words."""
        if not wait_until(lambda: not self.differences(*keys)):
            pytest.fail(f"{self.differences(*keys)}\n{self.sandbox.function_log(20)}")

    def settle(self) -> None:
        """Waits until no event is on its way or waiting; delayed hints count too."""
        assert wait_until(lambda: self.sandbox.queue_depth(self.sandbox.consumer.queue_url) == 0)


def wait_until(true: Callable[[], bool], within: float = WITHIN) -> bool:
    deadline = time.monotonic() + within
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
