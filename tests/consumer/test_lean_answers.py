"""What the lean clients make of an answer is what botocore makes of it, refusals included."""

import json
from binascii import crc32

import pytest
from botocore.exceptions import ChecksumError, ClientError, ResponseStreamingError

from tests.consumer.http_server import HttpServer, answer, verbatim
from tests.consumer.lean_rig import botocores, lean

IDS = {"x-amz-request-id": "0A49CE4060975EAC", "x-amz-id-2": "p0hGJ4=="}
RICH = {
    **IDS,
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=60",
    "Content-Disposition": "attachment; filename=\u00e6\u0097\u00a5.txt",  # UTF-8 read as Latin-1, as both do
    "Content-Encoding": "gzip",
    "Content-Language": "de",
    "Content-Range": "bytes 0-3/9",
    "Content-Type": "text/plain",
    "ETag": '"e1"',
    "Last-Modified": "Thu, 05 Nov 2026 12:00:00 GMT",
    "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
    "x-amz-checksum-type": "FULL_OBJECT",
    "x-amz-delete-marker": "false",
    "x-amz-expiration": 'expiry-date="Fri, 23 Dec 2026 00:00:00 GMT", rule-id="r"',
    "x-amz-meta-hydration-source": "v:1",
    "x-amz-meta-empty": "",
    "x-amz-missing-meta": "2",
    "x-amz-mp-parts-count": "3",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2027-01-01T00:00:00.000Z",
    "x-amz-replication-status": "COMPLETED",
    "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 23 Dec 2026 00:00:00 GMT"',
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:1:key/k",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-tagging-count": "4",
    "x-amz-version-id": "3/L4kqtJ+",
    "x-amz-website-redirect-location": "/elsewhere",
    "x-unknown": "to both",
}
CALLS = {
    "get_object": {"Bucket": "b", "Key": "k"},
    "put_object": {"Bucket": "b", "Key": "k", "Body": b"data"},
    "upload_part": {"Bucket": "b", "Key": "k", "Body": b"data", "UploadId": "u", "PartNumber": 1},
}


@pytest.fixture(scope="module")
def server():
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def pair(server):
    with lean("s3", server.url) as ours:
        yield botocores("s3", server.url), ours


def told(client, operation, call):
    """An answer with its body read; or an error, as everything that can be told of it.

    botocore notes that there will be no other attempt, where there is but one, whatever came of it.
    """
    try:
        made = getattr(client, operation)(**call)
    except ClientError as error:
        error.response["ResponseMetadata"].pop("MaxAttemptsReached", None)
        return type(error).__name__, str(error), error.operation_name, error.response
    made["ResponseMetadata"].pop("MaxAttemptsReached", None)
    if "Body" in made:
        stream = made["Body"]
        made["Body"] = stream.read()
        stream.close()
    return made


def assert_alike(pair, operation, call=None):
    theirs, ours = (told(client, operation, call or CALLS[operation]) for client in pair)
    assert ours == theirs
    return ours


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("headers", [RICH, {"ETag": '"e"'}, {}], ids=["rich", "plain", "none"])
def test_an_answer(server, pair, operation, headers):
    server.script(answer(body=b"data" if operation == "get_object" else b"", headers=headers))
    assert_alike(pair, operation)


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_with_every_header_that_the_model_knows(server, pair, operation):
    samples = {"string": "text", "boolean": "true", "integer": "7", "long": "8", "timestamp": RICH["Last-Modified"]}
    name = "".join(word.capitalize() for word in operation.split("_"))
    members = pair[0].meta.service_model.operation_model(name).output_shape.members
    headers = {
        member.serialization["name"]: samples[member.type_name]
        for member in members.values()
        if member.serialization.get("location") == "header" and member.serialization["name"] != "Content-Length"
    }
    server.script(answer(headers=headers))
    assert len(assert_alike(pair, operation)) > len(headers)


@pytest.mark.parametrize("expires", ["Thu, 01 Dec 2044 16:00:00 GMT", "0", "-1", "never", "2044-12-01T16:00:00Z"])
def test_expires_is_told_as_text_and_as_a_date_where_it_is_one(server, pair, expires):
    server.script(answer(headers={"Expires": expires}))
    theirs, ours = (told(client, "get_object", CALLS["get_object"]) for client in pair)
    theirs["ResponseMetadata"]["HTTPHeaders"]["expires"] = expires  # botocore takes it out where it is no date
    assert ours == theirs


def test_an_empty_expires_is_none(server, pair):
    """botocore fails on it."""
    server.script(answer(headers={"Expires": ""}))
    assert not {"Expires", "ExpiresString"} & pair[1].get_object(**CALLS["get_object"]).keys()


@pytest.mark.parametrize(
    "moment",
    ["Thu, 05 Nov 2026 12:00:00 GMT", "2026-11-05T12:00:00.000Z", "Thursday, 05-Nov-26 12:00:00 GMT", "1794052800"],
)
def test_a_date_in_any_form(server, pair, moment):
    server.script(answer(headers={"Last-Modified": moment}))
    assert_alike(pair, "get_object")


def test_headers_of_one_name_are_joined(server, pair):
    lines = b"HTTP/1.1 200 OK\r\nx-amz-meta-a: 1\r\nX-Amz-Meta-A: 2\r\nContent-Length: 0\r\n\r\n"

    server.script(verbatim(lines))
    assert pair[1].get_object(**CALLS["get_object"])["Metadata"] == {"a": "1, 2"}


