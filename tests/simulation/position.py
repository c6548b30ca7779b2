"""Where a process stands, as text: its frames in the product's code, and what they have read. Two processes of the same
text go on in the same way.

Numbers that only count up would make every state a new one, so they are marked here and made relative in `canonical`:
generations to the row's, times to now; ETags, version and upload ids are renamed in the order in which they appear.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import CodeType, FrameType
from typing import Any

from consumer_replicator.carried import PROVENANCE_GENERATION
from consumer_replicator.row import Row, State
from tests.simulation.cloud import MARK

PRODUCT = ("/consumer_replicator/", "/producer_events/")
GENERATIONS = frozenset({"generation", "tombstone"})
NOT_READ = frozenset({"self", "_", "cls", "attempt"})
"""Names of locals that hold no reading. `_` counts the passes of `converge`, whose number is not explored."""
NOT_HEEDED = frozenset({"event_id", "event_time"})
"""Fields that are passed on and never decide anything."""
STOPS_AT = ".converge"
"""Outside of it a batch of one message holds what it handed in, and reads nothing any more."""
MARKED = re.compile(rf"{MARK}(?:g(-?\d+)|t([\d.]+)|\w+)", re.ASCII)
EPOCH = 1e9

type _Write = Callable[[Any, dict[int, str]], str]

_NAMES: dict[CodeType, str] = {}
_WRITERS: dict[type, _Write] = {}


def here() -> str:
    """The text of the product's frames, from the caller's outwards."""
    frame: FrameType | None = sys._getframe(1)
    seen: dict[int, str] = {}
    lines = []
    while frame is not None:
        name = _NAMES.get(frame.f_code)
        if name is None:
            ours = any(part in frame.f_code.co_filename for part in PRODUCT)
            name = _NAMES[frame.f_code] = frame.f_code.co_qualname if ours else ""
        if name:
            stop = name.endswith(STOPS_AT)
            read = (f"{local}={_text(value, seen)}" for local, value in frame.f_locals.items() if local not in NOT_READ)
            lines.append(f"{name}@{frame.f_lasti} {' '.join(read)}")
            if stop:
                break
        frame = frame.f_back
    return "\n".join(lines)


def text(value: Any) -> str:
    return _text(value, {})


def _text(value: Any, seen: dict[int, str]) -> str:
    known = seen.get(id(value))
    if known is None:
        kind = type(value)
        write = _WRITERS.get(kind)
        if write is None:
            write = _WRITERS[kind] = _writer(kind, value)
        known = seen[id(value)] = write(value, seen)
    return known


def _writer(kind: type, value: Any) -> _Write:  # noqa: PLR0911 - a table, read from top to bottom
    if issubclass(kind, Enum):
        return lambda value, _seen: value.name
    if kind in (type(None), bool, int, str, bytes):
        return lambda value, _seen: repr(value)
    if kind is float:
        return lambda value, _seen: f"{MARK}t{value}" if value > EPOCH else repr(value)
    if kind is Row:
        return _row_writer()
    if is_dataclass(value):
        return _dataclass_writer(kind, tuple(field.name for field in fields(value) if field.name not in NOT_HEEDED))
    if issubclass(kind, Mapping):
        return lambda value, seen: "{" + ",".join(_pair(name, each, seen) for name, each in value.items()) + "}"
    if issubclass(kind, (list, tuple, set, frozenset)):
        return lambda value, seen: f"[{','.join(_text(each, seen) for each in value)}]"
    return lambda _value, _seen: kind.__name__


def _dataclass_writer(kind: type, names: tuple[str, ...]) -> _Write:
    def write(value: Any, seen: dict[int, str]) -> str:
        parts = [_field(name, getattr(value, name), seen) for name in names]
        return f"{kind.__name__}({','.join(parts)})"

    return write


def _row_writer() -> _Write:
    """The time a row was written matters only while a delete is pending."""
    names = tuple(field.name for field in fields(Row) if field.name not in NOT_HEEDED)
    deleting = _dataclass_writer(Row, names)
    other = _dataclass_writer(Row, tuple(name for name in names if name != "written_at"))
    return lambda value, seen: (deleting if value.state is State.DELETING else other)(value, seen)


def _field(name: str, value: Any, seen: dict[int, str]) -> str:
    if name in GENERATIONS and value is not None:
        return f"{MARK}g{value}"
    return _text(value, seen)


def _pair(name: Any, value: Any, seen: dict[int, str]) -> str:
    if name == PROVENANCE_GENERATION:
        return f"{name}:{MARK}g{value}"
    return f"{name}:{_text(value, seen)}"


def item_text(item: Mapping[str, Any] | None) -> str:
    """A manifest row as its item."""
    if item is None:
        return "-"
    left = ("c", "o") if item["s"]["S"] != State.DELETING.value else ("o",)
    parts = [
        f"{MARK}g{value['N']}" if name == "g" else f"{MARK}t{value['N']}" if name == "c" else f"{name}:{value}"
        for name, value in sorted(item.items())
        if name not in left
    ]
    return " ".join(parts)


def canonical(state: str, generation: int, now: float, most: float) -> str:
    """The text with everything that only counts up made relative; `most`: seconds beyond which time does not matter.

    Of generations that are over it only matters which are the same.
    """
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        if match[1] is not None:
            ahead = int(match[1]) - generation
            return f"g{ahead}" if ahead >= 0 else names.setdefault(match[0], f"g-{len(names)}")
        if match[2] is not None:
            return f"t{min(now - float(match[2]), most):.0f}"
        return names.setdefault(match[0], f"n{len(names)}")

    return MARKED.sub(renamed, _marked(state))


def blank(state: str) -> str:
    """The text without anything that counts: what workers are put in order by."""
    return MARKED.sub("", _marked(state))


def _marked(state: str) -> str:
    return state.replace('"tombstone": ', f'"tombstone": {MARK}g').replace("upload-", f"{MARK}u")
