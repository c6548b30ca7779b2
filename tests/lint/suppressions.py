"""Which findings are no faults, and why: suppressions.toml. One that matches nothing any more is a fault itself."""

import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.lint.finding import Finding, LinterFailed, Place

FILE = Path(__file__).with_suffix(".toml")


def read(text: str) -> dict[Place, str]:
    """The reason of every suppressed place. ValueError for one without a reason, or that is there twice."""
    reasons: dict[Place, str] = {}
    for entry in tomllib.loads(text)["suppression"]:
        if not entry["reason"].strip():
            raise ValueError(f"{entry['rules']}: no reason")
        for place in (Place(rule, resource) for rule in entry["rules"] for resource in entry["resources"]):
            if place in reasons:
                raise ValueError(f"{place.rule} of {place.resource} is suppressed twice")
            reasons[place] = entry["reason"]
    return reasons


def faults(findings: Iterable[Finding], reasons: Mapping[Place, str]) -> list[str]:
    """A line for every finding that is not suppressed, and for every suppression of nothing."""
    found = set(findings)
    unexpected = [str(each) for each in sorted(found) if each.place not in reasons]
    matched = {each.place for each in found}
    stale = [
        f"{place.resource}: {place.rule} is suppressed in {FILE.name}, but is not found any more"
        for place in sorted(reasons)
        if place not in matched
    ]
    return unexpected + stale


def status(linters: str, findings: Callable[[], set[Finding]], file: Path) -> int:
    """The exit status of a command that runs these linters, once it has said what there is to say. `file`: reasons."""
    reasons = read(file.read_text())
    try:
        said = faults(findings(), reasons)
    except LinterFailed as failure:
        said = [str(failure)]
    for fault in said:
        print(fault, file=sys.stderr)
    if not said:
        print(f"{linters}: nothing but what {file.name} has a reason for ({len(reasons)})")
    return 1 if said else 0
