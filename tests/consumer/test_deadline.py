"""What cannot finish in the invocation's time is given back, not cut off."""

import pytest

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import ErrorClass, HydrationError


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_the_reserve_is_kept_back_from_the_time_that_is_left():
    clock = Clock()
    deadline = Deadline(60, reserve=10, clock=clock)
    assert deadline.remaining() == 50
    clock.now += 20
    assert deadline.remaining() == 30


def test_work_goes_on_until_the_deadline_and_not_at_it():
    clock = Clock()
    deadline = Deadline(60, reserve=10, clock=clock)
    clock.now += 49.9
    deadline.check()
    clock.now += 0.1
    with pytest.raises(HydrationError) as raised:
        deadline.check()
    assert raised.value.code == "out-of-time"
    assert raised.value.error_class is ErrorClass.TRANSIENT


def test_a_deadline_that_has_passed_has_less_than_nothing_left():
    clock = Clock()
    deadline = Deadline(1, clock=clock)
    clock.now += 3
    assert deadline.remaining() == -2
