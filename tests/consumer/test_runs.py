"""Runs and what outlives them, as items beside the rows: written only over what was read, and read as written."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer_replicator.errors import RowMoved
from consumer_replicator.key_ranges import KeyRange, KeySample
from consumer_replicator.manifest import Manifest
from consumer_replicator.payload import Payload
from consumer_replicator.row import Row, State
from consumer_replicator.run import Phase, RangeState, Run, WholeRun
from consumer_replicator.run_facts import LAG_BOUNDS
from consumer_replicator.runs import DAY, MAX_BOUNDARIES, Runs
from consumer_replicator.watermark import Watermark
from tests.consumer.arbitrary import KEYS
from tests.consumer.fake_aws import SOURCE, TABLE
from tests.consumer.refusals import assert_told
from tests.consumer.test_manifest import FAILURES
from tests.odd_keys import ODD_KEYS

NOW = 1_800_000_000.5
KEEP = 90 * DAY
RUN = Run("20261124-030000-1a2b3c", Payload(), NOW)
STATE = RangeState(200_000, KeyRange("a", "m"))
FULL = Run(
    id="r",
    payload=Payload.parse({"prefix": list(ODD_KEYS.values()), "since": "2026-11-24T06:00:00Z", "dry_run": True}),
    started=NOW,
    phase=Phase.STOPPED,
    ranges=17,
    first_range=200_000,
    since_run=NOW - DAY,
    listed_before=0,
    settle_from=NOW + 0.25,
    finished=NOW + 1,
    resumes=Phase.LISTING,
    held="Too many <deletes>.",
    failure="AccessDenied: caf\u00e9",
    next_poll=NOW + 15.5,
)


@pytest.fixture
def runs(table):
    return Runs(table, TABLE, SOURCE)


@pytest.fixture
def stub(stubbed):
    """(the runs, their Stubber)"""
    client, stubber = stubbed("dynamodb")
    return Runs(client, TABLE, SOURCE), stubber


def items(table):
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in table.scan(TableName=TABLE)["Items"]}


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [RUN, FULL], ids=["new", "with everything"])
def test_a_run_is_read_as_it_was_written(runs, run):
    assert runs.read(run.id) is None
    assert runs.write(run) is run
    assert runs.read(run.id) == run


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ({}, {"mode": "reconcile"}),
        ({"mode": "reconcile", "prefix": "a/"}, {"mode": "reconcile", "prefix": ["a/"]}),
        ({"force": True}, {"mode": "backfill", "force": True}),
        ({"mode": "verify", "sample": 0.5}, {"mode": "verify", "sample": 0.5}),
    ],
)
def test_a_run_keeps_of_its_payload_what_was_said_so_that_an_older_release_can_go_on_with_it(
    runs, table, asked, stored
):
    payload = Payload.parse(asked)
    runs.write(replace(RUN, payload=payload))
    (item,) = items(table).values()
    assert json.loads(item["pl"]["S"]) == stored
    assert runs.read(RUN.id).payload == payload


def test_a_run_is_begun_once(runs):
    runs.write(RUN)
    with pytest.raises(RowMoved):
        runs.write(replace(RUN, started=NOW + 1))
    assert runs.read(RUN.id) == RUN


def test_of_two_that_move_a_run_on_one_does(runs):
    runs.write(RUN)
    runs.write(RUN.moved(Phase.LISTING, ranges=3))
    with pytest.raises(RowMoved):
        runs.write(RUN.moved(Phase.STOPPED))
    assert runs.read(RUN.id) == replace(RUN, phase=Phase.LISTING, version=2, ranges=3)


def test_a_run_whose_items_expired_meanwhile_is_not_begun_again_by_moving_it(runs):
    with pytest.raises(RowMoved):
        runs.write(RUN.moved(Phase.LISTING))
    assert runs.read(RUN.id) is None


def test_what_a_move_does_not_name_stays_and_what_it_clears_is_gone(runs):
    runs.write(FULL)
    moved = FULL.moved(Phase.LISTING, resumes=None, failure=None)
    runs.write(moved)
    assert runs.read("r") == moved
    assert runs.read("r").held == FULL.held
    assert runs.read("r").next_poll is None, "a move forgets the poll that it does not name"


def test_a_run_is_asked_for_consistently_and_written_on_condition(stub):
    runs, stubber = stub
    key = {"pk": {"S": f"{SOURCE}#run#{RUN.id}"}, "sk": {"S": "run"}}
    stubber.add_response("get_item", {}, {"TableName": TABLE, "Key": key, "ConsistentRead": True})
    runs.read(RUN.id)
    item = key | {
        "v": {"N": "2"},
        "ph": {"S": "listing"},
        "pl": {"S": Payload().to_json()},
        "st": {"N": "1800000000.5"},
        "rg": {"N": "0"},
        "fr": {"N": "0"},
        "x": {"N": str(int(NOW) + KEEP)},
    }
    request = {
        "TableName": TABLE,
        "Item": item,
        "ConditionExpression": "v = :before",
        "ExpressionAttributeValues": {":before": {"N": "1"}},
    }
    stubber.add_response("put_item", {}, request)
    runs.write(RUN.moved(Phase.LISTING))


@pytest.mark.parametrize("phase", Phase)
def test_a_run_rests_once_it_is_done_stopped_or_failed(phase):
    assert replace(RUN, phase=phase).rests is (phase in (Phase.DONE, Phase.STOPPED, Phase.FAILED))


# -- ranges ------------------------------------------------------------------------------------------------------------

LISTING = replace(RUN, first_range=200_000)


def test_a_range_is_read_as_it_was_written(runs):
    state = replace(
        STATE,
        cursor="caf\u00e9\n",
        done=True,
        tally=Counter({"listed": 3, "skipped:young": 1}),
        sample=KeySample(4, tuple(ODD_KEYS.values())[:100]),
        writers=((0, "1a2b3c4d"), (7, "5e6f7a8b")),
    )
    runs.checkpoint(RUN, state)
    assert runs.read_range(RUN.id, STATE.number) == state
    assert runs.read_range(RUN.id, STATE.number + 1) is None
    assert runs.read_range("another", STATE.number) is None


@given(
    keys=st.lists(KEYS, max_size=3, unique=True).map(sorted),
    cursor=st.just("") | KEYS,
    tally=st.dictionaries(st.sampled_from(["listed", "calls:Query", "read-half-units"]), st.integers(0, 2**60)),
    sample=st.lists(KEYS, max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_whatever_keys_there_are_a_range_carries_them(runs, keys, cursor, tally, sample):
    keys = [key for key in keys if key]
    whole = KeyRange(keys[0] if len(keys) > 1 else "", keys[-1] if keys else None)
    number = next(NUMBERS)
    state = RangeState(number, whole, cursor=cursor, tally=Counter(tally), sample=KeySample(8, tuple(sample)))
    runs.checkpoint(RUN, state)
    assert runs.read_range(RUN.id, number) == state


NUMBERS = iter(range(500_000, 600_000))


def test_a_range_names_whose_file_of_each_chunk_counts():
    assert STATE.writer_of(0) == ""
    state = STATE
    for chunk, writer in enumerate(["one", "one", "two", "one"]):
        state = replace(state, writers=state.signed(writer), chunks=chunk + 1)
    assert state.writers == ((0, "one"), (2, "two"), (3, "one"))
    assert [state.writer_of(chunk) for chunk in range(4)] == ["one", "one", "two", "one"]


def test_a_checkpoint_is_written_once_so_nothing_is_counted_twice(runs):
    runs.checkpoint(RUN, STATE)
    first = replace(STATE, chunks=1, cursor="b", tally=Counter(listed=10))
    runs.checkpoint(RUN, first)
    for late in (STATE, first, replace(first, cursor="c"), replace(first, chunks=3)):
        with pytest.raises(RowMoved):
            runs.checkpoint(RUN, late)
    assert runs.read_range(RUN.id, STATE.number) == first


def test_cursor_and_counts_are_one_conditional_write(stub):
    runs, stubber = stub
    request = {
        "TableName": TABLE,
        "Item": {
            "pk": {"S": f"{SOURCE}#run#{RUN.id}"},
            "sk": {"S": "range#200000"},
            "v": {"N": "2"},
            "af": {"S": "a"},
            "un": {"S": "m"},
            "cu": {"S": "b"},
            "d": {"N": "0"},
            "t": {"S": '{"listed": 10}'},
            "sm": {"S": "[1, []]"},
            "x": {"N": str(int(NOW) + KEEP)},
        },
        "ConditionExpression": "v = :before",
        "ExpressionAttributeValues": {":before": {"N": "1"}},
    }
    stubber.add_response("put_item", {}, request)
    runs.checkpoint(RUN, replace(STATE, chunks=1, cursor="b", tally=Counter(listed=10)))


def test_the_ranges_of_a_run_come_by_number_and_those_of_an_earlier_planning_do_not(runs):
    for number in (200_010, 200_001, 100_000, 200_000, 200_002):
        runs.checkpoint(RUN, RangeState(number, KeyRange()))
    runs.write(RUN)
    runs.checkpoint(replace(RUN, id="another"), RangeState(200_003, KeyRange()))
    assert [state.number for state in runs.ranges(LISTING)] == [200_000, 200_001, 200_002, 200_010]
    assert runs.ranges(replace(RUN, id="nobody's")) == []


def test_ranges_planned_many_times_over_are_still_told_apart_and_in_order(runs):
    for version in (2, 9, 10, 123):
        for number in (0, 1):
            runs.checkpoint(RUN, RangeState(version * 100_000 + number, KeyRange()))
    for version in (10, 123):
        run = replace(RUN, first_range=version * 100_000)
        numbers = [state.number for state in runs.ranges(run) if state.number < run.first_range + 2]
        assert numbers == [run.first_range, run.first_range + 1]


def test_all_pages_of_ranges_are_read(stub):
    runs, stubber = stub
    request = {
        "TableName": TABLE,
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :range)",
        "ExpressionAttributeValues": {":pk": {"S": f"{SOURCE}#run#{RUN.id}"}, ":range": {"S": "range#"}},
    }
    plain = {"af": {"S": ""}, "cu": {"S": ""}, "d": {"N": "0"}, "t": {"S": "{}"}, "sm": {"S": "[1, []]"}}
    pages = [{"pk": {"S": "p"}, "sk": {"S": f"range#{number:06d}"}, "v": {"N": "1"}, **plain} for number in (1, 2)]
    last = {name: pages[0][name] for name in ("pk", "sk")}
    stubber.add_response("query", {"Items": pages[:1], "LastEvaluatedKey": last}, request)
    stubber.add_response("query", {"Items": pages[1:]}, request | {"ExclusiveStartKey": last})
    assert [state.number for state in runs.ranges(RUN)] == [1, 2]


def test_a_range_of_the_longest_counters_and_keys_fits_an_item(runs):
    """Escaped, a key of control characters is six times as long; an item holds 400 KB."""
    from consumer_replicator.range_worker import SAMPLED_KEYS, joined

    worst = KeySample(1, tuple(f"{number:04d}" + "\x01" * 1020 for number in range(SAMPLED_KEYS)))
    names = [f"lag:{place}" for place in range(len(LAG_BOUNDS) + 1)] + [f"skipped:{n}" for n in range(50)]
    state = RangeState(
        1, KeyRange("\x01" * 1024, "\x02" * 1024), "\x01" * 1023 + "\x02", tally=Counter(dict.fromkeys(names, 2**53))
    )
    runs.checkpoint(RUN, replace(state, sample=joined(worst, worst)))
    assert runs.read_range(RUN.id, 1).cursor == state.cursor


def test_what_is_left_of_a_range_begins_after_its_cursor():
    assert STATE.rest == KeyRange("a", "m")
    assert replace(STATE, cursor="b").rest == KeyRange("b", "m")
    assert replace(STATE, cursor="m").rest is None
    assert replace(STATE, cursor="b", done=True).rest is None


# -- what outlives a run -----------------------------------------------------------------------------------------------


def test_boundaries_are_remembered_verbatim_and_none_is_not_the_same_as_never(runs):
    assert runs.boundaries() is None
    for keys in ([], sorted(ODD_KEYS.values())[:16]):
        runs.remember_boundaries(keys)
        assert runs.boundaries() == keys


def test_more_boundaries_than_an_item_holds_are_refused(runs):
    with pytest.raises(ValueError, match="129 boundaries"):
        runs.remember_boundaries(["k"] * (MAX_BOUNDARIES + 1))
    assert runs.boundaries() is None


def test_the_last_whole_run_is_remembered_even_where_it_listed_nothing(runs):
    assert runs.last_whole() is None
    for count in (5, 0, 10**12):
        runs.remember_whole(WholeRun(count, NOW))
        assert runs.last_whole() == WholeRun(count, NOW)


def test_a_whole_run_of_an_earlier_release_left_only_what_it_listed(runs, table):
    item = {"pk": {"S": f"{SOURCE}#boundaries"}, "sk": {"S": "listed"}, "n": {"N": "7"}}
    table.put_item(TableName=TABLE, Item=item)
    assert runs.last_whole() == WholeRun(7, None)


def test_summaries_come_the_last_started_first_whatever_their_runs_are_called(runs):
    for run_id, started in (("zzz", 100.0), ("20261124-030000-1a2b3c", NOW), ("aaa", NOW + 1), ("mmm", 20.0)):
        runs.summarise(replace(RUN, id=run_id, started=started), {"id": run_id})
    assert [summary["id"] for summary in runs.summaries(9)] == ["aaa", RUN.id, "zzz", "mmm"]
    assert [summary["id"] for summary in runs.summaries(2)] == ["aaa", RUN.id]


def test_a_run_summarised_again_has_one_summary(runs):
    runs.summarise(RUN, {"id": RUN.id, "state": "failed"})
    runs.summarise(RUN.moved(Phase.DONE), {"id": RUN.id, "state": "done"})
    assert runs.summaries(9) == [{"id": RUN.id, "state": "done"}]


def test_a_watermark_is_written_only_over_the_one_that_was_read(runs):
    assert runs.watermark() == Watermark()
    first = Watermark(live=NOW, version=1)
    runs.write_watermark(first)
    runs.write_watermark(replace(first, proven=NOW, version=2))
    for late in (first, Watermark(live=NOW + 9, version=2), Watermark(version=4)):
        with pytest.raises(RowMoved):
            runs.write_watermark(late)
    assert runs.watermark() == Watermark(live=NOW, proven=NOW, version=2)


def test_the_failures_that_the_copier_notes_are_the_ones_that_a_proof_forgets(runs, table):
    manifest = Manifest(table, TABLE, SOURCE, 16, 30)
    assert runs.failures_since() is None
    manifest.note_failure(NOW + 0.0004)
    assert runs.failures_since() == NOW
    runs.forget_failures(NOW)
    assert runs.failures_since() is None


def test_a_failure_that_was_noted_meanwhile_is_not_forgotten(runs, table):
    manifest = Manifest(table, TABLE, SOURCE, 16, 30)
    manifest.note_failure(NOW)
    before = runs.failures_since()
    manifest.note_failure(NOW + 1)
    runs.forget_failures(before)
    assert runs.failures_since() == NOW + 1


def test_forgetting_what_is_forgotten_already_is_no_error(runs):
    runs.forget_failures(NOW)
    assert runs.failures_since() is None


def test_everything_expires_in_time_but_boundaries_and_watermark(runs, table):
    runs.write(RUN)
    runs.checkpoint(RUN, STATE)
    runs.summarise(RUN, {"id": RUN.id})
    runs.remember_boundaries([])
    runs.remember_whole(WholeRun(1, NOW))
    runs.write_watermark(Watermark(version=1))
    Manifest(table, TABLE, SOURCE, 16, 30).note_failure(NOW)
    expiring = {pk.partition("#")[2]: item.get("x") for (pk, _), item in items(table).items()}
    expiry = {"N": str(int(NOW) + KEEP)}
    assert expiring == {f"run#{RUN.id}": expiry, "runs": expiry, "boundaries": None, "watermark": None}


@pytest.mark.parametrize("run_id", ["3", "s", "watermark", "x" * 64])
def test_no_item_of_a_run_lies_among_the_rows(runs, table, run_id):
    """A shard's partition is the bucket and a number: whatever a run is called, it is in none of them."""
    manifest = Manifest(table, TABLE, SOURCE, 16, 30)
    keys = ["run", "range#000001", "failures", "watermark", "boundaries"]
    for key in keys:
        manifest.write(key, None, Row(1, State.LIVE, NOW))
    runs.write(replace(RUN, id=run_id))
    runs.checkpoint(replace(RUN, id=run_id), RangeState(1, KeyRange()))
    runs.summarise(replace(RUN, id=run_id), {})
    runs.remember_boundaries([])
    runs.write_watermark(Watermark(version=1))
    assert all(manifest.read_many(keys).values())
    assert runs.read(run_id).id == run_id


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", FAILURES)
def test_a_table_that_refuses_says_why(stub, refusal):
    runs, stubber = stub
    calls = {
        "get_item": [lambda: runs.read("r"), runs.boundaries, runs.watermark, runs.failures_since],
        "query": [lambda: runs.ranges(RUN), lambda: runs.summaries(1)],
        "put_item": [
            lambda: runs.write(RUN),
            lambda: runs.checkpoint(RUN, STATE),
            lambda: runs.write_watermark(Watermark(version=1)),
            lambda: runs.summarise(RUN, {}),
        ],
        "delete_item": [lambda: runs.forget_failures(NOW)],
    }
    assert_told(stubber, calls, refusal)
