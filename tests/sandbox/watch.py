"""Watches replication from outside, through the consumer account's AWS APIs: queue depths, log lines, rows (edge)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from consumer_replicator.row import Row, State
from consumer_replicator.row_item import PARTITION, SORT, from_item

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sqs import SQSClient

UNSETTLED = frozenset({State.PENDING, State.UPLOADING, State.DELETING})
LATE_MILLISECONDS = 2_000
INVISIBLE_SECONDS = 5
DEPTHS = {
    "ApproximateNumberOfMessages": "waiting",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}


@dataclass(frozen=True)
class Depths:
    """Messages of the objects queue by what they are doing, and those in the dead-letter queue."""

    waiting: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead_letters: int = 0

    @property
    def drained(self) -> bool:
        return not (self.waiting or self.in_flight or self.delayed)


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up: `code` and `reason` are its attributes, both empty where SQS itself moved it."""

    body: str
    code: str
    reason: str


def _dead_letter(message: Any) -> DeadLetter:
    told = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    return DeadLetter(message["Body"], told.get("hydration-error-code", ""), told.get("hydration-error", ""))


@dataclass
class Watch:
    """`logs_of` is the function's log group."""

    sqs: "SQSClient"
    logs: "CloudWatchLogsClient"
    dynamodb: "DynamoDBClient"
    queue_url: str
    dead_letter_queue_url: str
    table: str
    logs_of: str
    _newest: int = 0
    _seen: set[tuple[str, int]] = field(default_factory=set)

    def depths(self) -> Depths:
        counted = {name: int(count) for name, count in self._attributes(self.queue_url).items()}
        dead = int(self._attributes(self.dead_letter_queue_url)["ApproximateNumberOfMessages"])
        return Depths(**{ours: counted.get(theirs, 0) for theirs, ours in DEPTHS.items()}, dead_letters=dead)

    def new_lines(self) -> list[str]:
        """The function's log lines since the last call, in time's order; none while the function has never run."""
        try:
            page = self.logs.filter_log_events(
                logGroupName=self.logs_of, startTime=max(0, self._newest - LATE_MILLISECONDS)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []
            raise
        return [event["message"] for event in self._unseen(page["events"])]

    def _unseen(self, events: Any) -> Iterator[Any]:
        """Invocations write side by side, so a line may come in a little late: the newest seconds are asked for again,
        and a line is known by its stream, its millisecond and its number within it.
        """
        numbers: dict[tuple[str, int], int] = {}
        for event in events:
            at = (event["logStreamName"], event["timestamp"])
            numbers[at] = numbers.get(at, 0) + 1
            name = (f"{at[0]}@{at[1]}", numbers[at])
            if name not in self._seen:
                self._seen.add(name)
                self._newest = max(self._newest, event["timestamp"])
                yield event

    def rows(self) -> dict[str, Row]:
        """The whole manifest, strongly consistent."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        items: Iterator[Mapping[str, Any]] = (item for page in pages for item in page["Items"])
        return {item[SORT]["S"]: from_item(item) for item in items if is_row(item)}

    def dead_letters(self) -> list[DeadLetter]:
        """Reads the dead-letter queue and leaves it as it was but for a few seconds of invisibility."""
        letters: dict[str, DeadLetter] = {}
        while new := [message for message in self._receive() if message["MessageId"] not in letters]:
            letters |= {message["MessageId"]: _dead_letter(message) for message in new}
        return list(letters.values())

    def _receive(self) -> Any:
        answer = self.sqs.receive_message(
            QueueUrl=self.dead_letter_queue_url,
            MessageAttributeNames=["All"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=INVISIBLE_SECONDS,
        )
        return answer.get("Messages", ())

    def _attributes(self, url: str) -> Mapping[Any, str]:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(DEPTHS))["Attributes"]  # type: ignore[arg-type]


def is_row(item: Mapping[str, Any]) -> bool:
    """Whether an item is about an object: runs and watermark have a word where a row's partition has a number."""
    return str(item[PARTITION]["S"]).rpartition("#")[2].isdecimal()


def unsettled_rows(rows: Mapping[str, Row]) -> dict[str, State]:
    """The keys whose rows say that something is still to be done."""
    return {key: row.state for key, row in rows.items() if row.state in UNSETTLED}
