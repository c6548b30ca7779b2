"""The demo's books: every change made at the source has exactly one end, and the sum says so. Pure.

The entries are the function's own log lines, one for each outcome of a message. An event may have several: it was
delivered twice, came back after a failure, or was a delete that had to be confirmed. Its end is the one that did most.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests.sandbox.calls import Call

REPLICATED, DELETED, TAGS, FAILED, SKIPPED = "replicated", "deleted", "tags replicated", "failed", "skipped"
BY_WEIGHT = (SKIPPED, FAILED, TAGS, DELETED, REPLICATED)  # what was done outweighs what was seen to be done already


@dataclass(frozen=True)
class End:
    """What became of one event: `name` is the reason of a skip or the code of a failure; `lag` in seconds. `final`: not
    of a failure whose message comes back.
    """

    event_id: str
    kind: str
    key: str = ""
    name: str = ""
    size: int = 0
    lag: float | None = None
    final: bool = True

    @property
    def weight(self) -> int:
        return BY_WEIGHT.index(self.kind) if self.final else -1

    @classmethod
    def of_line(cls, line: str) -> Self | None:
        """The end that a log line of the function tells of; None for every other line."""
        if not line.startswith("{"):
            return None
        try:
            entry: Mapping[str, Any] = json.loads(line)
        except ValueError:
            return None
        kind = KINDS.get(str(entry.get("message")))
        event_id = entry.get("event_id") or entry.get("message_id")  # a message that is no event has only its own
        if kind is None or not event_id:
            return None
        return cls(
            event_id=event_id,
            kind=kind,
            key=entry.get("key", ""),
            name=entry.get("reason") or entry.get("code") or "",
            size=entry.get("bytes", 0),
            lag=entry.get("lag"),
            final=entry.get("final", True),
        )


# The constant texts of the function's log, by the kind of outcome.
KINDS = {
    "replicated": REPLICATED,
    "tagsreplicated": TAGS,
    "deleted": DELETED,
    "skipped": SKIPPED,
    "failed": FAILED,
}


@dataclass
class Books:
    """`sent` counts what was put in: a change of an object, or a message put on the queue by hand."""

    sent: int = 0
    ends: dict[str, End] = field(default_factory=dict)
    entered: int = 0  # every outcome, also those of events that had one before

    def enter(self, lines: Iterable[str]) -> list[End]:
        """The log lines' outcomes; answers with them, in their order."""
        new = [end for line in lines if (end := End.of_line(line))]
        self.entered += len(new)
        for end in new:
            known = self.ends.get(end.event_id)
            if known is None or end.weight >= known.weight:
                self.ends[end.event_id] = end
        return new

    @property
    def settled(self) -> int:
        return len(self.ends)

    @property
    def close(self) -> bool:
        return self.settled == self.sent

    def count(self, kind: str) -> int:
        return sum(end.kind == kind for end in self.ends.values())

    def names(self, kind: str) -> dict[str, int]:
        """Of skips by reason, of failures by code."""
        return dict(sorted(Counter(end.name for end in self.ends.values() if end.kind == kind).items()))

    def bytes_replicated(self) -> int:
        return sum(end.size for end in self.ends.values() if end.kind == REPLICATED)

    def sums(self) -> list[tuple[int, str]]:
        """What the ends add up from: (420, "replicated"), (23, "skipped (superseded)"), ..."""
        done = [(count, kind) for kind in (REPLICATED, TAGS, DELETED) if (count := self.count(kind))]
        for kind in (SKIPPED, FAILED):
            done += [(count, f"{kind} ({name})") for name, count in self.names(kind).items()]
        return done

    def equation(self) -> str:
        """The books in one line: "455 sent = 420 replicated + ...", or "≠" where they do not close."""
        done = " + ".join(f"{count} {what}" for count, what in self.sums()) or "0"
        return f"{self.sent} sent {'=' if self.close else '≠'} {done}"


def percentile(values: Sequence[float], share: float) -> float | None:
    """By nearest rank: a value that was really seen; None of nothing. `share` is 0 < share <= 1."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def calls_per_object(calls: Iterable[Call], objects: int) -> dict[str, float]:
    """The product's AWS calls by service and operation, divided by the objects they were made for.

    The product is whoever works in a role: the people of the demo sign with account credentials.
    """
    made = Counter(f"{call.service}:{call.operation}" for call in calls if call.role)
    return {name: made[name] / max(objects, 1) for name in sorted(made)}
