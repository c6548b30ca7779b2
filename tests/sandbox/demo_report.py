"""What the demo found out, as a value: what is wrong, if anything; the same for a person and for a program. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from tests.sandbox.books import DELETED, FAILED, REPLICATED, SKIPPED, TAGS, Books, percentile
from tests.sandbox.check import Verdict
from tests.sandbox.live_view import amount
from tests.sandbox.watch import DeadLetter

SHOWN_DIFFERENCES = 20


@dataclass(frozen=True)
class Report:
    """`commit_lags`: seconds from the end of a PUT to the committed row, by this machine's one clock; the books' lags
    begin at the event's time, which is in whole seconds. `rows`: manifest rows by state; `keys`: all that ever were.
    `forged` is how the bus answered a stranger, None if it took the event.
    """

    books: Books
    keys: int
    rows: Mapping[str, int]
    commit_lags: Sequence[float]
    calls: Mapping[str, float]
    small_objects: int
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
        if sum(self.rows.values()) != self.keys:
            yield f"{self.keys} keys were written, and the manifest has {sum(self.rows.values())} rows."
        found = Counter(letter.code or "gave up" for letter in self.dead_letters)
        if found != self.expected_dead_letters:
            yield f"The dead-letter queue holds {dict(found)}, not {dict(self.expected_dead_letters)}."
        if self.forged is None:
            yield "The bus took an event from an account that is a stranger to it."
        if self.verdict.differences:
            yield f"The buckets differ in {len(self.verdict.differences)} things."

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
            "manifest": {"keys": self.keys, "rows": dict(self.rows)},
            "lag_seconds": {
                "from_put_to_committed_row": _percentiles(self.commit_lags),
                "from_event_time": _percentiles(self.books.lags()),
            },
            "calls_per_small_object": {name: round(share, 3) for name, share in self.calls.items()},
            "small_objects": self.small_objects,
            "dead_letters": [{"code": letter.code, "reason": letter.reason} for letter in self.dead_letters],
            "forged_event_refused": self.forged,
            "check": {
                "compared": self.verdict.compared,
                "bytes": self.verdict.bytes,
                "differences": [vars(difference) for difference in self.verdict.differences],
            },
        }

    def lines(self) -> Iterator[Text | Table]:
        """For a person."""
        yield Text.assemble(("Books      ", "bold"), self.books.equation())
        states = " + ".join(f"{count} {state}" for state, count in sorted(self.rows.items()))
        yield Text.assemble(("Manifest   ", "bold"), f"{self.keys} keys = {states}")
        yield Text.assemble(
            ("Lag        ", "bold"), f"{_said(self.commit_lags)} from the end of a PUT to the committed row"
        )
        yield Text.assemble(
            "           ", f"{_said(self.books.lags())} from the event's time, which is in whole seconds"
        )
        yield Text.assemble(("AWS calls  ", "bold"), f"per object, for {self.small_objects} objects of one PUT:")
        yield self._calls_table()
        verdict = self.verdict
        yield Text.assemble(
            ("Check      ", "bold"),
            f"{verdict.compared} objects, {amount(verdict.bytes)} read from both buckets: ",
            ("equal" if not verdict.differences else f"{len(verdict.differences)} differences"),
        )
        for difference in verdict.differences[:SHOWN_DIFFERENCES]:
            yield Text(f"           {difference}", "red")
        if (more := len(verdict.differences) - SHOWN_DIFFERENCES) > 0:
            yield Text(f"           and {more} more (all of them with --json)", "red")

    def _calls_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, share in sorted(self.calls.items(), key=lambda call: -call[1]):
            table.add_row(Text("          "), Text(name), Text(f"{share:.2f}"))
        return table


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    return {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99)}


def _said(values: Sequence[float]) -> str:
    return ", ".join(
        f"{name} {'unknown' if lag is None else f'{lag:.2f} s'}" for name, lag in _percentiles(values).items()
    )
