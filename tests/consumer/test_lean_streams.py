"""Bodies that are streamed: sent once, in blocks of bounded size, with a checksum after them where one is asked for."""

import io
import tracemalloc
from base64 import b64encode
from zlib import crc32

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, IncompleteReadError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.lean import connection
from consumer_replicator.lean.request_body import BASE64_SIZE, BLOCK, Stream
from tests.consumer.http_server import HttpServer, Talk, answer
from tests.consumer.lean_rig import certificate, lean

WHERE = {"Bucket": "b", "Key": "k"}
PART = {**WHERE, "UploadId": "u", "PartNumber": 1}
SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]
SMALLEST_CHUNK = 8 * 1024
"""S3's, for all but the last. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""


class Counted:
    """A source whose checksum is known when it was read; `faulty` after so many bytes."""

    algorithm = "CRC32"

    def __init__(self, data, *, most=10**9, faulty=None, fault=None):
        self._data = io.BytesIO(data)
        self._most = most
        self._faulty = faulty
        self._fault = fault
        self.crc = self.read = 0

    def readinto(self, view):
        if self._faulty is not None and self.read >= self._faulty:
            raise self._fault
        count = self._data.readinto(view[: self._most])
        self.crc, self.read = crc32(view[:count], self.crc), self.read + count
        return count

    def value(self):
        return b64encode(self.crc.to_bytes(4, "big")).decode()


def unframed(body):
    """The chunks of an aws-chunked body, and its trailers."""
    chunks = []
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            break
        chunks.append(body[: int(size, 16)])
        assert body[int(size, 16) :][:2] == b"\r\n"
        body = body[int(size, 16) + 2 :]
    *trailers, nothing, end = body.split(b"\r\n")
    assert (nothing, end) == (b"", b"")
    return chunks, dict(trailer.split(b":") for trailer in trailers)


@pytest.fixture
def server():
    with HttpServer(answer(headers={"ETag": '"e"'})) as server:
        yield server


@pytest.fixture
def s3(server):
    with lean("s3", server.url, retries={"mode": "standard", "total_max_attempts": 3}) as client:
        yield client


# -- what is sent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("most", [10**9, 10_007], ids=["full reads", "short reads"])
def test_a_stream_arrives_whole(server, s3, size, most):
    data = bytes(range(251)) * (size // 251 + 1)
    s3.put_object(**WHERE, Body=Counted(data[:size], most=most), ContentLength=size)
    (request,) = server.received
    assert request.body == data[:size]
    assert request.headers["content-length"] == str(size)
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert "content-encoding" not in request.headers


@pytest.mark.parametrize("size", SIZES)
def test_a_checksum_follows_a_stream(server, s3, size):
    source = Counted(bytes(range(251)) * 4200)
    s3.upload_part(**PART, Body=source, ContentLength=size, TrailingChecksum=source)
    (request,) = server.received
    chunks, trailers = unframed(request.body)
    assert b"".join(chunks) == (bytes(range(251)) * 4200)[:size]
    assert trailers == {b"x-amz-checksum-crc32": source.value().encode()}
    assert all(len(chunk) >= SMALLEST_CHUNK for chunk in chunks[:-1])
    told = {name: value for name, value in request.headers.items() if name.startswith(("content-", "x-amz-"))}
    assert (
        told.items()
        >= {
            "content-encoding": "aws-chunked",
            "content-length": str(len(request.body)),
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(size),
            "x-amz-trailer": "x-amz-checksum-crc32",
        }.items()
    )


def test_the_objects_own_encoding_is_kept(server, s3):
    source = Counted(b"data")
    s3.put_object(**WHERE, Body=source, ContentLength=4, TrailingChecksum=source, ContentEncoding="gzip")
    assert server.received[0].headers["content-encoding"] == "gzip,aws-chunked"


@pytest.mark.parametrize("algorithm", BASE64_SIZE)
@given(size=st.integers(0, 3 * BLOCK) | st.integers(0, 5 * 1024**3))
def test_the_announced_length_is_that_of_the_frames(algorithm, size):
    class Told:
        def __init__(self):
            self.algorithm = algorithm

        def value(self):
            return "=" * BASE64_SIZE[algorithm]

    class Endless:
        def readinto(self, view):
            return len(view)

    stream = Stream(Endless(), size, Told())
    announced = int(stream.headers["content-length"])
    if size <= 3 * BLOCK:
        assert announced == sum(len(block) for block in stream.blocks())
    else:
        whole, rest = divmod(size, BLOCK)
        frames = whole * (BLOCK + len(f"{BLOCK:x}") + 4) + (rest + len(f"{rest:x}") + 4 if rest else 0)
        assert announced == frames + len("0\r\n") + len(f"x-amz-checksum-{algorithm}:\r\n\r\n") + BASE64_SIZE[algorithm]


def test_a_stream_goes_from_one_server_to_another_in_bounded_memory(tmp_path_factory):
    size = 32 * 1024**2
    trusted = certificate(tmp_path_factory.getbasetemp())
    verify = {"verify": str(trusted), "read_timeout": 10}

    def swallow(talk):
        talk.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = size
        while left:
            left -= len(talk.read(min(left, BLOCK)))
        talk.sock.sendall(b"HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 0\r\n\r\n")

    with (
        HttpServer(answer(body=bytes(size)), certificate=trusted) as source,
        HttpServer(swallow, certificate=trusted) as replica,
        lean("s3", source.url, **verify) as reads,
        lean("s3", replica.url, **verify) as writes,
    ):
        body = reads.get_object(**WHERE)["Body"]
        tracemalloc.start()
        assert writes.put_object(**WHERE, Body=body, ContentLength=size)["ETag"] == "e"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * 1024**2


# -- sent once ---------------------------------------------------------------------------------------------------------


def unasked(talk):
    """Answers without reading the body, and without having asked for it."""
    talk.sock.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    talk.close()


@pytest.fixture
def _no_pauses(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


@pytest.mark.usefixtures("_no_pauses")
def test_a_stream_that_was_refused_before_it_was_touched_is_sent_again(server, s3):
    server.script(unasked, answer(headers={"ETag": '"e"'}))
    answered = s3.put_object(**WHERE, Body=Counted(b"data"), ContentLength=4)
    assert answered["ResponseMetadata"]["RetryAttempts"] == 1
    assert [request.body for request in server.received] == [b"data"]


@pytest.mark.usefixtures("_no_pauses")
def test_a_stream_on_a_kept_connection_that_has_ended_is_sent_on_a_new_one(server, s3):
    server.script(answer(), lambda talk: talk.close(), answer())
    s3.put_object(**WHERE, Body=b"first")
    s3.put_object(**WHERE, Body=Counted(b"data"), ContentLength=4)
    assert [request.body for request in server.received] == [b"first", b"data"]


ENDS = {
    "refused": (answer(503), ClientError),
    "closed": (lambda talk: (talk.request(), talk.close()), ConnectionClosedError),
    "reset": (lambda talk: (talk.request(), talk.reset()), ConnectionClosedError),
}


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(("act", "expected"), ENDS.values(), ids=ENDS)
def test_a_stream_that_was_read_is_never_sent_again(server, s3, act, expected):
    server.script(act)
    with pytest.raises(expected):
        s3.put_object(**WHERE, Body=Counted(b"data"), ContentLength=4)
    assert len(server.received) == 1


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("end", [Talk.close, Talk.reset])
def test_a_connection_that_breaks_in_the_middle_of_a_stream(server, s3, end):
    def break_off(talk):
        talk.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        talk.read(1000)
        end(talk)

    source = Counted(bytes(64 * BLOCK))
    server.script(break_off)
    with pytest.raises(ConnectionClosedError):
        s3.put_object(**WHERE, Body=source, ContentLength=64 * BLOCK)
    assert 0 < source.read < 64 * BLOCK


def test_a_refusal_in_the_middle_of_a_stream_is_seen_and_ends_it(server, s3):
    body = b"<Error><Code>BadDigest</Code></Error>"

    def refuse(talk):
        talk.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        talk.read(BLOCK)
        talk.sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        while talk.sock.recv(65536):
            pass

    source = Counted(bytes(512 * BLOCK))
    server.script(refuse)
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(**WHERE, Body=source, ContentLength=512 * BLOCK)
    assert source.read < 512 * BLOCK


def test_a_server_that_does_not_know_expect_gets_the_body_after_a_moment(server, s3, monkeypatch):
    def silent(talk):
        talk.begun[2].pop("expect")
        answer()(talk)

    monkeypatch.setattr(connection, "CONTINUE_WAIT", 0.05)
    server.script(silent)
    s3.put_object(**WHERE, Body=Counted(b"data"), ContentLength=4)
    assert server.received[0].body == b"data"


def test_a_server_that_bids_late_gets_the_rest(server, s3, monkeypatch):
    size = 64 * BLOCK

    def late(talk):
        begun = talk.read(BLOCK)
        talk.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        rest = talk.read(size - BLOCK)
        answer_with_length = b"HTTP/1.1 200 OK\r\nETag: %d\r\nContent-Length: 0\r\n\r\n" % len(begun + rest)
        talk.sock.sendall(answer_with_length)

    monkeypatch.setattr(connection, "CONTINUE_WAIT", 0.05)
    server.script(late)
    assert s3.put_object(**WHERE, Body=Counted(bytes(size)), ContentLength=size)["ETag"] == str(size)


# -- a source that fails -----------------------------------------------------------------------------------------------


class Fault(Exception):
    """Of the source's own."""


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("fault", [Fault("gone"), ReadTimeoutError(endpoint_url="https://source")])
def test_what_the_source_raises_passes_through_and_nothing_is_written(server, s3, fault):
    source = Counted(bytes(3 * BLOCK), faulty=BLOCK, fault=fault)
    with pytest.raises(type(fault)) as raised:
        s3.put_object(**WHERE, Body=source, ContentLength=3 * BLOCK)
    assert raised.value is fault
    s3.get_object(**WHERE)["Body"].read()  # over another connection, since the first is gone with the half body
    assert server.connections == 2
    assert [request.method for request in server.received if len(request.body) == 3 * BLOCK] == []


def test_a_source_that_ends_too_early_is_an_error(server, s3):
    source = Counted(bytes(BLOCK + 5))
    with pytest.raises(IncompleteReadError, match=f"{BLOCK + 5} read, but total bytes expected is {2 * BLOCK}"):
        s3.put_object(**WHERE, Body=source, ContentLength=2 * BLOCK, TrailingChecksum=source)


@pytest.mark.usefixtures("_no_pauses")
def test_a_body_that_breaks_off_at_the_source_is_no_body_at_the_replica(server, s3):
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1000

    def break_off(talk):
        talk.request()
        talk.sock.sendall(broken)
        talk.close()

    with HttpServer(break_off) as source, lean("s3", source.url) as reads:
        body = reads.get_object(**WHERE)["Body"]
        with pytest.raises(BotoCoreError) as raised:
            s3.put_object(**WHERE, Body=body, ContentLength=2000)
    assert isinstance(raised.value, IncompleteReadError)
    assert all(len(request.body) < 2000 for request in server.received)
