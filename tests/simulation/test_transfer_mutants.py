"""The transfer function, copies within S3 and sources in parts with one rule taken out: each is caught by a schedule of
chance. What catches it finds nothing in the code as it is.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from consumer_replicator import breaker, chunk, comparison, copier, run_files, transfer
from consumer_replicator.breaker import Limits
from consumer_replicator.chunk import Chunk
from consumer_replicator.copier import Copier
from consumer_replicator.drift import DriftKind
from consumer_replicator.errors import HydrationError
from consumer_replicator.listing import Listing
from consumer_replicator.range_worker import RangeWorker
from consumer_replicator.runs import Runs
from consumer_replicator.settling import Settled
from tests.simulation.broken import Broken
from tests.simulation.choices import Chance
from tests.simulation.cloud import CloudDynamoDB, CloudS3
from tests.simulation.mutants import Mutant
from tests.simulation.mutations import Anything, put
from tests.simulation.scenario import Act, Budgets, Operation, Scenario
from tests.simulation.scenario import Runs as Asked
from tests.simulation.simulation import Simulation

SEEDS = 500
KILLED: dict[str, tuple[str, int, int]] = {}


def asked(acts: str, *asks: str, keys: str = "k", **more: Any) -> Scenario:
    """The same acts on each of the keys, one after another; what is asked; then what the runs are like, and budgets."""
    like = {name: more.pop(name) for name in ("limits", "chunk", "page_keys", "patience") if name in more}
    operations = tuple(Operation(Act(act), key) for act in acts.split() for key in keys)
    runs = Asked(asks or ("{}",), **like)
    return Scenario(operations, budgets=Budgets(**more), runs=runs)


def parts(acts: str, *, server_side: bool = True, versioned: bool = True, **budgets: int) -> Scenario:
    operations = tuple(Operation(Act(act), "k") for act in acts.split())
    return Scenario(operations, versioned=versioned, server_side=server_side, budgets=Budgets(**budgets))


# -- the breaker -------------------------------------------------------------------------------------------------------


def no_breaker(stack: ExitStack) -> None:
    put(stack, breaker, "held_because", lambda _seen, _limits: None)


def empty_listings_pass(stack: ExitStack) -> None:
    held = breaker.held_because
    put(stack, breaker, "held_because", lambda seen, limits: held(replace(seen, listed=max(1, seen.listed)), limits))


def unreadable_is_empty(stack: ExitStack) -> None:
    page = Listing._page

    def read(self: Listing, **start: Any) -> Any:
        try:
            return page(self, **start)
        except HydrationError:
            return {"IsTruncated": False}

    put(stack, Listing, "_page", read)
    empty_listings_pass(stack)


def deletes_as_they_are_found(stack: ExitStack) -> None:
    count = Chunk._count_drift

    def counted(self: Chunk, drift: Any) -> None:
        count(self, drift)
        if drift.kind is DriftKind.EXTRA and self.run.payload.sends_hints:
            self.hinted.append(drift.key)

    put(stack, Chunk, "_count_drift", counted)


# -- books -------------------------------------------------------------------------------------------------------------


def unconditional(item: str) -> Callable[[ExitStack], None]:
    """Runs' items whose sort key begins so are written whatever is stored."""

    def change(stack: ExitStack) -> None:
        ask = CloudDynamoDB.put_item

        def asked_for(self: CloudDynamoDB, **parameters: Any) -> Any:
            if parameters["Item"]["sk"]["S"].startswith(item) and "#run#" in parameters["Item"]["pk"]["S"]:
                left = ("ConditionExpression", "ExpressionAttributeValues")
                parameters = {name: value for name, value in parameters.items() if name not in left}
            return ask(self, **parameters)

        put_over(stack, CloudDynamoDB, "put_item", asked_for)

    return change


def every_writer_counts(stack: ExitStack) -> None:
    put(stack, run_files, "_named", _of_any_writer(run_files._named))


