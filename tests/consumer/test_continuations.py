"""A run that waits has one continuation on its way, however often it is asked for, and whatever is doubled or lost."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.ranges_queue import Step
from consumer_replicator.run import Phase
from consumer_replicator.transfer import FIRST_POLL, LAST_POLL, OVERDUE, SETTLE_WITHIN
from tests.consumer.fake_aws import RANGES, Call, World, refuse
from tests.consumer.interleaver import Crash
from tests.consumer.transfer_rig import LAG_OBJECTIVE, TransferRig

RUN = "the-run"
VISIBILITY = 5_400
"""Seconds after which a message whose function was killed comes back: six times the function's 15 minutes."""
SHORT_VISIBILITY = 60
HOUR = 3_600
POLLS_OF_AN_UNDISTURBED_RUN = 50
"""15 s, then as long again as it has taken, then every 10 minutes for six hours."""


@pytest.fixture
def rig() -> TransferRig:
    """A run that settles: its one hint is not worked off before somebody says so."""
    world = World()
    rig = TransferRig(world, works=False, patience=0.0)
    world.upload("a", b"x")
    world.now += 10 * LAG_OBJECTIVE
    assert rig.ask(run_id=RUN)["state"] == "settling"
    return rig


def waiting(rig: TransferRig) -> list[Step]:
    return [Step.from_body(message.body) for message in rig.world.queues[RANGES]]


def deliver(rig: TransferRig, visibility: float = VISIBILITY) -> int:
    """Hands over what is due and acknowledges what did not kill its function; how many there were."""
    records = rig.world.receive(10, RANGES, visibility=visibility)
    for record in records:
        again = record["attributes"]["ApproximateReceiveCount"] != "1"
        with suppress(Crash):
            rig.transfer.step(Step.from_body(record["body"]), Deadline(1e6), redelivered=again)
            rig.world.acknowledge({record["messageId"]}, RANGES)
    return len(records)


def until_done(rig: TransferRig, hours: float, visibility: float = VISIBILITY) -> int:
    """Time passes, messages are delivered; how many there were until the run is done."""
    end, delivered = rig.world.now + hours * HOUR, 0
    while rig.world.now < end:
        rig.world.now += 5
        delivered += deliver(rig, visibility)
        if rig.runs.read(RUN).phase is Phase.DONE:
            return delivered
    raise AssertionError(f"{rig.runs.read(RUN).phase}, {waiting(rig)}")


@contextmanager
def hooked(rig: TransferRig, *, before: object = None, after: object = None) -> Iterator[None]:
    rig.world.before = before or (lambda _call: None)
    rig.world.after = after or (lambda _call: None)
    yield
    rig.world.before = rig.world.after = lambda _call: None


def killed(call: Call) -> None:
    if call.operation == "SendMessage":
        raise Crash


def test_a_run_that_nobody_asks_for_polls_with_growing_pauses_and_ends(rig: TransferRig):
    assert until_done(rig, SETTLE_WITHIN / HOUR + 1) <= POLLS_OF_AN_UNDISTURBED_RUN


@pytest.mark.parametrize("patience", [0.0, 30.0])
def test_asking_often_makes_no_more_messages_than_not_asking(rig: TransferRig, patience: float):
    rig.transfer._patience = patience
    sent = Counter()
    with hooked(rig, after=lambda call: sent.update([call.operation])):
        for _ in range(600):
            rig.world.now += 7
            rig.ask(run_id=RUN)
            deliver(rig)
            assert len(waiting(rig)) <= 2, "the one on its way, and one that an ask was faster than"
    assert sent["SendMessage"] <= POLLS_OF_AN_UNDISTURBED_RUN


def test_a_burst_of_asks_sends_nothing_while_a_continuation_is_on_its_way(rig: TransferRig):
    before = waiting(rig)
    assert len(before) == 1
    for _ in range(20):
        assert rig.ask(run_id=RUN)["state"] == "settling"
    assert waiting(rig) == before


def test_an_ask_ends_a_run_that_has_settled_and_the_continuation_finds_it_at_rest(rig: TransferRig):
    rig.drain()
    assert rig.ask(run_id=RUN)["state"] == "done"
    rig.world.now += LAST_POLL
    assert deliver(rig) == 1
    assert not waiting(rig)


def test_of_a_message_that_comes_many_times_one_goes_on(rig: TransferRig):
    (message,) = rig.world.queues[RANGES]
    for _ in range(5):
        rig.world.send(message.body, FIRST_POLL, RANGES)
    rig.world.now += FIRST_POLL + 1
    assert deliver(rig) == 6
    assert len(waiting(rig)) == 1


