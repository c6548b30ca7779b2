"""The manifest table: consistent reads in as few requests as possible, writes only over what was read."""

import json
from dataclasses import replace

import pytest

from consumer_replicator.errors import HydrationError, RowMoved
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.manifest import BATCH_GET_ROUNDS, DAY, Manifest
from consumer_replicator.parts import Cut
from consumer_replicator.row import ReplicaVersion, Row, State, Upload
from consumer_replicator.row_item import address, to_item
from tests.consumer.fake_aws import SOURCE, TABLE
from tests.consumer.wire import Answer, Wire
from tests.odd_keys import ODD_KEYS

SHARDS = 16
NOW = 1_800_000_000.0
ROW = Row(
    generation=3,
    state=State.LIVE,
    written_at=NOW,
    source=SourceIdentity("v1", "e1", 1_700_000_000, 5),
    replica=ReplicaVersion("r1", "w1"),
)
NEXT = Row(generation=4, state=State.LIVE, written_at=NOW, source=ROW.source, replica=ROW.replica)
FAILURES = [
    ("ProvisionedThroughputExceededException", 400, "throttled"),
    ("ThrottlingException", 400, "throttled"),
    ("InternalServerError", 500, "aws-error"),
    ("AccessDeniedException", 400, "own-access-denied"),
    ("ExpiredTokenException", 400, "expired-credentials"),
    ("ResourceNotFoundException", 400, "unexpected"),
    ("ValidationException", 400, "unexpected"),
]


UPLOAD = Upload(
    "u-1", SourceIdentity("v2", "e2", 1_800_000_000, 9), ROW.replica, 2, Cut(9, 3, 1), "CRC32", "FULL_OBJECT"
)
UPLOADING = replace(ROW, state=State.UPLOADING, upload=UPLOAD, sequencer="0A")
TOUCHED = replace(UPLOADING, generation=4, written_at=NOW + 5.1239, sequencer="0B", tags="of no interest")


def where(key):
    return address(SOURCE, key, SHARDS)


def item(key, row):
    return {**where(key), **to_item(row, None)}


def batch_request(keys):
    return {"RequestItems": {TABLE: {"Keys": [where(key) for key in keys], "ConsistentRead": True}}}


@pytest.fixture
def stub(stubbed):
    """(the manifest, its Stubber)"""
    client, stubber = stubbed("dynamodb")
    return Manifest(client, TABLE, SOURCE, SHARDS, 30), stubber


@pytest.fixture
def manifest(table):
    return Manifest(table, TABLE, SOURCE, SHARDS, 30)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_one_row_is_read_consistently(stub):
    manifest, stubber = stub
    request = {"TableName": TABLE, "Key": where("k"), "ConsistentRead": True}
    stubber.add_response("get_item", {"Item": item("k", ROW)}, request)
    assert manifest.read("k") == ROW


def test_a_key_without_a_row_has_none(stub):
    manifest, stubber = stub
    stubber.add_response("get_item", {})
    assert manifest.read("k") is None


def test_a_damaged_row_that_is_read_alone_says_so(stub):
    manifest, stubber = stub
    stubber.add_response("get_item", {"Item": {**where("k"), "g": {"N": "1"}}})
    with pytest.raises(HydrationError) as raised:
        manifest.read("k")
    assert raised.value.code == "bad-row"


def test_the_rows_of_a_batch_are_one_consistent_request_whatever_repeats_in_it(stub):
    manifest, stubber = stub
    stubber.add_response("batch_get_item", {"Responses": {TABLE: [item("b", ROW)]}}, batch_request(["a", "b", "c"]))
    assert manifest.read_many(["a", "b", "a", "c", "b"]) == {"a": None, "b": ROW, "c": None}


def test_no_keys_are_no_request(stub):
    manifest, _ = stub
    assert manifest.read_many([]) == {}


