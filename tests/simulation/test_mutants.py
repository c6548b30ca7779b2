"""The protocol with one rule taken out: each such mutant of the real code is caught, by a shortest story."""

import random

import pytest

from tests.simulation import mutants, simulation
from tests.simulation.choices import Chance
from tests.simulation.explorer import Explorer
from tests.simulation.mutants import BY_CHANCE, DEFENDED, MUTANTS, Defended, Mutant
from tests.simulation.simulation import Broken

MOST_STATES = 50_000
LAST_DEFENCE_STATES = 600
EACH_SCENARIO = {(mutant.needs, mutant.begin): mutant for mutant in (*MUTANTS, *DEFENDED)}
WITHIN_DEFENCES = [(each, name) for each in DEFENDED for name in each.without]
KILLED: dict[str, tuple[str, int, str]] = {}
SURVIVED: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("mutant", [*MUTANTS, *DEFENDED], ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught_by_exploration(mutant: Mutant | Defended):
    """Of a rule that others guard: without all of them."""
    with mutant.alive():
        explorer = Explorer(mutant.needs)
        explored = explorer.explore(mutant.begin, states=MOST_STATES, first_only=True)
        assert explored.broken, f"{mutant.name}: nothing broke in {explored.states} states ({explored.complete=})"
        rule, (sentence, way) = next(iter(explored.broken.items()))
        story = explorer.told((*mutant.begin, *way))
        assert rule in mutant.breaks, f"{sentence}\n{story}"
    KILLED[mutant.name] = (rule, len(mutant.begin) + len(way), f"{explored.states} states")
    assert rule == "TERM" or rule in story.splitlines()[-1], "the story does not end with what broke"


@pytest.mark.parametrize("mutant", BY_CHANCE, ids=lambda mutant: mutant.name)
def test_every_other_mutant_is_caught_by_chance(mutant: Mutant):
    with mutant.alive():
        caught = (caught_by(mutant, seed) for seed in range(mutant.seeds))
        broken = next((broken for broken in caught if broken), None)
    assert broken, f"{mutant.name}: nothing broke in {mutant.seeds} schedules"
    assert broken.rule in mutant.breaks, str(broken)


def caught_by(mutant: Mutant, seed: int) -> Broken | None:
    schedule = simulation.Simulation(mutant.needs, Chance(random.Random(seed)))
    try:
        schedule.run()
    except Broken as broken:
        KILLED[mutant.name] = (broken.rule, len(schedule.chosen), f"seed {seed}")
        return broken
    return None


@pytest.mark.parametrize(("rule", "left"), WITHIN_DEFENCES, ids=lambda each: getattr(each, "name", each))
def test_each_of_several_rules_that_guard_the_same_holds_alone(rule: Defended, left: str):
    """If it breaks one day, the mutants without it are to be caught by themselves."""
    with rule.alive(but=left):
        explored = Explorer(rule.needs).explore(rule.begin, states=LAST_DEFENCE_STATES)
    assert not explored.broken
    SURVIVED[rule.name, left] = f"{explored.states} states{'' if explored.complete else ', not all'}"


@pytest.mark.parametrize("mutant", EACH_SCENARIO.values(), ids=lambda mutant: mutant.name)
def test_what_catches_a_mutant_finds_nothing_in_the_code_itself(mutant: Mutant | Defended):
    """As far as a few hundred states go: the scenarios themselves are in `test_exploration`."""
    explored = Explorer(mutant.needs).explore(mutant.begin, states=400)
    assert not explored.broken


def test_no_mutant_outlives_its_test():
    before = {name: _functions(where) for name, where in mutants.CHANGED.items()}
    for mutant in (*MUTANTS, *BY_CHANCE, *DEFENDED):
        with mutant.alive():
            pass
    assert {name: _functions(where) for name, where in mutants.CHANGED.items()} == before


def test_it_is_said_what_caught_each(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        print("\n\nMutants, the rule that each breaks first, and after how many steps:")
        for name, (rule, steps, how) in KILLED.items():
            print(f"  {name:42} {rule:7} {steps:4}  {how}")
        print("Guarded by several rules, each of which holds alone:")
        for (name, left), explored in SURVIVED.items():
            print(f"  {name:42} but for: {left} ({explored})")


def _functions(where: object) -> dict[str, object]:
    return {name: value for name, value in vars(where).items() if callable(value)}
