"""Replaying: well-formed object events for given keys, put straight on the consumer's objects queue.

Not through EventBridge: PutEvents refuses a source that starts with "aws."
(https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html), and a source of our own
would have to be let through by the rules and the bus policy of both accounts: an entrance for forged events that stands
open for the rare day it is needed. The queue, in contrast, takes a message from a principal of the consumer account
that IAM allows to send, and what arrives is what EventBridge would have delivered: the copier needs no second reader.

A replayed event says `reason` "Replay", carries the time of the replay (so that the replication lag is that of the
replay), and has no sequencer: it is superseded by nothing and makes the copier look. That is all it needs to say, so
the object is looked up at the source only on demand; then the event names its size, ETag and version-id, and a key that
is not there is reported instead of sent.

Every key ends as sent or as not sent and why; nothing is dropped in silence.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from time import sleep
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from producer_events.object_event import BadEvent, parse_object_event

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

BATCH: Final = 10
"""Messages in one SendMessageBatch, which may hold 1 MiB in all; ten of the longest keys are far below it."""
ATTEMPTS: Final = 4
"""Of one message, with pauses of 1, 2 and 4 seconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """The bucket whose objects are replayed, the account that owns it, and its Region."""

    bucket: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Sent:
    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """`why` says it in a few words; of an object that is not at the source, "no such object"."""

    key: str
    why: str


def envelope(source: Source, key: str, *, now: datetime, event_id: str) -> dict[str, Any]:
    """The event as EventBridge would deliver it. Pure. BadEvent where the contract refuses it (an empty key, say)."""
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": source.account,
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": source.region,
        "resources": [f"arn:aws:s3:::{source.bucket}"],
        "detail": {
            "version": "0",
            "event-version": "1.1",
            "bucket": {"name": source.bucket},
            "object": {"key": key},
            "requester": "s3-hydration",
            "reason": "Replay",
        },
    }
    parse_object_event(event)
    return event


def body(event: dict[str, Any]) -> str:
    """The event as a message. ASCII only: SQS refuses characters that XML 1.0 does not allow, and keys may have them.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"))


def replay(
    keys: Iterable[str],
    source: Source,
    sqs: "SQSClient",
    queue_url: str,
    *,
    look_up: "S3Client | None" = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause: Callable[[float], None] = sleep,
) -> Iterator[Sent | NotSent]:
    """Sends one event a key, in batches; yields each key's end as it is known, batch by batch. Raises for no key."""
    for batch in batched(keys, BATCH):
        bodies: dict[int, str] = {}
        for position, key in enumerate(batch):
            try:
                event = envelope(source, key, now=now(), event_id=str(uuid4()))
                if look_up:
                    event["detail"]["object"] |= _about(look_up, source, key)
                bodies[position] = body(event)
            except (BadEvent, _NotThere) as fault:
                yield NotSent(key, str(fault))
        for position, end in send(sqs, queue_url, bodies, pause).items():
            yield Sent(batch[position], end.message_id) if isinstance(end, Accepted) else NotSent(batch[position], end)


class _NotThere(Exception):
    pass


def _about(s3: "S3Client", source: Source, key: str) -> dict[str, Any]:
    try:
        head = s3.head_object(Bucket=source.bucket, Key=key, ExpectedBucketOwner=source.account)
    except (BotoCoreError, ClientError) as error:
        raise _NotThere(_in_words(error)) from None
    version_id = head.get("VersionId", "null")
    version = {} if version_id == "null" else {"version-id": version_id}
    try:
        return {"size": head["ContentLength"], "etag": head["ETag"].strip('"'), **version}
    except KeyError as missing:
        raise _NotThere(f"S3's answer lacks {missing}") from None


@dataclass(frozen=True, slots=True)
class Accepted:
    message_id: str


def send(
    sqs: "SQSClient", queue_url: str, bodies: dict[int, str], pause: Callable[[float], None]
) -> dict[int, Accepted | str]:
    """Position -> accepted, or why not. What failed on the queue's side is sent again, a sender's fault is not."""
    ends: dict[int, Accepted | str] = {}
    waiting = dict(bodies)
    for attempt in range(ATTEMPTS):
        if not waiting:
            break
        if attempt:
            pause(2 ** (attempt - 1))
        answers = _send_once(sqs, queue_url, waiting)
        ends |= {position: end for position, (end, _) in answers.items()}
        waiting = {position: waiting[position] for position, (_, again) in answers.items() if again}
    return ends


def _send_once(sqs: "SQSClient", queue_url: str, bodies: dict[int, str]) -> dict[int, tuple[Accepted | str, bool]]:
    """Position -> (accepted or why not, whether to send it again)."""
    # Whatever the answer does not mention was perhaps not taken; a message too many does no harm.
    answers: dict[int, tuple[Accepted | str, bool]] = dict.fromkeys(bodies, ("the queue did not answer for it", True))
    try:
        answer = sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(position), "MessageBody": text} for position, text in bodies.items()],
        )
    except (BotoCoreError, ClientError) as error:
        return dict.fromkeys(bodies, (_in_words(error), True))
    positions = {str(position): position for position in bodies}
    for accepted in answer.get("Successful", []):
        position = positions.get(accepted.get("Id", ""))
        if position is not None and accepted.get("MessageId"):
            answers[position] = (Accepted(accepted["MessageId"]), False)
    for refused in answer.get("Failed", []):
        position = positions.get(refused.get("Id", ""))
        if position is not None:
            why = f"{refused.get('Code', 'refused')}: {refused.get('Message', '')}".rstrip(": ")
            answers[position] = (why, not refused.get("SenderFault", False))
    return answers


def _in_words(error: BotoCoreError | ClientError) -> str:
    in_one_line = " ".join(str(error).split())
    if not isinstance(error, ClientError):
        return in_one_line
    code = error.response["Error"]["Code"]
    # HEAD has no body: S3 can say no more than the status.
    return {"404": "no such object", "NoSuchKey": "no such object", "403": "access denied"}.get(code, in_one_line)
