"""Every row of the threat model names tests that exist: what a row claims, something shows."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ARCHITECTURE = Path("service-catalog/docs/architecture.md")
NAMED = re.compile(r"`(test_[a-z0-9_]+)`")


def rows() -> dict[str, list[str]]:
    """Threat -> the tests that its row names."""
    section = ARCHITECTURE.read_text().split("\n## Threat model\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): NAMED.findall(line) for line in lines}


@cache
def collected() -> frozenset[str]:
    """The names of the test functions in files that pytest collects, at the places where it looks for them."""
    names: set[str] = set()
    for path in Path("tests").rglob("test_*.py"):
        module = ast.parse(path.read_text())
        places = [
            module,
            *(node for node in module.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")),
        ]
        names |= {node.name for place in places for node in place.body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in names if name.startswith("test_"))


def test_the_threat_model_is_read_as_a_whole():
    assert len(rows()) >= 15


@pytest.mark.parametrize("threat", rows())
def test_a_threat_is_met_by_tests_that_exist(threat):
    named = rows()[threat]
    assert named, "no test is named"
    assert [name for name in named if name not in collected()] == []
