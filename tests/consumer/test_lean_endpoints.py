"""The lean clients go where the botocore clients that they wrap would go, and sign for where that is."""

from contextlib import closing
from io import BytesIO

import pytest
from botocore import UNSIGNED
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from botocore.session import Session

from consumer_replicator.lean.dynamodb import LeanDynamoDB
from consumer_replicator.lean.endpoint import is_direct, transport
from consumer_replicator.lean.s3 import LeanS3
from consumer_replicator.principals import Principals
from tests.consumer.lean_rig import botocores, config, session
from tests.consumer.wire import Answer, Wire, s3_error

GET = {"Bucket": "source-bucket", "Key": "a/b c"}
ITEM = {"TableName": "t", "Key": {"pk": {"S": "a"}}}
VIRTUAL = {"us_east_1_regional_endpoint": "regional"}


def scope(sent):
    """Region and service that a request is signed for."""
    return sent.headers["Authorization"].partition("Credential=")[2].partition(",")[0].split("/")[2:4]


def destination(client, operation, call):
    wire = Wire(client)
    wire.answer("".join(word.capitalize() for word in operation.split("_")), Answer(b"{}"))
    getattr(client, operation)(**call)
    (sent,) = wire.sent
    return sent.request.url, scope(sent)


def assert_same_destination(make, lean, operation, call):
    theirs = destination(make(), operation, call)
    with closing(lean(make())) as ours:
        assert destination(ours, operation, call) == theirs
    return theirs


S3_CLIENTS = {
    "us-east-1": ({"s3": VIRTUAL}, None, "https://source-bucket.s3.us-east-1.amazonaws.com/a/b%20c"),
    "another region": (
        {"s3": VIRTUAL, "region_name": "eu-central-1"},
        None,
        "https://source-bucket.s3.eu-central-1.amazonaws.com/a/b%20c",
    ),
    "China": (
        {"s3": VIRTUAL, "region_name": "cn-north-1"},
        None,
        "https://source-bucket.s3.cn-north-1.amazonaws.com.cn/a/b%20c",
    ),
    "GovCloud, FIPS": (
        {"s3": VIRTUAL, "region_name": "us-gov-west-1", "use_fips_endpoint": True},
        None,
        "https://source-bucket.s3-fips.us-gov-west-1.amazonaws.com/a/b%20c",
    ),
    "dual stack": (
        {"s3": VIRTUAL, "use_dualstack_endpoint": True},
        None,
        "https://source-bucket.s3.dualstack.us-east-1.amazonaws.com/a/b%20c",
    ),
    "acceleration": (
        {"s3": {"use_accelerate_endpoint": True}},
        None,
        "https://source-bucket.s3-accelerate.amazonaws.com/a/b%20c",
    ),
    "path style": (
        {"s3": {**VIRTUAL, "addressing_style": "path"}},
        None,
        "https://s3.us-east-1.amazonaws.com/source-bucket/a/b%20c",
    ),
    "an endpoint of one's own": (
        {"s3": VIRTUAL},
        "https://vpce-1.s3.example.com",
        "https://vpce-1.s3.example.com/source-bucket/",
    ),
    "an address": ({"s3": VIRTUAL}, "http://127.0.0.1:4566", "http://127.0.0.1:4566/source-bucket/a/b%20c"),
    "an address of IPv6": ({"s3": VIRTUAL}, "http://[::1]:4566", "http://[::1]:4566/source-bucket/a/b%20c"),
    "a path before the bucket": (
        {"s3": VIRTUAL},
        "https://127.0.0.1/s3/",
        "https://127.0.0.1/s3/source-bucket/a/b%20c",
    ),
}


@pytest.mark.parametrize(("changes", "url", "expected"), S3_CLIENTS.values(), ids=S3_CLIENTS)
def test_an_object_is_where_botocore_finds_it(changes, url, expected):
    found, _ = assert_same_destination(lambda: botocores("s3", url, **changes), LeanS3, "get_object", GET)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "bucket",
    [
        "a.bucket.with.dots",
        "UPPER_case",
        "arn:aws:s3:eu-west-1:111111111111:accesspoint/point",
        "point-111111111111-s3alias",
    ],
)
def test_a_bucket_of_any_name_is_where_botocore_finds_it(bucket):
    make = lambda: botocores("s3", s3={**VIRTUAL, "use_arn_region": True})  # noqa: E731
    assert_same_destination(make, LeanS3, "get_object", {**GET, "Bucket": bucket})


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, None),
        ({"region_name": "eu-north-1"}, None),
        ({"use_fips_endpoint": True}, None),
        ({}, "http://127.0.0.1:1"),
    ],
)
def test_a_table_is_where_botocore_finds_it(changes, url):
    make = lambda: botocores("dynamodb", url, **changes)  # noqa: E731
    for operation, call in {
        "get_item": ITEM,
        "put_item": {"TableName": "t", "Item": ITEM["Key"]},
        "batch_get_item": {"RequestItems": {"t": {"Keys": [ITEM["Key"]]}}},
    }.items():
        assert_same_destination(make, LeanDynamoDB, operation, call)


def test_a_table_of_an_account_is_at_that_accounts_endpoint():
    made = Session()
    made._credentials = Credentials("AKID", "secret", account_id="111111111111")
    make = lambda: made.create_client("dynamodb", config=config())  # noqa: E731
    url, _ = assert_same_destination(make, LeanDynamoDB, "get_item", ITEM)
    assert url == "https://111111111111.ddb.us-east-1.amazonaws.com/"


