"""What a person reads first of a run: is anything wrong, and what is to be done. Pure.

A finding is *wrong* when the product or its surroundings need a person now, worth *attention* when a person should
look at it some time, a *note* when nothing needs doing. Each has a sentence and, unless it is a note, what to do.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from consumer_replicator.comparison import PASSING, READABLE, Doubt
from consumer_replicator.drift import DriftKind
from consumer_replicator.run_facts import RunFacts

type Level = Literal["fine", "attention", "wrong"]

DRIFT: Final = frozenset({*DriftKind, "bad-row"})


@dataclass(frozen=True, slots=True)
class Finding:
    level: Literal["wrong", "attention", "note"]
    what: str
    todo: str = ""


_HEADLINES: Final[Mapping[Level, str]] = {
    "fine": "The books close, and nothing needs doing.",
    "attention": "The books close; something deserves a look.",
    "wrong": "The books close; something is wrong.",
}
_OF_A_VERIFY: Final[Mapping[Level, str]] = {
    "fine": "No replica differs from its source, and nothing needs doing.",
    "attention": "No replica was seen to differ from its source; something deserves a look.",
    "wrong": "Replicas differ from their sources.",
}


def findings(facts: RunFacts, *, unaccounted: int) -> tuple[Finding, ...]:
    """Every finding, the worst first. `unaccounted`: keys that ended nowhere in the books."""
    found = [
        *_of_the_run(facts, unaccounted),
        *_of_the_comparisons(facts),
        *_of_the_objects(facts),
        *_of_the_events(facts),
    ]
    return tuple(sorted(found, key=lambda finding: ("wrong", "attention", "note").index(finding.level)))


def worst(found: Sequence[Finding]) -> Level:
    levels = {finding.level for finding in found}
    return "wrong" if "wrong" in levels else "attention" if "attention" in levels else "fine"


def headline(facts: RunFacts, level: Level, *, closes: bool) -> str:
    if facts.state == "failed":
        return "The run failed before its end."
    if facts.dry_run and closes and level == "fine":
        return "A dry run: the books close, and nothing was changed."
    if not closes:
        return "The books do not close."
    return (_HEADLINES if facts.verify is None or facts.dry_run else _OF_A_VERIFY)[level]


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
        done, does = ("enqueued", "copies") if facts.verify is None else ("compared", "compares")
        yield Finding("note", f"Nothing was {done}; the same payload without dry_run {does} what is planned below.")


def _of_the_comparisons(facts: RunFacts) -> Iterator[Finding]:
    if different := sum(facts.books.different.values()):
        yield Finding(
            "wrong",
            f"{_many(different, 'replica')} {'differs' if different == 1 else 'differ'} from the source, "
            "although the manifest says otherwise.",
            "See the runbook, ReplicaDiffers, for how that can be; with repair they are copied again.",
        )
    doubts = facts.books.cannot_tell
    known, readable = _sum(doubts, DRIFT), _sum(doubts, READABLE)
    large, passing = doubts.get(Doubt.TOO_LARGE, 0), _sum(doubts, PASSING)
    if known:
        yield Finding(
            "attention",
            f"{_many(known, 'object')} that the manifest does not call current could not be compared.",
            "A reconcile brings them over; verify again after it.",
        )
    if readable:
        yield Finding(
            "attention",
            f"{_many(readable, 'object')} could not be compared by checksums.",
            'With "read_bytes": true their bodies are compared.',
        )
    if large:
        yield Finding(
            "attention",
            f"{_many(large, 'object')} could not be read within one invocation.",
            "A forced backfill of their keys copies them again, and proves the copies.",
        )
    if refused := sum(doubts.values()) - known - readable - large - passing:
        yield Finding(
            "attention",
            f"{_many(refused, 'object')} could not be looked at.",
            "The reasons below are failure codes; the runbook has a line for each.",
        )
    if passing:
        yield Finding("note", f"{_many(passing, 'object')} changed while being looked at.")


def _of_the_objects(facts: RunFacts) -> Iterator[Finding]:
    if uploading := facts.books.uploading:
        yield Finding("note", f"{_many(uploading, 'object')} were under way in uploads that several invocations carry.")
    if unclaimed := facts.unclaimed:
        yield Finding("note", f"Left alone: {_many(unclaimed, 'replica')} of which neither source nor manifest knows.")
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


def _sum(counts: Mapping[str, int], names: Collection[str]) -> int:
    return sum(count for name, count in counts.items() if name in names)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
