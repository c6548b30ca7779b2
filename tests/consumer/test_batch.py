"""A batch: every message to its end, none harming its mates; what comes back, when, and what is set aside, with why."""

import json
import time
from collections.abc import Callable

import pytest

from consumer_replicator.batch import Done
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.outcome import Failed, Replicated, Skipped, SkipReason
from producer_events.scope import Scope
from tests.consumer.fake_aws import DLQ, QUEUE, Call, World, refuse
from tests.consumer.rig import MIB, Rig, event


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rig(world: World) -> Rig:
    return Rig(world)


def failing(operation: str, *refusal: object, key: str | None = None) -> Callable[[Call], None]:
    def hook(call: Call) -> None:
        if call.operation == operation and key in (None, call.key):
            raise refuse(operation, *refusal)  # type: ignore[arg-type]

    return hook


def by_key(done: list[Done]) -> dict[str | None, object]:
    return {each.hint.key if each.hint else None: each.outcome for each in done}


# -- bad input ------------------------------------------------------------------------------------

BAD = [
    ("not JSON", "{", "not-json"),
    ("nothing", "", "not-json"),
    ("JSON of another kind", "[1, 2]", "not-an-object-event"),
    ("a classic S3 notification", json.dumps({"Records": [{"s3": {"object": {"key": "k"}}}]}), "not-an-object-event"),
    ("an event of another service", event("k").replace("aws.s3", "aws.ec2"), "not-an-object-event"),
    ("another detail-type", event("k", kind="Object ACL Updated"), "not-an-object-event"),
    ("an event without a key", event("k").replace('"key": "k"', '"kee": "k"'), "not-an-object-event"),
    (
        "an unknown major version",
        event("k").replace('{"version": "0", "bucket"', '{"version": "7", "bucket"'),
        "unknown-version",
    ),
    ("a foreign bucket", event("k", bucket="somebody-elses"), "foreign-bucket"),
    ("a foreign account", event("k", account="999999999999"), "foreign-account"),
    ("a damaged hint", json.dumps({"s3-hydration-hint": 1, "kind": "confirm"}), "bad-hint"),
    (
        "a hint for another bucket",
        json.dumps({"s3-hydration-hint": 1, "kind": "plain", "bucket": "other", "key": "k", "id": "i"}),
        "foreign-bucket",
    ),
]


