"""The lean clients' HTTP: connections used again, given up, replaced; bodies of every kind; what breaks, and how."""

import select
import socket
import threading

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)

from consumer_replicator.lean import connection
from consumer_replicator.lean.request_body import BLOCK
from tests.consumer.http_server import HttpServer, Talk, answer, verbatim
from tests.consumer.lean_rig import certificate, lean

GET = {"Bucket": "b", "Key": "k"}
OK = b"HTTP/1.1 200 OK\r\n"
REFUSAL = b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
BIG = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def server():
    with HttpServer() as server:
        yield server


@pytest.fixture
def s3(server):
    """One attempt at each call: whatever is made good, is made good without a retry."""
    with lean("s3", server.url) as client:
        yield client


@pytest.fixture
def impatient(server):
    with lean("s3", server.url, read_timeout=0.2) as client:
        yield client


def content(client, **parameters):
    body = client.get_object(**GET, **parameters)["Body"]
    try:
        return body.read()
    finally:
        body.close()


# -- connections -------------------------------------------------------------------------------------------------------


def test_one_connection_serves_many_calls(server, s3):
    server.script(answer(body=b"data"))
    for _ in range(5):
        assert content(s3) == b"data"
        s3.put_object(**GET, Body=b"data")
    assert server.connections == 1


def test_a_server_that_says_close_is_taken_at_its_word(server, s3):
    server.script(answer(body=b"data", close=True))
    assert [content(s3), content(s3)] == [b"data", b"data"]
    assert server.connections == 2


def test_an_idle_connection_that_the_server_closed_is_no_failure(server, s3):
    closed = threading.Event()

    def close(talk):
        talk.close()
        closed.set()

    server.script(verbatim(OK + b"Content-Length: 4\r\n\r\ndata", then=close), answer(body=b"more"))
    assert content(s3) == b"data"
    assert closed.wait(5)
    assert content(s3) == b"more"


def read_and_end(end):
    def act(talk):
        talk.request()
        end(talk)

    return act


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_a_server_says_beyond_an_answer_is_never_the_answer_to_the_next_request(folder, tls):
    """Under TLS it may have been received with the answer's end, where the socket has nothing more to read."""

    def act(talk: Talk) -> None:
        talk.request()
        talk.sock.sendall(OK + b"Content-Length: 4\r\n\r\nda")
        talk.sock.sendall(b"ta" + OK + b"Content-Length: 5\r\n\r\nother")

    trusted = certificate(folder) if tls else None
    verify = {"verify": str(trusted)} if tls else {}
    with HttpServer(act, answer(body=b"data"), certificate=trusted) as server, lean("s3", server.url, **verify) as s3:
        assert content(s3) == b"data"
        assert content(s3) == b"data"
        assert server.connections == 2


@pytest.mark.parametrize("size", [0, 16 * BLOCK])
@pytest.mark.parametrize("end", [Talk.close, Talk.reset])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_kept_connection_that_ends_while_it_is_used_again_is_replaced(folder, end, size, tls):
    trusted = certificate(folder) if tls else None
    for act in (read_and_end(end), end):  # after the request, and without reading it
        with (
            HttpServer(answer(), act, answer(), certificate=trusted) as server,
            lean("s3", server.url, verify=trusted and str(trusted)) as s3,
        ):
            for _ in range(2):
                s3.put_object(**GET, Body=bytes(size))
            assert server.connections == 2
            assert len(server.received[-1].body) == size


@pytest.mark.parametrize("end", [Talk.close, Talk.reset])
def test_a_new_connection_that_ends_without_an_answer_is_a_failure(server, s3, end):
    server.script(lambda talk: (talk.request(), end(talk)))
    with pytest.raises(ConnectionClosedError):
        s3.get_object(**GET)


def test_a_body_that_is_not_read_to_its_end_takes_its_connection_along(server, s3):
    server.script(answer(body=BIG), answer(body=b"data"))
    body = s3.get_object(**GET)["Body"]
    assert body.read(10) == BIG[:10]
    body.close()
    assert content(s3) == b"data"
    assert server.connections == 2


def test_bytes_after_an_answer_end_its_connection(server, s3):
    server.script(verbatim(OK + b"Content-Length: 4\r\n\r\ndataHTTP/1.1 200 OK\r\n"), answer(body=b"more"))
    assert [content(s3), content(s3)] == [b"data", b"more"]
    assert server.connections == 2


