"""The demo's picture of replication as it happens: a panel redrawn on a terminal, elsewhere a line now and then.

What is drawn is a `Snapshot`, a value; this module reads nothing and no clock but the one it is given. Keys are
anybody's text: they are shown escaped, and never as rich's markup.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.box import ROUNDED
from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_SECONDS = 5.0
KEY_CELLS = 70
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment. Bytes in bytes, lag and time in seconds; `lately` are the newest replicated keys."""

    stage: str
    seconds: float = 0.0
    planned: int = 0
    changed: int = 0
    bytes_changed: int = 0
    settled: int = 0
    objects_per_second: float = 0.0
    bytes_per_second: float = 0.0
    replicated: int = 0
    bytes_replicated: int = 0
    tags_replicated: int = 0
    deleted: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead_letters: int = 0
    lag_p50: float | None = None
    lag_p99: float | None = None
    lately: tuple[str, ...] = ()


class LiveView:
    """A context manager; `show` a snapshot as often as there is a new one."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said: tuple[float, Snapshot] | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        if self._live:
            self._live.update(panel(snapshot), refresh=True)
        elif self._worth_saying(snapshot):
            self._said = (self._clock(), snapshot)
            self._console.print(Text(line(snapshot)), soft_wrap=True)

    def _worth_saying(self, snapshot: Snapshot) -> bool:
        if self._said is None or self._said[1].stage != snapshot.stage:
            return True
        return self._clock() - self._said[0] >= LINE_EVERY_SECONDS


def panel(shown: Snapshot) -> Panel:
    """The whole picture, about ten lines high."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, min_width=13)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for name, what in _rows(shown):
        grid.add_row(name, what)
    title = Text(f" {shown.stage}, {shown.seconds:.0f} s ")
    return Panel(grid, title=title, title_align="left", box=ROUNDED, border_style="cyan")


def line(shown: Snapshot) -> str:
    """The same in one line of text."""
    parts = [
        f"{shown.stage}, {shown.seconds:.0f} s: {shown.changed} of {shown.planned} changes made",
        f"{shown.replicated} replicated ({amount(shown.bytes_replicated)})",
        _tags_and_deletes(shown),
        f"skipped {counts(shown.skipped)}",
        f"failed {counts(shown.failed)}",
        f"queue {_queue(shown)}",
        f"lag {_lag(shown)}",
    ]
    return "; ".join(parts)


def counts(by_name: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(by_name.items())) or "none"


def amount(size: float) -> str:
    """Bytes as a person reads them: 0 B, 1.5 KiB, 64.2 MiB."""
    power = min(max(int(size).bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{size / 1024**power:.{min(power, 1)}f} {UNITS[power]}"


def _rows(shown: Snapshot) -> list[tuple[str, RenderableType]]:
    return [
        ("Changes made", _bar(shown.changed, shown.planned, amount(shown.bytes_changed))),
        ("Settled", _bar(shown.settled, shown.planned, _throughput(shown))),
        ("Replicated", Text(f"{shown.replicated} objects, {amount(shown.bytes_replicated)}", "green")),
        ("Tags, deletes", Text(_tags_and_deletes(shown))),
        ("Skipped", Text(counts(shown.skipped))),
        ("Failed", Text(counts(shown.failed), "bold red" if shown.failed else "")),
        ("Queue", Text(_queue(shown))),
        ("Lag", Text(_lag(shown))),
        ("Lately", _lately(shown.lately)),
    ]


def _bar(done: int, of: int, note: str) -> RenderableType:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=40)
    row.add_column(no_wrap=True)
    row.add_row(ProgressBar(total=max(of, 1), completed=min(done, of), width=40), Text(f"{done}/{of}  {note}"))
    return row


def _throughput(shown: Snapshot) -> str:
    return f"{shown.objects_per_second:.1f}/s  {amount(shown.bytes_per_second)}/s"


def _tags_and_deletes(shown: Snapshot) -> str:
    waiting = f" (and {shown.delayed} waiting to be confirmed)" if shown.delayed else ""
    return f"tag changes {shown.tags_replicated}, deletes {shown.deleted}{waiting}"


def _queue(shown: Snapshot) -> str:
    return (
        f"waiting {shown.waiting}, in flight {shown.in_flight}, delayed {shown.delayed}, "
        f"dead letters {shown.dead_letters}"
    )


def _lag(shown: Snapshot) -> str:
    if shown.lag_p50 is None or shown.lag_p99 is None:
        return "not yet known"
    return f"p50 {shown.lag_p50:.1f} s, p99 {shown.lag_p99:.1f} s"


def _lately(keys: tuple[str, ...]) -> Text:
    return Text("\n".join(shown_key(key) for key in keys[-3:]) or "nothing yet", "dim")


def shown_key(key: str) -> str:
    """A key with everything that moves a cursor or hides itself escaped, and cut to a width in terminal cells."""
    text = Text(repr(key)[1:-1])
    text.truncate(KEY_CELLS, overflow="ellipsis")
    return text.plain
