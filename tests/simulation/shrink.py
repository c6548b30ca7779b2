"""A failing schedule made short: choices are left out as long as the same rule still breaks (delta debugging).

Names of choices mean the same in the shorter schedule; what follows the last of them is done calmly, step by step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from tests.simulation.choices import Replay
from tests.simulation.scenario import Budgets, Scenario
from tests.simulation.simulation import Broken, Simulation
from tests.simulation.story import Story

MOST_TRIALS = 4_000


@dataclass(frozen=True)
class Failure:
    """A schedule that breaks `rule`: its scenario, the names of its choices, and how many steps it has in all."""

    plan: Scenario
    choices: tuple[str, ...]
    rule: str
    steps: int

    @property
    def cost(self) -> tuple[int, int]:
        return self.steps, len(self.choices)


def failure_of(plan: Scenario, choices: Sequence[str]) -> Failure | None:
    simulation = Simulation(plan, Replay(choices))
    try:
        simulation.run()
    except Broken as broken:
        return Failure(plan, tuple(choices), broken.rule, len(simulation.chosen))
    return None


def shrunk(failure: Failure, most: int = MOST_TRIALS) -> Failure:
    """A failure of the same rule from which no single choice can be left out, or as far as `most` trials get."""
    trials = iter(range(most))

    def still(plan: Scenario, choices: Sequence[str]) -> Failure | None:
        if next(trials, None) is None:
            return None
        found = failure_of(plan, choices)
        return found if found is not None and found.rule == failure.rule else None

    best = _without_waste(failure, still)
    size = max(len(best.choices) // 2, 1)
    while size:
        shorter = _without_a_stretch(best, size, still)
        if shorter is None:
            size //= 2
        else:
            best = shorter
    return best


type _Still = Callable[[Scenario, Sequence[str]], Failure | None]


def _without_a_stretch(best: Failure, size: int, still: _Still) -> Failure | None:
    for first in range(0, len(best.choices), size):
        rest = best.choices[:first] + best.choices[first + size :]
        found = still(best.plan, rest)
        if found is not None and found.cost < best.cost:
            return found
    return None


def _without_waste(failure: Failure, still: _Still) -> Failure:
    """Budgets that the failure does not need."""
    best = failure
    for field in fields(Budgets):
        if getattr(best.plan.budgets, field.name):
            plan = replace(best.plan, budgets=replace(best.plan.budgets, **{field.name: 0}))
            best = still(plan, best.choices) or best
    return best


def told(failure: Failure) -> str:
    """The story of a failure, ending with the rule that breaks."""
    story = Story()
    simulation = Simulation(failure.plan, Replay(failure.choices), story=story)
    try:
        simulation.run()
    except Broken as broken:
        return f"{failure.plan}\n{story}\n{broken}"
    return f"{failure.plan}\n{story}\n(it does not happen again)"
