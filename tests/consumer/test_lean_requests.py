"""What the lean clients send is what botocore would have sent: every request goes both ways to a recording server."""

import io
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import BotoCoreError, ParamValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer_replicator import replica
from consumer_replicator.carried import Carried
from consumer_replicator.lean import dynamodb, s3_request
from tests.consumer.fake_aws import KEY_ARN
from tests.consumer.http_server import HttpServer, answer
from tests.consumer.lean_rig import botocores, lean
from tests.odd_keys import ODD_KEYS

DIFFER = {
    "authorization": "over other headers, below",
    "x-amz-date": "the moment",
    "user-agent": "botocore's has what else it has used so far",
    "amz-sdk-invocation-id": "for AWS's statistics of retries",
    "amz-sdk-request": "the same",
    "expect": "botocore waits a round trip for every PUT; ours for streams only, which cannot be sent again",
}
"""Headers that are left out of the comparison, and why."""
ONLY_OURS = {"dynamodb": {"x-amz-content-sha256"}}
"""botocore signs this value and sends it to S3 only."""

WHERE = {"Bucket": "bucket", "ExpectedBucketOwner": "111111111111"}
GETS = {
    "the current object": {"ChecksumMode": "ENABLED"},
    "a version": {"VersionId": "3/L4kqtJ+Ybx=", "ChecksumMode": "ENABLED"},
    "a range pinned by ETag": {"Range": "bytes=8388608-16777215", "IfMatch": '"e1"'},
    "a range pinned by version": {"Range": "bytes=0-0", "VersionId": "null"},
    "a part": {"PartNumber": 1, "ChecksumMode": "ENABLED"},
    "unless it is this one": {"IfNoneMatch": '"e1"'},
}
ENCRYPTION = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY_ARN, "BucketKeyEnabled": True}
PUTS = {
    "nothing said": {},
    "a new replica": {
        **ENCRYPTION,
        "IfNoneMatch": "*",
        "StorageClass": "STANDARD",
        "ChecksumCRC64NVME": "AAAAAAAAAAA=",
    },
    "in place of another": {**ENCRYPTION, "IfMatch": '"e1"', "ChecksumCRC32": "AAAAAA==", "BucketKeyEnabled": False},
    "all that is carried": {
        "CacheControl": "max-age=60,  private",
        "ContentDisposition": 'attachment; filename="\u65e5\u672c.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de, en",
        "ContentType": "text/plain; charset=utf-8",
        "WebsiteRedirectLocation": "/a b",
        "Metadata": {"a": "one", "hydration-source": "v:1", "empty": "", "spaces": "a  b"},
        "Tagging": "a%20b=c%26d&e=",
        "ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    },
}


def sent(server, call):
    server.received.clear()
    call()
    (request,) = server.received
    path, _, query = request.target.partition("?")
    headers = {name: value for name, value in request.headers.items() if name not in DIFFER}
    return request.method, path, sorted(query.split("&")), headers, request.body


@pytest.fixture(scope="module")
def server():
    with HttpServer(answer(headers={"ETag": '"e"'})) as server:
        yield server


@pytest.fixture(scope="module")
def pair(server):
    """botocore's client, and ours."""
    with lean("s3", server.url) as ours:
        yield botocores("s3", server.url), ours


@pytest.fixture
def assert_same(server, pair):
    def compare(operation, body=dict, **parameters):
        theirs, ours = (sent(server, lambda c=c: getattr(c, operation)(**parameters, **body())) for c in pair)
        assert ours == theirs

    return compare


@pytest.mark.parametrize("shape", GETS.values(), ids=GETS)
def test_a_get(assert_same, shape):
    assert_same("get_object", **WHERE, Key="a/b", **shape)


@pytest.mark.parametrize("size", [0, 1, 100_000])
@pytest.mark.parametrize("shape", PUTS.values(), ids=PUTS)
def test_a_put(assert_same, shape, size):
    assert_same("put_object", **WHERE, Key="a/b", Body=b"x" * size, ContentLength=size, **shape)


def test_a_put_without_a_body(assert_same):
    assert_same("put_object", **WHERE, Key="k")


@pytest.mark.parametrize("checksum", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_part(assert_same, checksum):
    upload = {"UploadId": "VXBsb2FkIElE/+==.~", "PartNumber": 10_000, f"Checksum{checksum}": "AAAA"}
    assert_same("upload_part", **WHERE, Key="a/b", Body=b"x" * 70_000, **upload)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_every_kind(assert_same, kind):
    if kind is memoryview:  # botocore's validation refuses it, so it is compared with the same bytes
        with pytest.raises(ParamValidationError):
            botocores("s3", "http://127.0.0.1:1").put_object(Bucket="b", Key="k", Body=memoryview(b"data"))
    else:
        assert_same("put_object", lambda: {"Body": kind(b"data")}, **WHERE, Key="k")


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
def test_keys_that_break_software(assert_same, key):
    assert_same("get_object", **WHERE, Key=key)
    assert_same("put_object", **WHERE, Key=key, Body=b"data")


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), printable),
    st.lists(printable.filter(bool), min_size=2, max_size=2),
)
def test_any_key_metadata_and_values(assert_same, key, metadata, values):
    content, version = values
    assert_same("put_object", Bucket="bucket", Key=key, Metadata=metadata, ContentType=content, Tagging=version)
    assert_same("get_object", Bucket="bucket", Key=key, VersionId=version, IfMatch=content)


