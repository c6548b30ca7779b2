"""The lean clients at a server that says absurd things, and asked to send what would break out of its line."""

import json
import resource
from binascii import crc32

import pytest
from botocore.exceptions import BotoCoreError

from consumer_replicator.aws_errors import translated
from consumer_replicator.carried import with_provenance
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import FAILURE_CODES, HydrationError
from consumer_replicator.manifest import Manifest
from consumer_replicator.parts import Part
from consumer_replicator.source import Source
from tests.consumer.fake_aws import CONSUMER, PRODUCER, REPLICA, SOURCE, TABLE
from tests.consumer.http_server import HttpServer, Talk, answer, verbatim
from tests.consumer.lean_rig import lean
from tests.hostile.damage import ABSURD_TIMES
from tests.hostile.outcomes import outcome_of
from tests.odd_keys import ODD_KEYS

WHOLE = {
    "ETag": '"e1"',
    "Last-Modified": "Thu, 05 Nov 2026 12:00:00 GMT",
    "Content-Length": "4",
    "x-amz-version-id": "v1",
}
BREAKERS = ("\n", "\r", "\r\n", "\x00", "\r\nX-Amz-Acl: public-read", "\n\n{}", "\r\n\r\nPUT /other HTTP/1.1")
VALUES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


@pytest.fixture(scope="module")
def server():
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def s3(server):
    with lean("s3", server.url) as client:
        yield client


@pytest.fixture(scope="module")
def dynamodb(server):
    with lean("dynamodb", server.url) as client:
        yield client


@pytest.fixture
def source(s3):
    return Source(s3, SOURCE, PRODUCER)


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("breaker", BREAKERS)
def test_a_header_s_value_never_begins_a_line_of_its_own(server, s3, name, breaker):
    server.received.clear()
    server.script(answer(headers={"ETag": '"e2"'}))
    with pytest.raises(HydrationError) as refused, translated("replica"):
        s3.put_object(Bucket=REPLICA, Key="k", Body=b"data", **{name: f"text{breaker}more"})
    assert refused.value.code == "refused", "the object is at fault, and fails for good"
    assert server.received == []


@pytest.mark.parametrize("breaker", BREAKERS)
@pytest.mark.parametrize("place", ["name", "value"])
def test_metadata_never_begins_a_line_of_its_own(server, s3, breaker, place):
    server.received.clear()
    server.script(answer(headers={"ETag": '"e2"'}))
    metadata = {f"a{breaker}": "b"} if place == "name" else {"a": f"b{breaker}"}
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket=REPLICA, Key="k", Body=b"data", Metadata=with_provenance(metadata, "v:1", 1))
    assert server.received == []


@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_key_stays_within_the_path_of_its_bucket(server, s3, name):
    """Nothing of it becomes a line, a query, a folder above or another bucket."""
    server.received.clear()
    server.script(answer(headers={"ETag": '"e2"'}))
    s3.put_object(Bucket=REPLICA, Key=ODD_KEYS[name], Body=b"data", ExpectedBucketOwner=CONSUMER)
    (sent,) = server.received
    assert sent.target.startswith(f"/{REPLICA}/")
    assert sent.target.isascii()
    assert not set("?# ") & set(sent.target)
    assert sent.headers["x-amz-expected-bucket-owner"] == CONSUMER
    assert sent.body == b"data"


@pytest.mark.parametrize("name", ["CopySource\r\nX", "x-amz-acl", "ACL\n"])
def test_a_parameter_that_is_none_never_becomes_a_header(server, s3, name):
    server.received.clear()
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket=REPLICA, Key="k", Body=b"data", **{name: "public-read"})
    assert server.received == []


# -- what is answered -------------------------------------------------------------------------------------------------

LENGTHS = ("-1", "1e3", "0x10", "4, 5", "4 4", "\u0664", "9" * 30, str(2**64), str(2**63), str(10**18), str(10**15))


def the_code_of(act):
    with pytest.raises(HydrationError) as failed:
        act()
    assert failed.value.code in FAILURE_CODES
    return failed.value.code


def body_of(source):
    with source.current("k") as found:
        return found and found.read(Deadline(60.0))


def grown_by(act):
    """KiB that the process grew at most meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    act()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def raw(headers, body=b"data", status=200):
    """An answer just as these headers say, at whose end the server hangs up."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return verbatim(f"HTTP/1.1 {status} Some\r\n{lines}\r\n".encode() + body, then=Talk.close)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("status", [200, 503])
def test_an_absurd_length_of_an_answer_of_the_manifest_costs_no_memory_and_comes_back(server, dynamodb, length, status):
    server.script(raw({"Content-Length": length}, b"{}", status))
    manifest = Manifest(dynamodb, TABLE, SOURCE, 16, 30)
    codes = []
    grown = grown_by(lambda: codes.append(the_code_of(lambda: manifest.read_many(["a"]))))
    assert codes[0] in ("truncated", "connection")
    assert grown < 64 * 1024


@pytest.mark.parametrize("length", LENGTHS)
def test_an_absurd_length_of_an_object_costs_no_memory_and_comes_back(server, source, length):
    server.script(raw({**WHOLE, "Content-Length": length}))
    part = Part(1, 0, 3)

    def read():
        with source.current("k") as found, source.part("k", found.identity, part) as body:
            body.read()

    codes = []
    assert grown_by(lambda: codes.append(the_code_of(read))) < 64 * 1024
    assert codes[0] in ("truncated", "connection")