# -- refusals ----------------------------------------------------------------------------------------------------------

XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>told \u00fc</Message><Key>k</Key><HostId>h</HostId></Error>"
REFUSALS = {
    "no such key": (404, XML.format("NoSuchKey")),
    "precondition": (412, XML.format("PreconditionFailed")),
    "conflict": (409, XML.format("ConditionalRequestConflict")),
    "denied": (403, XML.format("AccessDenied")),
    "archived": (403, XML.format("InvalidObjectState")),
    "slow down": (503, XML.format("SlowDown")),
    "not modified, without a body": (304, ""),
    "precondition, without a body": (412, ""),
    "internal, without a body": (500, ""),
    "internal, a web page": (502, "<html><body>Bad Gateway</body></html>"),
    "internal, garbage": (500, "<Error><Code>Inter"),
    "garbage": (400, "\x00 not XML"),
    "another document": (400, "<Something/>"),
    "many": (429, XML.format("TooManyRequests")),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(("status", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal(server, pair, operation, status, text):
    body = text.encode()
    server.script(answer(status, body, {**IDS, "Content-Type": "application/xml"}))
    name, *_ = assert_alike(pair, operation)
    assert isinstance(name, str)


def test_a_refusal_in_chunks_as_s3_sends_it(server, pair):
    body = XML.format("NoSuchKey").encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])) + b"0\r\n\r\n"

    server.script(verbatim(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces))
    assert_alike(pair, "get_object")


# -- DynamoDB ----------------------------------------------------------------------------------------------------------

GET_ITEM = {"TableName": "t", "Key": {"pk": {"S": "a"}}}
DYNAMO = {
    "get_item": GET_ITEM,
    "put_item": {"TableName": "t", "Item": GET_ITEM["Key"]},
    "batch_get_item": {"RequestItems": {"t": {"Keys": [GET_ITEM["Key"]]}}},
}
ITEM = {
    "pk": {"S": "a\u00e9"},
    "n": {"N": "1"},
    "l": {"L": [{"S": "x"}, {"BOOL": False}, {"NULL": True}]},
    "m": {"M": {}},
}
ANSWERS = {
    "get_item": [{"Item": ITEM}, {}, {"Item": ITEM, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}}],
    "put_item": [{}, {"Attributes": ITEM}],
    "batch_get_item": [
        {"Responses": {"t": [ITEM, ITEM]}, "UnprocessedKeys": {}},
        {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": True}}},
    ],
}


def json_answer(body, status=200, **headers):
    fields = {"x-amzn-RequestId": "R1", "x-amz-crc32": str(crc32(body)), "Content-Type": "application/x-amz-json-1.0"}
    return answer(status, body, {**fields, **headers})


@pytest.fixture(scope="module")
def tables():
    with HttpServer() as server, lean("dynamodb", server.url) as ours:
        yield server, (botocores("dynamodb", server.url), ours)


@pytest.mark.parametrize(("operation", "body"), [(name, body) for name, bodies in ANSWERS.items() for body in bodies])
def test_an_answer_of_dynamodb(tables, operation, body):
    server, pair = tables
    server.script(json_answer(json.dumps(body).encode()))
    assert_alike(pair, operation, DYNAMO[operation])


DYNAMO_REFUSALS = {
    "condition": (
        400,
        b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "m"}',
    ),
    "throttled": (400, b'{"__type": "x#ProvisionedThroughputExceededException", "Message": "m"}'),
    "denied": (400, b'{"__type": "com.amazon.coral.service#AccessDeniedException"}'),
    "internal": (500, b'{"__type": "InternalServerError", "message": null}'),
    "a web page": (503, b"<html>"),
    "nothing": (500, b""),
}


@pytest.mark.parametrize(("status", "body"), DYNAMO_REFUSALS.values(), ids=DYNAMO_REFUSALS)
def test_a_refusal_of_dynamodb(tables, status, body):
    server, pair = tables
    server.script(json_answer(body, status))
    name, *_ = assert_alike(pair, "put_item", DYNAMO["put_item"])
    assert isinstance(name, str)


def test_an_answer_that_does_not_have_the_crc32_that_it_tells_is_not_believed(tables):
    """botocore asks again, and believes the last one; ours does not."""
    server, (_, ours) = tables
    server.script(json_answer(b"{}", **{"x-amz-crc32": "1"}))
    with pytest.raises(ChecksumError):
        ours.get_item(**GET_ITEM)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"Item": {'])
def test_an_answer_that_is_no_json_is_not_an_answer_without_a_row(tables, body):
    server, (_, ours) = tables
    server.script(json_answer(body))
    with pytest.raises(ResponseStreamingError):
        ours.get_item(**GET_ITEM)


def test_an_answer_that_is_damaged_once_is_asked_for_again():
    script = (json_answer(b"{}", **{"x-amz-crc32": "1"}), json_answer(b'{"Item": {}}'))
    retries = {"mode": "standard", "total_max_attempts": 2}
    with HttpServer(*script) as server, lean("dynamodb", server.url, retries=retries) as ours:
        assert ours.get_item(**GET_ITEM)["Item"] == {}
        assert len(server.received) == 2
