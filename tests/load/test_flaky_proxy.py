"""The soak's proxy does what each fault is called, and passes everything else on as it is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPConnection, IncompleteRead, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.load.flaky_proxy import Fault, FlakyProxy

BODY = bytes(range(256)) * 4
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/{}/aws4_request, Signature=0"}


class Upstream(ThreadingHTTPServer):
    """Answers every GET with `BODY`, and keeps what was put."""

    daemon_threads = True

    def __init__(self) -> None:
        self.put: list[bytes] = []
        self.calls = 0
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        self._answer(BODY)

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_PUT(self) -> None:
        self.server.put.append(self.rfile.read(int(self.headers["content-length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.server.calls += 1
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def proxied(upstream: Upstream, fault: Fault | None) -> Iterator[HTTPConnection]:
    """A connection through a proxy whose every call meets the fault."""
    with FlakyProxy(f"http://127.0.0.1:{upstream.server_address[1]}", 0.0, 1) as proxy:
        proxy.next_fault = lambda *_: fault  # type: ignore[method-assign]
        connection = HTTPConnection(urlsplit(proxy.endpoint_url).netloc, timeout=10)
        yield connection
        connection.close()


def signed(service: str) -> dict[str, str]:
    return {name: value.format(service) for name, value in SIGNED.items()}


def get(connection: HTTPConnection, service: str = "s3") -> tuple[int, bytes]:
    connection.request("GET", "/bucket/key", headers=signed(service))
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_without_a_fault_calls_pass_as_they_are_over_one_connection(upstream: Upstream):
    with proxied(upstream, None) as connection:
        assert get(connection) == (200, BODY)
        connection.request("PUT", "/bucket/key", BODY)
        assert connection.getresponse().read() == b""
        assert get(connection) == (200, BODY)
    assert upstream.put == [BODY]


@pytest.mark.parametrize(
    ("fault", "service", "status", "code"),
    [
        (Fault.THROTTLED, "s3", 503, b"<Error><Code>SlowDown</Code>"),
        (Fault.THROTTLED, "dynamodb", 400, b"#ProvisionedThroughputExceededException"),
        (Fault.INTERNAL, "s3", 500, b"<Code>InternalError</Code>"),
        (Fault.EXPIRED, "s3", 400, b"<Code>ExpiredToken</Code>"),
        (Fault.EXPIRED, "dynamodb", 400, b"#ExpiredTokenException"),
    ],
)
def test_a_refused_call_takes_no_effect(upstream: Upstream, fault: Fault, service: str, status: int, code: bytes):
    with proxied(upstream, fault) as connection:
        found, body = get(connection, service)
    assert (found, upstream.calls) == (status, 0)
    assert code in body


def test_a_closed_connection_takes_no_effect(upstream: Upstream):
    with proxied(upstream, Fault.REFUSED) as connection, pytest.raises((RemoteDisconnected, BadStatusLine)):
        get(connection)
    assert upstream.calls == 0


def test_a_lost_answer_comes_after_the_effect(upstream: Upstream):
    with proxied(upstream, Fault.LOST) as connection, pytest.raises((RemoteDisconnected, BadStatusLine)):
        get(connection)
    assert upstream.calls == 1


def test_an_error_after_the_effect_hides_it(upstream: Upstream):
    with proxied(upstream, Fault.ERROR_AFTER) as connection:
        assert get(connection)[0] == 500
    assert upstream.calls == 1


def test_a_cut_answer_ends_in_its_middle(upstream: Upstream):
    with proxied(upstream, Fault.CUT) as connection, pytest.raises(IncompleteRead):
        get(connection)


def test_one_bit_of_a_body_is_flipped(upstream: Upstream):
    with proxied(upstream, Fault.FLIPPED_ANSWER) as connection:
        _, read = get(connection)
    with proxied(upstream, Fault.FLIPPED_REQUEST) as connection:
        connection.request("PUT", "/bucket/key", BODY)
        connection.getresponse().read()
    for damaged in (read, upstream.put[0]):
        different = [(one, other) for one, other in zip(damaged, BODY, strict=True) if one != other]
        assert [one ^ other for one, other in different] == [1]


def test_a_head_has_no_body_whatever_the_fault(upstream: Upstream):
    for fault in (Fault.INTERNAL, Fault.CUT):
        with proxied(upstream, fault) as connection:
            connection.request("HEAD", "/bucket/key", headers=signed("s3"))
            assert connection.getresponse().read() == b""


def test_the_same_seed_brings_the_same_faults_and_bits_are_flipped_in_objects_only():
    def faults(path: str, service: str) -> list[Fault | None]:
        proxy = FlakyProxy("http://127.0.0.1:9", 0.5, 7)
        proxy._server.server_close()
        return [proxy.next_fault("PUT", path, service) for _ in range(200)]

    assert faults("/bucket/key", "s3") == faults("/bucket/key", "s3")
    assert Fault.FLIPPED_REQUEST in faults("/bucket/key", "s3")
    assert Fault.FLIPPED_ANSWER not in faults("/bucket/key", "s3")
    for path, service in (("/bucket/key?tagging", "s3"), ("/bucket/_s3-hydration/x", "s3"), ("/", "dynamodb")):
        assert Fault.FLIPPED_REQUEST not in faults(path, service)


def test_every_call_is_counted(upstream: Upstream):
    with FlakyProxy(f"http://127.0.0.1:{upstream.server_address[1]}", 0.0, 1) as proxy:
        connection = HTTPConnection(urlsplit(proxy.endpoint_url).netloc, timeout=10)
        get(connection)
        get(connection)
        connection.close()
    assert (proxy.calls, proxy.faults.total()) == (2, 0)