RANGES = ("", "bytes */4", "bytes 0-3/9999999999999999999", "bytes 3-0/4", "bytes -1--1/-1", "0-3/4", "bytes 0-3/4, 5")


@pytest.mark.parametrize("content_range", RANGES)
def test_a_part_whose_range_is_another_is_never_taken_for_the_one_asked_for(server, source, content_range):
    """Asked for by its number it is given up for a plain range; that counts by its length."""
    server.script(answer(headers=WHOLE, body=b"data"))
    with source.current("k") as found:
        identity = found.identity
    odd = {**WHOLE, "Content-Range": content_range, "x-amz-checksum-crc32": "AAAAAA=="}
    server.script(answer(206, b"evil", odd), answer(206, b"data", WHOLE))
    with source.part("k", identity, Part(1, 0, 3), by_number=True) as body:
        assert body.read() == b"data"
        assert body.checksum is None


@pytest.mark.parametrize("size", [b"dat", b"data!", b""])
def test_a_range_of_another_length_is_broken(server, source, size):
    server.script(answer(headers=WHOLE, body=b"data"))
    with source.current("k") as found:
        identity = found.identity
    server.script(answer(206, size, {**WHOLE, "Content-Length": str(len(size))}))
    assert the_code_of(lambda: source.part("k", identity, Part(1, 0, 3)).__enter__()) == "truncated"


@pytest.mark.parametrize("name", ["x-amz-missing-meta", "x-amz-tagging-count", "x-amz-mp-parts-count", "Last-Modified"])
@pytest.mark.parametrize("value", ["", "x", "9" * 5_000, "1e9", *ABSURD_TIMES])
def test_an_absurd_number_or_time_of_an_object_is_read_or_comes_back(server, source, name, value):
    server.script(raw({**WHOLE, name: value}))
    outcome = outcome_of(lambda: body_of(source))
    assert outcome == b"data" or outcome.code == "truncated"


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"7", b"", b"{", b"\xff", b"[" * 100_000, b'{"Responses": []}', b'{"Responses": {"manifest": {}}}']
    + [b'{"Responses": {"manifest": [%s]}}' % each for each in (b"null", b"{}", b'{"sk": 1}', b'{"sk": {"S": 1}}')],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_an_answer_of_the_manifest_of_another_form_never_looks_like_no_row(server, dynamodb, body):
    server.script(answer(body=body))
    manifest = Manifest(dynamodb, TABLE, SOURCE, 16, 30)
    outcome = outcome_of(lambda: manifest.read_many(["a"]))
    assert outcome == {} or outcome.code == "truncated", "a row that cannot be read is left out"


@pytest.mark.parametrize("told", ["", "x", "-1", "9" * 5_000, " 0x0", "\u0660"])
def test_an_absurd_checksum_of_an_answer_is_a_wrong_one(server, dynamodb, told):
    body = json.dumps({"Responses": {TABLE: []}}).encode()
    assert told != str(crc32(body))
    server.script(raw({"Content-Length": len(body), "x-amz-crc32": told}, body))
    assert the_code_of(lambda: Manifest(dynamodb, TABLE, SOURCE, 16, 30).read_many(["a"])) == "truncated"


ERRORS = {
    "a bomb": b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><Error><Code>&b;</Code></Error>',
    "no XML": b"{}",
    "another root": b"<html><script>alert(1)</script></html>",
    "no code": b"<Error/>",
    "a code within a code": b"<Error><Code><Code>NoSuchKey</Code></Code></Error>",
    "two codes": b"<Error><Code>NoSuchKey</Code><Code>AccessDenied</Code></Error>",
    "a code with a line end": b"<Error><Code>No&#10;SuchKey</Code><Message>a&#10;b\x1b[31m</Message></Error>",
    "deep": b"<Error>" + b"<a>" * 50_000,
    "not UTF-8": b"<Error><Code>\xff</Code></Error>",
    "nothing": b"",
}


@pytest.mark.parametrize("status", [400, 403, 404, 412, 500, 503])
@pytest.mark.parametrize("name", ERRORS)
def test_a_refusal_of_any_form_is_a_failure_in_one_line_and_an_absence_only_by_its_status(server, source, name, status):
    server.script(answer(status, ERRORS[name], {"Content-Type": "application/xml"}))
    outcome = outcome_of(lambda: body_of(source))
    assert isinstance(outcome, HydrationError) or (outcome is None and (status == 404 or name == "two codes"))


@pytest.mark.parametrize(
    "text", ["a\nb", "\x1b[2Jgone", "\x1b]0;owned\x07", "\u202egnp.exe", "\u2028{}", "\x9b31m", "\x00"]
)
def test_what_a_service_says_of_a_request_is_told_in_one_line_that_a_terminal_only_shows(server, dynamodb, text):
    """DynamoDB's words may quote a key; an error that ends an invocation is written by the runtime as it is."""
    said = {"__type": "com.amazon.coral.validate#ValidationException", "message": f"The key {text} is not valid"}
    server.script(answer(400, json.dumps(said).encode(), {"Content-Type": "application/x-amz-json-1.0"}))
    error = outcome_of(lambda: Manifest(dynamodb, TABLE, SOURCE, 16, 30).read_many(["a"]))
    assert "is not valid" in str(error)