def test_threads_have_a_connection_each_and_their_own_answers(server):
    def echo(talk):
        name = talk.request().target.rpartition("/")[2].encode()
        talk.sock.sendall(OK + b"Content-Length: %d\r\n\r\n%s" % (len(name), name))

    server.script(echo)
    seen = []
    with lean("s3", server.url, max_pool_connections=8) as s3:

        def work(name):
            for number in range(25):
                key = f"{name}-{number}"
                seen.append(s3.get_object(Bucket="b", Key=key)["Body"].read() == key.encode())

        threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [True] * 400
        assert server.connections <= 400
        (idle,) = s3._service.pool._idle.values()
        assert len(idle) <= 8


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, connection.HEAD_LIMIT, len(BIG)])
def test_a_body_read_at_once(server, s3, size):
    server.script(answer(body=BIG[:size]))
    assert content(s3) == BIG[:size]


def test_a_body_read_in_pieces(server, s3):
    server.script(answer(body=BIG))
    body = s3.get_object(**GET)["Body"]
    read, view = bytearray(), memoryview(bytearray(70_000))
    read += body.read(0) + body.read(5)
    read += view[: body.readinto(view)]
    read += body.read(100_000)
    assert len(read) == 170_005
    read += body.read()
    assert bytes(read) == BIG
    assert (body.read(), body.read(7), body.readinto(view)) == (b"", b"", 0)
    body.close()
    assert content(s3) == BIG
    assert server.connections == 1


CHUNKS = b"4;extension=1\r\ndata\r\nA\r\n0123456789\r\n0\r\nTrailer: ignored\r\n\r\n"
KINDS = {
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS, b"data0123456789", 1),
    "until the connection ends": (OK + b"\r\ndata", b"data", 2),
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 4\r\n\r\ndata",
        b"data",
        1,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ndata", b"data", 2),
}


@pytest.mark.parametrize(("data", "expected", "connections"), KINDS.values(), ids=KINDS)
def test_bodies_of_every_kind(server, s3, data, expected, connections):
    ends = b"Content-Length" not in data and b"chunked" not in data and b"204" not in data
    server.script(verbatim(data, then=Talk.close if ends else lambda _: None))
    assert [content(s3), content(s3)] == [expected, expected]
    assert server.connections == connections


def test_an_answer_that_comes_byte_by_byte(server, s3):
    def trickle(talk):
        talk.request()
        for byte in OK + b"Content-Length: 4\r\n\r\ndata":
            talk.sock.sendall(bytes([byte]))

    server.script(trickle)
    assert content(s3) == b"data"