def test_of_two_that_poll_at_the_same_time_one_goes_on(rig: TransferRig):
    (step,) = waiting(rig)
    rig.world.queues[RANGES].clear()
    rig.world.now += FIRST_POLL + 1
    other = TransferRig(rig.world, works=False, patience=0.0)

    def overtake(call: Call) -> None:
        if call.operation == "BatchGetItem":
            rig.world.before = lambda _call: None
            other.transfer.step(step, Deadline(1e6))

    with hooked(rig, before=overtake):
        rig.transfer.step(step, Deadline(1e6))
    assert len(waiting(rig)) == 1


def test_what_was_sent_before_a_poll_ends_without_looking(rig: TransferRig):
    (old,) = waiting(rig)
    rig.world.now += FIRST_POLL + 1
    deliver(rig)
    before = waiting(rig)
    rig.world.calls.clear()
    assert rig.transfer.step(old, Deadline(1e6))["state"] == "settling"
    assert "BatchGetItem" not in rig.world.operations()
    assert waiting(rig) == before


def test_a_continuation_that_comes_a_little_early_goes_on(rig: TransferRig):
    """SQS and two functions have a clock each."""
    (step,) = waiting(rig)
    rig.world.queues[RANGES].clear()
    rig.world.now += FIRST_POLL - 2
    rig.transfer.step(step, Deadline(1e6))
    assert len(waiting(rig)) == 1


def test_after_a_kill_between_the_write_and_the_message_the_next_ask_that_finds_it_overdue_goes_on(rig: TransferRig):
    rig.world.queues[RANGES].clear()
    rig.world.now += FIRST_POLL + 1
    with hooked(rig, before=killed), pytest.raises(Crash):
        rig.ask(run_id=RUN)
    assert rig.runs.read(RUN).next_poll > rig.world.now
    assert not waiting(rig)
    rig.ask(run_id=RUN)
    assert not waiting(rig), "for all it knows one is on its way"
    rig.world.now = rig.runs.read(RUN).next_poll + 1
    for _ in range(5):
        rig.ask(run_id=RUN)
    assert len(waiting(rig)) == 1
    until_done(rig, SETTLE_WITHIN / HOUR + 1)


def test_after_a_kill_between_the_write_and_the_message_the_message_that_comes_back_goes_on(rig: TransferRig):
    rig.world.now += FIRST_POLL + 1
    with hooked(rig, before=killed):
        deliver(rig)
    assert len(waiting(rig)) == 1, "not acknowledged"
    assert until_done(rig, (SETTLE_WITHIN + VISIBILITY) / HOUR) <= POLLS_OF_AN_UNDISTURBED_RUN


def test_a_message_that_comes_back_before_the_poll_that_was_never_sent_is_due_waits_for_it(rig: TransferRig):
    """As it does where TransferTimeoutSeconds is small: 60 seconds of visibility, up to ten minutes between polls."""
    while rig.runs.read(RUN).next_poll - rig.world.now < LAST_POLL / 2:
        rig.world.now += 5
        deliver(rig, SHORT_VISIBILITY)
    rig.world.now = rig.runs.read(RUN).next_poll
    with hooked(rig, before=killed):
        deliver(rig, SHORT_VISIBILITY)
    assert rig.runs.read(RUN).next_poll > rig.world.now + SHORT_VISIBILITY
    assert until_done(rig, SETTLE_WITHIN / HOUR + 1, SHORT_VISIBILITY) <= 2 * POLLS_OF_AN_UNDISTURBED_RUN


def test_a_message_that_comes_back_although_its_poll_was_sent_ends_after_one_more_wait(rig: TransferRig):
    rig.world.now += FIRST_POLL + 1
    (step,) = waiting(rig)
    deliver(rig)
    rig.transfer.step(step, Deadline(1e6), redelivered=True)
    assert len(waiting(rig)) == 2
    rig.world.now = rig.runs.read(RUN).next_poll
    deliver(rig)
    rig.world.now += OVERDUE
    deliver(rig)
    assert len(waiting(rig)) == 1
    assert until_done(rig, SETTLE_WITHIN / HOUR + 1) <= POLLS_OF_AN_UNDISTURBED_RUN


def test_a_paced_range_whose_function_was_killed_before_it_sent_the_next_step_goes_on():
    rig = paced()
    rig.world.now += 900
    with hooked(rig, before=killed):
        deliver(rig, SHORT_VISIBILITY)
    before = hinted(rig)
    for _ in range(60):
        rig.world.now += 60
        deliver(rig, SHORT_VISIBILITY)
    assert hinted(rig) > before
    assert len(waiting(rig)) == 1


