"""What the text of an environment variable may be, a rule for each kind of setting. Pure.

A rule reads the plain spelling of a value, the one that the template writes. Of any other text it says nothing:
`settings_contract` admits it, or tells what is wrong with it.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from producer_events.object_event import MAX_KEY_BYTES


class InDoubt(ValueError):
    """Not a plain spelling, which need not mean that it is not allowed."""


class Secret:
    """Text that is in no message, no log line and no other text form of what holds it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('**********')"


def _is_all(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


class Text(NamedTuple):
    """Text that is `pattern` from its first character to its last; `form` says in words what that is.

    \\w and \\d are ASCII. No pattern takes a line end, or anything else that a terminal would obey.
    """

    pattern: str
    form: str

    def fits(self, text: str) -> bool:
        return _is_all(self.pattern, text)

    def read(self, text: str) -> str:
        if not self.fits(text):
            raise InDoubt
        return text


class Hidden(NamedTuple):
    """The same of a secret."""

    pattern: str
    form: str

    def fits(self, text: str) -> bool:
        return _is_all(self.pattern, text)

    def read(self, text: str) -> Secret:
        if not self.fits(text):
            raise InDoubt
        return Secret(text)


class Whole(NamedTuple):
    """A whole number, both bounds included. `besides`: a number that is allowed outside them."""

    least: int
    most: int | None = None
    besides: int | None = None

    def allows(self, number: int) -> bool:
        inside = self.least <= number and (self.most is None or number <= self.most)
        return inside or number == self.besides

    def read(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18) or not self.allows(int(text)):
            raise InDoubt
        return int(text)


class WholeOrNone(NamedTuple):
    """A whole number of at least `least`; None where the variable is empty."""

    least: int

    def read(self, text: str) -> int | None:
        return Whole(self.least).read(text) if text else None


class Entries(NamedTuple):
    """Texts that a key may have in it, comma-separated, or JSON where an entry has a comma."""

    def read(self, text: str) -> tuple[str, ...]:
        if not text.isascii() or len(text) > MAX_KEY_BYTES or text.lstrip().startswith("["):
            raise InDoubt
        return tuple(entry for entry in text.split(",") if entry)


class OneOf(NamedTuple):
    """A member of `kind`, by its value."""

    kind: type[StrEnum]

    def read(self, text: str) -> StrEnum:
        return self.kind(text)


class OneOfThese(NamedTuple):
    """`usual`, or one of `others`."""

    usual: str
    others: Collection[str]

    def read(self, text: str) -> str:
        if text != self.usual and text not in self.others:
            raise InDoubt
        return text


Rule = Text | Hidden | Whole | WholeOrNone | Entries | OneOf | OneOfThese
