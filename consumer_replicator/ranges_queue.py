"""The transfer function's own queue: which range of which run is next (edge).

The function that reads this queue also writes to it, so it must be allowed to (`RecursiveLoop: Allow`): where it stands
is kept in the run's items, and every message makes progress or ends.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from consumer_replicator.aws_errors import answered, must_be_sent, translated
from consumer_replicator.delay import whole_seconds
from consumer_replicator.errors import HydrationError


@dataclass(frozen=True, slots=True)
class Step:
    """What to go on with: a range of a run, or (`range` None) the run's next phase. `tries`: that failed so far.

    `seen`: the version of the run, or of a range how many of its chunks were done, when this was sent; None: an older
    release did not say. A step that has seen less than is stored now came twice, or was overtaken.
    """

    run_id: str
    range: int | None = None
    tries: int = 0
    seen: int | None = None

    def to_body(self) -> str:
        body: dict[str, str | int] = {"run": self.run_id}
        if self.range is not None:
            body["range"] = self.range
        if self.tries:
            body["tries"] = self.tries
        if self.seen is not None:
            body["seen"] = self.seen
        return json.dumps(body)

    @classmethod
    def from_body(cls, body: str) -> Self:
        """:raises HydrationError: `bad-hint`: nothing of ours."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        match document:
            case {"run": str(run_id), "range": int(number)}:
                return cls(run_id, number, _tries(document), _seen(document))
            case {"run": str(run_id)} if "range" not in document:
                return cls(run_id, tries=_tries(document), seen=_seen(document))
        raise HydrationError("bad-hint", "The message is no step of a run.")


class RangesQueue:
    """`sqs` signs with the function's own role."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, step: Step, delay: float = 0) -> None:
        """`delay` in seconds, of which SQS takes 15 minutes at most; a step that comes early waits again."""
        with translated("queue"), answered():
            answer = self._sqs.send_message(
                QueueUrl=self._url, MessageBody=step.to_body(), DelaySeconds=whole_seconds(delay)
            )
        must_be_sent(answer)


def _tries(document: Mapping[str, object]) -> int:
    tries = document.get("tries")
    return max(0, tries) if isinstance(tries, int) else 0


def _seen(document: Mapping[str, object]) -> int | None:
    seen = document.get("seen")
    return seen if isinstance(seen, int) else None
