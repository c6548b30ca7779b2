"""Both products as deployed, who acts in them, and what one of them asks: everything that an evaluation is about."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tests.iam.account import ALIASES, Account
from tests.iam.policy import Policy
from tests.service_catalog.template import CONSUMER, CONSUMER_ACCOUNT, PRODUCER, PRODUCER_ACCOUNT, REGION

ORGANISATION = "o-a1b2c3d4e5"
EXTERNAL_ID = "an-external-id-of-enough-characters"
NEXT_EXTERNAL_ID = "the-external-id-that-comes-after-it"
PRODUCERS_ROLES = ("read", "forwarder", "switch-on")
EVERYBODYS = "everybodys"
"""Kind of the policies of what is not the products', and open to everybody of the producer's account."""
OPEN = {
    "s3:GetObject": "arn:aws:s3:::everybodys-bucket/a key",
    "s3:PutObject": "arn:aws:s3:::everybodys-other-bucket/a key",
    "kms:Decrypt": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/everybodys",
    # As SNS makes them by default: https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    "sns:Publish": f"arn:aws:sns:{REGION}:{PRODUCER_ACCOUNT}:everybodys",
    "sqs:SendMessage": f"arn:aws:sqs:{REGION}:{PRODUCER_ACCOUNT}:everybodys",
}
SHARED: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"},
    "Action": "kms:Decrypt",
    "Resource": "*",
}
"""What a key's policy says that was shared with the consumer's account for something else."""


@dataclass(frozen=True)
class Principal:
    """A role's session (`name` is the role's), or a service (`name` is its own, with dots)."""

    name: str
    account: str
    organisation: str = ORGANISATION

    @property
    def is_service(self) -> bool:
        return self.name.endswith(".amazonaws.com")

    @property
    def arn(self) -> str:
        return self.name if self.is_service else f"arn:aws:sts::{self.account}:assumed-role/{self.name}/a-session"

    @property
    def context(self) -> dict[str, str]:
        if self.is_service:
            return {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": self.name}
        return {
            "aws:PrincipalIsAWSService": "false",
            "aws:PrincipalArn": f"arn:aws:iam::{self.account}:role/{self.name}",
            "aws:PrincipalAccount": self.account,
            "aws:PrincipalOrgID": self.organisation,
        }


@dataclass(frozen=True)
class Request:
    """One permission that is asked for: `action` on the ARN `resource`, over TLS unless the context says otherwise.
    `endpoint` is the service of the VPC endpoint that it goes through, if any.
    """

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""

    def but(self, **changes: Any) -> "Request":
        return replace(self, **changes)

    def in_context(self, **context: Any) -> "Request":
        """With those keys, a colon written as two underscores, changed; None takes one away."""
        keys = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
        left = {name: value for name, value in {**self.context, **keys}.items() if value is not None}
        return replace(self, context=left)

    def __str__(self) -> str:
        return f"{self.principal.name} {self.action} {self.resource}"


class World:
    """`producer` and `consumer` are parameters beyond the templates' samples; `by_hand` are policies, by account and
    hung on its roles, that no template has. `key_is_shared`: the consumer's account may use the existing key as it is.
    """

    def __init__(
        self,
        producer: Mapping[str, str] | None = None,
        consumer: Mapping[str, str] | None = None,
        by_hand: Mapping[str, Sequence[Policy]] | None = None,
        *,
        key_is_shared: bool = False,
    ) -> None:
        self.key_is_shared = key_is_shared
        by_hand = by_hand or {}
        self.producer = Account("producer", PRODUCER.resolve(**(producer or {})), by_hand.get("producer", ()))
        self.consumer = Account("consumer", CONSUMER.resolve(**(consumer or {})), by_hand.get("consumer", ()))

    @cached_property
    def policies(self) -> dict[str, Policy]:
        found = [each for account in (self.producer, self.consumer) for each in account.policies]
        return {each.name: each for each in (*found, *self._of_what_exists())}

    def _of_what_exists(self) -> Iterator[Policy]:
        """The owner's: nothing but what the product's outputs ask them to add, and nothing left to IAM. And others'."""
        for action, resource in OPEN.items():
            statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": action, "Resource": resource}
            opened = {"Version": "2012-10-17", "Statement": [statement]}
            yield Policy(f"everybody's {action}", EVERYBODYS, (resource,), opened)
        if self.producer.stack.condition("HasExistingBucket"):
            bucket, key = self.source
            told = ["StatementForTheKey"] + (["ServerSideStatementForTheKey"] if self.has_s3_copy else [])
            document = self._as_told(told[:1] if self.key_is_shared else told)
            document["Statement"] += [SHARED] if self.key_is_shared else []
            yield Policy("the existing key", "resource", (key,), document)
            if self.has_s3_copy:
                told = ["ServerSideStatementForTheBucket"]
                yield Policy("the existing bucket", "resource", (bucket,), self._as_told(told))

    def _as_told(self, outputs: list[str]) -> dict[str, Any]:
        statements = [json.loads(self.producer.physical(self.producer.stack.output(each))) for each in outputs]
        document: dict[str, Any] = self.producer.physical({"Version": "2012-10-17", "Statement": statements})
        return document

    @property
    def external_ids(self) -> list[str]:
        """Those that the read role is to be assumed with: two while one follows the other."""
        given = self.producer.stack.parameters
        return [str(given[name]) for name in ("ExternalId", "NextExternalId") if given[name]]

    @property
    def has_s3_copy(self) -> bool:
        """Whether the replicator reads the source under its own role, for server-side copies."""
        return self.producer.stack.condition("HasServerSideCopies")

    @property
    def source(self) -> tuple[str, str]:
        """ARNs of the source bucket and its key."""
        if "SourceBucket" in self.producer.stack.resources:
            return self.producer.arn("SourceBucket"), self.producer.arn("SourceKey")
        given = self.producer.stack.parameters
        return f"arn:aws:s3:::{given['ExistingBucketName']}", str(given["ExistingKmsKeyArn"])

    @property
    def prefixes(self) -> list[str]:
        """Those that the read role is limited to; none: it is not."""
        return [each for each in self.producer.stack.parameters["ScopePrefixes"] if each]

    @property
    def replica(self) -> tuple[str, str]:
        return self.consumer.arn("ReplicaBucket"), self.consumer.arn("ReplicaKey")

    def role(self, name: str) -> Principal:
        """One of the products' own, by the last part of its name: read, replicator, transfer, forwarder, schedule."""
        account = PRODUCER_ACCOUNT if name in PRODUCERS_ROLES else CONSUMER_ACCOUNT
        return Principal(f"s3-hydration-{name}", account)

    @property
    def roles(self) -> list[Principal]:
        """All that the products make."""
        return [
            Principal(role["RoleName"], account.id)
            for account in (self.producer, self.consumer)
            for _, role in account.stack.of_type("AWS::IAM::Role")
        ]

    def identity_policies(self, principal: Principal) -> list[str]:
        """Names of those of a role; of a stranger's, none."""
        return [
            each.name
            for account in (self.producer, self.consumer)
            for each in account.policies
            if each.kind == "identity" and principal.name in each.on and principal.account == account.id
        ]

    def policy_on(self, resource: str) -> str | None:
        """Name of the policy of an ARN: the bucket's for its objects."""
        owner = resource.partition("/")[0] if resource.startswith("arn:aws:s3:::") else resource
        kinds = ("resource", "trust", EVERYBODYS)
        on = {owner, resource}
        return next((each.name for each in self.policies.values() if each.kind in kinds and on & {*each.on}), None)

    def endpoint_policies(self, service: str) -> list[str]:
        return [each.name for each in self.policies.values() if each.kind == "endpoint" and service in each.on]

    def owner(self, resource: str) -> str:
        """Account of an ARN; of a bucket's, whose ARN does not say it, by its stack."""
        if not resource.startswith("arn:aws:s3:::"):
            return resource.split(":")[4] if resource != "*" else CONSUMER_ACCOUNT
        bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        buckets = dict(self.consumer.stack.of_type("AWS::S3::Bucket")).values()
        return CONSUMER_ACCOUNT if bucket in [each["BucketName"] for each in buckets] else PRODUCER_ACCOUNT

    def simulation(self, request: Request, admin: bool = False) -> dict[str, Any]:
        """For the simulator. `admin`: the principal's own account lets it do everything."""
        context = {"aws:SecureTransport": "true", **request.principal.context, **request.context}
        if request.endpoint:
            owner = self.owner(request.resource)
            context = {"aws:VpceAccount": CONSUMER_ACCOUNT, "aws:ResourceAccount": owner, **context}
        return {
            "principal": request.principal.arn,
            "action": request.action,
            "resource": request.resource,
            "account": self.owner(request.resource),
            "context": {ALIASES.get(key, key): value for key, value in context.items()},
            "identity": ["everything"] if admin else self.identity_policies(request.principal),
            "on": self.policy_on(request.resource),
            "endpoints": self.endpoint_policies(request.endpoint),
        }


def through_s3(bucket_arn: str) -> dict[str, str]:
    """What KMS is told when S3 asks on somebody's behalf, for a bucket with a bucket key."""
    return {"kms:ViaService": f"s3.{REGION}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": bucket_arn}