@pytest.mark.parametrize(("body", "code"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_goes_to_the_dead_letter_queue_with_its_reason_and_touches_nothing(
    rig: Rig, world: World, body: str, code: str
):
    world.upload("k", b"secret")
    world.send(body)
    rig.upload("mate")
    done = rig.run()
    assert [each.comes_back for each in done] == [False, False]
    assert isinstance(by_key(done)["mate"], Replicated), "its mate is unaffected"
    assert [message.body for message in world.queues[DLQ]] == [body]
    attributes = world.queues[DLQ][0].attributes
    assert attributes["hydration-error-code"]["StringValue"] == code
    assert len(attributes["hydration-error"]["StringValue"]) > 10
    assert rig.replica_body("k") is None
    assert rig.row("k") is None
    assert not world.queues[QUEUE]


def test_bad_input_that_cannot_be_set_aside_now_comes_back(rig: Rig, world: World):
    world.send("nonsense")
    world.before = failing("SendMessage", "ServiceUnavailable", 503)
    assert rig.run()[0].comes_back
    assert len(world.queues[QUEUE]) == 1


# -- transient failures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "refusal", "code"),
    [
        ("GetObject", ("SlowDown", 503), "throttled"),
        ("GetObject", ("InternalError", 500), "aws-error"),
        ("PutObject", ("ExpiredToken", 400), "expired-credentials"),
        ("PutItem", ("ProvisionedThroughputExceededException", 400), "throttled"),
        ("PutItem", ("AccessDeniedException", 400), "own-access-denied"),
        ("BatchGetItem", ("InternalServerError", 500), "aws-error"),
    ],
)
def test_a_transient_failure_comes_back_after_a_growing_pause_and_then_succeeds(
    rig: Rig, world: World, operation: str, refusal: tuple[str, int], code: str
):
    rig.upload("k")
    world.before = failing(operation, *refusal)
    pauses = []
    for _ in range(3):
        world.now = world.queues[QUEUE][0].visible_at
        done = rig.run()
        assert isinstance(done[0].outcome, Failed)
        assert (done[0].outcome.code, done[0].comes_back) == (code, True)
        pauses.append(world.queues[QUEUE][0].visible_at - world.now)
    for pause, middle in zip(pauses, [10, 20, 40], strict=True):
        assert 0.5 * middle <= pause <= 1.5 * middle
    world.before = lambda _call: None
    rig.drain()
    rig.assert_covered("k")


def test_after_its_last_try_a_message_rests_in_the_dead_letter_queue_with_its_code(rig: Rig, world: World):
    rig.upload("k")
    world.before = failing("GetObject", "SlowDown", 503)
    outcomes = [done.outcome for done in rig.drain()]
    assert [outcome.final for outcome in outcomes if isinstance(outcome, Failed)] == [False] * 4 + [True]
    assert world.queues[DLQ][0].attributes["hydration-error-code"]["StringValue"] == "throttled"
    assert json.loads(world.queues[DLQ][0].body)["detail"]["object"]["key"] == "k", "verbatim, so it can be redriven"


def test_a_failing_message_harms_none_of_its_mates(rig: Rig, world: World):
    for n in range(9):
        rig.upload(f"good {n}")
    rig.upload("bad")
    world.before = failing("GetObject", "InternalError", 500, key="bad")
    done = rig.run()
    assert [each.hint.key for each in done if each.comes_back] == ["bad"]
    for n in range(9):
        rig.assert_covered(f"good {n}")


def test_an_error_nobody_thought_of_fails_its_own_message_only(rig: Rig, world: World):
    rig.upload("good")
    rig.upload("bad")

    def surprise(call: Call) -> None:
        if call.key == "bad":
            raise BufferError("surprise")

    world.before = surprise
    done = by_key(rig.run())
    assert done["bad"] == Failed("unexpected", "BufferError: surprise", final=False)
    assert isinstance(done["good"], Replicated)


def test_a_damaged_row_fails_its_own_key_only(rig: Rig, world: World):
    for key in ("good", "bad"):
        rig.upload(key)
    rig.drain()
    address = next(address for address in world.rows if address[1] == "bad")
    world.rows[address]["s"] = {"S": "?"}
    for key in ("good", "bad"):
        rig.upload(key, b"two")
    done = by_key(rig.run())
    assert isinstance(done["good"], Replicated)
    assert isinstance(done["bad"], Failed)
    assert done["bad"].code == "bad-row"


# -- one key in many messages ---------------------------------------------------------------------


def test_messages_of_one_key_are_worked_on_one_after_the_other_the_newest_first(rig: Rig, world: World):
    rig.upload("k", b"one")
    rig.upload("k", b"two")
    rig.remove("k")
    rig.upload("k", b"three")
    done = rig.run()
    assert [type(each.outcome).__name__ for each in done] == ["Replicated", "Skipped", "Skipped", "Skipped"]
    assert {each.outcome.reason for each in done[1:]} == {SkipReason.SUPERSEDED}
    rig.assert_covered("k")


def test_events_without_a_sequencer_each_look_for_themselves(rig: Rig, world: World):
    world.upload("k", b"one")
    for _ in range(2):
        world.send(event("k"))
    outcomes = [done.outcome for done in rig.run()]
    assert isinstance(outcomes[0], Replicated)
    assert outcomes[1] == Skipped(SkipReason.CURRENT)


def test_out_of_order_events_with_sequencers_of_differing_lengths_end_at_the_newest_state(rig: Rig, world: World):
    world.upload("k", b"one")
    world.upload("k", b"two")
    world.send(event("k", "00000B"))
    assert isinstance(rig.run()[0].outcome, Replicated)
    for older in ("00000A", "00000AFFFF", "0000", "00000B00"):
        world.send(event("k", older))
        assert rig.run()[0].outcome == Skipped(SkipReason.SUPERSEDED)
    world.send(event("k", "00000B01"))
    assert rig.run()[0].outcome == Skipped(SkipReason.CURRENT)
    rig.assert_covered("k")


# -- time -----------------------------------------------------------------------------------------


def test_what_was_throttled_together_comes_back_apart(rig: Rig, world: World):
    """A herd that returns at one moment is throttled again, until it has had its last try."""
    for number in range(60):
        rig.upload(f"k{number}")
    world.before = failing("BatchGetItem", "ProvisionedThroughputExceededException", 400)
    for _ in range(6):
        rig.run()
    pauses = [message.visible_at - world.now for message in world.queues[QUEUE]]
    assert len(pauses) == 60
    assert min(pauses) >= 5
    assert max(pauses) <= 15
    assert len(set(pauses)) > 7
    assert max(pauses.count(pause) for pause in pauses) < 20


def test_what_cannot_begin_in_the_time_left_is_visible_again_at_once(rig: Rig, world: World):
    for n in range(3):
        rig.upload(f"k{n}")
    done = rig.run(seconds=0)
    assert [each.outcome.code for each in done if isinstance(each.outcome, Failed)] == ["out-of-time"] * 3
    assert all(message.visible_at == world.now for message in world.queues[QUEUE])
    assert "GetObject" not in world.operations()
    rig.drain()
    for n in range(3):
        rig.assert_covered(f"k{n}")


def test_a_copy_in_parts_that_runs_out_of_time_is_aborted_and_given_back(rig: Rig, world: World):
    rig.upload("big", b"x" * 12 * MIB)

    def slow(call: Call) -> None:
        if call.operation == "CreateMultipartUpload":
            time.sleep(0.3)

    world.before = slow
    done = rig.run(seconds=0.25)
    assert done[0].outcome == Failed("out-of-time", FAILURE_CODES["out-of-time"].meaning, final=False)
    assert world.replica.uploads == {}
    assert world.operations()[-2:] == ["AbortMultipartUpload", "ChangeMessageVisibility"]


# -- scope ----------------------------------------------------------------------------------------


def test_what_is_out_of_scope_is_skipped_with_the_reason(world: World):
    rig = Rig(world, scope=Scope(prefixes=("a/",), suffixes=(".csv",), exclusions=("a/tmp/",)))
    for key in ("b/x.csv", "a/x.txt", "a/tmp/x.csv", "a/x.csv"):
        rig.upload(key)
    outcomes = by_key(rig.run())
    assert outcomes["b/x.csv"] == Skipped(SkipReason.OUT_OF_SCOPE, detail="prefix")
    assert outcomes["a/x.txt"] == Skipped(SkipReason.OUT_OF_SCOPE, detail="suffix")
    assert outcomes["a/tmp/x.csv"] == Skipped(SkipReason.OUT_OF_SCOPE, detail="excluded")
    assert isinstance(outcomes["a/x.csv"], Replicated)
    assert list(world.replica.keys) == ["a/x.csv"]


def test_an_empty_batch_calls_nothing(rig: Rig, world: World):
    assert rig.work([]) == []
    assert world.calls == []
