"""A LIVE row keeps its identity only beside the very replica it vouches for."""

from dataclasses import replace

import pytest

from consumer_replicator.drift import Listed, Stray, Unreadable
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.replica_check import with_replicas
from consumer_replicator.row import ReplicaVersion, Row, State

LIVE = Row(3, State.LIVE, 100.0, SourceIdentity("v", "e", 1, 1), replica=ReplicaVersion("r1"))


def listed(key: str, etag: str = "r1") -> Listed:
    return Listed(key, etag, 50, 1)


def test_rows_beside_their_replicas_pass_as_they_are_whatever_else_lies_in_the_bucket():
    rows = [("b", LIVE), ("d", LIVE)]
    replicas = [listed(key) for key in ("a", "b", "c", "d", "e")]
    strays = [(key, Stray(None)) for key in ("a", "c", "e")]
    assert list(with_replicas(rows, replicas)) == sorted([*rows, *strays], key=lambda pair: pair[0])


@pytest.mark.parametrize("other", ["a", "z"])
def test_a_live_row_without_its_replica_loses_its_identity(other: str):
    assert list(with_replicas([("b", LIVE)], [])) == [("b", replace(LIVE, source=None))]
    assert ("b", replace(LIVE, source=None)) in list(with_replicas([("b", LIVE)], [listed(other)]))


def test_a_replica_that_is_not_the_rows_is_a_stray_and_a_live_row_loses_its_identity():
    assert list(with_replicas([("b", LIVE)], [listed("b", "r2")])) == [("b", Stray(replace(LIVE, source=None)))]


@pytest.mark.parametrize("state", [state for state in State if state is not State.LIVE])
def test_of_a_row_that_is_not_live_only_a_replica_that_it_names_is_no_stray(state: State):
    row = replace(LIVE, state=state)
    assert list(with_replicas([("b", row)], [listed("b", "r1")])) == [("b", row)]
    assert list(with_replicas([("b", row)], [listed("b", "r2")])) == [("b", Stray(row))]


@pytest.mark.parametrize("state", [state for state in State if state is not State.LIVE])
def test_only_live_rows_vouch_for_a_replica(state: State):
    row = replace(LIVE, state=state)
    assert list(with_replicas([("b", row)], [])) == [("b", row)]


def test_an_unreadable_row_stays_unreadable():
    assert list(with_replicas([("b", Unreadable("why"))], [])) == [("b", Unreadable("why"))]
