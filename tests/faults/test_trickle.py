"""A body that comes, but hardly: each byte within the read timeout, and the whole of it never within the invocation."""

import io
import threading

import pytest
from botocore.exceptions import ReadTimeoutError

from consumer_replicator.copier import Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.part_carrier import Opened
from consumer_replicator.parts import MIB, Part
from consumer_replicator.replica import Replica, Writing
from consumer_replicator.source import PIECE_BYTES, Source
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, PRODUCER, REPLICA, SOURCE, World
from tests.consumer.http_server import HttpServer, Talk
from tests.consumer.lean_rig import lean
from tests.consumer.rig import no_pause

TIMEOUT = 0.2
BYTES = 200
"""At a twentieth of a second each: fifty times the timeout."""


class Trickle:
    """An act of a server: `at_once` is sent as it is, then a byte of `slowly` every 50 ms. `sent` counts those."""

    def __init__(self, at_once: bytes, slowly: bytes) -> None:
        self.at_once, self.slowly, self.sent = at_once, slowly, 0

    def __call__(self, talk: Talk) -> None:
        talk.request()
        talk.sock.sendall(self.at_once)
        for number in range(len(self.slowly)):
            threading.Event().wait(TIMEOUT / 4)
            talk.sock.sendall(self.slowly[number : number + 1])
            self.sent += 1


HEAD = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: %d\r\n\r\n' % BYTES


@pytest.mark.parametrize("trickle", [Trickle(HEAD, b"x" * BYTES), Trickle(b"", HEAD)], ids=["body", "head"])
def test_an_answer_that_trickles_ends_as_one_that_does_not_come(trickle: Trickle):
    with HttpServer(trickle) as server, lean("s3", server.url, read_timeout=TIMEOUT) as s3:
        with pytest.raises(ReadTimeoutError):
            s3.get_object(Bucket=SOURCE, Key="k")["Body"].read()
        assert trickle.sent < 4 * TIMEOUT / (TIMEOUT / 4), "of 200, or 50, bytes"


def test_what_a_service_takes_before_it_answers_is_not_counted_as_trickling():
    """S3 may think for nearly as long as the timeout, and then answer in two pieces."""

    def act(talk: Talk) -> None:
        talk.request()
        threading.Event().wait(0.8 * TIMEOUT)
        talk.sock.sendall(HEAD)
        threading.Event().wait(0.6 * TIMEOUT)
        talk.sock.sendall(b"x" * BYTES)

    with HttpServer(act) as server, lean("s3", server.url, read_timeout=TIMEOUT) as s3:
        assert s3.get_object(Bucket=SOURCE, Key="k")["Body"].read() == b"x" * BYTES


def test_a_body_that_is_read_slowly_is_not_taken_for_one_that_comes_slowly():
    """It is read only as fast as the replica takes it: waiting there is no fault of the source's."""

    def act(talk: Talk) -> None:
        talk.request()
        talk.sock.sendall(b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 400000\r\n\r\n' + b"x" * 400_000)

    with HttpServer(act) as server, lean("s3", server.url, read_timeout=TIMEOUT) as s3:
        body = s3.get_object(Bucket=SOURCE, Key="k")["Body"]
        size = 0
        while piece := body.read(100_000):
            threading.Event().wait(TIMEOUT)
            size += len(piece)
        assert size == 400_000


# -- what is held in memory looks at the clock while it comes -------------------------------------------------------


class Clock:
    """Of a deadline: every piece that is read takes ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowBody(io.BytesIO):
    def __init__(self, body: bytes, clock: Clock) -> None:
        super().__init__(body)
        self._clock = clock

    def readinto(self, view: memoryview) -> int:  # type: ignore[override]
        assert len(view) <= PIECE_BYTES, "the clock is not looked at meanwhile"
        self._clock.now += 10
        return super().readinto(view)


@pytest.mark.parametrize("part", [False, True], ids=["one PUT", "a part"])
def test_a_body_that_comes_too_slowly_is_given_up_at_the_deadline(part: bool):
    world, clock = World(), Clock()
    body = b"x" * (2 * MIB)
    world.upload_in_parts("k", [body[:MIB], body[MIB : 2 * MIB - 10], body[-10:]])  # a checksum that no PUT takes
    s3 = world.s3("source")
    get_object = s3.get_object

    def slowly(**asked: object) -> dict[str, object]:
        answer = get_object(**asked)  # type: ignore[arg-type]
        answer["Body"] = SlowBody(answer["Body"].read(), clock)
        return answer

    s3.get_object = slowly  # type: ignore[method-assign]
    source, deadline = Source(s3, SOURCE, PRODUCER), Deadline(25.0, clock=clock)
    replica = Replica(world.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve")
    copier = Copier(source, replica, threshold=4 * MIB, part_concurrency=1, pause=no_pause)
    with source.current("k") as found:
        assert found
        writing = Writing("k", found.carried, {}, None, found.identity.token(), 0)
        upload = Opened(replica.open_upload(writing, "CRC32"), 2 * MIB, "CRC32")
        parts = [Part(1, 0, 2 * MIB - 1)]
        copied = (
            (lambda: copier.carry("k", found.identity, upload, parts, deadline))
            if part
            else (lambda: copier.copy(found, writing, deadline))
        )
        with pytest.raises(HydrationError) as raised:
            copied()
    assert raised.value.code == "out-of-time"
    assert clock.now <= 40, "as late as a single piece, and no later"
    assert not world.mutations
