"""A failing schedule is told as a short story, and the story ends with the rule that breaks."""

import random

import pytest

from tests.simulation import shrink
from tests.simulation.choices import Chance, Option, Replay
from tests.simulation.mutants import BY_CHANCE, MUTANTS, Mutant
from tests.simulation.scenario import Act as SourceAct
from tests.simulation.scenario import Budgets, Operation, Scenario
from tests.simulation.simulation import Broken, Simulation

PLAN = Scenario(
    (*(Operation(SourceAct.PUT, key) for key in ("l", "k", "l", "k")), Operation(SourceAct.DELETE, "l")),
    budgets=Budgets(crashes=2, refusals=2, duplicates=2),
)


def failing(mutant: Mutant, plan: Scenario) -> shrink.Failure:
    for seed in range(300):
        schedule = Simulation(plan, Chance(random.Random(seed)))
        try:
            schedule.run()
        except Broken:
            failure = shrink.failure_of(plan, schedule.chosen)
            assert failure is not None, "the same choices did not lead to the same failure"
            return failure
    pytest.fail("nothing broke")


def test_a_failure_is_shrunk_to_what_it_needs_and_told():
    mutant = next(each for each in MUTANTS if each.name == "no condition on the replica")
    with mutant.alive():
        failure = failing(mutant, PLAN)
        short = shrink.shrunk(failure)
        story = shrink.told(short)
    assert short.rule == failure.rule
    assert short.cost < failure.cost
    assert short.plan.budgets.refusals == 0
    assert story.splitlines()[-1].startswith(f"{short.rule}: ")
    assert "PutObject" in story


def test_a_shrunk_failure_is_none_any_more_once_the_code_is_right():
    mutant = next(each for each in BY_CHANCE if each.name == "failures are acknowledged")
    with mutant.alive():
        short = shrink.shrunk(failing(mutant, mutant.needs))
    assert shrink.failure_of(short.plan, short.choices) is None


def test_choices_that_are_not_possible_any_more_are_passed_over_and_what_is_left_goes_on_calmly():
    replay = Replay(["gone", "b"])
    options = [Option("a", 1, calm=2), Option("b", 1), Option("c", 1, calm=1)]
    assert [replay.choose(options) for _ in range(2)] == [1, 2]
    assert replay.choose([Option("trouble", 1)]) is None