def test_where_a_bucket_is_is_asked_once_and_without_credentials():
    made = Session()
    client = made.create_client("s3", config=config(s3=VIRTUAL))
    client._request_signer._credentials = None
    with closing(LeanS3(client)) as s3:
        endpoint = s3._endpoint("bucket")
        assert (endpoint.path, endpoint.authority) == ("/", "bucket.s3.us-east-1.amazonaws.com")
        assert s3._endpoint("bucket") is endpoint
        with pytest.raises(NoCredentialsError):
            s3.get_object(**GET)


def test_without_a_region_botocore_says_so(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegionError), closing(LeanDynamoDB(Session().create_client("dynamodb"))) as table:
        table.get_item(**ITEM)


# -- a bucket in another region ----------------------------------------------------------------------------------------

ELSEWHERE = s3_error("PermanentRedirect", 301)
ELSEWHERE.headers["x-amz-bucket-region"] = "eu-west-1"


def test_botocore_finds_a_bucket_that_is_elsewhere_and_its_region_is_kept():
    with closing(LeanS3(botocores("s3", s3=VIRTUAL))) as s3:
        wire = Wire(s3)
        wire.answer("GetObject", ELSEWHERE, ELSEWHERE, Answer(b"data"))
        for _ in range(3):
            assert s3.get_object(**GET)["Body"].read() == b"data"
    assert [scope(sent)[0] for sent in wire.sent] == ["us-east-1"] * 2 + ["eu-west-1"] * 3
    assert "amz-sdk-invocation-id" not in wire.sent[-1].headers  # not botocore's any more
    assert wire.sent[-1].request.url == "https://source-bucket.s3.eu-west-1.amazonaws.com/a/b%20c"


def test_a_stream_is_not_handed_to_botocore_which_could_not_send_it():
    with closing(LeanS3(botocores("s3", s3=VIRTUAL))) as s3:
        wire = Wire(s3)
        wire.answer("PutObject", ELSEWHERE)
        with pytest.raises(ClientError, match="PermanentRedirect"):
            s3.put_object(**GET, Body=BytesIO(b"data"), ContentLength=4)
        assert len(wire.sent) == 1


def test_a_refusal_that_says_nothing_of_another_region_is_not_asked_twice():
    with closing(LeanS3(botocores("s3", s3=VIRTUAL))) as s3:
        wire = Wire(s3)
        wire.answer("GetObject", s3_error("AccessDenied", 403))
        with pytest.raises(ClientError):
            s3.get_object(**GET)
        assert len(wire.sent) == 1


# -- credentials -------------------------------------------------------------------------------------------------------


def test_each_request_is_signed_with_the_credentials_of_its_moment():
    made = Session()
    made._credentials = rotating = Credentials("FIRST", "secret", "token 1")
    with closing(LeanS3(made.create_client("s3", config=config()))) as s3:
        wire = Wire(s3)
        s3.get_object(**GET)
        rotating.access_key, rotating.secret_key, rotating.token = "SECOND", "another", None
        s3.get_object(**GET)
    assert [sent.signer for sent in wire.sent] == ["FIRST", "SECOND"]
    assert [sent.headers.get("X-Amz-Security-Token") for sent in wire.sent] == ["token 1", None]


def test_the_session_of_a_client_gives_its_credentials():
    assert not isinstance(session().get_credentials(), RefreshableCredentials)
    with closing(LeanS3(botocores("s3"))) as s3:
        wire = Wire(s3)
        s3.get_object(**GET)
        assert wire.sent[0].signer == "AKIDEXAMPLE"


# -- what goes botocore's way altogether -------------------------------------------------------------------------------


def principals():
    role = "arn:aws:iam::111111111111:role/read"
    return Principals(role_arn=role, external_id="x", session_name="f", region="us-east-1", concurrency=4)


def test_the_principals_hand_out_lean_clients():
    who = principals()
    kinds = [type(client) for client in (who.own("s3"), who.source("s3"), who.own("dynamodb"), who.own("sqs"))]
    assert kinds[:3] == [LeanS3, LeanS3, LeanDynamoDB]
    assert kinds[3] not in (LeanS3, LeanDynamoDB)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY"])
def test_behind_a_proxy_there_are_no_lean_clients(monkeypatch, name):
    monkeypatch.setenv(name, "http://proxy.example:3128")
    who = principals()
    assert not any(isinstance(client, LeanS3 | LeanDynamoDB) for client in (who.own("s3"), who.own("dynamodb")))


def test_a_proxy_that_is_not_for_aws_does_not_count(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert isinstance(principals().own("s3"), LeanS3)


@pytest.mark.parametrize(
    ("changes", "verify", "expected"),
    [
        ({}, None, True),
        ({}, "/some/authorities.pem", True),
        ({}, False, False),
        ({"client_cert": "/some/certificate.pem"}, None, False),
        ({"proxies": {"https": "http://proxy.example:3128"}}, None, False),
    ],
)
def test_a_client_is_direct_that_is_verified_and_has_nothing_between(changes, verify, expected):
    assert is_direct(botocores("s3", verify=verify, **changes)) is expected


@pytest.mark.parametrize("changes", [{"signature_version": UNSIGNED}, {"signature_version": "s3"}])
def test_another_signature_is_botocores(changes):
    with closing(LeanS3(botocores("s3", **changes))) as s3:
        wire = Wire(s3)
        s3.get_object(**GET)
        assert "amz-sdk-invocation-id" in wire.sent[0].headers


def test_connections_are_made_as_the_client_is_configured(monkeypatch):
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    made = transport(botocores("s3", connect_timeout=2, read_timeout=10, max_pool_connections=18, tcp_keepalive=True))
    assert (made.connect_timeout, made.read_timeout, made.connections) == (2, 10, 18)
    assert made.certificates.endswith("cacert.pem")
    assert len(made.socket_options) > 0
