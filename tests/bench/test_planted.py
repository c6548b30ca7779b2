"""What is planted is known exactly: the comparison is only as good as its answer sheet."""

from collections import Counter

import pytest

from tests.bench.planted import Planned, Planted, planned


@pytest.fixture(scope="module")
def objects() -> list[Planned]:
    return list(planned(10_000))


def test_a_hundredth_of_the_keys_drifted_in_every_way_there_is(objects):
    counted = Counter(each.planted for each in objects)
    assert sum(count for kind, count in counted.items() if kind) == 100
    assert {kind for kind in counted if kind} == set(Planted)
    assert all(count >= 16 for count in counted.values())


def test_no_key_comes_twice_and_every_run_plants_the_same(objects):
    assert len({each.key for each in objects}) == len(objects)
    assert list(planned(10_000)) == objects


@pytest.mark.parametrize("kind", [Planted.SAME_SIZE, Planted.LATE_COPY])
def test_a_change_of_the_same_size_has_other_bytes(objects, kind):
    each = next(each for each in objects if each.planted is kind)
    assert each.changed
    assert len(each.after) == len(each.before)


def test_only_a_change_of_another_size_is_of_another_size(objects):
    assert {each.planted for each in objects if each.after and len(each.after) != len(each.before)} == {Planted.LONGER}


def test_only_what_was_deleted_is_gone_at_the_source(objects):
    assert {each.planted for each in objects if each.after is None} == {Planted.EXTRA}
