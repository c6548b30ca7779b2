"""Every call is counted once, under its API's name, and reaches the server as it was sent."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.bench.counting_proxy import CountingProxy, operation


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it got, in `answer`'s way."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = f"{self.command} {self.path} {self.headers['host']} ".encode() + self.rfile.read(length)
        self.send_response_only(503 if "slow" in self.path else 200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            return
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"of this"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = answer  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with CountingProxy(f"http://127.0.0.1:{server.server_address[1]}") as counting:
        yield counting
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection(proxy):
    made = http.client.HTTPConnection(urlsplit(proxy.endpoint_url).netloc, timeout=10)
    yield made
    made.close()


def ask(connection, method, path, body=None):
    connection.request(method, path, body, {"Host": "signed.example"})
    answer = connection.getresponse()
    return answer, answer.read()


def test_calls_over_one_connection_are_counted_one_by_one(proxy, connection):
    for path in ("/b?list-type=2", "/b?list-type=2&continuation-token=x", "/b/key"):
        ask(connection, "GET", path)
    assert proxy.calls == {"ListObjectsV2": 2, "GetObject": 1}
    assert not proxy.failed


def test_method_path_host_and_body_arrive_as_they_were_sent(connection):
    answer, body = ask(connection, "PUT", "/b/a%2Fb+c?partNumber=1&uploadId=u", b"x" * 300_000)
    assert body == b"PUT /b/a%2Fb+c?partNumber=1&uploadId=u signed.example " + b"x" * 300_000
    assert answer.getheader("ETag") == '"of this"'


def test_an_answer_in_chunks_arrives_whole_and_the_connection_lives_on(proxy, connection):
    assert ask(connection, "GET", "/b/chunked")[1] == b"GET /b/chunked signed.example "
    assert ask(connection, "GET", "/b/next")[1] == b"GET /b/next signed.example "
    assert proxy.calls["GetObject"] == 2


def test_a_head_has_its_length_and_no_body(connection):
    answer, body = ask(connection, "HEAD", "/b/key")
    assert (answer.getheader("Content-Length"), body) == (str(len("HEAD /b/key signed.example ")), b"")


def test_a_refused_call_is_counted_and_told(proxy, connection):
    assert ask(connection, "GET", "/b/slow")[0].status == 503
    assert (proxy.calls, proxy.failed) == ({"GetObject": 1}, {503: 1})


def test_calls_side_by_side_are_all_counted(proxy):
    def many():
        connection = http.client.HTTPConnection(urlsplit(proxy.endpoint_url).netloc, timeout=10)
        for _ in range(25):
            ask(connection, "GET", "/b/key")
        connection.close()

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proxy.calls == {"GetObject": 200}


@pytest.mark.parametrize(
    ("method", "target", "headers", "name"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b/?prefix=a&list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b?versions", {}, "ListObjectVersions"),
        ("HEAD", "/b/k", {}, "HeadObject"),
        ("GET", "/b/k?tagging", {}, "GetObjectTagging"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.Query"}, "Query"),
        ("PATCH", "/b/k", {}, "PATCH /b/k"),
    ],
)
def test_a_call_has_the_name_that_the_api_gives_it_and_an_unknown_one_is_not_guessed(method, target, headers, name):
    assert operation(method, target, headers) == name
