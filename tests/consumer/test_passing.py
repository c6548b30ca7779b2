"""A body passed on: whole, in order, summed up, and never given away to its end when it is not what it should be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import checksum, composite
from consumer_replicator.checksum import Running
from consumer_replicator.composite import Cutting
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.passing import Passing


class Arriving:
    """`body` in pieces of at most `step` bytes."""

    def __init__(self, body: bytes, step: int = 7) -> None:
        self.size = len(body)
        self._rest = body
        self._step = step

    def readinto(self, view: memoryview) -> int:
        piece, self._rest = self._rest[: min(self._step, len(view))], self._rest[min(self._step, len(view)) :]
        view[: len(piece)] = piece
        return len(piece)


def pieces(passing: Passing, length: int) -> list[bytes]:
    """What a client reads until it has the size it was told."""
    found, buffer = [], bytearray(length)
    while sum(map(len, found)) < passing.size:
        count = passing.readinto(memoryview(buffer))
        found.append(bytes(buffer[:count]))
    return found


@given(st.binary(min_size=1, max_size=300), st.integers(1, 40), st.integers(1, 40))
def test_every_byte_comes_through_in_order_and_is_summed_up(body, step, length):
    running = Running()
    passing = Passing(Arriving(body, step), Deadline(60), running)
    assert b"".join(pieces(passing, length)) == body
    assert running.checksum() == checksum.of(body)


def test_the_last_piece_of_a_body_that_is_not_the_source_s_is_never_given_away():
    body = b"x" * 30
    expected = composite.of([checksum.of(body[:10], "CRC32C")] * 3)
    cutting = Cutting("CRC32C", 10)
    flipped = body[:25] + b"y" + body[26:]
    passing = Passing(Arriving(flipped, 10), Deadline(60), Running(), (cutting, expected))
    buffer = memoryview(bytearray(10))
    assert [passing.readinto(buffer) for _ in range(2)] == [10, 10]
    with pytest.raises(HydrationError) as raised:
        passing.readinto(buffer)
    assert raised.value.code == "truncated"


def test_a_body_that_is_the_source_s_is_given_away_to_its_end():
    body = b"x" * 30
    expected = composite.of([checksum.of(body[:10], "SHA1")] * 3)
    passing = Passing(Arriving(body), Deadline(60), checksum.of(body), (Cutting("SHA1", 10), expected))
    assert b"".join(pieces(passing, 8)) == body


def test_a_body_ends_with_the_invocation_s_time_wherever_it_is():
    now = [0.0]
    passing = Passing(Arriving(b"x" * 30), Deadline(1, clock=lambda: now[0]), Running())
    buffer = memoryview(bytearray(8))
    assert passing.readinto(buffer) == 7
    now[0] = 1.0
    with pytest.raises(HydrationError) as raised:
        passing.readinto(buffer)
    assert raised.value.code == "out-of-time"
