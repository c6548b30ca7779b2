"""Ten thousand schedules of chance, each of its own scenario: no rule is broken in any of them."""

from collections import Counter
from dataclasses import fields
from itertools import pairwise

import pytest

from tests.simulation import shrink, simulation
from tests.simulation.scenario import Act, Budgets, Operation, Scenario
from tests.simulation.simulation import Broken

SCHEDULES = 10_000
A_TEST = 500
SHRINKS = 500


def run(seed: int) -> simulation.Simulation:
    """One schedule. What fails is told as a story that was made as short as that goes."""
    schedule = simulation.of_seed(seed)
    try:
        schedule.run()
    except Broken as broken:
        failure = shrink.failure_of(schedule.plan, schedule.chosen)
        story = shrink.told(shrink.shrunk(failure, SHRINKS)) if failure else "(not told: it does not happen again)"
        again = f'make simulate ARGS="--seed {seed}"'
        raise AssertionError(f"{broken}\nSeed {seed}; the whole of it: {again}\n{story}") from broken
    return schedule


@pytest.mark.parametrize("first", range(0, SCHEDULES, A_TEST))
def test_no_schedule_of_chance_breaks_a_rule(first: int):
    for seed in range(first, first + A_TEST):
        run(seed)


def test_a_seed_is_the_same_schedule_again():
    for seed in range(30):
        one, other = run(seed), run(seed)
        assert one.chosen == other.chosen
        assert one.cloud.snapshot() == other.cloud.snapshot()


def test_every_kind_of_trouble_and_of_history_happens():
    happened: Counter[str] = Counter()
    acts: Counter[Act] = Counter()
    kinds = set()
    for seed in range(400):
        schedule = run(seed)
        happened += schedule.happened
        acts.update(operation.act for operation in schedule.plan.operations)
        kinds.add((schedule.plan.versioned, schedule.plan.replica_versioned, schedule.plan.policy))
    assert set(happened) == {field.name for field in fields(Budgets)}
    assert set(acts) == set(Act)
    assert len(kinds) == 8


def test_processes_take_turns_in_the_middle_of_each_other():
    turns = []
    for seed in range(100):
        steps = [name for name in run(seed).chosen if name.startswith("step ")]
        turns.append(sum(one != other for one, other in pairwise(steps)))
    assert sum(count > 10 for count in turns) > 30


def test_a_scenario_tells_itself():
    plan = Scenario((Operation(Act.PUT, "k"), Operation(Act.UNDO, "k")), budgets=Budgets(crashes=1))
    assert str(plan) == (
        "put k, undo k; versioned source, versioned replica, policy mirror, 2 processes; may happen: {'crashes': 1}"
    )