def _of_any_writer(named: Any) -> Any:
    def of_any_writer(name: str) -> Any:
        found = named(name)
        return found and (found[0], found[1], Anything(found[2]))

    return of_any_writer


def checkpoint_before_hints(stack: ExitStack) -> None:
    """The hints of a chunk go out once it is counted, so a kill in between loses them."""
    checkpoint = RangeWorker._checkpoint

    def later(self: RangeWorker, run: Any, state: Any, chunk: Any, *, done: bool) -> Any:
        self._send = lambda *_: None  # type: ignore[method-assign]
        try:
            after = checkpoint(self, run, state, chunk, done=done)
        finally:
            del self._send
        self._send(run, chunk, state.tally["hinted"])
        return after

    put(stack, RangeWorker, "_checkpoint", later)


def nothing_is_waited_for(stack: ExitStack) -> None:
    put(stack, transfer, "any_waiting", lambda *_, **__: False)
    put(stack, Settled, "waiting", property(lambda _self: 0))


def ranges_keep_their_numbers(stack: ExitStack) -> None:
    """Planning again after a kill meets the ranges that were there."""
    put(stack, transfer, "PLANS", 0)
    put(stack, Runs, "ranges", _all_ranges(Runs.ranges))


def _all_ranges(ranges: Any) -> Any:
    return lambda self, run: ranges(self, replace(run, first_range=0))


# -- what is claimed ---------------------------------------------------------------------------------------------------


def young_is_proven(stack: ExitStack) -> None:
    put(stack, chunk, "_is_unproven", lambda _left, _rules: False)


def failed_is_here(stack: ExitStack) -> None:
    put(stack, Settled, "all_here", property(lambda self: not self.waiting))


def dry_runs_send(stack: ExitStack) -> None:
    count = Chunk._count_drift

    def counted(self: Chunk, drift: Any) -> None:
        count(self, drift)
        if self.run.payload.dry_run and drift.kind is not DriftKind.EXTRA:
            self.hinted.append(drift.key)

    put(stack, Chunk, "_count_drift", counted)


def replaced_is_different(stack: ExitStack) -> None:
    put(stack, comparison, "_is_being_replaced", lambda _row, _replica: False)


# -- parts -------------------------------------------------------------------------------------------------------------


def unpinned_copies(stack: ExitStack) -> None:
    ask = CloudS3.upload_part_copy

    def asked_for(self: CloudS3, **parameters: Any) -> Any:
        source = {name: value for name, value in parameters["CopySource"].items() if name != "VersionId"}
        kept = {name: value for name, value in parameters.items() if name != "CopySourceIfMatch"}
        return ask(self, **kept | {"CopySource": source})

    put_over(stack, CloudS3, "upload_part_copy", asked_for)


def wholes_are_not_compared(stack: ExitStack) -> None:
    """The completion does not tell S3 which checksum the whole must have."""
    ask = CloudS3.complete_multipart_upload

    def asked_for(self: CloudS3, **parameters: Any) -> Any:
        return ask(self, **{name: value for name, value in parameters.items() if not name.startswith("Checksum")})

    put_over(stack, CloudS3, "complete_multipart_upload", asked_for)


def put_over(stack: ExitStack, where: Any, name: str, value: Any) -> None:
    setattr(where, name, value)
    stack.callback(delattr, where, name)


def always_cut_alike(stack: ExitStack) -> None:
    put(stack, Copier, "_was_cut_alike", lambda _self, _key, _identity, _uploaded: True)


def parts_are_not_waited_for(stack: ExitStack) -> None:
    """A part that fails ends the copy, and the others go on without it."""
    put(stack, copier, "wait", lambda _futures: None)


PROVEN = frozenset({"VERDICT"})
BOOKS = frozenset({"BOOKS"})
SINGLE = '{"run_id": "r1"}'

