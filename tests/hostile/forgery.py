"""Messages as an attacker, or a fault, would make them: golden ones with something wrong, and plain rubbish.

Everything is drawn from one seeded generator, so that a number names a message.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from consumer_replicator.hint import ConfirmHint, PlainHint, RangeHint, to_body
from tests.consumer.fake_aws import PRODUCER, SOURCE
from tests.consumer.rig import event
from tests.odd_keys import ODD_KEYS

IN_SCOPE = "in/"
KINDS = (
    "Object Created",
    "Object Deleted",
    "Object Restore Completed",
    "Object Tags Added",
    "Object Tags Deleted",
    "Object ACL Updated",
)
ESCAPES = ("\x1b[2J\x1b]0;owned\x07", '\n{"level":"ERROR"}', "\r\n\r\n", "\u2028", "\x00", "<script>alert(1)</script>")
SURROGATE = "\ud800"
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**70,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "1",
    "null",
    "\ufeff",
    SURROGATE,
    "\u202e",
    "a" * 1025,
    "\u00e9" * 513,
    "x" * 70_000,
    "../../etc/passwd",
    "/",
    "${jndi:ldap://x}",
    "9999-99-99T99:99:99Z",
    "0001-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    [],
    [[]],
    {},
    {"": {}},
    ["a", 1, None],
    *ESCAPES,
)


class Forger:
    """Bodies of messages; `key()` draws the keys that they name."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def body(self) -> str:
        ways: list[tuple[int, Callable[[], str]]] = [(6, self._mended), (2, self._mangled), (1, self._rubbish)]
        weights, makes = zip(*ways, strict=True)
        make: Callable[[], str] = self._random.choices(makes, weights)[0]
        return make()

    def key(self) -> str:
        chosen = self._random.choice([*ODD_KEYS.values(), *ESCAPES, "a", "b", "c"])
        return self._random.choice([IN_SCOPE, "out/", ""]) + chosen

    def genuine(self) -> str:
        """A message of one of the right forms; whether its key exists is another matter."""
        key, number = self.key()[:1024], self._random.randrange(1, 9)
        match self._random.randrange(5):
            case 0:
                return to_body(PlainHint(SOURCE, key, "run-1", force=self._random.random() < 0.5))
            case 1:
                return to_body(ConfirmHint(SOURCE, key, "e-1", tombstone=number))
            case 2:
                return to_body(RangeHint(SOURCE, key, "e-1", upload=f"upload-{number}", range=number))
            case 3:
                return to_body(PlainHint(SOURCE, key, "e-1", resend=f"upload-{number}"))
            case _:
                return event(key, f"{number:04X}", kind=self._random.choice(KINDS))

    def _mended(self) -> str:
        """One to three places of a genuine message hold something else, or are gone, or are there twice."""
        document = json.loads(self.genuine())
        for _ in range(self._random.randrange(1, 4)):
            self._spoil(document)
        text = json.dumps(document, ensure_ascii=self._random.random() < 0.7)
        if self._random.random() < 0.1:  # a name twice: readers differ in which one counts
            text = '{"account": "999999999999", "bucket": "other", ' + text.removeprefix("{")
        return text

    def _spoil(self, document: dict[str, Any]) -> None:
        place = document
        while True:
            name = self._random.choice(sorted(place) or ["detail"])
            if isinstance(place.get(name), dict) and self._random.random() < 0.8:
                place = place[name]
                continue
            break
        match self._random.randrange(6):
            case 0:
                place.pop(name, None)
            case 1:
                place[self._random.choice([name.upper(), name + " ", "__proto__", "$ref", "constructor"])] = 1
            case 2 if isinstance(place.get(name), str):
                place[name] = place[name] + str(self._random.choice(ESCAPES))
            case 3:
                place[name] = {name: place.get(name)}
            case _:
                place[name] = self._random.choice(OTHERS)

    def _mangled(self) -> str:
        """A genuine message's text, cut, doubled, or with characters changed."""
        text = self.genuine()
        place = self._random.randrange(len(text))
        match self._random.randrange(6):
            case 0:
                return text[:place]
            case 1:
                return text + text
            case 2:
                return text[:place] + chr(self._random.randrange(0x20, 0xD7FF)) + text[place + 1 :]
            case 3:
                return "\ufeff" + text
            case 4:
                return json.dumps(text)
            case _:
                return text.replace(SOURCE, self._random.choice(["another-bucket", SOURCE + "\x00", SOURCE.upper()]))

    def _rubbish(self) -> str:
        depth = self._random.choice([10, 1_000, 100_000])
        return self._random.choice(
            [
                "",
                "null",
                "[]",
                '"text"',
                "NaN",
                "1" * 5_000,
                "[" * depth + "]" * depth,
                '{"detail":' * depth + "1" + "}" * depth,
                '{"s3-hydration-hint": 1}',
                '{"s3-hydration-hint": 2, "kind": "plain"}',
                f'{{"s3-hydration-hint": {"1" * 5_000}}}',
                json.dumps({"Records": [{"s3": {"bucket": {"name": SOURCE}, "object": {"key": "in/a"}}}]}),
                json.dumps({"Event": "s3:TestEvent", "Bucket": SOURCE}),
                json.dumps({"Type": "Notification", "Message": self.genuine()}),
                "".join(chr(self._random.randrange(1, 0x300)) for _ in range(200)),
                json.dumps({"source": "aws.s3", "account": PRODUCER, "detail": None}),
            ]
        )