def test_more_than_a_hundred_keys_are_several_requests(stub):
    manifest, stubber = stub
    keys = [f"k{number}" for number in range(201)]
    for some in (keys[:100], keys[100:200], keys[200:]):
        response = {"Responses": {TABLE: [item(some[0], ROW)]}}
        stubber.add_response("batch_get_item", response, batch_request(some))
    rows = manifest.read_many(keys)
    assert list(rows) == keys
    assert [key for key, row in rows.items() if row] == ["k0", "k100", "k200"]


def test_what_dynamodb_left_unread_is_asked_for_again(stub):
    manifest, stubber = stub
    left = {TABLE: {"Keys": [where("b"), where("c")], "ConsistentRead": True}}
    answer = {"Responses": {TABLE: [item("a", ROW)]}, "UnprocessedKeys": left}
    stubber.add_response("batch_get_item", answer, batch_request(["a", "b", "c"]))
    stubber.add_response("batch_get_item", {"Responses": {TABLE: [item("c", NEXT)]}}, batch_request(["b", "c"]))
    assert manifest.read_many(["a", "b", "c"]) == {"a": ROW, "b": None, "c": NEXT}


def test_rows_that_stay_unread_are_a_throttle_and_never_taken_for_absent(stub):
    manifest, stubber = stub
    for _ in range(BATCH_GET_ROUNDS):
        left = {TABLE: {"Keys": [where("b")], "ConsistentRead": True}}
        stubber.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
    with pytest.raises(HydrationError) as raised:
        manifest.read_many(["b"])
    assert raised.value.code == "throttled"


def test_a_damaged_row_is_left_out_and_its_mates_are_read(stub):
    manifest, stubber = stub
    rows = [item("a", ROW), {**where("b"), "s": {"S": "?"}}]
    stubber.add_response("batch_get_item", {"Responses": {TABLE: rows}})
    assert manifest.read_many(["a", "b", "c"]) == {"a": ROW, "c": None}


@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_refused_read_says_why(stub, code, status, expected):
    manifest, stubber = stub
    for operation, read in (
        ("get_item", lambda: manifest.read("k")),
        ("batch_get_item", lambda: manifest.read_many(["k"])),
    ):
        stubber.add_client_error(operation, code, http_status_code=status)
        with pytest.raises(HydrationError) as raised:
            read()
        assert raised.value.code == expected


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_first_row_is_written_only_where_there_is_none(stub):
    manifest, stubber = stub
    first = Row(1, State.LIVE, NOW, source=ROW.source, replica=ROW.replica)
    request = {"TableName": TABLE, "Item": item("k", first), "ConditionExpression": "attribute_not_exists(pk)"}
    stubber.add_response("put_item", {}, request)
    manifest.write("k", None, first)


def test_a_next_row_is_written_only_over_the_generation_that_was_read(stub):
    manifest, stubber = stub
    request = {
        "TableName": TABLE,
        "Item": item("k", NEXT),
        "ConditionExpression": "g = :read",
        "ExpressionAttributeValues": {":read": {"N": "3"}},
    }
    stubber.add_response("put_item", {}, request)
    manifest.write("k", ROW, NEXT)


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "TransactionConflictException"])
def test_a_row_that_somebody_else_wrote_is_not_written(stub, code):
    manifest, stubber = stub
    stubber.add_client_error("put_item", code, http_status_code=400)
    with pytest.raises(RowMoved):
        manifest.write("k", ROW, NEXT)


