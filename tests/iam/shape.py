"""What is left of a recorded call when names, keys and times are taken away: enough to tell the permissions it needs.

Shape("read", "s3:GetObject", "source object", ("version",))
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.sandbox.calls import Call

COMMITTED = Path(__file__).with_name("calls.json")
ROLE = re.compile(r"s3-hydration-(?P<role>[a-z-]+)")
REPORTS = "_s3-hydration/"
DENIED = (401, 403)
PLAIN = ("version", "if-match", "if-none-match", "tags", "checksum", "kms-key", "external-id")
"""Conditions whose value says nothing more."""


@dataclass(frozen=True, order=True)
class Shape:
    """`role` is the last part of the role's name; `target` a kind of resource; `conditions` sorted words."""

    role: str
    operation: str
    target: str
    conditions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.role} {self.operation} {self.target} {' '.join(self.conditions)}".rstrip()


def shapes_of(calls: Iterable[Call]) -> set[Shape]:
    """Of the products' own roles. What was denied is no permission that is needed: a test took it away."""
    found = [call for call in calls if call.status not in DENIED]
    return {shape_of(call) for call in found if ROLE.fullmatch(call.role)}


def shape_of(call: Call) -> Shape:
    role = ROLE.fullmatch(call.role)
    assert role
    conditions = {name for name in PLAIN if call.conditions.get(name)}
    if "partition" in call.conditions:
        conditions.add(f"partition={partition(call.conditions['partition'])}")
    if "prefix" in call.conditions:
        conditions.add(f"prefix={'reports' if call.conditions['prefix'].startswith(REPORTS) else 'keys'}")
    if call.service == "s3" and call.status == 404:
        conditions.add("missing")
    return Shape(role["role"], f"{call.service}:{call.operation}", target(call), tuple(sorted(conditions)))


def partition(name: str) -> str:
    """rows, or what of a run is kept there: the words after the bucket."""
    kind = name.split("#")[1]
    return "rows" if kind.isdecimal() else kind


def target(call: Call) -> str:
    match call.service:
        case "s3":
            bucket = "source" if "-source-" in call.bucket else "replica"
            if not call.key:
                return f"{bucket} bucket"
            return "report" if bucket == "replica" and call.key.startswith(REPORTS) else f"{bucket} object"
        case "dynamodb":
            return "manifest"
        case "sqs":
            return f"{call.resource.removeprefix('s3-hydration-')} queue"
        case "sts":
            return f"{call.resource.rpartition('s3-hydration-')[2]} role"
    return f"{call.service} {call.resource}"


def read() -> set[Shape]:
    return {Shape(**entry | {"conditions": tuple(entry["conditions"])}) for entry in json.loads(COMMITTED.read_text())}


def write(shapes: Iterable[Shape]) -> None:
    lines = ",\n".join(f"  {json.dumps(asdict(shape))}" for shape in sorted(shapes))
    COMMITTED.write_text(f"[\n{lines}\n]\n")
