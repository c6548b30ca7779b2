"""The manifest in key order: what is asked of each shard, how pages and shards become one stream, what is counted."""

from dataclasses import replace

import pytest

from consumer_replicator.drift import Unreadable
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.key_ranges import EVERYTHING
from consumer_replicator.manifest_scan import ATTRIBUTES, ManifestScan
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State
from consumer_replicator.row_item import address, to_item
from tests.consumer.fake_aws import SOURCE, TABLE, World
from tests.consumer.wire import Answer, Wire
from tests.odd_keys import ODD_KEYS

SHARDS = 4
IDENTITY = SourceIdentity("v1", "e1", 1_700_000_000, 5)
ROW = Row(
    generation=3,
    state=State.FAILED,
    written_at=1_800_000_000.125,
    source=IDENTITY,
    event_time=1_800_000_000.0,
    attempts=2,
    replica=ReplicaVersion("r1"),
    error="archived",
)
REST = {"checksum": "CRC64NVME:x", "tags": "digest", "sequencer": "0A"}
ASKED = {"TableName": TABLE, "ProjectionExpression": ATTRIBUTES, "ReturnConsumedCapacity": "TOTAL"}
CONDITIONS = [
    ("", None, "pk = :p", {}),
    ("b", None, "pk = :p AND sk > :after", {":after": {"S": "b"}}),
    ("", "m", "pk = :p AND sk <= :until", {":until": {"S": "m"}}),
    ("b", "m", "pk = :p AND sk BETWEEN :after AND :until", {":after": {"S": "b"}, ":until": {"S": "m"}}),
]
FAILURES = [
    ("ProvisionedThroughputExceededException", 400, "throttled"),
    ("ThrottlingException", 400, "throttled"),
    ("InternalServerError", 500, "aws-error"),
    ("AccessDeniedException", 400, "own-access-denied"),
]
HOSTILE = sorted(
    [*ODD_KEYS.values(), "\x00", "\x01", "\U0010ffff", *(f"same/{n:04d}" for n in range(300))], key=str.encode
)


def item(key, row=ROW, shards=SHARDS):
    return {**address(SOURCE, key, shards), **to_item(row, None)}


def stored(world, keys, shards=SHARDS):
    for key in keys:
        world.rows[address(SOURCE, key, shards)["pk"]["S"], key] = item(key, shards=shards)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def scan(world):
    return ManifestScan(world.dynamodb(), TABLE, SOURCE, SHARDS)


def keys(rows):
    return [key for key, _ in rows]


# -- what is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "until", "condition", "values"), CONDITIONS)
def test_a_range_is_one_condition_on_the_sort_key_of_each_shard_without_a_limit(
    stubbed, after, until, condition, values
):
    client, stubber = stubbed("dynamodb")
    for shard in range(SHARDS):
        request = {
            **ASKED,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {":p": {"S": f"{SOURCE}#{shard}"}, **values},
        }
        stubber.add_response("query", {"Items": []}, request)
    assert list(ManifestScan(client, TABLE, SOURCE, SHARDS).rows(after, until)) == []


