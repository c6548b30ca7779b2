"""What a person reads first of a run: is anything wrong, and what is to be done. Pure.

A finding is *wrong* when the product or its surroundings need a person now, worth *attention* when a person should
look at it some time, a *note* when nothing needs doing. Each has a sentence and, unless it is a note, what to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from consumer_replicator.run_facts import RunFacts

type Level = Literal["fine", "attention", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Literal["wrong", "attention", "note"]
    what: str
    todo: str = ""


_HEADLINES: Final[dict[Level, str]] = {
    "fine": "The books close, and nothing needs doing.",
    "attention": "The books close; something deserves a look.",
    "wrong": "The books close; something is wrong.",
}


def findings(facts: RunFacts, *, unaccounted: int) -> tuple[Finding, ...]:
    """Every finding, the worst first. `unaccounted`: keys that ended nowhere in the books."""
    found = [*_of_the_run(facts, unaccounted), *_of_the_objects(facts), *_of_the_events(facts)]
    return tuple(sorted(found, key=lambda finding: ("wrong", "attention", "note").index(finding.level)))


def worst(found: Sequence[Finding]) -> Level:
    levels = {finding.level for finding in found}
    return "wrong" if "wrong" in levels else "attention" if "attention" in levels else "fine"


def headline(facts: RunFacts, level: Level, *, closes: bool) -> str:
    if facts.state == "failed":
        return "The run failed before its end."
    if facts.dry_run and closes and level == "fine":
        return "A dry run: the books close, and nothing was changed."
    return _HEADLINES[level] if closes else "The books do not close."


def _of_the_run(facts: RunFacts, unaccounted: int) -> Iterator[Finding]:
    if facts.state == "failed":
        yield Finding(
            "wrong",
            f"The run failed: {facts.failure or 'no reason was recorded.'}",
            "Repair the cause and start it again; what it had hinted before goes on by itself.",
        )
    if unaccounted:
        yield Finding(
            "wrong",
            f"{_many(unaccounted, 'key')} ended nowhere in the books.",
            "That is a defect of this product: report it with this file.",
        )
    if waiting := facts.books.waiting + facts.extras.waiting:
        yield Finding(
            "attention",
            f"{_many(waiting, 'hint')} had not come to an end when the report was written.",
            "Look at the objects queue and its dead-letter queue; the next reconcile takes up what is left.",
        )
    if facts.state == "stopped":
        yield Finding(
            "attention",
            "The run was stopped before its end; these are the books of what it had listed.",
            f'Go on with the payload {{"run_id": "{facts.run_id}"}}.',
        )
    if facts.state == "done" and not facts.books.listed:
        yield Finding(
            "note", "The listing was empty; if the source is not, look at the payload and at the source bucket."
        )
    if facts.dry_run:
        yield Finding("note", "Nothing was enqueued; the same payload without dry_run copies what is planned below.")


def _of_the_objects(facts: RunFacts) -> Iterator[Finding]:
    if uploading := facts.books.uploading:
        yield Finding("note", f"{_many(uploading, 'object')} were under way in uploads that several invocations carry.")
    if held := facts.extras.held:
        because = facts.extras.held_because or "no reason was recorded."
        yield Finding(
            "wrong",
            f"The delete breaker held {_many(held, 'delete')}: {because}",
            "Find out who deleted them at the source. If it was meant, raise the breaker's limits for one run.",
        )
    failed = sum(facts.books.failed.values()) + sum(facts.extras.failed.values())
    if failed:
        yield Finding(
            "attention",
            f"{_many(failed, 'object')} could not be replicated.",
            "The failures below name the codes; the runbook has a line for each.",
        )


def _of_the_events(facts: RunFacts) -> Iterator[Finding]:
    if (overdue := facts.loss.overdue) and facts.loss.since is not None:
        yield Finding(
            "attention",
            f"{_many(overdue, 'change')} since the last whole run came by no event in time.",
            "See the runbook, UndeliveredEventsNotEmpty, and whether the source bucket still sends its events.",
        )
    if facts.lags.objects and (p99 := facts.lags.percentile(0.99)) > facts.lag_objective:
        yield Finding(
            "attention",
            f"One object in a hundred took longer than {p99:g} s, and the objective is {facts.lag_objective:g} s.",
            "See the runbook, OldestMessageTooOld; MaximumConcurrency may be too low.",
        )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