def test_a_message_that_comes_back_after_an_ask_took_its_place_ends(rig: TransferRig):
    rig.world.now += FIRST_POLL + 1
    with hooked(rig, before=killed):
        deliver(rig)
    rig.world.now = rig.runs.read(RUN).next_poll + 1
    rig.ask(run_id=RUN)
    assert len(waiting(rig)) == 2
    while len(rig.world.queues[RANGES]) > 1:
        rig.world.now += 30
        deliver(rig)
        assert rig.world.now < rig.runs.read(RUN).settle_from + 2 * VISIBILITY
    assert until_done(rig, SETTLE_WITHIN / HOUR + 1) <= POLLS_OF_AN_UNDISTURBED_RUN


def test_a_message_that_could_not_be_sent_is_sent_as_the_continuation_that_it_would_have_been(rig: TransferRig):
    refusals = Counter()

    def refuse_once(call: Call) -> None:
        if call.operation == "SendMessage" and not refusals["sent"]:
            refusals["sent"] += 1
            raise refuse("SendMessage", "ServiceUnavailable", 503)

    rig.world.now += FIRST_POLL + 1
    with hooked(rig, before=refuse_once):
        deliver(rig)
    assert refusals["sent"] == 1
    (step,) = waiting(rig)
    assert (step.seen, step.tries) == (rig.runs.read(RUN).version, 1)
    rig.world.now += 2 * FIRST_POLL
    deliver(rig)
    assert [step.tries for step in waiting(rig)] == [0]


def test_asks_that_fail_leave_messages_of_which_one_goes_on(rig: TransferRig):
    def throttle(call: Call) -> None:
        if call.operation == "BatchGetItem":
            raise refuse("BatchGetItem", "ThrottlingException", 400)

    with hooked(rig, before=throttle):
        for _ in range(5):
            assert "goes on by itself" in rig.ask(run_id=RUN)["note"]
    rig.world.now += 2 * FIRST_POLL
    deliver(rig)
    assert len(waiting(rig)) == 1


