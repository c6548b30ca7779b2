"""Bytes and attributes of an answer with something wrong: what a fault on the way, or a stranger, would make of it."""

import random
from collections.abc import Iterator
from typing import Any

ABSURD_TEXTS = ("", " ", "-1", "0", "9" * 30, "9" * 5_000, "1e400", "NaN", "\u0661", "_", "true", "\ufeff", "x" * 5_000)
ABSURD_TIMES = (
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59",
    "99999-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-05T12:00:00+99:99",
    "Thu, 99 Nov 2026 12:00:00 GMT",
    "1762344000",
    "-62135596801",
    "1e20",
)


def damaged(golden: bytes, seed: int, values: tuple[bytes, ...]) -> Iterator[bytes]:
    """Ever new forms of one answer: cut, doubled, with bytes changed, with one of `values` made absurd."""
    random_ = random.Random(seed)
    absurd = [text.encode() for text in (*ABSURD_TEXTS, *ABSURD_TIMES)]
    while True:
        place, other = sorted(random_.choices(range(len(golden) + 1), k=2))
        match random_.randrange(8):
            case 0:
                yield golden[:place]
            case 1:
                yield golden[:place] + golden[other:]
            case 2:
                yield golden[:other] + golden[place:]
            case 3:
                yield golden[:place] + bytes(random_.choices(range(256), k=random_.randrange(1, 5))) + golden[place:]
            case _:
                yield golden.replace(random_.choice(values), random_.choice(absurd), random_.choice((1, -1)))


def absurd_attributes() -> list[dict[str, Any]]:
    """What a value of DynamoDB may be, with something in it that no release has written."""
    texts = ("", "L", "-", "\x00", "\u202e", "9" * 400, "of a newer release")
    numbers = ("0", "-1", "9.9E+125", "9" * 38, "1E-130", "-1E+125", "0.5")
    others: list[dict[str, Any]] = [
        {"NULL": True},
        {"BOOL": False},
        {"L": []},
        {"L": [{"N": "1"}]},
        {"M": {}},
        {"M": {"M": {"M": {}}}},
        {"NS": ["1", "9.9E+125"]},
        {"NS": ["-1", "0", "999999"]},
        {"SS": ["a"]},
        {"B": b"\xff"},
    ]
    return [*({"S": text} for text in texts), *({"N": text} for text in numbers), *others]
