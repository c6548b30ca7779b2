"""Everything that the products do is allowed to them, by every policy that has a say."""

import re
from pathlib import Path

import pytest
from botocore import xform_name

from tests.iam.needs import permissions
from tests.iam.rare_calls import RARE
from tests.iam.shape import Shape
from tests.iam.simulator import simulate
from tests.iam.variants import VARIANTS, requests, shapes, world

CODE = Path(__file__).parents[2] / "consumer_replicator"
CLIENT_CALL = re.compile(r"self\._(s3|sqs|dynamodb|sts)\.([a-z0-9_]+)\(")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_permission_that_a_call_needs_is_granted(variant):
    here, asked = world(variant), requests(variant)
    found = simulate(here.policies, [here.simulation(request) for request in asked]).answers
    refused = [f"{each}: {answer.result}" for each, answer in zip(asked, found, strict=True) if not answer.allowed]
    assert refused == []
    assert {key for answer in found for key in answer.ignored} == set()


def test_an_operation_without_a_mapping_is_an_error():
    with pytest.raises(KeyError):
        permissions(Shape("replicator", "s3:RestoreObject", "replica object"), world("deletes not mirrored"))
    with pytest.raises(KeyError):
        permissions(Shape("transfer", "dynamodb:Scan", "manifest"), world("deletes not mirrored"))


def test_every_call_in_the_code_is_recorded_or_known_to_be_rare():
    known = {(service, xform_name(name)) for service, _, name in (each.operation.partition(":") for each in shapes())}
    made = {call for module in CODE.glob("*.py") for call in CLIENT_CALL.findall(module.read_text())}
    assert len(made) > 15
    assert made - known == set()


@pytest.mark.parametrize("rare", RARE, ids=lambda each: str(each.shape))
def test_a_rare_call_is_in_the_code(rare):
    assert f".{rare.call}(" in (CODE / f"{rare.module}.py").read_text()
    assert rare.when
