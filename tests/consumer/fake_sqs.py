"""SQS behind the client calls on its queues: at least once, with receive counts and delays. See `fake_aws`."""

from typing import Any

from tests.consumer.fake_client import Client


class FakeSqs(Client):
    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        DelaySeconds: int = 0,  # noqa: N803
        MessageAttributes: Any = None,  # noqa: N803
    ) -> dict[str, Any]:
        assert 0 <= DelaySeconds <= 900

        def act() -> dict[str, Any]:
            self.world.send(MessageBody, DelaySeconds, QueueUrl, MessageAttributes)
            return {"MessageId": "sent"}

        return self._step("SendMessage", None, act)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)

        def act() -> dict[str, Any]:
            for entry in Entries:
                group = {"MessageGroupId": entry["MessageGroupId"]}
                self.world.send(entry["MessageBody"], entry["DelaySeconds"], QueueUrl, group)
            return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

        return self._step("SendMessageBatch", None, act)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        def act() -> dict[str, Any]:
            messages = self.world.queues[QueueUrl]
            waiting = sum(message.visible_at <= self.world.now for message in messages)
            counts = {
                "ApproximateNumberOfMessages": waiting,
                "ApproximateNumberOfMessagesNotVisible": len(messages) - waiting,
                "ApproximateNumberOfMessagesDelayed": 0,
            }
            return {"Attributes": {name: str(counts[name]) for name in AttributeNames}}

        return self._step("GetQueueAttributes", None, act)

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        def act() -> dict[str, Any]:
            delays = {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
            for place in self.world._places(delays, QueueUrl):
                message = self.world.queues[QueueUrl][place]
                message.visible_at = self.world.now + delays[message.id]
            return {"Successful": [], "Failed": []}

        return self._step("ChangeMessageVisibility", None, act)