def test_the_next_page_starts_at_the_last_key_and_an_empty_page_is_not_the_end(stubbed):
    client, stubber = stubbed("dynamodb")
    last, further = address(SOURCE, "a", 1), address(SOURCE, "aa", 1)
    first = {**ASKED, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": f"{SOURCE}#0"}}}
    stubber.add_response("query", {"Items": [item("a", shards=1)], "LastEvaluatedKey": last}, first)
    stubber.add_response("query", {"Items": [], "LastEvaluatedKey": further}, {**first, "ExclusiveStartKey": last})
    stubber.add_response("query", {"Items": [item("b", shards=1)]}, {**first, "ExclusiveStartKey": further})
    scan = ManifestScan(client, TABLE, SOURCE, 1)
    assert keys(scan.rows()) == ["a", "b"]
    assert scan.pages == 3


def test_the_read_units_that_dynamodb_says_were_consumed_are_added_up(stubbed):
    client, stubber = stubbed("dynamodb")
    for units in (128.5, 0.5):
        stubber.add_response("query", {"Items": [], "ConsumedCapacity": {"CapacityUnits": units}})
    scan = ManifestScan(client, TABLE, SOURCE, 2)
    assert list(scan.rows()) == []
    assert scan.read_units == 129.0


def test_a_page_that_says_nothing_of_its_cost_adds_none(stubbed):
    client, stubber = stubbed("dynamodb")
    stubber.add_response("query", {"Items": []})
    scan = ManifestScan(client, TABLE, SOURCE, 1)
    assert list(scan.rows()) == []
    assert scan.read_units == 0


# -- what comes of it --------------------------------------------------------------------------------------------------


def test_a_row_comes_with_what_judging_needs_and_without_the_rest(world, scan):
    world.rows[address(SOURCE, "a", SHARDS)["pk"]["S"], "a"] = {
        **address(SOURCE, "a", SHARDS),
        **to_item(Row(**{name: getattr(ROW, name) for name in Row.__slots__} | REST), None),
    }
    assert list(scan.rows()) == [("a", ROW)]


def test_a_row_comes_with_the_checksums_of_both_sides_where_they_are_asked_for(world, scan):
    checksums = {"checksum": "CRC32:AAAA-3", "replica_checksum": "CRC64NVME:y", "proof": Proof.COMPUTED}
    row = replace(ROW, **checksums)
    world.rows[address(SOURCE, "a", SHARDS)["pk"]["S"], "a"] = item("a", replace(row, tags="digest"))
    assert list(scan.rows(checksums=True)) == [("a", row)]
    assert list(scan.rows()) == [("a", replace(ROW, proof=Proof.COMPUTED))]


def test_a_row_that_cannot_be_read_says_so_and_those_around_it_come_through(world, scan):
    stored(world, "abc")
    world.rows[address(SOURCE, "b", SHARDS)["pk"]["S"], "b"]["s"] = {"S": "of a newer release"}
    rows = dict(scan.rows())
    assert (rows["a"], rows["c"]) == (ROW, ROW)
    assert isinstance(rows["b"], Unreadable)
    assert "newer release" in rows["b"].why


def test_the_rows_of_all_shards_come_in_the_order_of_their_keys_bytes_over_any_number_of_pages(world, scan):
    stored(world, HOSTILE)
    world.page_bytes = 1_000
    assert keys(scan.rows()) == HOSTILE
    assert scan.pages > 20


def test_ranges_that_tile_the_key_space_have_every_row_once(world, scan):
    stored(world, HOSTILE)
    ranges = EVERYTHING.cut([*HOSTILE[::7], "\x00\x00", "same/0100\x00", "\U0010fffe"])
    assert len(ranges) > 50
    assert [key for some in ranges for key in keys(scan.rows(some.after, some.until))] == HOSTILE


def test_the_real_query_conditions_find_the_same_on_moto(emulated, world):
    client = emulated("dynamodb")
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for key in ODD_KEYS.values():
        client.put_item(TableName=TABLE, Item=item(key))
    odd = sorted(ODD_KEYS.values(), key=str.encode)
    scan = ManifestScan(client, TABLE, SOURCE, SHARDS)
    assert list(scan.rows()) == [(key, ROW) for key in odd]
    for some in EVERYTHING.cut(odd[::9]):
        assert keys(scan.rows(some.after, some.until)) == [key for key in odd if key in some]


def test_a_row_in_another_shard_than_its_key_hashes_to_is_left_out_and_counted(world, scan):
    stored(world, ["a", "b", "c", "d", "e", "f"])
    stored(world, ["a", "b", "c", "d", "e", "f"], shards=3)  # from before the number of shards was changed
    assert keys(scan.rows()) == ["a", "b", "c", "d", "e", "f"]
    assert scan.misplaced > 0


def test_rows_of_another_bucket_are_not_read(world, scan):
    world.rows["another-bucket#0", "a"] = item("a")
    world.rows[f"{SOURCE}#run#20261124", "a"] = item("a")
    assert list(scan.rows()) == []


# -- what cannot be read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "status", "failure"), FAILURES)
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_page_that_is_refused_is_a_failure_and_not_the_end(stubbed, code, status, failure, earlier):
    client, stubber = stubbed("dynamodb")
    if earlier:
        page = {"Items": [item("a", shards=1)], "LastEvaluatedKey": address(SOURCE, "a", 1)}
        stubber.add_response("query", page)
    stubber.add_client_error("query", code, http_status_code=status)
    rows = ManifestScan(client, TABLE, SOURCE, 1).rows()
    with pytest.raises(HydrationError) as raised:
        list(rows)
    assert raised.value.code == failure


@pytest.mark.parametrize("body", [b"", b"no JSON", b'{"Count": 1}'], ids=["nothing", "no JSON", "no items"])
def test_an_answer_without_items_is_a_failure_and_not_an_empty_shard(aws, body):
    client = aws("dynamodb")
    Wire(client).answer("Query", Answer(body))
    with pytest.raises(HydrationError) as raised:
        list(ManifestScan(client, TABLE, SOURCE, 1).rows())
    assert raised.value.code == "truncated"
