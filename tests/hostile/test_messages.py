"""Ten thousand forged and malformed messages through the real batch, an honest one in every batch.

Nothing is raised; each message is acknowledged, comes back, or rests in the dead-letter queue with its reason; the
honest one is replicated; nothing outside the scope is read or written; no log line can be broken out of, and none tells
a secret.
"""

import json

import pytest

from consumer_replicator.batch import Done
from consumer_replicator.errors import FAILURE_CODES, ErrorClass
from consumer_replicator.handlers import replicator
from consumer_replicator.handlers.telemetry import Telemetry
from consumer_replicator.outcome import Failed, Replicated
from consumer_replicator.plan import DeletePolicy
from producer_events.scope import Scope
from tests.consumer.clouds import Context
from tests.consumer.fake_aws import DLQ, QUEUE, World
from tests.consumer.rig import Rig, event
from tests.hostile.forgery import IN_SCOPE, Forger
from tests.odd_keys import ODD_KEYS

PER_BATCH = 9
BATCHES = 140
SEEDS = range(8)
SECRET = "a-body-of-the-source-object-that-no-log-shows"
MESSAGES = PER_BATCH * BATCHES * len(SEEDS)

assert MESSAGES >= 10_000


def codes_set_aside(world: World) -> list[str]:
    return [
        message.attributes["hydration-error-code"]["StringValue"]
        for message in world.queues[DLQ]
        if "hydration-error-code" in message.attributes
    ]


def world_with_objects() -> World:
    world = World()
    for key in ODD_KEYS.values():
        for prefix in (IN_SCOPE, "out/", ""):
            if len((prefix + key).encode()) <= 1024:
                world.upload(prefix + key, SECRET.encode())
    return world


def assert_fenced(world: World) -> None:
    """Every object that was read or written lies in the scope, and the source is only ever read."""
    for call in world.calls:
        if call.key is not None and call.principal == "source":
            assert call.operation in ("GetObject", "GetObjectTagging", "HeadObject"), call
            assert call.key.startswith(IN_SCOPE), call
    assert all(key.startswith(IN_SCOPE) for key in world.replica.keys)
    assert all(sort.startswith(IN_SCOPE) for _, sort in world.rows if sort != "failures")


def assert_clean(text: str) -> None:
    """One JSON document a line, in ASCII, without the bodies or credentials of anybody."""
    assert text.isascii()
    assert "\x1b" not in text
    assert SECRET not in text
    for line in text.splitlines():
        document = json.loads(line)
        assert document.keys() & {"level", "_aws"}, "a line of the logger's or of the metrics', and no other"


@pytest.mark.parametrize("policy", DeletePolicy)
@pytest.mark.parametrize("seed", SEEDS)
def test_forged_messages_end_with_a_reason_and_touch_nothing_else(
    seed: int, policy: DeletePolicy, capsys: pytest.CaptureFixture[str]
):
    world = world_with_objects()
    rig = Rig(world, policy=policy, scope=Scope(prefixes=(IN_SCOPE,)))
    telemetry = Telemetry(f"hostile-{policy}-{seed}")
    forger = Forger(seed)
    refused = 0
    for number in range(BATCHES // len(DeletePolicy)):
        honest = f"{IN_SCOPE}honest-{number}"
        sequencer = world.upload(honest, b"mate")
        for _ in range(PER_BATCH):
            world.send(forger.body())
        world.send(event(honest, sequencer))
        records = world.receive(PER_BATCH + 1)
        done = rig.work(records)
        telemetry.report(done, request_id="r-1")
        assert sorted(each.message.id for each in done) == sorted(record["messageId"] for record in records)
        (mate,) = [each for each in done if each.hint and each.hint.key == honest]
        assert isinstance(mate.outcome, Replicated)
        refused += sum(map(is_refused, done))
        world.now += 1_000  # nothing waits for the next batch: what comes back is worked on with it
        rest(rig, telemetry)
    codes = codes_set_aside(world)
    assert refused > 100
    assert len(codes) >= refused
    assert set(codes) <= set(FAILURE_CODES)
    assert "unexpected" not in codes
    assert_fenced(world)
    assert_clean(capsys.readouterr().out)


def is_refused(each: Done) -> bool:
    return isinstance(each.outcome, Failed) and FAILURE_CODES[each.outcome.code].error_class is ErrorClass.BAD_INPUT


def rest(rig: Rig, telemetry: Telemetry) -> None:
    """What came back, until nothing does."""
    telemetry.report(rig.drain(), request_id="r-2")


def test_a_dead_letter_that_is_sent_back_unrepaired_rests_there_again_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Through the handler: what it answers to SQS, what it logs, and what the dead-letter queue holds, verbatim."""
    world = world_with_objects()
    rig = Rig(world, scope=Scope(prefixes=(IN_SCOPE,)))
    monkeypatch.setattr(replicator, "_application", lambda _: (rig.batch, Telemetry("hostile-redrive")))
    forger = Forger(99)
    for _ in range(200):
        world.send(forger.body())
    handle_everything(world)
    first = sorted(set_aside(world))
    assert len(first) > 100
    for message in list(world.queues[DLQ]):  # as a redrive does: bodies go back, and nobody looks
        world.send(message.body)
    world.queues[DLQ].clear()
    handle_everything(world)
    assert sorted(set_aside(world)) == first
    assert all(code in FAILURE_CODES and reason.isprintable() for _, code, reason in first)
    assert_fenced(world)
    assert_clean(capsys.readouterr().out)


def handle_everything(world: World) -> None:
    """Batches through the handler, as SQS hands them over, until nothing comes back."""
    for _ in range(400):
        records = world.receive(10)
        if not records and not world.queues[QUEUE]:
            return
        answer = replicator.handler({"Records": records}, Context()) if records else {"batchItemFailures": []}
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        assert back <= {record["messageId"] for record in records}
        world.acknowledge({record["messageId"] for record in records} - back)
        world.now += 1_000
    raise AssertionError("messages go round for ever")


def set_aside(world: World) -> list[tuple[str, str, str]]:
    """Body, code and reason of what is in the dead-letter queue."""
    return [
        (
            message.body,
            message.attributes["hydration-error-code"]["StringValue"],
            message.attributes["hydration-error"]["StringValue"],
        )
        for message in world.queues[DLQ]
    ]


def test_there_are_ten_thousand_of_them(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        print(f"\n{MESSAGES:,} forged or malformed messages", end=" ")
    bodies = {Forger(seed).body() for seed in range(200)}
    assert len(bodies) > 150, "they differ"
