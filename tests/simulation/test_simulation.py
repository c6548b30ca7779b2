"""Ten thousand schedules of chance, each of its own scenario: no rule is broken in any of them."""

from collections import Counter
from dataclasses import fields
from itertools import pairwise, product

import pytest

from tests.simulation import shrink, simulation
from tests.simulation.scenario import Act, Budgets, Kind, Operation, Scenario
from tests.simulation.simulation import Broken

SCHEDULES = 10_000
A_TEST = 500
SHRINKS = 500


def run(seed: int, kind: Kind | None = None) -> simulation.Simulation:
    """One schedule. What fails is told as a story that was made as short as that goes."""
    schedule = simulation.of_seed(seed, kind)
    try:
        schedule.run()
    except Broken as broken:
        failure = shrink.failure_of(schedule.plan, schedule.chosen)
        story = shrink.told(shrink.shrunk(failure, SHRINKS)) if failure else "(not told: it does not happen again)"
        again = f'make simulate ARGS="--seed {seed}{f" --kind {kind}" if kind else ""}"'
        raise AssertionError(f"{broken}\nSeed {seed}; the whole of it: {again}\n{story}") from broken
    return schedule


@pytest.mark.parametrize("first", range(0, SCHEDULES, A_TEST))
def test_no_schedule_of_chance_breaks_a_rule(first: int):
    for seed in range(first, first + A_TEST):
        run(seed)


@pytest.mark.parametrize("kind", Kind)
def test_a_seed_is_the_same_schedule_again(kind: Kind):
    for seed in range(15):
        one, other = run(seed, kind), run(seed, kind)
        assert one.chosen == other.chosen
        assert one.cloud.snapshot() == other.cloud.snapshot()


def test_every_kind_of_trouble_and_of_history_happens():
    happened: Counter[str] = Counter()
    acts: Counter[Act] = Counter()
    kinds = set()
    for seed, kind in [*((seed, Kind.COPIES) for seed in range(250)), *product(range(50), Kind)]:
        schedule = run(seed, kind)
        happened += schedule.happened
        acts.update(operation.act for operation in schedule.plan.operations)
        kinds.add((schedule.plan.versioned, schedule.plan.replica_versioned, schedule.plan.policy))
    assert set(happened) == {field.name for field in fields(Budgets)}
    assert set(acts) == set(Act)
    assert len(kinds) == 8


def test_processes_take_turns_in_the_middle_of_each_other():
    turns = []
    for seed in range(100):
        steps = [name for name in run(seed, Kind.COPIES).chosen if name.startswith("step ")]
        turns.append(sum(one != other for one, other in pairwise(steps)))
    assert sum(count > 10 for count in turns) > 30


def test_runs_are_killed_doubled_held_and_continued_and_what_they_say_is_looked_at():
    happened: Counter[str] = Counter()
    for seed in range(120):
        transfers = run(seed, Kind.RUNS).transfers
        assert transfers is not None
        happened += transfers.happened
    assert happened["done"] > 240
    least = {"killed": 20, "done after a kill": 10, "side by side": 20, "continued": 20, "held": 1, "proven": 100}
    assert {name: happened[name] for name, least in least.items() if happened[name] < least} == {}
    assert min(happened[f"verdict {level}"] for level in ("fine", "attention", "wrong")) > 0


def test_parts_are_copied_within_s3_matched_and_unmatched():
    proofs: Counter[str] = Counter()
    within = 0
    for seed in range(80):
        schedule = run(seed, Kind.PARTS)
        within += schedule.plan.server_side
        rows = (schedule.subject.row(key) for key in schedule.plan.keys)
        proofs.update(row.proof for row in rows if row is not None and row.proof)
    assert within > 40
    assert set(proofs) == {"source-checksum", "composite", "computed", "size-only"}


def test_threads_of_one_invocation_take_turns_in_the_middle_of_each_other():
    turns = 0
    for seed in range(100):
        steps = [name for name in run(seed, Kind.PARTS).chosen if name.startswith("step ") and "/" in name]
        same = (one.partition("/")[0] == other.partition("/")[0] for one, other in pairwise(steps))
        turns += sum(of_one and one != other for of_one, (one, other) in zip(same, pairwise(steps), strict=True))
    assert turns > 100


def test_a_scenario_tells_itself():
    plan = Scenario((Operation(Act.PUT, "k"), Operation(Act.UNDO, "k")), budgets=Budgets(crashes=1))
    assert str(plan) == (
        "put k, undo k; versioned source, versioned replica, policy mirror, 2 processes; may happen: {'crashes': 1}"
    )