def test_a_stream_of_known_length_is_announced_and_sent_when_it_is_asked_for(server, pair):
    """botocore hashes what it sends over plain HTTP, which a stream that is read once does not allow."""
    theirs, ours = (
        sent(server, lambda c=c: c.put_object(**WHERE, Key="k", Body=io.BytesIO(b"x" * 600_000), ContentLength=600_000))
        for c in pair
    )
    assert ours[3].pop("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
    assert theirs[3].pop("x-amz-content-sha256") != "UNSIGNED-PAYLOAD"
    assert ours == theirs
    assert server.received[0].headers["expect"] == "100-continue"


# -- what goes botocore's way ------------------------------------------------------------------------------------------

REFUSED = {
    "an unknown parameter": {"Key": "k", "Colour": "red"},
    "another operation's parameter": {"Key": "k", "Range": "bytes=0-1"},
    "no key": {},
    "an empty key": {"Key": ""},
    "a key that is no text": {"Key": 7},
    "a value that is no text": {"Key": "k", "ContentType": 7.5},
    "metadata beyond ASCII": {"Key": "k", "Metadata": {"a": "\u00e9"}},
    "a body of another kind": {"Key": "k", "Body": 7},
    "a trailing checksum without a stream": {"Key": "k", "Body": b"data", "TrailingChecksum": object()},
    "a trailing checksum of another kind": {
        "Key": "k",
        "Body": io.BytesIO(b"data"),
        "ContentLength": 4,
        "TrailingChecksum": SimpleNamespace(algorithm="ADLER32"),
    },
    "a length that is not the body's": {"Key": "k", "Body": io.StringIO("data"), "ContentLength": "4"},
}


@pytest.mark.parametrize("parameters", REFUSED.values(), ids=REFUSED)
def test_what_botocore_refuses_is_refused_by_botocore(server, pair, parameters):
    server.received.clear()
    with pytest.raises(ParamValidationError):
        pair[1].put_object(Bucket="bucket", **parameters)
    assert not server.received


def test_no_such_bucket_name(pair):
    with pytest.raises(ParamValidationError, match="Invalid bucket name"):
        pair[1].get_object(Bucket="not/a/bucket", Key="k")


SENT_BY_BOTOCORE = {
    "a checksum to be computed": {"ChecksumAlgorithm": "CRC32", "Body": b"data"},
    "a customer's key": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32, "Body": b"data"},
    "a body of text": {"Body": "data"},
}


@pytest.mark.parametrize("parameters", SENT_BY_BOTOCORE.values(), ids=SENT_BY_BOTOCORE)
def test_what_the_tables_do_not_name_is_sent_by_botocore(server, pair, parameters):
    server.received.clear()
    pair[1].put_object(Bucket="bucket", Key="k", **parameters)
    assert "amz-sdk-invocation-id" in server.received[0].headers


def test_every_other_operation_and_attribute_is_the_wrapped_clients(server, pair):
    _, ours = pair
    server.received.clear()
    ours.head_object(**WHERE, Key="k")
    assert server.received[0].method == "HEAD"
    assert ours.meta.service_model.service_name == "s3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ContentType", "text/plain\r\nx-amz-acl: public-read"),
        ("CacheControl", "a\nb"),
        ("ContentLanguage", "a\rb"),
        ("ContentDisposition", "a\n b"),
        ("StorageClass", "a\0b"),
    ],
)
def test_a_line_end_in_a_value_is_refused(server, pair, name, value):
    server.received.clear()
    with pytest.raises(ParamValidationError):
        pair[1].put_object(Bucket="bucket", Key="k", **{name: value})
    with pytest.raises(ParamValidationError):
        pair[1].put_object(Bucket="bucket", Key="k", Metadata={"a": value})
    assert not server.received


