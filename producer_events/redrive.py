"""Redriving a rule's dead letters: events that could not be handed on, put on the consumer's objects queue as they are.

SQS's own redrive does not take them, since it moves only what SQS itself has set aside
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html). Such a letter is
the event as the rule's target would have got it, be that the consumer's bus or its queue: what the copier reads
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html). It is deleted when the queue has taken its
event, so that none is lost; one that is taken twice does no harm. What is no object event stays where it is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Final

from producer_events.object_event import BadEvent, parse_object_event
from producer_events.replay import BATCH, Accepted, send

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

EMPTY_ANSWERS: Final = 2
"""So many answers without a letter that is new, and the queue is taken for empty."""
INVISIBLE_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Redriven:
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that stays in its queue, and why."""

    message_id: str
    why: str


def redrive(
    letters: "SQSClient",
    letters_url: str,
    sqs: "SQSClient",
    queue_url: str,
    *,
    pause: Callable[[float], None] = sleep,
) -> Iterator[Redriven | Kept]:
    """Takes letters until there are no more; yields the end of each. `letters` may sign for another account.

    :raises ClientError: the letters cannot be received, or not be deleted; what was sent will be sent again then.
    """
    seen: set[str] = set()
    empty = 0
    while empty < EMPTY_ANSWERS:
        answer = letters.receive_message(
            QueueUrl=letters_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1, VisibilityTimeout=INVISIBLE_SECONDS
        )
        told = [message for message in answer.get("Messages", []) if _is_whole(message)]
        new = [message for message in told if message["MessageId"] not in seen]
        empty = 0 if new else empty + 1
        seen.update(message["MessageId"] for message in new)
        yield from _handed_on(new, letters, letters_url, sqs, queue_url, pause)


def _is_whole(message: "MessageTypeDef") -> bool:
    """Whether the letter could be named and deleted; one that could not is left to whoever receives it next."""
    return bool(message.get("MessageId") and message.get("ReceiptHandle"))


def _handed_on(
    new: "list[MessageTypeDef]",
    letters: "SQSClient",
    letters_url: str,
    sqs: "SQSClient",
    queue_url: str,
    pause: Callable[[float], None],
) -> Iterator[Redriven | Kept]:
    keys: dict[int, str] = {}
    for position, message in enumerate(new):
        try:
            keys[position] = parse_object_event(message.get("Body", "")).key
        except BadEvent as bad:
            yield Kept(message["MessageId"], str(bad))
    ends = send(sqs, queue_url, {position: new[position]["Body"] for position in keys}, pause)
    taken = [position for position, end in ends.items() if isinstance(end, Accepted)]
    if taken:
        entries = [{"Id": str(position), "ReceiptHandle": new[position]["ReceiptHandle"]} for position in taken]
        letters.delete_message_batch(QueueUrl=letters_url, Entries=entries)  # type: ignore[arg-type]
    for position, end in ends.items():
        taken_one = isinstance(end, Accepted)
        yield Redriven(keys[position]) if taken_one else Kept(new[position]["MessageId"], str(end))