def test_a_run_that_was_stopped_goes_on_at_once_and_its_old_continuation_ends(rig: TransferRig):
    (old,) = waiting(rig)
    rig.ask(run_id=RUN, stop=True)
    rig.ask(run_id=RUN)
    assert len(waiting(rig)) == 2
    rig.transfer.step(old, Deadline(1e6))
    assert len(waiting(rig)) == 2
    rig.world.now += 2 * FIRST_POLL
    deliver(rig)
    assert len(waiting(rig)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_one_goes_on_whatever_is_asked_lost_doubled_killed_or_refused(seed: int):
    """A trouble may cost a message of its own, and never one that goes on and on. Asked once more, the run is done."""
    chance = random.Random(seed)
    world = World()
    rig = TransferRig(world, works=False, patience=chance.choice([0.0, 3.0]))
    world.upload("a", b"x")
    world.now += 10 * LAG_OBJECTIVE
    seen: Counter[str] = Counter()

    def trouble(call: Call) -> None:
        if call.operation in ("SendMessage", "BatchGetItem", "PutItem", "GetItem") and chance.random() < 0.03:
            seen["trouble"] += 1
            raise chance.choice([Crash(), refuse(call.operation, "ServiceUnavailable", 503)])

    def count(call: Call) -> None:
        seen[call.operation] += 1
        trouble(call)

    with hooked(rig, before=trouble, after=count):
        for _ in range(300):
            world.now += chance.choice([1, 20, 150])
            if chance.random() < 0.5:
                with suppress(Crash, HydrationError):
                    rig.ask(run_id=RUN)
            for record in world.receive(10, RANGES, visibility=VISIBILITY):
                with suppress(Crash, HydrationError):
                    rig.transfer.step(Step.from_body(record["body"]), Deadline(1e6))
                    if chance.random() < 0.9:
                        world.acknowledge({record["messageId"]}, RANGES)
            if waiting(rig) and chance.random() < 0.1:
                world.queues[RANGES].remove(chance.choice(world.queues[RANGES]))
    assert seen["SendMessage"] <= POLLS_OF_AN_UNDISTURBED_RUN + seen["trouble"]
    world.now += 2 * VISIBILITY
    rig.drain()
    rig.ask(run_id=RUN)
    until_done(rig, 3)
    for _ in range(10):
        world.now += VISIBILITY
        deliver(rig)
    assert not waiting(rig), "nothing goes on after the end"


# -- beside an older release -------------------------------------------------------------------------------------------


def test_a_run_and_a_message_of_an_older_release_go_on_as_one(rig: TransferRig):
    _forget(rig, "np")
    rig.world.queues[RANGES].clear()
    for _ in range(4):  # one for each time it was asked
        rig.world.send('{"run": "the-run"}', FIRST_POLL, RANGES)
    rig.world.now += FIRST_POLL + 1
    assert deliver(rig) == 4
    assert len(waiting(rig)) == 1
    assert until_done(rig, SETTLE_WITHIN / HOUR + 1) <= POLLS_OF_AN_UNDISTURBED_RUN


def test_a_message_of_an_older_release_ends_while_another_is_on_its_way(rig: TransferRig):
    before = waiting(rig)
    rig.transfer.step(Step(RUN), Deadline(1e6))
    assert waiting(rig) == before


def test_an_older_release_reads_what_this_one_writes(rig: TransferRig):
    """It knows neither the attribute nor the field: both are beside what it reads, and of forms that it passes over."""
    (message,) = rig.world.queues[RANGES]
    (place,) = [place for place in rig.world.rows if place[1] == "run"]
    assert message.body == f'{{"run": "the-run", "seen": {rig.runs.read(RUN).version}}}'
    assert rig.world.rows[place]["np"] == {"N": str(rig.runs.read(RUN).next_poll)}


def _forget(rig: TransferRig, name: str) -> None:
    (place,) = [place for place in rig.world.rows if place[1] == "run"]
    del rig.world.rows[place][name]


@pytest.mark.parametrize("moment", ["1E+125", "-1E+125", "0"])
def test_a_moment_that_no_poll_can_be_due_at_is_not_waited_for(rig: TransferRig, moment: str):
    (place,) = [place for place in rig.world.rows if place[1] == "run"]
    rig.world.rows[place]["np"] = {"N": moment}
    rig.world.queues[RANGES].clear()
    rig.ask(run_id=RUN)
    assert len(waiting(rig)) == 1


# -- paced ranges ------------------------------------------------------------------------------------------------------


def paced(chunk: int = 10) -> TransferRig:
    world = World()
    rig = TransferRig(world, works=False, patience=0.0, chunk=chunk)
    for n in range(200):
        world.upload(f"k{n:03d}", b"x")
    world.now += 10 * LAG_OBJECTIVE
    assert rig.ask(run_id=RUN, prefix="k", objects_per_second=0.01)["state"] == "listing"
    return rig


def hinted(rig: TransferRig) -> int:
    return sum(state.tally["hinted"] for state in rig.runs.ranges(rig.runs.read(RUN)))


def test_asking_often_hastens_no_paced_run_and_doubles_none_of_its_messages():
    rig = paced()
    start, ahead = rig.world.now, hinted(rig)
    for _ in range(200):
        rig.world.now += 30
        rig.ask(run_id=RUN)
        deliver(rig)
        assert len(waiting(rig)) <= 2
    assert hinted(rig) <= ahead + (rig.world.now - start) * 0.01 + 20
    assert hinted(rig) > ahead


def test_a_paced_range_that_comes_early_waits_again_and_its_double_ends():
    rig = paced()
    (step,) = waiting(rig)
    before = hinted(rig)
    for _ in range(3):
        rig.transfer.step(step, Deadline(1e6))
    assert hinted(rig) == before
    assert waiting(rig) == [step] * 4
    rig.world.now += 900
    deliver(rig)
    assert len(waiting(rig)) == 1
    assert rig.transfer.step(Step(RUN, step.range), Deadline(1e6))["state"] == "listing"
    assert len(waiting(rig)) == 2, "of an older release, which has no other"


def test_a_paced_run_that_was_stopped_goes_on_although_its_continuation_ended_meanwhile():
    rig = paced()
    (old,) = waiting(rig)
    rig.world.queues[RANGES].clear()
    rig.ask(run_id=RUN, stop=True)
    assert rig.transfer.step(old, Deadline(1e6))["state"] == "at rest"
    rig.ask(run_id=RUN)
    assert waiting(rig) == [old]
    before = hinted(rig)
    for _ in range(60):
        rig.world.now += 60
        deliver(rig)
    assert hinted(rig) > before


def test_a_paced_range_whose_message_could_not_be_sent_goes_on():
    """Its chunk is counted already, so what is sent again has seen that."""
    rig = paced()
    (step,) = waiting(rig)
    rig.world.queues[RANGES].clear()
    rig.world.now += 900
    refusals = Counter()

    def refuse_once(call: Call) -> None:
        if call.operation == "SendMessage" and not refusals["sent"]:
            refusals["sent"] += 1
            raise refuse("SendMessage", "ServiceUnavailable", 503)

    with hooked(rig, before=refuse_once):
        rig.transfer.step(step, Deadline(1e6))
    (again,) = waiting(rig)
    assert again.seen > step.seen
    before = hinted(rig)
    for _ in range(60):
        rig.world.now += 60
        deliver(rig)
    assert hinted(rig) > before
