"""Drill of "Rotate the ExternalId without a gap": what the two functions say to STS after each of the runbook's
updates, by their own code with the environment of the real template, is judged by all policies of both real templates.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

import pytest

from consumer_replicator import wiring
from consumer_replicator.settings import Settings
from consumer_replicator.transfer_settings import TransferSettings
from tests.consumer.wire import Answer, Wire
from tests.drills.runbook import text
from tests.iam.simulator import simulate
from tests.iam.world import EXTERNAL_ID, NEXT_EXTERNAL_ID, Request, World
from tests.service_catalog.template import REGION, Stack

SECTION = "Rotate the ExternalId without a gap"
UPDATE = re.compile(r"\d\. Update the (producer|consumer)'s stack with it as `(\w+)`(?:, and `(\w+)` empty)?")
FUNCTIONS = {"replicator": ("Replicator", Settings), "transfer": ("Transfer", TransferSettings)}

ASSUMED = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
    <AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""

type Parameters = dict[str, dict[str, str]]
BEFORE: Parameters = {"producer": {"ExternalId": EXTERNAL_ID}, "consumer": {"ExternalId": EXTERNAL_ID}}


def updates() -> list[tuple[str, dict[str, str]]]:
    """The runbook's, in its order: which stack, and the parameters that it gets."""
    return [
        (stack, {given: NEXT_EXTERNAL_ID} | ({emptied: ""} if emptied else {}))
        for stack, given, emptied in UPDATE.findall(text(SECTION))
    ]


def stages(steps: list[tuple[str, dict[str, str]]]) -> Iterator[Parameters]:
    """Both stacks' parameters, before the first step and after each."""
    here = BEFORE
    yield here
    for stack, change in steps:
        here = {**here, stack: {**here[stack], **change}}
        yield here


def environment(stack: Stack, function: str) -> dict[str, str]:
    """As the template gives it to the function; what only AWS knows, in AWS's form."""
    known: Mapping[str, object] = stack.properties(function)["Environment"]["Variables"]
    queue = f"https://sqs.{REGION}.amazonaws.com/222222222222/"
    key = {"HYDRATION_REPLICA_KMS_KEY_ARN": f"arn:aws:kms:{REGION}:222222222222:key/1234abcd"}
    return {name: f"{queue if name.endswith('_URL') else ''}{value}" for name, value in known.items()} | key


def asks(here: World, role: str) -> Request:
    """What the function of that name asks STS for before it reads at the source."""
    function, kind = FUNCTIONS[role]
    settings = kind.from_environment(environment(here.consumer.stack, function))
    who = wiring.principals(settings, region=REGION, function_name=function)
    wire = Wire(who.source("s3"), who.own("sts"))
    wire.answer("AssumeRole", Answer(ASSUMED))
    wire.answer("GetObject", Answer(b"data"))
    who.source("s3").get_object(Bucket=settings.source_bucket, Key="k")["Body"].read()
    (sent,) = [each for each in wire.sent if each.operation == "AssumeRole"]
    said = {name: value for name, (value,) in parse_qs(sent.body).items()}
    context = {"sts:ExternalId": said["ExternalId"]}
    return Request(here.role(role), "sts:AssumeRole", said["RoleArn"], context, "sts")


def answers(here: World, asked: list[Request]) -> list[str]:
    simulations = [here.simulation(each) for each in asked]
    return [answer.result for answer in simulate(here.policies, simulations).answers]


def worlds(steps: list[tuple[str, dict[str, str]]]) -> list[World]:
    return [World(each["producer"], each["consumer"]) for each in stages(steps)]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_the_runbook_says_three_updates():
    assert updates() == [
        ("producer", {"NextExternalId": NEXT_EXTERNAL_ID}),
        ("consumer", {"ExternalId": NEXT_EXTERNAL_ID}),
        ("producer", {"ExternalId": NEXT_EXTERNAL_ID, "NextExternalId": ""}),
    ]


@pytest.mark.parametrize("role", FUNCTIONS)
def test_after_every_update_the_function_takes_the_read_role_with_the_id_that_it_says_then(role):
    said = []
    for here in worlds(updates()):
        asked = asks(here, role)
        said.append(asked.context["sts:ExternalId"])
        assert answers(here, [asked]) == ["Allowed"]
    assert said == [EXTERNAL_ID, EXTERNAL_ID, NEXT_EXTERNAL_ID, NEXT_EXTERNAL_ID]


@pytest.mark.parametrize("role", FUNCTIONS)
def test_a_function_that_began_before_its_update_goes_on(role):
    """It keeps the environment that it was started with, and may take the role anew after the consumer's update."""
    _, before, after, over = worlds(updates())
    asked = asks(before, role)
    assert answers(after, [asked]) == ["Allowed"]
    assert answers(over, [asked]) == ["ImplicitlyDenied"]  # so the last update waits for the longest invocation


@pytest.mark.parametrize("role", FUNCTIONS)
def test_when_it_is_over_one_id_is_left_and_no_other_ever_was_of_use(role):
    *during, over = worlds(updates())
    asked = asks(over, role)
    others = [asked.in_context(sts__ExternalId=each) for each in ("a-guess", None, EXTERNAL_ID.upper())]
    for here in (*during, over):
        assert answers(here, others) == ["ImplicitlyDenied"] * len(others)
    assert answers(over, [asked.in_context(sts__ExternalId=EXTERNAL_ID)]) == ["ImplicitlyDenied"]


@pytest.mark.parametrize("role", FUNCTIONS)
def test_in_another_order_there_is_a_gap(role):
    """The drill can fail: the consumer first, or no second id at all."""
    first, second, third = updates()
    without = [(stack, {name: value for name, value in change.items() if value}) for stack, change in (third, second)]
    for steps in ([second, first, third], without):
        gaps = [answers(here, [asks(here, role)]) for here in worlds(steps)]
        assert ["ImplicitlyDenied"] in gaps
