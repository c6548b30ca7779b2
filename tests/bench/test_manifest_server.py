"""The stand-in answers a Query as DynamoDB does, as far as an emulator of it can tell; and refuses the rest."""

import threading

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from moto import mock_aws

from tests.bench import manifest_server
from tests.bench.manifest_server import PAGE_BYTES, Manifest, serve, size

TABLE = "manifest"
KEYS = [f"key-{number:04}" for number in range(40)] + ["", "a/b", "Z", "ü", "\U0001f600", "￿"]
LONG = "x" * 60_000  # forty of them are three pages


def items():
    return [{"pk": {"S": "source#1"}, "sk": {"S": key}, "g": {"N": "12"}, "k": {"S": LONG}} for key in KEYS if key] + [
        {"pk": {"S": "source#2"}, "sk": {"S": "other"}, "g": {"N": "1"}}
    ]


def client(endpoint_url=None):
    return Session().create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def standing_in():
    server = serve(Manifest(items()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield client(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def emulated():
    with mock_aws():
        dynamodb = client()
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        for item in items():
            dynamodb.put_item(TableName=TABLE, Item=item)
        yield dynamodb


def asked(dynamodb, condition, values, projection="sk, g, k"):
    """All pages: their items, one list."""
    found, start = [], {}
    while start is not None:
        page = dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
            ProjectionExpression=projection,
            ReturnConsumedCapacity="TOTAL",
            **start,
        )
        found += page["Items"]
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    return found


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("pk = :p", {}),
        ("pk = :p AND sk > :a", {":a": "key-0007"}),
        ("pk = :p AND sk <= :a", {":a": "key-0007"}),
        ("pk = :p AND sk >= :a", {":a": "key-0007x"}),
        ("pk = :p AND sk < :a", {":a": "Z"}),
        ("pk = :p AND sk BETWEEN :a AND :b", {":a": "key-0003", ":b": "key-0030"}),
        ("pk = :p AND sk > :a", {":a": "￿"}),
    ],
)
def test_a_range_of_a_shard_holds_what_the_emulator_says_in_its_order(standing_in, emulated, condition, values):
    answers = [asked(each, condition, {":p": "source#1", **values}) for each in (standing_in, emulated)]
    assert answers[0] == answers[1]


def test_a_projection_leaves_the_other_attributes_out(standing_in):
    found = asked(standing_in, "pk = :p", {":p": "source#2"}, "sk")
    assert found == [{"sk": {"S": "other"}}]


def test_a_shard_without_rows_is_an_empty_page(standing_in):
    assert asked(standing_in, "pk = :p", {":p": "source#3"}) == []


def test_a_page_ends_before_its_megabyte_is_full(standing_in):
    page = standing_in.query(
        TableName=TABLE, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "source#1"}}
    )
    taken = sum(size(item) for item in page["Items"])
    assert taken <= PAGE_BYTES < taken + size(page["Items"][0])
    assert page["LastEvaluatedKey"]["sk"] == page["Items"][-1]["sk"]


def test_a_page_is_billed_by_its_size_half_of_it_for_an_eventually_consistent_read():
    manifest = Manifest([{"pk": {"S": "p"}, "sk": {"S": "s"}, "k": {"S": "x" * 8_200}}])
    request = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
        "ReturnConsumedCapacity": "TOTAL",
    }
    assert b'"CapacityUnits": 1.5' in manifest.query(request)
    assert b'"CapacityUnits": 3.0' in manifest.query(request | {"ConsistentRead": True})


@pytest.mark.parametrize(
    "request_",
    [
        {"FilterExpression": "g = :p"},
        {"Limit": 3},
        {"KeyConditionExpression": "pk = :p AND begins_with(sk, :p)"},
        {"KeyConditionExpression": "sk = :p"},
    ],
    ids=["filter", "limit", "begins_with", "no partition"],
)
def test_what_it_does_not_know_is_refused(standing_in, request_):
    asked_for = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "source#1"}},
    }
    with pytest.raises(ClientError, match="ValidationException"):
        standing_in.query(**asked_for | request_)


def test_another_operation_is_refused(standing_in):
    with pytest.raises(ClientError, match=r"not known here.*GetItem"):
        standing_in.get_item(TableName=TABLE, Key={"pk": {"S": "p"}, "sk": {"S": "s"}})


def test_an_item_s_size_is_that_of_its_names_and_values():
    assert manifest_server.size({"pk": {"S": "ü"}, "g": {"N": "123"}}) == 2 + 2 + 1 + 1 + 2
