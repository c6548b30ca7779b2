"""Every policy statement of a resolved template, whatever resource it hangs on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.service_catalog.template import Stack


@dataclass(frozen=True)
class Statement:
    """`where` is the logical id; `kind` is trust, key, bus, resource, endpoint or identity."""

    where: str
    kind: str
    body: dict[str, Any]

    @property
    def allows(self) -> bool:
        return bool(self.body["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return listed(self.body.get("Action", []))

    @property
    def resources(self) -> list[str]:
        return listed(self.body.get("Resource", []))

    @property
    def principals(self) -> list[str]:
        principal = self.body.get("Principal", {})
        return [principal] if principal == "*" else [each for value in principal.values() for each in listed(value)]

    def condition(self, operator: str, key: str) -> Any:
        return self.body.get("Condition", {}).get(operator, {}).get(key)


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def statements(stack: Stack) -> Iterator[Statement]:
    for name, resource in stack.resources.items():
        properties = stack.properties(name)
        match resource["Type"]:
            case "AWS::IAM::Role":
                yield from _each(name, "trust", properties["AssumeRolePolicyDocument"])
                for policy in properties.get("Policies", []):
                    yield from _each(name, "identity", policy["PolicyDocument"])
            case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
                for role in properties["Roles"]:
                    yield from _each(_logical_id(stack, role), "identity", properties["PolicyDocument"])
            case "AWS::KMS::Key":
                yield from _each(name, "key", properties["KeyPolicy"])
            case "AWS::Events::EventBusPolicy":
                yield Statement(name, "bus", properties["Statement"])
            case "AWS::EC2::VPCEndpoint" if "PolicyDocument" in properties:
                yield from _each(name, "endpoint", properties["PolicyDocument"])
            case _ if "PolicyDocument" in properties:
                yield from _each(name, "resource", properties["PolicyDocument"])
            case _:
                others = {each for each in properties if "Policy" in each} - {"RedrivePolicy"}
                assert not others, f"{name} has a policy that is not read here"


def _each(where: str, kind: str, document: dict[str, Any]) -> Iterator[Statement]:
    assert document["Version"] == "2012-10-17"
    for body in document["Statement"]:
        yield Statement(where, kind, body)


def _logical_id(stack: Stack, role_name: str) -> str:
    return next(name for name, properties in stack.of_type("AWS::IAM::Role") if properties["RoleName"] == role_name)
