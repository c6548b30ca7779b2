"""A drifted key as a line of a drift file, and what became of it: settled by comparing its row then and now. Pure.

The files let a run of any size be settled and reported with flat memory, and let a person see every key. One JSON
object a line, ASCII only, short names:

    {"k": "stale", "key": "a/b", "z": 17, "m": 1764000000, "g": 4, "h": 1}

kind, key, size and LastModified of the listed object (absent for an extra), the row's generation when the drift was
found, and whether a hint was sent for it (0: an extra, which waits for the breaker). A verify's kinds are "different"
and "cannot-tell", and "r" says why; a hint is sent where it repairs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consumer_replicator.comparison import Answer, Verified
from consumer_replicator.drift import Drift, DriftKind
from consumer_replicator.hint import fits_a_key
from consumer_replicator.row import Row, State

FIRST_SECOND: Final = -62_135_596_800
LAST_SECOND: Final = 253_402_300_799
"""Of the years 1 and 9999: no other moments can be told."""
WORD_CHARACTERS: Final = 100


class Ending(StrEnum):
    COPIED = "copied"
    UPLOADING = "uploading"  # under way, in an upload that several invocations carry
    CURRENT = "current"  # the object was deleted meanwhile: nothing is left to do
    DELETED = "deleted"
    KEPT = "kept"  # an extra whose replica stays: policy `retain`, or the source is back
    FAILED = "failed"
    WAITING = "waiting"
    HELD = "held"  # an extra that the breaker did not let go


type Kind = DriftKind | Answer


@dataclass(frozen=True, slots=True)
class DriftRecord:
    kind: Kind
    key: str
    size: int | None
    last_modified: int | None
    generation: int
    hinted: bool
    reason: str | None = None

    @classmethod
    def of(cls, drift: Drift, *, hinted: bool) -> "DriftRecord":
        row = drift.row if isinstance(drift.row, Row) else None
        listed = None if drift.outgrown else drift.listed
        return cls(
            kind=drift.kind,
            key=drift.key,
            size=listed.size if listed else None,
            last_modified=listed.last_modified if listed else None,
            generation=row.generation if row else 0,
            hinted=hinted,
        )

    @classmethod
    def of_verified(cls, verified: Verified, *, hinted: bool) -> "DriftRecord":
        return cls(
            kind=verified.comparison.answer,
            key=verified.key,
            size=verified.listed.size,
            last_modified=verified.listed.last_modified,
            generation=verified.generation,
            hinted=hinted,
            reason=verified.comparison.why,
        )

    @property
    def listed(self) -> bool:
        """Whether it stands in the books of listed objects; else in those of extras."""
        return self.last_modified is not None

    @property
    def told_only(self) -> bool:
        """Whether nothing will become of it: a verify has found it, and repairs nothing."""
        return self.listed and not self.hinted

    def to_line(self) -> str:
        values = {
            "k": self.kind.value,
            "key": self.key,
            "z": self.size,
            "m": self.last_modified,
            "g": self.generation,
            "h": int(self.hinted),
            "r": self.reason,
        }
        return json.dumps({name: value for name, value in values.items() if value is not None})

    @classmethod
    def from_line(cls, line: str) -> "DriftRecord":
        """:raises LookupError, TypeError, ValueError, AttributeError: it is no such line; others may write there."""
        values = json.loads(line)
        return cls(
            Answer(values["k"]) if values["k"] in Answer else DriftKind(values["k"]),
            fits_a_key(values["key"]),
            None if values.get("z") is None else _whole(values["z"]),
            None if values.get("m") is None else _whole(values["m"], FIRST_SECOND, LAST_SECOND),
            _any_whole(values["g"]),
            bool(_whole(values["h"], most=1)),
            None if values.get("r") is None else _word(values["r"]),
        )


def _word(value: str) -> str:
    if not (value.isascii() and value.isprintable() and len(value) <= WORD_CHARACTERS):
        raise ValueError("no word of a reason")
    return value


def _any_whole(value: object) -> int:
    """A row's generation is what the row says, a damaged one's too."""
    if type(value) is not int:
        raise TypeError("no whole number")
    return value


def _whole(value: object, least: int = 0, most: int = 2**63 - 1) -> int:
    number = _any_whole(value)
    if not least <= number <= most:
        raise ValueError("not within its bounds")
    return number


_ENDINGS: Final[Mapping[State, tuple[Ending, Ending]]] = {
    State.LIVE: (Ending.COPIED, Ending.KEPT),
    State.UPLOADING: (Ending.UPLOADING, Ending.KEPT),
    State.DELETED: (Ending.CURRENT, Ending.DELETED),
    State.GONE: (Ending.CURRENT, Ending.KEPT),
    State.FAILED: (Ending.FAILED, Ending.FAILED),
}
"""What the row's state says of a listed key, and of an extra; other states are on their way."""


def ending(record: DriftRecord, row: Row | None) -> tuple[Ending, str]:
    """What became of a hinted key, and the failure code where it failed. A row that nobody wrote is still waiting."""
    if row is None or row.generation == record.generation:
        return Ending.WAITING, ""
    of_listed, of_extra = _ENDINGS.get(row.state, (Ending.WAITING, Ending.WAITING))
    outcome = of_listed if record.listed else of_extra
    return outcome, (row.error or "unexpected") if outcome is Ending.FAILED else ""
