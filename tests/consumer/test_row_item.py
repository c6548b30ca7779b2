"""A manifest row survives its way through DynamoDB, and a damaged one says so."""

from dataclasses import replace

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.errors import ErrorClass, HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Cut
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State, Upload
from consumer_replicator.row_item import PROOFS, address, from_item, to_item
from tests.consumer.arbitrary import KEYS, ROWS
from tests.odd_keys import ODD_KEYS

ROW = Row(
    generation=3,
    state=State.LIVE,
    written_at=1_800_000_000.123,
    source=SourceIdentity("v1", "e1", 1_700_000_000, 5),
    checksum="CRC32:AAAA",
    replica=ReplicaVersion("r1", "w1"),
    replica_checksum="CRC64NVME:AAAAAAAAAAA=",
    proof=Proof.COMPUTED,
    tags="0123456789abcdef",
    sequencer="0A",
    event_time=1_799_999_999.0,
    attempts=2,
    error="archived",
)
ITEM = {
    "g": {"N": "3"},
    "s": {"S": "L"},
    "c": {"N": "1800000000.123"},
    "v": {"S": "v1"},
    "i": {"S": "e1"},
    "m": {"N": "1700000000"},
    "z": {"N": "5"},
    "k": {"S": "CRC32:AAAA"},
    "r": {"S": "r1"},
    "w": {"S": "w1"},
    "h": {"S": "CRC64NVME:AAAAAAAAAAA="},
    "p": {"S": "C"},
    "t": {"S": "0123456789abcdef"},
    "q": {"S": "0A"},
    "o": {"N": "1799999999.0"},
    "a": {"N": "2"},
    "e": {"S": "archived"},
}


def test_the_form_of_an_item_is_fixed():
    """Rows of one release are read by the next."""
    assert to_item(ROW, None) == ITEM
    assert to_item(ROW, 1_900_000_000) == {**ITEM, "x": {"N": "1900000000"}}
    assert from_item(ITEM) == ROW


UPLOAD = Upload(
    id="u-1",
    source=SourceIdentity("v2", "e2", 1_800_000_001, 10),
    expected=ReplicaVersion("r1", "w1"),
    generation=2,
    cut=Cut(10, 3, 2),
    algorithm="CRC64NVME",
    type="FULL_OBJECT",
    tags="denied",
    sent_at=1_800_000_002.5,
    done=frozenset({2, 1}),
)
UPLOAD_ITEM = {
    "u": {"S": "u-1"},
    "d": {"NS": ["1", "2"]},
    "n": {"N": "1800000002.5"},
    "y": {
        "M": {
            "v": {"S": "v2"},
            "i": {"S": "e2"},
            "m": {"N": "1800000001"},
            "z": {"N": "10"},
            "r": {"S": "r1"},
            "w": {"S": "w1"},
            "g": {"N": "2"},
            "b": {"N": "3"},
            "l": {"N": "2"},
            "k": {"S": "CRC64NVME"},
            "f": {"S": "FULL_OBJECT"},
            "t": {"S": "denied"},
        }
    },
}


def test_the_form_of_an_upload_is_fixed():
    uploading = replace(ROW, state=State.UPLOADING, upload=UPLOAD)
    assert to_item(uploading, None) == {**ITEM, "s": {"S": "U"}, **UPLOAD_ITEM}
    assert from_item({**ITEM, "s": {"S": "U"}, **UPLOAD_ITEM}) == uploading


def test_an_upload_that_is_fresh_has_neither_ranges_nor_a_time():
    """DynamoDB has no empty sets."""
    fresh = replace(ROW, upload=replace(UPLOAD, sent_at=None, done=frozenset(), expected=None, tags=""))
    item = to_item(fresh, None)
    assert {"d", "n"}.isdisjoint(item)
    assert {"r", "w", "t"}.isdisjoint(item["y"]["M"])
    assert from_item(item) == fresh


@pytest.mark.parametrize(("done", "missing"), [({}, [1, 2]), ({1}, [2]), ({1, 2}, []), ({1, 7}, [2]), ({2, 7, 8}, [1])])
def test_an_upload_is_whole_when_every_range_is_done(done, missing):
    upload = replace(UPLOAD, done=frozenset(done))
    assert upload.missing == missing
    assert upload.is_whole is (not missing)


