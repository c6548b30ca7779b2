"""Drill of "The producer has another key": what the readers may decrypt after each step, by all policies of both real
templates, the two keys' own, and the runbook's own policy document."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from tests.drills.runbook import command
from tests.iam.account import Account, aliased
from tests.iam.policy import Policy
from tests.iam.simulator import simulate
from tests.iam.variants import EXISTING
from tests.iam.world import Request, World, through_s3
from tests.service_catalog.template import PRODUCER, PRODUCER_ACCOUNT, REGION

SECTION = "The producer has another key"
OLD, NEW = (f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/{name}" for name in ("the-old-one", "the-new-one"))
BUCKET = EXISTING["ExistingBucketName"]
ARN = f"arn:aws:s3:::{BUCKET}"
TOLD = {"read": "StatementForTheKey", "replicator": "ServerSideStatementForTheKey"}
TO_IAM = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{PRODUCER_ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def by_hand() -> dict[str, Any]:
    """The document that the runbook has somebody put on a role."""
    words = shlex.split(command(SECTION, "put-role-policy").filled({"OLD_KEY_ARN": OLD, "SOURCE_BUCKET": BUCKET}))
    assert words[words.index("--role-name") + 1] == "s3-hydration-read"
    document: dict[str, Any] = json.loads(words[words.index("--policy-document") + 1])
    return document


class Keys:
    """The producer's two keys: each with what the product's outputs asked for while it was the product's."""

    def __init__(self, *, server_side: bool, left_to_iam: bool) -> None:
        self.given = EXISTING | ({"AllowServerSideCopies": "true"} if server_side else {})
        self.mode = {"CopyMode": "server-side" if server_side else "stream"}
        self.readers = ["read", "replicator"] if server_side else ["read"]
        self.left_to_iam = left_to_iam

    def policy(self, key: str) -> Policy:
        account = Account("producer", PRODUCER.resolve(**{**self.given, "ExistingKmsKeyArn": key}))
        told = [json.loads(account.stack.output(TOLD[reader])) for reader in self.readers]
        if self.left_to_iam:  # then only what is another account's has to be said
            told = [TO_IAM, *told[1:]]
        document = account.physical({"Version": "2012-10-17", "Statement": told})
        return Policy(f"the policy of {key}", "resource", (key,), document)

    def world(self, producers: str, consumers: str, *keys: str, added: Mapping[str, str] | None = None) -> World:
        """`producers`, `consumers`: the key that their stacks have; `keys`: those whose policies know the product."""
        hung = {
            account: [Policy(f"the-old-key of {role}", "identity", (role,), aliased(by_hand()))]
            for account, role in (added or {}).items()
        }
        consumer = {"ProducerBucketName": BUCKET, "ProducerBucketArn": ARN, "ProducerKmsKeyArn": consumers}
        here = World(self.given | {"ExistingKmsKeyArn": producers}, consumer | self.mode, hung)
        for name in ("the existing key", *(f"the policy of {key}" for key in keys)):
            here.policies.pop(name, None)
        here.policies.update({policy.name: policy for policy in map(self.policy, keys)})
        return here

    @property
    def added(self) -> dict[str, str]:
        """Account -> role that the runbook's policy hangs on."""
        accounts = {"read": "producer", "replicator": "consumer"}
        return {accounts[reader]: f"s3-hydration-{reader}" for reader in self.readers}

    def before(self) -> World:
        return self.world(OLD, OLD, OLD)

    def moving(self) -> World:
        """After step 1, and with it, where S3 copies, step 3."""
        return self.world(NEW, NEW if len(self.readers) > 1 else OLD, OLD, NEW, added=self.added)

    def moved(self) -> World:
        """After step 3."""
        return self.world(NEW, NEW, OLD, NEW, added=self.added)

    def over(self) -> World:
        return self.world(NEW, NEW, NEW)

    def decrypting(self, here: World, key: str, **context: str) -> dict[str, bool]:
        """Reader -> whether it may decrypt what is under the key."""
        asked = [
            Request(here.role(reader), "kms:Decrypt", key, {**through_s3(ARN), **context}) for reader in self.readers
        ]
        found = simulate(here.policies, [here.simulation(each) for each in asked]).answers
        return {reader: answer.allowed for reader, answer in zip(self.readers, found, strict=True)}


@pytest.fixture(params=["stream", "server-side"])
def server_side(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "server-side")


@pytest.fixture(params=["to IAM of its account", "to nobody else"])
def keys(request: pytest.FixtureRequest, server_side: bool) -> Keys:
    """By what the keys' policies leave permissions to."""
    return Keys(server_side=server_side, left_to_iam=request.param == "to IAM of its account")


def test_while_objects_move_every_reader_decrypts_under_both_keys_and_in_the_end_under_one(keys):
    for here, under in ((keys.before(), OLD), (keys.over(), NEW)):
        other = NEW if under == OLD else OLD
        assert set(keys.decrypting(here, under).values()) == {True}
        assert set(keys.decrypting(here, other).values()) == {False}
    for here in (keys.moving(), keys.moved()):
        for key in (OLD, NEW):
            assert set(keys.decrypting(here, key).values()) == {True}


def test_what_is_put_on_a_role_by_hand_lets_it_decrypt_through_s3_and_in_that_bucket_only(keys):
    here = keys.moving()
    elsewhere = through_s3("arn:aws:s3:::somebodys-bucket")
    for key in (OLD, NEW):
        for context in (elsewhere, {"kms:ViaService": f"sqs.{REGION}.amazonaws.com"}):
            assert set(keys.decrypting(here, key, **context).values()) == {False}
