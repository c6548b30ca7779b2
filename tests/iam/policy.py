"""A policy document, what it hangs on, and each thing in it that could be taken away."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.service_catalog.policies import listed


@dataclass(frozen=True)
class Grant:
    """One action, resource or condition of an allowing statement: `element` is "Action", "Resource" or "Condition"."""

    policy: str
    statement: int
    element: str
    value: str

    def __str__(self) -> str:
        return f"{self.policy} [{self.statement}] {self.value}"


@dataclass(frozen=True)
class Policy:
    """`kind` is identity, trust, resource or endpoint; `on` what it hangs on: roles by name, ARNs, or a service."""

    name: str
    kind: str
    on: tuple[str, ...]
    document: dict[str, Any]

    def grants(self) -> Iterator[Grant]:
        """Everything that it allows and that can be taken away alone; the only resource goes with its actions."""
        for number, statement in enumerate(self.document["Statement"]):
            if statement["Effect"] == "Allow":
                for action in listed(statement["Action"]):
                    yield Grant(self.name, number, "Action", action)
                resources = listed(statement.get("Resource", []))
                for resource in resources if len(resources) > 1 else []:
                    yield Grant(self.name, number, "Resource", resource)

    def restrictions(self) -> Iterator[Grant]:
        """Everything that keeps somebody out: each condition of what it allows, and each statement that denies."""
        for number, statement in enumerate(self.document["Statement"]):
            if statement["Effect"] == "Deny":
                yield Grant(self.name, number, "Statement", statement.get("Sid", "Deny"))
            else:
                for operator, keys in statement.get("Condition", {}).items():
                    for key in keys:
                        yield Grant(self.name, number, "Condition", f"{operator} {key}")

    def without(self, grant: Grant) -> "Policy":
        """Named as what it lacks."""
        document = copy.deepcopy(self.document)
        statement = document["Statement"][grant.statement]
        match grant.element:
            case "Condition":
                operator, _, key = grant.value.partition(" ")
                del statement["Condition"][operator][key]
            case "Action" | "Resource":
                statement[grant.element] = [each for each in listed(statement[grant.element]) if each != grant.value]
        if grant.element == "Statement" or statement.get(grant.element) == []:
            document["Statement"].pop(grant.statement)
        return Policy(f"{grant}", self.kind, self.on, document)