@pytest.mark.parametrize(
    "damage",
    [
        {"y": {"M": {}}},
        {"y": {"S": "a map"}},
        {"y": {"M": {**UPLOAD_ITEM["y"]["M"], "b": {"N": "0"}}}},
        {"y": {"M": {**UPLOAD_ITEM["y"]["M"], "l": {"N": "-1"}}}},
        {"y": {"M": {**UPLOAD_ITEM["y"]["M"], "z": {"N": str(10**15)}}}},  # a list of its ranges would fill the memory
        {"d": {"NS": ["one"]}},
        {"d": {"L": []}},
        {"n": {"S": "now"}},
        {"u": {"N": "1"}},
    ],
    ids=str,
)
def test_a_row_whose_upload_is_damaged_cannot_be_read(damage):
    with pytest.raises(HydrationError) as raised:
        from_item({**ITEM, **UPLOAD_ITEM, **damage})
    assert raised.value.code == "bad-row"


def test_a_row_of_a_release_that_kept_no_proof_is_read():
    older = {name: value for name, value in ITEM.items() if name not in ("h", "p")}
    assert from_item(older) == replace(ROW, replica_checksum=None, proof=None)


def test_every_proof_has_a_letter():
    assert set(PROOFS.values()) == set(Proof)


@given(ROWS, st.none() | st.integers(1, 2**40))
def test_every_row_survives_the_way_there_and_back(row, expires_at):
    item = to_item(row, expires_at)
    assert from_item(item) == row
    assert set(item) <= {*ITEM, *UPLOAD_ITEM, "x"}


@given(ROWS)
def test_every_value_is_one_that_dynamodb_takes(row):
    for value in to_item(row, 1).values():
        assert TypeDeserializer().deserialize(value) not in ("", None)


def test_a_row_of_a_new_key_carries_nothing_that_it_does_not_know():
    assert to_item(Row(1, State.PENDING, 5.0), None) == {"g": {"N": "1"}, "s": {"S": "P"}, "c": {"N": "5.0"}}


DAMAGED = {
    "no generation": {name: value for name, value in ITEM.items() if name != "g"},
    "no state": {name: value for name, value in ITEM.items() if name != "s"},
    "a state of next year": {**ITEM, "s": {"S": "?"}},
    "a proof of next year": {**ITEM, "p": {"S": "?"}},
    "a generation of another type": {**ITEM, "g": {"S": "3"}},
    "a generation that is no whole number": {**ITEM, "g": {"N": "3.5"}},
    "no time": {name: value for name, value in ITEM.items() if name != "c"},
    "an identity without its size": {name: value for name, value in ITEM.items() if name != "z"},
    "a replica of another type": {**ITEM, "r": {"NULL": True}},
    "a text that is none": {**ITEM, "i": None},
    "nothing": {},
}


@pytest.mark.parametrize("item", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_row_is_told_apart_and_comes_back(item):
    with pytest.raises(HydrationError) as raised:
        from_item(item)
    assert raised.value.code == "bad-row"
    assert raised.value.error_class is ErrorClass.TRANSIENT


def test_attributes_of_a_newer_release_are_ignored():
    assert from_item({**ITEM, "future": {"M": {}}}) == ROW


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_the_sort_key_is_the_raw_key_and_nothing_else(key):
    assert address("bucket", key, 16)["sk"] == {"S": key}


def test_the_shard_of_a_key_never_changes():
    """A release that hashed otherwise would lose sight of every row."""
    published = {"123456789": 0xCBF43926, "a": 0xE8B7BE43, "abc": 0x352441C2}  # CRC-32
    for key, crc in published.items():
        assert address("bucket", key, 16)["pk"] == {"S": f"bucket#{crc % 16}"}


@given(KEYS, st.integers(1, 1024))
def test_every_key_has_one_of_the_shards(key, shards):
    bucket, shard = address("bucket", key, shards)["pk"]["S"].split("#")
    assert bucket == "bucket"
    assert 0 <= int(shard) < shards


def test_keys_under_one_prefix_spread_over_all_shards():
    counts = [0] * 16
    for number in range(16_000):
        counts[int(address("b", f"logs/2026/11/{number:08}.gz", 16)["pk"]["S"].split("#")[1])] += 1
    assert min(counts) > 700
    assert max(counts) < 1300
