"""One of the templates as deployed: its ARNs and its policies, in the words of IAM."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from tests.iam.policy import Policy
from tests.service_catalog.policies import listed
from tests.service_catalog.policies import statements as known_statements
from tests.service_catalog.template import REGION, Stack

SOURCE_KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"  # the one that the consumer's sample parameter has
# The simulator drops condition keys that the service authorization reference does not list for an action, though AWS
# sets them; under another name, in policy and request alike, they are evaluated as any other.
ALIASES = {
    "kms:EncryptionContext:aws:s3:arn": "aws:PrincipalTag/encryption-context-s3",
    "kms:EncryptionContext:aws:logs:arn": "aws:PrincipalTag/encryption-context-logs",
    "lambda:SourceFunctionArn": "aws:PrincipalTag/source-function",
}
ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{here}:table/s3-hydration-{logical_id}-1ABCDEFGHIJKL",
    "AWS::Events::EventBus": "arn:aws:events:{here}:event-bus/{Name}",
    "AWS::Events::Rule": "arn:aws:events:{here}:rule/{bus}{Name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{RoleName}",
    "AWS::KMS::Key": "arn:aws:kms:{here}:key/{key_id}",
    "AWS::Lambda::Function": "arn:aws:lambda:{here}:function:{FunctionName}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{here}:log-group:{LogGroupName}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{BucketName}",
    "AWS::SNS::Topic": "arn:aws:sns:{here}:{TopicName}",
    "AWS::SQS::Queue": "arn:aws:sqs:{here}:{QueueName}",
}


def aliased(document: Any) -> Any:
    """With the condition keys by their aliases."""
    text = json.dumps(document)
    for key, alias in ALIASES.items():
        text = text.replace(f'"{key}"', f'"{alias}"')
    return json.loads(text)


class Account:
    """`added`: policies that somebody has hung on the product's roles by hand, beside the template's."""

    def __init__(self, name: str, stack: Stack, added: Iterable[Policy] = ()) -> None:
        self.name, self.stack, self.id = name, stack, stack.template.account
        self.added = list(added)

    def arn(self, logical_id: str) -> str:
        """KeyError for a resource that is not there, or whose type is in no policy so far."""
        properties = self.stack.properties(logical_id)
        made_up = {
            "here": f"{REGION}:{self.id}",
            "account": self.id,
            "logical_id": logical_id,
            "key_id": SOURCE_KEY_ID if logical_id == "SourceKey" else logical_id.lower(),
            "bus": f"{properties['EventBusName']}/" if "EventBusName" in properties else "",
        }
        return ARNS[self.stack.resources[logical_id]["Type"]].format(**properties, **made_up)

    def arns(self) -> Iterator[str]:
        """Of everything that policies can be about."""
        for logical_id, resource in self.stack.resources.items():
            if resource["Type"] in ARNS:
                yield self.arn(logical_id)

    def physical(self, document: Any) -> Any:
        """With `<logical id>.Arn`, which the resolver leaves, as ARNs, and the condition keys by their aliases."""
        text = json.dumps(document)
        for logical_id in self.stack.resources:
            if f"{logical_id}.Arn" in text:
                text = re.sub(rf"\b{logical_id}\.Arn\b", self.arn(logical_id), text)
        return aliased(json.loads(text))

    @cached_property
    def policies(self) -> list[Policy]:
        """All of them: what is read for other tests is counted against them."""
        found = [each for logical_id in self.stack.resources for each in self._policies(logical_id)]
        number = sum(len(each.document["Statement"]) for each in found)
        assert number == len(list(known_statements(self.stack))), f"{self.name} has a policy that is not read here"
        return found + self.added

    def _policies(self, logical_id: str) -> Iterator[Policy]:  # noqa: C901 a case for each kind of policy
        kind, properties = self.stack.resources[logical_id]["Type"], self.stack.properties(logical_id)
        name, document = f"{self.name} {logical_id}", self.physical(properties.get("PolicyDocument", {}))
        match kind:
            case "AWS::IAM::Role":
                trust = self.physical(properties["AssumeRolePolicyDocument"])
                yield Policy(f"{name} trust", "trust", (self.arn(logical_id),), trust)
                for each in properties.get("Policies", []):
                    on, document = (properties["RoleName"],), self.physical(each["PolicyDocument"])
                    yield Policy(f"{name} {each['PolicyName']}", "identity", on, document)
            case "AWS::IAM::Policy":
                yield Policy(name, "identity", tuple(properties["Roles"]), document)
            case "AWS::EC2::VPCEndpoint" if document:
                yield Policy(name, "endpoint", (properties["ServiceName"].rpartition(".")[2],), document)
            case "AWS::KMS::Key":
                yield Policy(name, "resource", (self.arn(logical_id),), self.physical(properties["KeyPolicy"]))
            case "AWS::Events::EventBusPolicy":
                document = {"Version": "2012-10-17", "Statement": [self.physical(properties["Statement"])]}
                yield Policy(
                    name, "resource", self._named("AWS::Events::EventBus", properties, "EventBusName"), document
                )
            case "AWS::S3::BucketPolicy":
                yield Policy(name, "resource", self._named("AWS::S3::Bucket", properties, "Bucket"), document)
            case "AWS::SQS::QueuePolicy":
                yield Policy(name, "resource", self._named("AWS::SQS::Queue", properties, "Queues"), document)
            case "AWS::SNS::TopicPolicy":
                topics = self._named("AWS::SNS::Topic", properties, "Topics")
                for statement in document["Statement"]:
                    statement["Resource"] = list(self._named("AWS::SNS::Topic", statement, "Resource"))
                yield Policy(name, "resource", topics, document)

    def _named(self, kind: str, properties: Any, where: str) -> tuple[str, ...]:
        """ARNs of the resources of that type whose names are there: to the resolver a Ref is a name."""
        arns = [self.arn(logical_id) for logical_id, _ in self.stack.of_type(kind)]
        return tuple(arn for name in listed(properties[where]) for arn in arns if re.split("[:/]", arn)[-1] == name)
