"""Trying again: a few times, after what may pass, and within the invocation's time."""

import pytest

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import FAILURE_CODES, HydrationError, SourceMoved
from consumer_replicator.tries import PAUSE, WORTH_ANOTHER_STREAM, WORTH_ANOTHER_TRY, Tries


class Failing:
    """An attempt that fails as it is told, one failure a try, and then gives the number of tries before."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    def __call__(self, before: int) -> int:
        assert before == self.tries
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return before


def run(attempt, *, worth=WORTH_ANOTHER_TRY, seconds=60.0, pauses=None):
    pauses = [] if pauses is None else pauses
    return Tries(pauses.append).run(attempt, Deadline(seconds), worth)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_an_attempt_learns_how_many_there_were_before(failures):
    assert run(Failing(*(HydrationError("connection") for _ in range(failures)))) == failures


def test_the_third_failure_is_the_last():
    attempt = Failing(*(HydrationError(code) for code in ("connection", "aws-error", "truncated")))
    with pytest.raises(HydrationError) as raised:
        run(attempt)
    assert (raised.value.code, attempt.tries) == ("truncated", 3)


@pytest.mark.parametrize("code", sorted(set(FAILURE_CODES) - WORTH_ANOTHER_TRY))
def test_what_will_not_pass_or_was_tried_again_already_is_raised_at_once(code):
    attempt = Failing(HydrationError(code))
    with pytest.raises(HydrationError):
        run(attempt)
    assert attempt.tries == 1


def test_a_stream_that_was_throttled_was_not_tried_again_by_the_client():
    assert run(Failing(HydrationError("throttled")), worth=WORTH_ANOTHER_STREAM) == 1


def test_what_changed_under_us_is_no_failure_to_repeat():
    attempt = Failing(SourceMoved())
    with pytest.raises(SourceMoved):
        run(attempt)
    assert attempt.tries == 1


def test_pauses_grow_and_differ():
    longest = [0.0, 0.0]
    for _ in range(200):
        pauses: list[float] = []
        run(Failing(HydrationError("connection"), HydrationError("connection")), pauses=pauses)
        longest = [max(pair) for pair in zip(longest, pauses, strict=True)]
        assert all(0 <= pause <= PAUSE * 2**number for number, pause in enumerate(pauses))
    assert longest[1] > PAUSE > longest[0] > 0


def test_no_try_begins_when_the_time_is_up():
    attempt = Failing()
    with pytest.raises(HydrationError) as raised:
        run(attempt, seconds=0)
    assert (raised.value.code, attempt.tries) == ("out-of-time", 0)