MUTANTS = (
    Mutant(
        "no breaker",
        no_breaker,
        asked("put delete", keys="kl", limits=Limits(few=0, share=0.4), lost=2),
        frozenset({"BREAKER"}),
    ),
    Mutant("empty listings pass", empty_listings_pass, asked("put delete", lost=1), frozenset({"BREAKER"})),
    Mutant(
        "an unreadable listing is an empty one",
        unreadable_is_empty,
        asked("put put", denied=2),
        frozenset({"BREAKER"}),
    ),
    Mutant(
        "extras are hinted as they are found",
        deletes_as_they_are_found,
        asked("put delete", keys="kl", limits=Limits(few=0, share=0.4), lost=2),
        frozenset({"BREAKER"}),
    ),
    Mutant(
        "runs without a condition",
        unconditional("run"),
        asked("put put", SINGLE, SINGLE, keys="kl", lost=4),
        BOOKS | {"RUNS", "VERDICT", "TERM"},
    ),
    Mutant(
        "every writer's drift file counts",
        every_writer_counts,
        asked("put put", SINGLE, SINGLE, keys="kl", lost=4, crashes=2),
        BOOKS,
    ),
    Mutant(
        "checkpoint before the hints",
        checkpoint_before_hints,
        asked("put put", SINGLE, keys="kl", lost=4, crashes=3),
        BOOKS | {"TERM"},
    ),
    Mutant("nothing is waited for", nothing_is_waited_for, asked("put put", lost=2), BOOKS | PROVEN),
    Mutant(
        "ranges keep their numbers",
        ranges_keep_their_numbers,
        asked("put", SINGLE, crashes=3),
        frozenset({"TERM", "RUNS", "BOOKS"}),
    ),
    Mutant("what is left alone is proven", young_is_proven, asked("put put", "{}", "{}", denied=2, lost=1), PROVEN),
    Mutant("what failed is here", failed_is_here, asked("put put", "{}", "{}", denied=2, lost=2), PROVEN),
    Mutant(
        "a dry run sends hints",
        dry_runs_send,
        asked("put put", '{"dry_run": true}', lost=2),
        frozenset({"DRY"}),
    ),
    Mutant(
        "what a copier has not recorded yet is different",
        replaced_is_different,
        asked("put put undo", '{"mode": "verify"}', '{"mode": "verify"}', '{"mode": "verify"}'),
        frozenset({"WOLF"}),
    ),
    Mutant(
        "copies within S3 are not pinned",
        unpinned_copies,
        parts("put put put put composite composite"),
        frozenset({"MIX", "COVER"}),
    ),
    Mutant(
        "wholes are not compared",
        wholes_are_not_compared,
        parts("big big", damaged=2),
        frozenset({"MIX"}),
    ),
    Mutant(
        "parts under way are not waited for",
        parts_are_not_waited_for,
        replace(parts("big big", server_side=False, refusals=3), threads=True),
        frozenset({"BOUND"}),
    ),
    Mutant(
        "whatever fits by its first part was cut alike",
        always_cut_alike,
        parts("composite", server_side=False),
        frozenset({"COVER", "QUIET"}),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught_by_chance(mutant: Mutant):
    with mutant.alive():
        caught = (caught_by(mutant, seed) for seed in range(SEEDS))
        broken, seed = next((found for found in caught if found), (None, SEEDS))
    assert broken, f"{mutant.name}: nothing broke in {SEEDS} schedules"
    assert broken.rule in mutant.breaks, f"seed {seed}: {broken}"
    assert caught_by(mutant, seed) is None, "what catches the mutant breaks in the code itself"


def caught_by(mutant: Mutant, seed: int) -> tuple[Broken, int] | None:
    schedule = Simulation(mutant.needs, Chance(random.Random(seed)))
    try:
        schedule.run()
    except Broken as broken:
        KILLED[mutant.name] = (broken.rule, len(schedule.chosen), seed)
        return broken, seed
    return None


def test_it_is_said_what_caught_each(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        print("\n\nMutants of runs and parts, the rule that each breaks first, and after how many steps of which seed:")
        for name, (rule, steps, seed) in KILLED.items():
            print(f"  {name:48} {rule:8} {steps:4}  {seed}")
