"""What the fake AWS's clients have in common: their steps, their refusals, and what they are about."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.consumer.fake_aws import World

SOURCE, REPLICA, TABLE, QUEUE, DLQ = "source-bucket", "replica-bucket", "manifest", "objects", "dead-letters"
RANGES = "ranges"


def refuse(operation: str, code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": {"HTTPStatusCode": status}},
        operation,
    )


@dataclass(frozen=True)
class Call:
    principal: str
    operation: str
    key: str | None


class Client:
    def __init__(self, world: "World", principal: str) -> None:
        self.world = world
        self.principal = principal
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def _step(self, operation: str, key: str | None, act: Callable[[], Any]) -> Any:
        call = Call(self.principal, operation, key)
        self.world.before(call)
        with self.world.lock:
            self.world.calls.append(call)
            try:
                answer = act()
            except ClientError:
                self.world.after(call)
                raise
        self.world.after(call)
        return answer