@pytest.mark.parametrize("name", ["a: b", "a b", "a\r\nb", "a\n", ":"])
def test_metadata_whose_name_is_no_headers_name_is_refused(server, pair, name):
    server.received.clear()
    with pytest.raises(ParamValidationError):
        pair[1].put_object(Bucket="bucket", Key="k", Metadata={name: "value"})
    assert not server.received


# -- Expires, which takes its own way through botocore -----------------------------------------------------------------


@pytest.mark.parametrize("expires", ["0", "-1", "Thu, 01 Dec 2044 16:00:00 GMT", "never"])
def test_expires_is_sent_as_the_text_it_is(server, pair, expires):
    requests = []
    for client in pair:
        edge = replica.Replica(client, "bucket", "222222222222", KEY_ARN, "preserve")
        writing = replica.Writing("k", Carried(expires=expires), {}, None, "v:1", 1)
        requests.append(
            sent(server, lambda edge=edge, w=writing: edge._s3.put_object(Body=b"data", **edge._attributes(w)))
        )
    assert requests[0] == requests[1]
    assert requests[1][3]["expires"] == expires
    assert s3_request.EXPIRES == replica.EXPIRES


# -- the tables, against the service's model ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation", [s3_request.GET_OBJECT, s3_request.PUT_OBJECT, s3_request.UPLOAD_PART], ids=lambda o: o.name
)
def test_every_parameter_of_the_tables_is_the_models(pair, operation):
    model = pair[0].meta.service_model.operation_model(operation.name)
    assert model.http["method"] == operation.method
    members = model.input_shape.members
    for table, location in ((operation.headers, "header"), (operation.query, "querystring")):
        for name, on_the_wire in table.items():
            if name != s3_request.EXPIRES:
                assert members[name].serialization["location"] == location
                assert members[name].serialization["name"].lower() == (
                    on_the_wire if location == "header" else on_the_wire.lower()
                )
                assert members[name].type_name in ("string", "boolean", "integer")


# -- DynamoDB ----------------------------------------------------------------------------------------------------------

ADDRESS = {"pk": {"S": "bucket#1"}, "sk": {"S": "k\u00e9y"}}
ITEMS = {
    "get_item": {"TableName": "manifest", "Key": ADDRESS, "ConsistentRead": True},
    "put_item": {
        "TableName": "manifest",
        "Item": {**ADDRESS, "n": {"N": "7"}, "l": {"L": [{"S": "a"}, {"BOOL": True}, {"NULL": True}]}, "m": {"M": {}}},
        "ConditionExpression": "gen = :read",
        "ExpressionAttributeValues": {":read": {"N": "6"}},
    },
    "batch_get_item": {"RequestItems": {"manifest": {"Keys": [ADDRESS], "ConsistentRead": True}}},
}


@pytest.fixture(scope="module")
def tables():
    with HttpServer(answer(body=b'{"Responses": {}}')) as server, lean("dynamodb", server.url) as ours:
        yield server, botocores("dynamodb", server.url), ours


@pytest.mark.parametrize("operation", ITEMS)
def test_a_request_to_dynamodb(tables, operation):
    server, *pair = tables
    theirs, ours = (sent(server, lambda c=c: getattr(c, operation)(**ITEMS[operation])) for c in pair)
    assert json.loads(ours[-1]) == json.loads(theirs[-1])
    for name in ONLY_OURS["dynamodb"]:
        del ours[3][name]
    assert ours[:3] == theirs[:3]
    assert {**ours[3], "content-length": ""} == {**theirs[3], "content-length": ""}


@pytest.mark.parametrize("operation", ITEMS)
def test_what_botocore_refuses_of_a_row_is_refused_by_botocore(tables, operation):
    server, _, ours = tables
    server.received.clear()
    for wrong in ({"Colour": "red"}, {"TableName": object()}):
        with pytest.raises(BotoCoreError):
            getattr(ours, operation)(**{**ITEMS[operation], **wrong})
    assert not server.received


def test_a_binary_value_and_a_table_named_by_its_arn_are_sent_by_botocore(tables):
    server, _, ours = tables
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/manifest"
    for changed in ({"Key": {"pk": {"B": b"\0"}}}, {"TableName": arn}):
        server.received.clear()
        ours.get_item(**{**ITEMS["get_item"], **changed})
        assert "amz-sdk-invocation-id" in server.received[0].headers


@pytest.mark.parametrize("operation", dynamodb.PARAMETERS)
def test_every_parameter_that_is_sent_is_the_models(tables, operation):
    model = tables[1].meta.service_model.operation_model(operation)
    assert model.input_shape.members.keys() >= dynamodb.PARAMETERS[operation]
    assert model.metadata["targetPrefix"] == dynamodb.TARGET
    assert model.metadata["jsonVersion"] == dynamodb.CONTENT_TYPE.rpartition("-")[2]
