"""The objects queue and its dead-letter queue: hints sent, bad messages set aside, others given back (edge)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import batched
from typing import Any

from consumer_replicator.aws_errors import answered, must_be_sent, translated
from consumer_replicator.delay import whole_seconds
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import ConfirmHint, OwnHint, PlainHint, RangeHint, to_body

MAX_VISIBILITY_SECONDS = 43_200
BATCH_LIMIT = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
SEND_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Message:
    """What the function needs of one SQS record."""

    id: str
    receipt: str
    body: str
    receive_count: int

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Message":
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            body=record["body"],
            receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        )


class Queue:
    """`sqs` signs with the function's own role."""

    def __init__(self, sqs: Any, url: str, dead_letter_url: str, bucket: str) -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._bucket = bucket

    def send_plain(self, key: str, event_id: str, resend: str | None = None) -> None:
        """A hint that the key may have changed. `resend`: an upload whose missing ranges must be sent again."""
        self._send(PlainHint(bucket=self._bucket, key=key, id=event_id, resend=resend), 0)

    def send_ranges(self, key: str, event_id: str, upload_id: str, delays: Mapping[int, float]) -> None:
        """A hint for each of these ranges of one upload, in a group of its own: one large object starves nobody.

        `delays`: seconds by the number of the range.
        """
        hints = (
            (RangeHint(self._bucket, key, event_id, upload=upload_id, range=number), delay)
            for number, delay in delays.items()
        )
        self._send_many(hints, f"upload-{sha256(upload_id.encode()).hexdigest()[:32]}")

    def send_confirm(self, key: str, event_id: str, tombstone: int, delay: float) -> None:
        """A hint to carry out the delete that the row's generation `tombstone` announces, `delay` seconds from now.

        SQS delays by 15 minutes at most; a hint that comes too early delays itself again.
        """
        self._send(ConfirmHint(bucket=self._bucket, key=key, id=event_id, tombstone=tombstone), delay)

    def _send(self, hint: OwnHint, delay: float) -> None:
        with translated("queue"), answered():
            answer = self._sqs.send_message(
                QueueUrl=self._url, MessageBody=to_body(hint), DelaySeconds=whole_seconds(delay)
            )
        must_be_sent(answer)

    def send_hints(self, hints: Iterable[OwnHint], group: str, delay: float = 0) -> None:
        """Sends many hints, ten a request. `group` keeps live events ahead: SQS is fair between message groups, and
        live events have none. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html

        :raises HydrationError: `throttled`, when SQS keeps refusing some of them.
        """
        self._send_many(((hint, delay) for hint in hints), group)

    def _send_many(self, hints: Iterable[tuple[OwnHint, float]], group: str) -> None:
        for some in batched(hints, BATCH_LIMIT):
            entries: list[dict[str, Any]] = [
                {"Id": str(n), "MessageBody": to_body(hint), "MessageGroupId": group}
                | {"DelaySeconds": whole_seconds(delay)}
                for n, (hint, delay) in enumerate(some)
            ]
            for _ in range(SEND_ROUNDS):
                with translated("queue"), answered():
                    answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
                    taken = {success["Id"] for success in answer.get("Successful", [])}
                entries = [entry for entry in entries if entry["Id"] not in taken]
                if not entries:
                    break
            else:
                raise HydrationError("throttled", "SQS kept refusing some hints of a batch.")

    def at_rest(self) -> bool:
        """Whether nothing waits, is under way or is delayed in either queue, as far as SQS's approximate counts tell.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html"""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        count = 0
        for url in (self._url, self._dead_letter_url):
            with translated("queue"), answered():
                attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
                count += sum(int(attributes[name]) for name in names)
        return count == 0

    def set_aside(self, message: Message, code: str, reason: str) -> None:
        """Puts a message that can never succeed into the dead-letter queue, with its reason, body verbatim."""
        attributes = {"hydration-error-code": code, "hydration-error": _sendable(reason)}
        with translated("queue"), answered():
            answer = self._sqs.send_message(
                QueueUrl=self._dead_letter_url,
                MessageBody=message.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()
                },
            )
        must_be_sent(answer)

    def give_back(self, delays: Mapping[str, int]) -> None:
        """Makes messages (by receipt) visible again after so many seconds, instead of after the visibility timeout.

        Answers per message are not looked at: one that could not be changed comes back all the same, only later.
        """
        for some in batched(delays.items(), BATCH_LIMIT):
            entries = [
                {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": min(seconds, MAX_VISIBILITY_SECONDS)}
                for n, (receipt, seconds) in enumerate(some)
            ]
            with translated("queue"), answered():
                self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def _sendable(text: str) -> str:
    """SQS refuses a message with a character that XML 1.0 does not allow, in its attributes too.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    return "".join(character if character.isprintable() else " " for character in text)