def test_not_modified_has_no_body_whatever_it_says(server, s3):
    server.script(verbatim(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"))
    for _ in range(2):
        with pytest.raises(ClientError, match="304"):
            s3.get_object(**GET)
    assert server.connections == 1


# -- what breaks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [lambda body: body.read(), lambda body: body.readinto(memoryview(bytearray(2048)))])
def test_a_body_that_ends_too_early_is_an_error_and_never_a_shorter_body(server, s3, read):
    server.script(verbatim(OK + b"Content-Length: 2000\r\n\r\n" + b"x" * 1000, then=Talk.close))
    body = s3.get_object(**GET)["Body"]
    with pytest.raises(IncompleteReadError, match="1000 read, but total bytes expected is 2000"):
        read(body)


def test_a_body_that_is_reset(server, s3):
    server.script(verbatim(OK + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1000, then=Talk.reset))
    body = s3.get_object(**GET)["Body"]
    with pytest.raises(ResponseStreamingError):
        body.read()


def test_a_body_that_stops(server, impatient):
    server.script(verbatim(OK + b"Content-Length: 2000\r\n\r\nx"))
    body = impatient.get_object(**GET)["Body"]
    with pytest.raises(ReadTimeoutError):
        body.read()
    body.close()


BROKEN = {
    "a chunked body": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nda",
    "a chunk's size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nda",
    "an answer to a write": OK + b"Content-Length: 9\r\n\r\n",
    "a refusal": b"HTTP/1.1 503 Slow\r\nContent-Length: 900\r\n\r\n<Error>",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_answer_without_its_end(server, s3, data):
    server.script(verbatim(data, then=Talk.close))
    with pytest.raises(ResponseStreamingError):
        s3.put_object(**GET, Body=b"data")


HEADS = {
    "garbage": b"\x16\x03\x01 what\r\n\r\n",
    "not HTTP": b"ICY 200 OK\r\n\r\n",
    "half a head": OK + b"Content-Le",
    "two lengths": OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ndata",
    "a length that is none": OK + b"Content-Length: -1\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a header without a colon": OK + b"Header\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a head without an end": OK + b"x-long: " + b"x" * connection.HEAD_LIMIT,
}


@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS)
def test_a_head_that_is_none(server, s3, data):
    server.script(verbatim(data, then=Talk.close))
    with pytest.raises(ConnectionClosedError):
        s3.get_object(**GET)


def test_a_body_without_a_length_is_not_held_for_ever(server, s3, monkeypatch):
    monkeypatch.setattr(connection, "UNMEASURED_LIMIT", 100_000)
    server.script(verbatim(OK + b"\r\n" + b"x" * 100_001, then=Talk.close))
    with pytest.raises(ResponseStreamingError, match="100000 bytes"):
        s3.get_object(**GET)


def test_a_server_that_does_not_answer(server, impatient):
    server.script(Talk.request)
    with pytest.raises(ReadTimeoutError):
        impatient.get_object(**GET)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with lean("s3", f"http://127.0.0.1:{port}") as s3, pytest.raises(EndpointConnectionError):
        s3.get_object(**GET)


def test_a_host_without_an_address(monkeypatch):
    def fail(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with lean("s3", "http://nowhere.example") as s3, pytest.raises(EndpointConnectionError):
        s3.get_object(**GET)


def test_a_host_that_does_not_take_the_connection():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        with (
            lean("s3", f"http://127.0.0.1:{address[1]}", connect_timeout=0.2) as s3,
            pytest.raises(ConnectTimeoutError),
        ):
            s3.get_object(**GET)
        for sock in waiting:
            sock.close()


# -- a server that answers before it has read everything ---------------------------------------------------------------


def refuse_unread(end):
    def act(talk):
        talk.sock.sendall(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: %d\r\n\r\n%s" % (len(REFUSAL), REFUSAL))
        end(talk)

    return act


def wait_unread(talk):
    """Until the other side has closed, without reading what it has sent."""
    poll = select.poll()
    poll.register(talk.sock, select.POLLRDHUP)
    poll.poll(10_000)


@pytest.mark.parametrize("end", [wait_unread, Talk.close], ids=["waits", "closes"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_refusal_before_the_body_was_read_is_seen_as_what_it_is(folder, end, tls):
    trusted = certificate(folder) if tls else None
    with (
        HttpServer(refuse_unread(end), certificate=trusted) as server,
        lean("s3", server.url, verify=trusted and str(trusted)) as s3,
        pytest.raises(ClientError, match="PreconditionFailed"),
    ):
        s3.put_object(**GET, Body=bytes(64 * BLOCK), IfNoneMatch="*")


def test_a_connection_that_was_not_read_to_its_end_is_not_used_again(server, s3):
    def refuse_and_wait(talk):
        refuse_unread(lambda _: None)(talk)
        talk.read(64 * BLOCK)

    server.script(refuse_and_wait, answer(body=b"data"))
    with pytest.raises(ClientError):
        s3.put_object(**GET, Body=bytes(64 * BLOCK))
    assert content(s3) == b"data"
    assert server.connections == 2


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_a_trusted_server(folder):
    trusted = certificate(folder)
    with HttpServer(answer(body=BIG), certificate=trusted) as server, lean("s3", server.url, verify=str(trusted)) as s3:
        assert [content(s3), content(s3)] == [BIG, BIG]
        assert server.connections == 1
        assert server.received[0].headers["x-amz-content-sha256"].startswith("e3b0c442")  # of nothing
        s3.put_object(**GET, Body=BIG)
        assert server.received[-1].body == BIG
        assert server.received[-1].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


def test_the_authorities_of_the_environment_are_trusted(folder, monkeypatch):
    trusted = certificate(folder)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(trusted))
    with HttpServer(answer(body=b"data"), certificate=trusted) as server, lean("s3", server.url) as s3:
        assert content(s3) == b"data"


def test_an_unknown_authority_is_not_trusted(folder):
    with HttpServer(certificate=certificate(folder)) as server, lean("s3", server.url) as s3:
        with pytest.raises(SSLError):
            s3.put_object(**GET, Body=b"secret")
        assert not server.received


def test_a_certificate_of_another_host_is_not_trusted(folder):
    trusted = certificate(folder, host="127.0.0.2")
    with HttpServer(certificate=trusted) as server, lean("s3", server.url, verify=str(trusted)) as s3:
        with pytest.raises(SSLError, match="mismatch"):
            s3.put_object(**GET, Body=b"secret")
        assert not server.received


def test_a_server_that_does_not_speak_tls():
    def greet(listener):
        sock, _ = listener.accept()
        sock.sendall(b"220 ready\r\n")
        sock.recv(1)
        sock.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, args=(listener,), daemon=True).start()
        with lean("s3", f"https://127.0.0.1:{listener.getsockname()[1]}") as s3, pytest.raises(SSLError):
            s3.get_object(**GET)
