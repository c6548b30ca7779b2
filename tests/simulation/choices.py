"""Who chooses what happens next: a seeded chance, or a list of earlier choices, by name.

A choice is a name, such as "step event1#1". Names mean the same thing in a schedule from which others were taken away,
so a failing schedule can be shortened by leaving choices out: what cannot be chosen any more is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Option:
    """`weight`: how often chance takes it. `calm`: the place in which it is taken when nothing is left to choose;
    0: never."""

    name: str
    weight: float
    calm: int = 0


class Chooser(Protocol):
    def choose(self, options: Sequence[Option]) -> int | None:
        """The place of the chosen option; None: nothing more is to happen."""
        ...


class Chance:
    def __init__(self, random: Random) -> None:
        self._random = random

    def choose(self, options: Sequence[Option]) -> int:
        point = self._random.random() * sum([option.weight for option in options])
        for place, option in enumerate(options):
            point -= option.weight
            if point < 0:
                return place
        return len(options) - 1


class Replay:
    """The choices of another schedule; then, calmly, whatever brings everything to its end."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = list(reversed(names))

    def choose(self, options: Sequence[Option]) -> int | None:
        names = [option.name for option in options]
        while self._names:
            name = self._names.pop()
            if name in names:
                return names.index(name)
        calm = [(option.calm, place) for place, option in enumerate(options) if option.calm]
        return min(calm)[1] if calm else None
