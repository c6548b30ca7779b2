"""Every event that comes to the consumer's bus, seen beside the product: what its books must account for.

A rule of its own sends a copy of each event to a queue of its own. Some copies are sent on to the objects queue, late:
duplicates in another order.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.sandbox.accounts import CONSUMER_ACCOUNT, REGION
from tests.sandbox.sandbox import Sandbox

NAME = "soak-tap"
LATE_SECONDS = 45
RECEIVES_AT_MOST = 100


@dataclass
class Tap:
    """`heard`: the events seen so far, each id with its key."""

    sandbox: Sandbox
    heard: dict[str, str] = field(default_factory=dict)
    _url: str = ""

    def open(self) -> None:
        sqs, events = (self.sandbox.client(name, CONSUMER_ACCOUNT) for name in ("sqs", "events"))
        arn = f"arn:aws:sqs:{REGION}:{CONSUMER_ACCOUNT}:{NAME}"
        allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]}
        self._url = sqs.create_queue(QueueName=NAME, Attributes={"Policy": json.dumps(policy)})["QueueUrl"]
        bus = self.sandbox.consumer.event_bus_arn.rpartition("/")[2]
        events.put_rule(Name=NAME, EventBusName=bus, EventPattern=json.dumps({"source": ["aws.s3"]}))
        events.put_targets(Rule=NAME, EventBusName=bus, Targets=[{"Id": NAME, "Arn": arn}])

    def drain(self, random: Random, share: float) -> int:
        """Takes what has come since; sends `share` of it (0 to 1) again. How many were sent again."""
        sent = 0
        for _ in range(RECEIVES_AT_MOST):
            messages = self._receive()
            if not messages:
                break
            for message in messages:
                event = json.loads(message["Body"])
                self.heard[event["id"]] = event["detail"]["object"]["key"]
                if random.random() < share:
                    self._send_again(message["Body"], random.randrange(LATE_SECONDS))
                    sent += 1
        return sent

    def _receive(self) -> list[dict[str, Any]]:
        sqs = self.sandbox.client("sqs", CONSUMER_ACCOUNT)
        found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
            "Messages", []
        )
        if found:
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return found

    def _send_again(self, body: str, delay: int) -> None:
        sqs = self.sandbox.client("sqs", CONSUMER_ACCOUNT)
        sqs.send_message(QueueUrl=self.sandbox.consumer.queue_url, MessageBody=body, DelaySeconds=delay)


def event_id(body: str) -> str:
    """Of a message's body; empty where that is no event, but one of the product's own hints, say."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found["id"]) if isinstance(found, dict) and "detail-type" in found else ""
