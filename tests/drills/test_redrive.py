"""Drills in the two accounts, by the runbook's own commands: dead letters of the queue and of both rules are redriven,
and a stretch of time is replayed from the archive."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.drills.runbook import command, of_section
from tests.runbook.operator_at_work import Operator, installed
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, SECRET_ACCESS_KEY
from tests.sandbox.pair import Pair, wait_until
from tests.sandbox.sandbox import Sandbox

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MOST_RECEIVES = 30


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """With a profile for the producer's account."""
    installed()
    folder = tmp_path_factory.mktemp("operator")
    (folder / ".aws").mkdir()
    profile = {"aws_access_key_id": PRODUCER_ACCOUNT, "aws_secret_access_key": SECRET_ACCESS_KEY}
    lines = ["[profile producer]", *(f"{name} = {value}" for name, value in profile.items())]
    (folder / ".aws" / "config").write_text("\n".join(lines) + "\n")
    with Sandbox() as sandbox:
        yield Operator(sandbox, folder)


@pytest.fixture
def pair(operator: Operator) -> Pair:
    return Pair(operator.sandbox)


@pytest.fixture
def paused(operator: Operator) -> Iterator[Callable[[], None]]:
    """Replication rests until the test resumes it."""
    _, pause, resume = of_section("Pause and resume")
    operator.types(pause)
    resumed = False

    def go_on() -> None:
        nonlocal resumed
        if not resumed:
            operator.types(resume)
            resumed = True

    yield go_on
    go_on()


def depth(operator: Operator, url: str) -> int:
    return operator.sandbox.queue_depth(url)


def test_what_the_queue_gave_up_on_is_redriven(operator: Operator, pair: Pair, paused: Callable[[], None]) -> None:
    """A message that was received too often, as where the function crashes on it; then its cause is repaired."""
    consumer, sqs = operator.sandbox.consumer, operator.sandbox.client("sqs", CONSUMER_ACCOUNT)
    pair.put("given-up.txt", b"here in the end")
    assert wait_until(lambda: depth(operator, consumer.queue_url) == 1)
    for _ in range(MOST_RECEIVES):
        sqs.receive_message(QueueUrl=consumer.queue_url, VisibilityTimeout=0, WaitTimeSeconds=0)
        if depth(operator, consumer.dead_letter_queue_url) == 1:
            break
    paused()
    look, redrive = of_section("DeadLetterQueueNotEmpty")
    (letter,) = json.loads(operator.types(look))["Messages"]
    assert "hydration-error-code" not in letter.get("MessageAttributes", {})  # set aside by SQS itself
    assert pair.differences("given-up.txt")
    operator.types(redrive)
    pair.become_equal("given-up.txt")
    assert depth(operator, consumer.dead_letter_queue_url) == 0
    (task,) = json.loads(operator.types(command("Redrive", "list-message-move-tasks")))["Results"]
    assert task["Status"] == "COMPLETED"


def test_bad_input_that_is_redriven_comes_back_with_its_reason_and_is_purged(operator: Operator, pair: Pair) -> None:
    consumer, sqs = operator.sandbox.consumer, operator.sandbox.client("sqs", CONSUMER_ACCOUNT)
    sqs.send_message(QueueUrl=consumer.queue_url, MessageBody="not JSON")
    look, redrive = of_section("DeadLetterQueueNotEmpty")
    for _ in range(2):
        assert wait_until(lambda: depth(operator, consumer.dead_letter_queue_url) == 1)
        (letter,) = json.loads(operator.types(look))["Messages"]
        assert letter["MessageAttributes"]["hydration-error-code"]["StringValue"] == "not-json"
        operator.types(redrive)
    assert wait_until(lambda: depth(operator, consumer.dead_letter_queue_url) == 1)
    sqs.purge_queue(QueueUrl=consumer.dead_letter_queue_url)


def test_events_that_the_consumers_rule_could_not_hand_on_are_redriven(operator: Operator, pair: Pair) -> None:
    consumer, sqs = operator.sandbox.consumer, operator.sandbox.client("sqs", CONSUMER_ACCOUNT)
    asked = {"QueueUrl": consumer.queue_url}
    policy = sqs.get_queue_attributes(**asked, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(**asked, Attributes={"Policy": ""})
    pair.put("not-handed-on.txt", b"here in the end")
    assert wait_until(lambda: depth(operator, consumer.undelivered_events_url) == 1)
    look, redrive = of_section("UndeliveredEventsNotEmpty")
    (letter,) = json.loads(operator.types(look))["Messages"]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"

    sqs.set_queue_attributes(**asked, Attributes={"Policy": policy})  # what a stack update restores
    assert operator.types(redrive) == "1 redriven, 0 kept.\n"
    pair.become_equal("not-handed-on.txt")
    assert depth(operator, consumer.undelivered_events_url) == 0


def test_events_that_the_producers_rule_could_not_hand_on_are_redriven_into_the_other_account(
    operator: Operator, pair: Pair
) -> None:
    sandbox = operator.sandbox
    events, bus = sandbox.client("events", CONSUMER_ACCOUNT), sandbox.consumer.event_bus_arn.rpartition("/")[2]
    policy = events.describe_event_bus(Name=bus)["Policy"]
    events.remove_permission(EventBusName=bus, RemoveAllPermissions=True)
    pair.put("stayed-with-the-producer.txt", b"here in the end")
    url = sandbox.producer.undelivered_events_url
    assert wait_until(lambda: depth(operator, url) == 1)

    events.put_permission(EventBusName=bus, Policy=policy)
    redrive = command("UndeliveredEventsNotEmpty", "redrive")
    assert operator.types(redrive, " --from-profile producer", URL=url) == "1 redriven, 0 kept.\n"
    pair.become_equal("stayed-with-the-producer.txt")
    assert depth(operator, url) == 0
    pair.put("afterwards.txt", b"by itself again")
    pair.become_equal("afterwards.txt")


def test_a_stretch_of_time_is_replayed_from_the_archive(
    operator: Operator, pair: Pair, paused: Callable[[], None]
) -> None:
    """Events were lost after the bus had seen them: here, somebody purged the queue."""
    sandbox = operator.sandbox
    began = time.time()
    pair.put("purged.txt", b"here in the end")
    assert wait_until(lambda: depth(operator, sandbox.consumer.queue_url) == 1)
    sandbox.client("sqs", CONSUMER_ACCOUNT).purge_queue(QueueUrl=sandbox.consumer.queue_url)
    paused()
    assert pair.differences("purged.txt")
    events = sandbox.client("events", CONSUMER_ACCOUNT)
    (archive,) = events.list_archives()["Archives"]
    names = {
        "ARCHIVE_ARN": events.describe_archive(ArchiveName=archive["ArchiveName"])["ArchiveArn"],
        "EVENT_BUS_ARN": sandbox.consumer.event_bus_arn,
    }
    operator.types(within(command("RuleFailedInvocations", "start-replay"), began - 60, time.time()), **names)
    pair.become_equal("purged.txt")
    replay = events.describe_replay(ReplayName="after-repair")
    assert replay["State"] == "COMPLETED"


def within(command: Any, first: float, last: float) -> Any:
    """The command with these two moments instead of the document's."""
    moments = iter(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each)) for each in (first, last + 1))
    return replace(command, text=MOMENT.sub(lambda _: next(moments), command.text))