@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_refused_write_says_why(stub, code, status, expected):
    manifest, stubber = stub
    stubber.add_client_error("put_item", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        manifest.write("k", ROW, NEXT)
    assert raised.value.code == expected


@pytest.mark.parametrize(
    ("state", "replica", "expires"),
    [
        (State.DELETED, None, True),
        (State.DELETED, ReplicaVersion("r1"), True),
        (State.GONE, None, True),
        (State.GONE, ReplicaVersion("r1"), False),  # the replica is kept, and so is what is known of it
        (State.LIVE, ReplicaVersion("r1"), False),
        (State.DELETING, None, False),
        (State.FAILED, None, False),
        (State.PENDING, None, False),
    ],
)
def test_only_a_row_without_a_replica_and_without_work_to_do_expires(aws, state, replica, expires):
    client = aws("dynamodb")
    wire = Wire(client)
    wire.answer("PutItem", Answer(b"{}"))
    Manifest(client, TABLE, SOURCE, SHARDS, 30).write("k", None, Row(1, state, NOW + 0.9, replica=replica))
    written = json.loads(wire.only("PutItem").body)["Item"]
    assert written.get("x") == ({"N": str(int(NOW) + 30 * DAY)} if expires else None)


# -- what results, on moto ---------------------------------------------------------------------------------------------


def test_every_key_has_a_row_of_its_own(manifest):
    for number, key in enumerate(ODD_KEYS.values()):
        manifest.write(key, None, Row(1, State.LIVE, NOW + number, source=ROW.source, replica=ROW.replica))
    rows = manifest.read_many(ODD_KEYS.values())
    assert [row.written_at - NOW for row in rows.values()] == list(range(len(ODD_KEYS)))
    assert manifest.read("a//b") == rows["a//b"]


def test_more_rows_than_one_request_holds_are_all_read(manifest):
    keys = [f"k{number}" for number in range(120)]
    for key in keys:
        manifest.write(key, None, Row(1, State.LIVE, NOW))
    assert all(manifest.read_many(keys).values())


def test_of_two_first_writes_one_wins(manifest):
    manifest.write("k", None, Row(1, State.LIVE, NOW))
    with pytest.raises(RowMoved):
        manifest.write("k", None, Row(1, State.FAILED, NOW))
    assert manifest.read("k").state is State.LIVE


def test_of_two_writers_that_read_the_same_row_one_wins(manifest):
    first = Row(1, State.PENDING, NOW)
    manifest.write("k", None, first)
    manifest.write("k", first, Row(2, State.LIVE, NOW))
    with pytest.raises(RowMoved):
        manifest.write("k", first, Row(2, State.FAILED, NOW))
    assert manifest.read("k") == Row(2, State.LIVE, NOW)


def test_a_row_that_expired_in_between_is_not_written_over(manifest, table):
    first = Row(1, State.DELETED, NOW)
    manifest.write("k", None, first)
    table.delete_item(TableName=TABLE, Key=where("k"))
    with pytest.raises(RowMoved):
        manifest.write("k", first, Row(2, State.LIVE, NOW))
    assert manifest.read("k") is None


def test_a_write_replaces_the_whole_row(manifest):
    before = Row(1, State.FAILED, NOW, error="archived", attempts=3)
    manifest.write("k", None, before)
    manifest.write("k", before, NEXT)
    assert manifest.read("k") == NEXT


# -- failures, for the watermark ---------------------------------------------------------------------------------------

NOTE = {"pk": {"S": f"{SOURCE}#watermark"}, "sk": {"S": "failures"}}


# -- an upload under way -----------------------------------------------------------------------------------------------


def update_request(expression, condition, values):
    return {
        "TableName": TABLE,
        "Key": where("k"),
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
    }


def test_a_touch_writes_generation_time_and_sequencer_and_leaves_the_finished_ranges_alone(stub):
    manifest, stubber = stub
    values = {
        ":g": {"N": "4"},
        ":c": {"N": "1800000005.124"},
        ":q": {"S": "0B"},
        ":read": {"N": "3"},
    }
    request = update_request("SET g = :g, c = :c, q = :q", "g = :read", values)
    stubber.add_response("update_item", {"Attributes": {"g": {"N": "4"}}}, request)
    manifest.touch("k", UPLOADING, TOUCHED)


def test_a_range_is_added_while_the_row_names_its_upload_whatever_its_generation(stub):
    manifest, stubber = stub
    values = {":range": {"NS": ["3"]}, ":now": {"N": "1800000001.5"}, ":upload": {"S": "u-1"}}
    request = update_request("SET c = :now ADD d :range", "u = :upload", values)
    stubber.add_response("update_item", {"Attributes": {"d": {"NS": ["1", "3"]}}}, request)
    assert manifest.add_range("k", "u-1", 3, NOW + 1.5) == 2


def test_that_ranges_were_sent_is_noted_while_the_row_names_their_upload(stub):
    manifest, stubber = stub
    values = {":now": {"N": "1800000000.123"}, ":upload": {"S": "u-1"}}
    request = update_request("SET n = :now", "u = :upload", values)
    stubber.add_response("update_item", {"Attributes": {"n": values[":now"]}}, request)
    manifest.mark_sent("k", "u-1", NOW + 0.12345)


UPDATES = {
    "touch": lambda manifest: manifest.touch("k", UPLOADING, TOUCHED),
    "range": lambda manifest: manifest.add_range("k", "u-1", 3, NOW),
    "sent": lambda manifest: manifest.mark_sent("k", "u-1", NOW),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())
def test_an_update_whose_answer_does_not_show_the_row_may_not_have_been_made(stub, update):
    """botocore takes an answer that is no document for an empty one."""
    manifest, stubber = stub
    stubber.add_response("update_item", {})
    with pytest.raises(HydrationError) as raised:
        update(manifest)
    assert raised.value.code == "truncated"


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())
@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "TransactionConflictException"])
def test_an_upload_that_the_row_does_not_name_any_more_is_not_written_to(stub, update, code):
    manifest, stubber = stub
    stubber.add_client_error("update_item", code, http_status_code=400)
    with pytest.raises(RowMoved):
        update(manifest)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())
