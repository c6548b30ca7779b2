"""A template as its tests see it: read as cfn-lint reads it, its intrinsic functions resolved as CloudFormation would.

    CONSUMER.resolve(InstanceName="other").properties("ObjectBus")["Name"] == "other"

What only AWS knows (an ARN, an id) resolves to `<logical id>.<attribute>`, so that it can be compared.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cfnlint.decode import decode  # type: ignore[import-untyped]

SERVICE_CATALOG = Path(__file__).parents[2] / "service-catalog"
NO_VALUE = object()
PRODUCER_ACCOUNT, CONSUMER_ACCOUNT, REGION = "111111111111", "222222222222", "eu-west-1"
NAMES = ("BucketName", "QueueName", "RoleName", "FunctionName", "TopicName", "Name", "LogGroupName", "GroupName")


@dataclass(frozen=True)
class Template:
    path: Path
    account: str
    needed: Mapping[str, str]
    """Sample values of the parameters that have no default."""

    @cached_property
    def body(self) -> dict[str, Any]:
        template: dict[str, Any]
        template, problems = decode(str(self.path))
        assert not problems
        return template

    def resolve(self, **parameters: str) -> "Stack":
        return Stack(self, parameters)


@dataclass(frozen=True)
class Stack:
    template: Template
    given: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> dict[str, str | list[str]]:
        """As `Ref` gives them: text, or a list of texts. AssertionError for what CloudFormation would refuse."""
        declared = self.template.body["Parameters"]
        assert set(self.given) <= set(declared)
        return {name: self._parameter(name, declaration) for name, declaration in declared.items()}

    def _parameter(self, name: str, declaration: Mapping[str, Any]) -> str | list[str]:
        text = str({**self.template.needed, **self.given}.get(name, declaration.get("Default")))
        is_list = declaration["Type"] == "CommaDelimitedList" or declaration["Type"].startswith("List<")
        entries = [entry.strip() for entry in text.split(",")] if is_list else [text]
        for entry in entries:
            assert re.fullmatch(declaration.get("AllowedPattern", "(?s:.*)"), entry), f"{name}: {entry!r}"
            assert entry in [str(v) for v in declaration.get("AllowedValues", [entry])], f"{name}: {entry!r}"
            assert len(entry) >= int(declaration.get("MinLength", 0)), f"{name}: {entry!r}"
        return entries if is_list else text

    @property
    def pseudo_parameters(self) -> dict[str, Any]:
        return {
            "AWS::AccountId": self.template.account,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::NoValue": NO_VALUE,
        }

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Those that exist under these parameters."""
        return {
            name: resource
            for name, resource in self.template.body["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def properties(self, logical_id: str) -> Any:
        return self.value(self.resources[logical_id].get("Properties", {}))

    def output(self, name: str) -> Any:
        return self.value(self.template.body["Outputs"][name]["Value"])

    def of_type(self, kind: str) -> Iterator[tuple[str, Any]]:
        for name, resource in self.resources.items():
            if resource["Type"] == kind:
                yield name, self.properties(name)

    def condition(self, name: str) -> bool:
        return self._holds(self.template.body["Conditions"][name])

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self.condition(argument)
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::And":
                return all(map(self._holds, argument))
            case "Fn::Or":
                return any(map(self._holds, argument))
            case "Fn::Equals":
                return bool(self.value(argument[0]) == self.value(argument[1]))
        raise NotImplementedError(function)

    def refusals(self) -> list[str]:
        """What `Rules` say against the parameters. Rules about what only AWS knows (of a VPC, say) are left out."""
        rules = self.template.body["Rules"].values()
        applied = [rule for rule in rules if "RuleCondition" not in rule or self._holds(rule["RuleCondition"])]
        return [
            str(assertion["AssertDescription"])
            for rule in applied
            for assertion in rule["Assertions"]
            if "Fn::EachMemberIn" not in assertion["Assert"] and not self._holds(assertion["Assert"])
        ]

    def value(self, node: Any) -> Any:
        if isinstance(node, Mapping):
            if len(node) == 1 and ("Ref" in node or next(iter(node)).startswith("Fn::")):
                return self._call(*next(iter(node.items())))
            values = {str(key): self.value(each) for key, each in node.items()}
            return {key: each for key, each in values.items() if each is not NO_VALUE}
        if isinstance(node, list):
            return [each for each in map(self.value, node) if each is not NO_VALUE]
        return str(node) if isinstance(node, str) else node

    def _call(self, function: str, argument: Any) -> Any:  # noqa: PLR0911 one for each function
        match function:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                logical_id, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
                return self._attribute(logical_id, attribute)
            case "Fn::If":
                return self.value(argument[1 if self.condition(argument[0]) else 2])
            case "Fn::Join":
                return argument[0].join(self.value(argument[1]))
            case "Fn::Split":
                return self.value(argument[1]).split(argument[0])
            case "Fn::Select":
                index, entries = map(self.value, argument)
                return entries[int(index)]
            case "Fn::FindInMap":
                mapping, top, second = map(self.value, argument)
                return self.template.body["Mappings"][mapping][top][second]
            case "Fn::Sub":
                text, names = (argument, {}) if isinstance(argument, str) else argument
                return self._sub(text, {name: self.value(each) for name, each in names.items()})
        raise NotImplementedError(function)

    def _ref(self, name: str) -> Any:
        known = {**self.pseudo_parameters, **self.parameters}
        if name in known:
            return known[name]
        # A physical name where the template gives one; a reference to a resource that does not exist is a KeyError.
        properties = self.resources[name].get("Properties", {})
        return next((self.value(properties[each]) for each in NAMES if each in properties), name)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        resource = self.resources[logical_id]
        name = self._ref(logical_id)
        match resource["Type"], attribute:
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{name}"
            case "AWS::IAM::Role", "Arn":
                return f"arn:aws:iam::{self.template.account}:role/{name}"
            case "AWS::Events::EventBus", "Arn":
                return f"arn:aws:events:{REGION}:{self.template.account}:event-bus/{name}"
            case "AWS::SQS::Queue", "QueueName":
                return str(name)
            case "AWS::Logs::LogGroup", "Arn":
                return f"arn:aws:logs:{REGION}:{self.template.account}:log-group:{name}:*"
        return f"{logical_id}.{attribute}"

    def _sub(self, text: str, names: Mapping[str, Any]) -> str:
        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            if name in names:
                return str(names[name])
            return str(self._call("Fn::GetAtt", name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", replaced, text)


PRODUCER = Template(
    SERVICE_CATALOG / "producer" / "template.yaml",
    PRODUCER_ACCOUNT,
    {
        "ConsumerAccountId": CONSUMER_ACCOUNT,
        "OrganisationId": "o-a1b2c3d4e5",
        "ExternalId": "an-external-id-of-enough-characters",
    },
)
CONSUMER = Template(
    SERVICE_CATALOG / "consumer" / "template.yaml",
    CONSUMER_ACCOUNT,
    {
        "ProducerAccountId": PRODUCER_ACCOUNT,
        "ProducerBucketName": PRODUCER.resolve().output("BucketName"),
        "ProducerBucketArn": PRODUCER.resolve().output("BucketArn"),
        "CrossAccountRoleArn": PRODUCER.resolve().output("RoleArn"),
        "ProducerKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "OrganisationId": "o-a1b2c3d4e5",
        "ExternalId": "an-external-id-of-enough-characters",
        "VpcId": "vpc-0123456789abcdef0",
        "SubnetIds": "subnet-0123456789abcdef0,subnet-0fedcba9876543210",
        "RouteTableIds": "rtb-0123456789abcdef0",
        "LambdaS3Bucket": "acme-artifacts",
        "LambdaS3Key": "s3-hydration/0.1.0/s3-hydration-arm64.zip",
    },
)
BOTH = (PRODUCER, CONSUMER)
