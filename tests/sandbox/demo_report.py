"""What the demo found out, as a value: what is wrong, if anything; the same for a person and for a program. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from tests.sandbox.books import DELETED, FAILED, REPLICATED, SKIPPED, TAGS, Books, percentile
from tests.sandbox.check import Verdict
from tests.sandbox.live_view import amount
from tests.sandbox.runs import RunShown, found
from tests.sandbox.watch import DeadLetter

SHOWN_DIFFERENCES = 20
SUBJECT_WIDTH = 10


@dataclass(frozen=True)
class Lag:
    """Seconds to the committed row: from the end of the PUT, by this machine's one clock; and from the event's time,
    which is in whole seconds and so up to a second early.
    """

    from_put: Sequence[float]
    from_event: Sequence[float]


@dataclass(frozen=True)
class Report:
    """`books` are those of the events, `runs` what was found without any. `rows`: manifest rows by state; `keys`: all
    that ever were. `lags` by how the objects were put. `forged` is how the bus answered a stranger, None if it took the
    event. `calls` are those for the small objects, per object.
    """

    books: Books
    runs: Sequence[RunShown]
    keys: int
    rows: Mapping[str, int]
    lags: Mapping[str, Lag]
    calls: Mapping[str, float]
    small_objects: int
    tagged_objects: int
    dead_letters: Sequence[DeadLetter]
    expected_dead_letters: Mapping[str, int]
    forged: str | None
    verdict: Verdict
    seconds: float

    def problems(self) -> list[str]:
        """Everything that is not as it has to be, one sentence each; none means that the demo has shown its point."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if not self.books.close:
            yield f"The books do not close: {self.books.equation()}."
        if self.books.names(FAILED) != self.expected_dead_letters:
            yield f"Failures by code are {self.books.names(FAILED)}, not {dict(self.expected_dead_letters)}."
        for run in self.runs:
            yield from _run_problems(run)
        if sum(self.rows.values()) != self.keys:
            yield f"{self.keys} keys were written, and the manifest has {sum(self.rows.values())} rows."
        found = Counter(letter.code or "gave up" for letter in self.dead_letters)
        if found != self.expected_dead_letters:
            yield f"The dead-letter queue holds {dict(found)}, not {dict(self.expected_dead_letters)}."
        if self.forged is None:
            yield "The bus took an event from an account that is a stranger to it."
        if self.verdict.differences:
            yield f"Differences between the buckets: {len(self.verdict.differences)}."

    def document(self) -> dict[str, Any]:
        """For `--json`; only JSON's own types."""
        return {
            "ok": not self.problems(),
            "problems": self.problems(),
            "seconds": round(self.seconds, 1),
            "books": {
                "closed": self.books.close,
                "sent": self.books.sent,
                "replicated": self.books.count(REPLICATED),
                "tags_replicated": self.books.count(TAGS),
                "deleted": self.books.count(DELETED),
                "skipped": self.books.names(SKIPPED),
                "failed": self.books.names(FAILED),
                "bytes_replicated": self.books.bytes_replicated(),
            },
            "runs": [
                {
                    "name": run.name,
                    "payload": run.payload,
                    "seconds": round(run.seconds, 1),
                    "page": run.page,
                    "expected_drift": run.expected,
                    "answer": run.answer,
                }
                for run in self.runs
            ],
            "manifest": {"keys": self.keys, "rows": dict(self.rows)},
            "lag_seconds": {
                how: {"from_put": _percentiles(lag.from_put), "from_event_time": _percentiles(lag.from_event)}
                for how, lag in self.lags.items()
            },
            "calls_per_small_object": {name: round(share, 3) for name, share in self.calls.items()},
            "small_objects": self.small_objects,
            "small_objects_with_tags": self.tagged_objects,
            "dead_letters": [{"code": letter.code, "reason": letter.reason} for letter in self.dead_letters],
            "forged_event_refused": self.forged,
            "check": {
                "compared": self.verdict.compared,
                "bytes": self.verdict.bytes,
                "differences": [vars(difference) for difference in self.verdict.differences],
            },
        }

    def lines(self) -> Iterator[Table]:
        """For a person: one table a subject."""
        yield _subject("Books", f"{self.books.sent} changes and messages sent, {self.books.settled} came to an end")
        yield _figures((f"{count}", what) for count, what in self.books.sums())
        yield _subject("Runs", "of the transfer function, while the source sent no events")
        yield _figures((run.name, found(run)) for run in self.runs)
        yield _subject("Manifest", f"{self.keys} keys")
        yield _figures((f"{count}", state) for state, count in sorted(self.rows.items()))
        yield _subject("Lag", "from the end of a PUT to its committed row (in brackets: from the event's time)")
        yield _figures((how, f"{_said(lag.from_put)}  ({_said(lag.from_event)})") for how, lag in self.lags.items())
        yield _subject(
            "AWS calls", f"per object, for {self.small_objects} of one PUT, {self.tagged_objects} of them tagged"
        )
        by_share = sorted(self.calls.items(), key=lambda call: -call[1])
        yield _figures((f"{share:.2f}", name) for name, share in by_share)
        verdict, count = self.verdict, len(self.verdict.differences)
        read = f"objects read from both buckets: {verdict.compared}, {amount(verdict.bytes)}"
        yield _subject("Check", f"{read}; {f'differences: {count}' if count else 'equal'}")
        shown = [str(difference) for difference in verdict.differences[:SHOWN_DIFFERENCES]]
        if count > SHOWN_DIFFERENCES:
            shown.append(f"and {count - SHOWN_DIFFERENCES} more, all of them with --json")
        yield _figures(("≠", difference) for difference in shown)


def _run_problems(run: RunShown) -> Iterator[str]:
    state = run.answer.get("state")
    if state != "done":
        yield f"The run {run.name} is {state}: {run.answer.get('failure') or run.answer.get('note') or run.answer}."
    elif not run.closes:
        yield f"The books of the run {run.name} do not close: {run.answer['books']}, {run.answer['extras']}."
    elif run.drift != run.expected:
        yield f"The run {run.name} found {run.drift}, not {dict(run.expected)}."


def _subject(name: str, what: str) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=SUBJECT_WIDTH, style="bold")
    row.add_row(Text(name), Text(what))
    return row


def _figures(rows: Iterable[tuple[str, str]]) -> Table:
    """Indented below their subject, the figures flush right."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=SUBJECT_WIDTH)
    table.add_column(justify="right", style="cyan")
    table.add_column(overflow="fold")
    for figure, what in rows:
        table.add_row("", Text(figure), Text(what))
    return table


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    shares = {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99)}
    return {name: None if value is None else round(value, 3) for name, value in shares.items()}


def _said(values: Sequence[float]) -> str:
    return ", ".join(
        f"{name} {'unknown' if lag is None else f'{lag:.2f} s'}" for name, lag in _percentiles(values).items()
    )
