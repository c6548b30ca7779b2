"""What goes wrong on purpose beside the calls themselves. Seeded.

Functions are killed, changes go unheard, the queue takes nothing, messages are lost, doubled and torn.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.load.processes import Workers
from tests.load.tap import Tap, event_id
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.demo import TORN_EVENT
from tests.sandbox.pair import wait_until
from tests.sandbox.sandbox import Sandbox

TICK = 1.0
BUSY_SECONDS = 2.0
UNHEARD_SECONDS, CLOSED_SECONDS = 8.0, 5.0
AGAIN_SHARE = 0.05
EVERY = {"kill": 10, "unheard": 45, "closed queue": 60, "message lost": 4, "poison": 30}
"""Seconds between two of a kind, on the average."""


@dataclass
class Mishaps:
    """`injected` counts them by kind; `stolen` are the ids of events taken off the queue.

    `kills`: whether functions are killed. `busy`: whether one of them is in the middle of a call.
    """

    sandbox: Sandbox
    workers: Workers
    tap: Tap
    seed: int
    busy: Callable[[], bool]
    kills: bool = True
    injected: Counter[str] = field(default_factory=Counter)
    stolen: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Until the end of the block, which leaves everything switched on again; raises what went wrong itself."""
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(60)
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        random = Random(self.seed)
        try:
            while not self._stop.wait(TICK):
                self.workers.look()
                self.injected["message doubled"] += self.tap.drain(random, AGAIN_SHARE)
                for kind, seconds in EVERY.items():
                    if random.random() < TICK / seconds:
                        self._do(kind, random)
        except BaseException as failure:  # noqa: BLE001 raised again where it is waited for
            self._failures.append(failure)

    def _do(self, kind: str, random: Random) -> None:
        done = 1
        match kind:
            case "kill":
                done = int(self.kills and wait_until(self.busy, BUSY_SECONDS) and self.workers.kill_one(random))
            case "unheard":
                with events_off(self.sandbox):
                    self._stop.wait(UNHEARD_SECONDS)
            case "closed queue":
                with queue_closed(self.sandbox):
                    self._stop.wait(CLOSED_SECONDS)
            case "message lost":
                done = self._steal()
            case _:
                sqs = self.sandbox.client("sqs", CONSUMER_ACCOUNT)
                torn = f"{TORN_EVENT}{self.injected[kind]}"  # each another: a dead letter may come twice
                sqs.send_message(QueueUrl=self.sandbox.consumer.queue_url, MessageBody=torn)
        self.injected[kind] += done

    def _steal(self) -> int:
        """Takes events off the objects queue. Poison is put back: it must be found. So are the product's own messages:
        a run waits for its hints for hours, by design.
        """
        sqs, url = self.sandbox.client("sqs", CONSUMER_ACCOUNT), self.sandbox.consumer.queue_url
        lost = 0
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3).get("Messages", ()):
            handle = message["ReceiptHandle"]
            if event := event_id(message["Body"]):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                self.stolen.add(event)
                lost += 1
            else:
                sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return lost


@contextmanager
def events_off(sandbox: Sandbox) -> Iterator[None]:
    """The source tells nobody what happens to it."""
    s3, bucket = sandbox.client("s3", PRODUCER_ACCOUNT), sandbox.producer.bucket
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        on: dict[str, Any] = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=on)


@contextmanager
def queue_closed(sandbox: Sandbox) -> Iterator[None]:
    """The objects queue's policy lets nobody in: the rule sets events aside in its own dead-letter queue."""
    sqs, url = sandbox.client("sqs", CONSUMER_ACCOUNT), sandbox.consumer.queue_url
    policy: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    document: dict[str, Any] = json.loads(policy)
    closed = [statement for statement in document["Statement"] if statement["Effect"] == "Deny"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document | {"Statement": closed})})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
