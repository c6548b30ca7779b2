"""The delete breaker: what must hold before a reconcile may pass deletes on. Pure.

An empty, shrunken or unreadable source never empties the replica: extras are only hinted once the whole listing is
known, and held when they are too many, too large a share, or the listing is suspicious. What is held is a line of the
report and a metric; a person releases it by raising the limits for one run, or by finding out what happened.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`number` of deletes, and `share` (0 to 1) of the rows compared, in one run; both must hold.

    Up to `few` deletes pass whatever their share: in a small bucket every delete is a large one.
    """

    number: int = 1000
    share: float = 0.1
    few: int = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run saw: `extra` keys without a source, of `rows` compared, `listed` now and in the run before."""

    extra: int
    rows: int
    listed: int
    listed_before: int | None = None


def held_because(seen: Seen, limits: Limits) -> str | None:
    """Why the deletes must not be passed on, as one sentence; None when they may."""
    if not seen.extra:
        return None
    reasons = [
        (not seen.listed, f"The source's listing is empty, and the manifest has {seen.rows} rows."),
        (seen.extra > limits.number, f"{seen.extra} deletes, more than {limits.number} in one run."),
        (
            seen.extra > max(limits.few, limits.share * seen.rows),
            f"{seen.extra} deletes of {seen.rows} rows, a share above {limits.share:.0%}.",
        ),
        (
            seen.extra > limits.few and seen.listed < (1 - limits.share) * (seen.listed_before or 0),
            f"The listing shrank from {seen.listed_before} to {seen.listed} entries.",
        ),
    ]
    return next((sentence for holds, sentence in reasons if holds), None)
