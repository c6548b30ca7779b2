"""The model's tables are the page's, and it says nothing else than the product's own estimate."""

from dataclasses import fields, replace

import pytest

from consumer_replicator import estimate
from consumer_replicator.estimate import Capacity, Load
from consumer_replicator.splitting import VPC_BYTES_PER_SECOND
from tests.bench import aws_model as model
from tests.bench.aws_model import GB, MB, SMALL, TB, Bulk, Inputs

GIVEN = Inputs()


def test_the_page_s_tables_are_what_the_model_prints():
    text = model.PAGE.read_text(encoding="utf-8")
    shown = text.partition(model.BEGIN)[2].partition(model.END)[0].strip()
    assert shown == model.printed(GIVEN), "python -m tests.bench.aws_model --write"


def test_an_object_waits_as_long_as_the_estimate_says():
    assert model.seconds_per_object(GIVEN) == pytest.approx(estimate.SECONDS_PER_OBJECT)
    assert model.seconds_per_object(model.stretched(GIVEN, 0.3)) == pytest.approx(0.3)


def test_a_function_is_as_fast_as_the_estimate_says():
    load = Load.of(SMALL)
    seconds = estimate.estimate(load, Capacity(functions=1, keys_at_once=GIVEN.keys_at_once)).seconds
    assert model.rate(GIVEN, SMALL).objects == pytest.approx(1 / seconds, rel=0.01)
    assert GIVEN.function_bytes == pytest.approx(VPC_BYTES_PER_SECOND, rel=0.01)


def test_the_least_of_what_waiting_bandwidth_and_cpu_allow_is_the_rate():
    assert model.rate(GIVEN, SMALL).limit == "waiting"
    assert model.rate(GIVEN, 64 * MB).limit == "bandwidth"
    assert model.rate(replace(GIVEN, keys_at_once=1_000), SMALL).limit == "CPU"
    assert model.rate(replace(GIVEN, keys_at_once=1_000, memory_mb=2 * 1769), SMALL).objects == pytest.approx(
        2 / GIVEN.cpu_object, rel=0.01
    )


@pytest.mark.parametrize(("size", "functions"), [(GB, 1), (100 * GB, 50), (50 * TB, 50)])
def test_a_large_object_is_carried_by_as_many_functions_as_there_are(size, functions):
    one = model.carried(GIVEN, int(size))
    assert one.functions == functions
    assert one.seconds == pytest.approx(size / (functions * GIVEN.function_bytes), rel=0.05)
    assert one.seconds < one.planned


def test_more_functions_are_never_slower():
    times = [model.carried(replace(GIVEN, functions=count), int(50 * TB)).seconds for count in (1, 10, 100, 1_000)]
    assert times == sorted(times, reverse=True)


def test_dollars_are_the_estimate_s_and_those_of_the_events():
    million = Bulk(1_000_000, SMALL)
    capacity = Capacity(functions=50, source_bucket_keys=True)
    copies = estimate.estimate(Load(million.count, int(million.bytes)), capacity).dollars
    assert model.ours(GIVEN, million) == pytest.approx(copies + GIVEN.dollars_events)


def test_dollars_grow_with_what_is_copied():
    for dollars in (model.ours, model.replication, model.batch_operations, model.datasync, model.transfer_hub):
        few, many = dollars(GIVEN, Bulk(1_000, SMALL)), dollars(GIVEN, Bulk(1_000_000, SMALL))
        assert 0 < few < many


def test_every_input_is_explained_and_can_be_set():
    assert {each.name for each in fields(Inputs)} == set(model.ABOUT)
    assert model.with_values(GIVEN, ["functions=200", "cpu_gigabyte=2"]) == replace(
        GIVEN, functions=200, cpu_gigabyte=2.0
    )
    with pytest.raises(SystemExit, match="speed is no input"):
        model.with_values(GIVEN, ["speed=1"])
