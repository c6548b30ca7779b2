"""An object key as a person may see it: what is invisible, or changes how its surroundings look, is spelt out. Pure.

Keys are any UTF-8 text. A control character, a bidirectional override or a zero-width space in one would let it pass
for another key, or reorder the line it stands in (https://www.unicode.org/reports/tr36/). Such characters become
`\\u202e`, marked as not verbatim, so that a key that has a backslash of its own is not confused with it.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

SPELT_OUT: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
"""Unicode's categories of control, format, unassigned, private, surrogate and separator characters.
https://www.unicode.org/reports/tr44/#General_Category_Values"""
LONGEST: Final = 96
TAIL: Final = 32
MARKS_AT_MOST: Final = 2
"""Combining marks in a row that are shown as such; with more a letter would grow over the lines around it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some characters of a key; `escaped`: spelt out, not verbatim."""

    text: str
    escaped: bool = False


def visible(key: str, longest: int = LONGEST) -> tuple[Piece, ...]:
    """The key in pieces, about `longest` characters in all; of a longer one the beginning, what is missing, the end."""
    if len(key) <= longest:
        return _joined(_pieces(key, first=True, last=True))
    tail = min(TAIL, longest // 3)
    head = longest - tail
    missing = Piece(f" … {len(key) - longest:,} more … ", escaped=True)
    return (
        *_joined(_pieces(key[:head], first=True, last=False)),
        missing,
        *_joined(_pieces(key[-tail:], first=False, last=True)),
    )


def spelt_out(key: str) -> str:
    """The whole key in printable ASCII, as Python and JSON write it: unambiguous, to copy from."""
    return key.encode("unicode_escape", "surrogatepass").decode("ascii")


def _pieces(text: str, *, first: bool, last: bool) -> Iterator[Piece]:
    marks = 0
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        at_the_edge = (first and place == 0) or (last and place == len(text) - 1)
        after_space = place > 0 and text[place - 1] == " "
        if character == " ":
            yield Piece("\\x20", escaped=True) if at_the_edge or after_space else Piece(" ")
        elif category in SPELT_OUT or marks > MARKS_AT_MOST or (marks and place == 0):
            yield Piece(spelt_out(character), escaped=True)
        else:
            yield Piece(character)


def _joined(pieces: Iterator[Piece]) -> tuple[Piece, ...]:
    return tuple(
        Piece("".join(piece.text for piece in group), escaped)
        for escaped, group in groupby(pieces, key=lambda piece: piece.escaped)
    )