@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_refused_update_says_why(stub, update, code, status, expected):
    manifest, stubber = stub
    stubber.add_client_error("update_item", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        update(manifest)
    assert raised.value.code == expected


def test_ranges_are_added_side_by_side_and_twice_and_survive_a_touch(manifest):
    manifest.write("k", None, replace(UPLOADING, generation=3))
    assert manifest.add_range("k", "u-1", 2, NOW + 6) == 1
    manifest.touch("k", UPLOADING, TOUCHED)
    manifest.mark_sent("k", "u-1", NOW)
    assert manifest.add_range("k", "u-1", 1, NOW + 6) == 2
    assert manifest.add_range("k", "u-1", 2, NOW + 6) == 2
    expected = replace(UPLOAD, done=frozenset({1, 2}), sent_at=NOW)
    assert manifest.read("k") == replace(TOUCHED, written_at=NOW + 6, tags="", upload=expected)


def test_neither_a_row_with_another_upload_nor_one_that_is_gone_comes_to_life_again(manifest):
    for update in (UPDATES["range"], UPDATES["sent"], UPDATES["touch"]):
        with pytest.raises(RowMoved):
            update(manifest)
    manifest.write("k", None, replace(UPLOADING, upload=replace(UPLOAD, id="u-2")))
    for update in (UPDATES["range"], UPDATES["sent"]):
        with pytest.raises(RowMoved):
            update(manifest)
    assert manifest.read("k").upload == replace(UPLOAD, id="u-2")


def noted(table):
    item = table.get_item(TableName=TABLE, Key=NOTE).get("Item")
    return item and float(item["f"]["N"])


def test_a_failure_is_noted_beside_the_watermark_in_one_conditional_write(stub):
    manifest, stubber = stub
    request = {
        "TableName": TABLE,
        "Item": {**NOTE, "f": {"N": "1800000000.123"}},
        "ConditionExpression": "attribute_not_exists(f) OR f < :now",
        "ExpressionAttributeValues": {":now": {"N": "1800000000.123"}},
    }
    stubber.add_response("put_item", {}, request)
    manifest.note_failure(NOW + 0.1234)


def test_the_latest_failure_is_the_one_that_stays_noted(manifest, table):
    for moment, expected in ((NOW, NOW), (NOW + 5, NOW + 5), (NOW + 3, NOW + 5), (NOW + 5, NOW + 5)):
        manifest.note_failure(moment)
        assert noted(table) == expected


@pytest.mark.parametrize(("code", "status", "expected"), FAILURES)
def test_a_failure_that_cannot_be_noted_says_why(stub, code, status, expected):
    manifest, stubber = stub
    stubber.add_client_error("put_item", code, http_status_code=status)
    with pytest.raises(HydrationError) as raised:
        manifest.note_failure(NOW)
    assert raised.value.code == expected
