"""Parsing in bulk gives the very answers that botocore gives, and leaves everything unexpected to it."""

import json

import pytest
from botocore.exceptions import ClientError

from consumer_replicator.bulk_answers import parse_listings_in_bulk, parse_queries_in_bulk
from tests.consumer.test_listing import page_xml
from tests.consumer.wire import Answer, Wire, s3_error
from tests.odd_keys import ODD_KEYS

PAGES = {
    "odd keys": page_xml(ODD_KEYS.values(), after="a+b", following="t&"),
    "no entries": page_xml([]),
    "another namespace": page_xml(["a"]).replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b""),
    "not a whole second": page_xml(["a"]).replace(b"00.000Z", b"00.999Z"),
    "a time of another form": page_xml(["a"]).replace(b"2026-11-05T12:00:00.000Z", b"Thu, 05 Nov 2026 12:00:00 GMT"),
    "without a storage class": page_xml(["a"]).replace(b"<StorageClass>STANDARD</StorageClass>", b""),
    "without an ETag": page_xml(["a"]).replace(b"<ETag>&quot;e1&quot;</ETag>", b""),
    "keys that are not encoded": page_xml(["a+b"]).replace(b"<EncodingType>url</EncodingType>", b""),
    "an empty body": b"",
}
ITEMS = [
    {"sk": {"S": key}, "g": {"N": "3"}, "s": {"S": "L"}, "c": {"N": "1800000000.125"}, "more": {"BOOL": True}}
    for key in ODD_KEYS.values()
]
QUERIES = {
    "items": {"Items": ITEMS, "Count": len(ITEMS), "ScannedCount": len(ITEMS)},
    "no items": {"Items": [], "Count": 0},
    "a last key": {"Items": ITEMS, "LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": "\x00"}}},
    "capacity": {"Items": ITEMS, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}},
}
QUERY = {
    "TableName": "table",
    "KeyConditionExpression": "pk = :p",
    "ExpressionAttributeValues": {":p": {"S": "p"}},
}


def both(aws, service, register, operation, answer, call):
    """What botocore answers by itself, and what it answers with the help of `register`."""
    answers = []
    for helped in (False, True):
        client = aws(service)
        if helped:
            register(client)
            register(client)  # twice is once
        Wire(client).answer(operation, answer)
        answers.append(call(client))
    return answers


@pytest.mark.parametrize("name", PAGES)
def test_a_listing_parsed_in_bulk_is_the_listing_that_botocore_parses(aws, name):
    alone, helped = both(
        aws,
        "s3",
        parse_listings_in_bulk,
        "ListObjectsV2",
        Answer(PAGES[name]),
        lambda s3: s3.list_objects_v2(Bucket="bucket"),
    )
    assert helped == alone


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_parsed_in_bulk_is_the_query_that_botocore_parses(aws, name):
    answer = Answer(json.dumps(QUERIES[name]).encode())
    alone, helped = both(
        aws, "dynamodb", parse_queries_in_bulk, "Query", answer, lambda dynamodb: dynamodb.query(**QUERY)
    )
    assert helped == alone
    assert helped["Items"] == QUERIES[name]["Items"]


def test_the_help_is_really_given(aws, monkeypatch):
    """botocore's own way would read the time of every entry with its parser of free-form dates."""
    s3 = aws("s3")
    parse_listings_in_bulk(s3)
    Wire(s3).answer("ListObjectsV2", Answer(page_xml(["a", "b"])))
    monkeypatch.setattr("dateutil.parser.parse", None)
    assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 2


@pytest.mark.parametrize("status", [403, 503])
def test_a_refused_listing_is_botocores_error(aws, status):
    s3 = aws("s3")
    parse_listings_in_bulk(s3)
    Wire(s3).answer("ListObjectsV2", s3_error("Refused", status))
    with pytest.raises(ClientError) as raised:
        s3.list_objects_v2(Bucket="bucket")
    assert raised.value.response["Error"]["Code"] == "Refused"


def test_a_listing_that_is_broken_off_is_botocores_error(aws):
    s3 = aws("s3")
    parse_listings_in_bulk(s3)
    Wire(s3).answer("ListObjectsV2", Answer(page_xml(["a", "b"])[:-40]))
    with pytest.raises(ClientError, match="500"):
        s3.list_objects_v2(Bucket="bucket")


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"null", b'{"Count": 1}'])
def test_a_query_that_has_no_items_is_left_to_botocore(aws, body):
    dynamodb = aws("dynamodb")
    parse_queries_in_bulk(dynamodb)
    Wire(dynamodb).answer("Query", Answer(body))
    try:
        assert "Items" not in dynamodb.query(**QUERY)
    except (AttributeError, TypeError):
        # botocore's own way with a body that is JSON and no object.
        assert body in (b"[]", b"null")


def test_a_refused_query_is_botocores_error(aws):
    dynamodb = aws("dynamodb")
    parse_queries_in_bulk(dynamodb)
    refusal = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "Items": []}
    Wire(dynamodb).answer("Query", Answer(json.dumps(refusal).encode(), 400))
    with pytest.raises(ClientError) as raised:
        dynamodb.query(**QUERY)
    assert raised.value.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
    assert "Items" not in raised.value.response
