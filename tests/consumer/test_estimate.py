"""What a backfill takes grows with what there is to copy, and the parts of a bill add up to it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import estimate as module
from consumer_replicator.estimate import (
    ITEM_OF_CALL,
    PRICES,
    Capacity,
    CopiesWithinS3,
    Load,
    cost_of,
    estimate,
    estimate_verify,
)

MIB, GIB, TIB = 1024**2, 1024**3, 1024**4
CAPACITY = Capacity(functions=50)
LOADS = st.builds(
    lambda small, **more: Load(bytes=small + more["large_bytes"], **more),
    small=st.integers(0, 10**16),
    objects=st.integers(0, 10**9),
    large=st.integers(0, 10**6),
    parts=st.integers(0, 10**7),
    large_bytes=st.integers(0, 10**9).map((128 * MIB).__mul__),
)
CAPACITIES = st.builds(
    Capacity,
    functions=st.integers(1, 1000),
    keys_at_once=st.integers(1, 64),
    memory_mb=st.integers(128, 10240),
    architecture=st.sampled_from(["arm64", "x86_64"]),
    objects_per_second=st.none() | st.floats(0.1, 10_000),
    source_bucket_keys=st.booleans(),
    copies=st.none() | st.just(CopiesWithinS3(128 * MIB, 1.6e9)),
)
CALLS = st.dictionaries(st.sampled_from([*sorted(ITEM_OF_CALL), "DeleteObject", "AssumeRole"]), st.integers(0, 10**9))


def close(one: float) -> object:
    return pytest.approx(one, rel=1e-9, abs=1e-12)


def test_an_object_up_to_the_threshold_is_one_part_of_the_load_and_a_larger_one_is_cut():
    assert Load.of(8 * MIB) == Load(objects=1, bytes=8 * MIB)
    assert Load.of(8 * MIB + 1) == Load(objects=1, bytes=8 * MIB + 1, large=1, parts=2, large_bytes=8 * MIB + 1)
    assert Load.of(0) == Load(objects=1)


def test_nothing_to_copy_takes_no_time_and_costs_nothing():
    nothing = estimate(Load(), CAPACITY)
    assert (nothing.seconds, nothing.dollars, nothing.limited_by) == (0, 0, "nothing to do")


def test_a_million_small_objects_are_priced_at_the_list():
    million = estimate(Load(objects=10**6), replace(CAPACITY, source_bucket_keys=True)).cost.items
    assert million["s3 writes and lists"] == close(5.00)  # $0.005 per 1,000 PUTs
    assert million["s3 reads"] == close(0.40)
    assert million["dynamodb writes"] == close(0.625)
    assert million["dynamodb reads"] == close(0.125)
    assert million["sqs"] == close(0.12)  # 300,000 requests
    assert million["lambda requests"] == close(0.02)
    assert million["kms"] == close(0.06)  # a hundredth of two million requests
    assert million["lambda time"] == close(15_000 * 0.0000133334)  # 1 GB for 0.15 s, ten keys at once


def test_without_bucket_keys_at_the_source_every_read_asks_the_key():
    with_keys, without = (
        estimate(Load(objects=10**6), replace(CAPACITY, source_bucket_keys=keys)).cost.items["kms"]
        for keys in (True, False)
    )
    assert (with_keys, without) == (close(0.06), close(3.03))


def test_small_objects_wait_for_round_trips_and_large_ones_for_bandwidth():
    small = estimate(Load(objects=10**6, bytes=10**9), CAPACITY)
    large = estimate(Load.of(10 * GIB), CAPACITY)
    assert (small.limited_by, large.limited_by) == ("round trips", "bandwidth")
    assert small.seconds == close((10**6 * 0.15 / 10 + 10**9 / 78e6) / 50)


def test_what_s3_copies_by_itself_costs_a_write_for_each_of_its_parts_and_passes_no_function():
    within_s3 = replace(CAPACITY, copies=CopiesWithinS3(128 * MIB, 1.6e9))
    load = Load.of(GIB)
    streamed, copied = estimate(load, CAPACITY), estimate(load, within_s3)
    assert copied.cost.items["s3 writes and lists"] == close((1 + 1 + 9) * 0.005 / 1000)  # begun, completed, its parts
    assert copied.cost.items["s3 reads"] == close(0.0004 / 1000)
    assert copied.seconds == close((0.15 / 10 + GIB / 1.6e9) / 50)
    assert copied.dollars < streamed.dollars / 5
    small = Load(objects=1000, bytes=1000 * MIB)
    assert estimate(small, within_s3) == estimate(small, CAPACITY), "what is small is the same in both modes"


def test_a_rate_limit_below_what_the_functions_carry_sets_the_time():
    paced = estimate(Load(objects=36_000), replace(CAPACITY, objects_per_second=10))
    assert (paced.seconds, paced.limited_by) == (3600, "rate limit")
    unpaced = estimate(Load(objects=36_000), replace(CAPACITY, objects_per_second=1_000_000))
    assert unpaced.limited_by == "round trips"


@given(LOADS, LOADS, CAPACITIES)
def test_the_dollars_of_two_loads_add_up(one, other, capacity):
    both = estimate(one + other, capacity).dollars
    assert both == close(estimate(one, capacity).dollars + estimate(other, capacity).dollars)


@given(LOADS, LOADS, CAPACITIES)
def test_the_seconds_of_two_loads_add_up_unless_a_rate_limit_holds_one_back(one, other, capacity):
    free = replace(capacity, objects_per_second=None)
    apart = estimate(one, free).seconds + estimate(other, free).seconds
    assert estimate(one + other, free).seconds == close(apart)
    paced_apart = estimate(one, capacity).seconds + estimate(other, capacity).seconds
    assert estimate(one + other, capacity).seconds <= paced_apart * (1 + 1e-9)


@given(LOADS, LOADS, CAPACITIES)
def test_more_to_copy_never_takes_less_time_or_money(one, more, capacity):
    before, after = estimate(one, capacity), estimate(one + more, capacity)
    assert after.seconds >= before.seconds * (1 - 1e-9)
    assert after.dollars >= before.dollars * (1 - 1e-9)


@given(LOADS, CAPACITIES)
def test_more_functions_are_never_slower_and_cost_the_same(load, capacity):
    doubled = replace(capacity, functions=2 * capacity.functions)
    assert estimate(load, doubled).seconds <= estimate(load, capacity).seconds
    assert estimate(load, doubled).cost == estimate(load, capacity).cost


@given(CALLS, CALLS, st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_costs_of_two_runs_add_up(one, other, read_units, gb_seconds):
    both = {call: one.get(call, 0) + other.get(call, 0) for call in one | other}
    apart = cost_of(one, read_units=read_units).dollars + cost_of(other, gb_seconds=gb_seconds).dollars
    assert cost_of(both, read_units=read_units, gb_seconds=gb_seconds).dollars == close(apart)


@given(CALLS)
def test_the_items_of_a_bill_add_up_to_it_and_none_is_for_nothing(calls):
    cost = cost_of(calls, read_units=1, write_units=1, kms_requests=1, gb_seconds=1)
    assert sum(cost.items.values()) == cost.dollars
    assert all(dollars > 0 for dollars in cost.items.values())


def test_calls_that_aws_does_not_bill_and_calls_unknown_to_the_table_are_free():
    assert cost_of({"DeleteObject": 10**6, "AssumeRole": 10, "AbortMultipartUpload": 3, "Whatever": 1}).dollars == 0


def test_a_reconcile_of_a_million_objects_costs_a_few_cents():
    run = cost_of({"ListObjectsV2": 1000, "SendMessageBatch": 1000}, read_units=26_000, gb_seconds=300)
    assert run.dollars == close(1000 * 0.000005 + 1000 * 0.4e-6 + 26_000 * 0.125e-6 + 300 * 0.0000133334)
    assert run.dollars < 0.02


def test_x86_costs_a_quarter_more_than_arm():
    arm, x86 = (cost_of({}, gb_seconds=1000, architecture=arch).dollars for arch in ("arm64", "x86_64"))
    assert x86 / arm == pytest.approx(1.25, rel=1e-3)


def test_every_price_has_its_source_beside_it():
    source = module.__loader__.get_source(module.__name__)
    table = source[source.index("PRICES: Final") : source.index("GB_SECOND")]
    assert set(ITEM_OF_CALL.values()) <= set(PRICES)
    for service in ("s3", "dynamodb", "sqs", "kms", "lambda"):
        assert f"https://aws.amazon.com/{service}/pricing/" in table


# -- verifying ---------------------------------------------------------------------------------------------------------


def test_a_million_comparisons_are_two_million_heads_and_a_key_asked_for_each():
    million = estimate_verify(Load(objects=10**6), replace(CAPACITY, functions=5)).cost.items
    assert million["s3 reads"] == close(0.80)
    assert million["kms"] == close(3.03)  # the replica has bucket keys, the source none
    assert million["lambda time"] == close(10_000 * 0.0000133334)  # 1 GB for 0.1 s, ten keys at once
    assert set(million) == {"s3 reads", "kms", "lambda time"}


@given(LOADS, CAPACITIES)
def test_reading_bytes_takes_longer_and_more_functions_less_long(load, capacity):
    heads = estimate_verify(replace(load, bytes=0), capacity)
    whole = estimate_verify(load, capacity)
    assert whole.seconds >= heads.seconds
    assert whole.dollars >= heads.dollars
    more = estimate_verify(load, replace(capacity, functions=2 * capacity.functions))
    assert more.seconds == close(whole.seconds / 2)
    assert more.dollars == close(whole.dollars)
    assert heads.limited_by == ("round trips" if load.objects else "nothing to do")
