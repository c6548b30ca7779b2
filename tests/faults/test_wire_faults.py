"""Every fault on the wire, at every call that it can hit: told apart, retried, and nothing lost (see `wire_runs`)."""

from pathlib import Path

import pytest

from consumer_replicator.errors import FAILURE_CODES
from tests.faults.wire_faults import FAULTS, Result
from tests.faults.wire_runs import BEGIN, END, all_results, table

ARCHITECTURE = Path(__file__).parents[2] / "service-catalog" / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Each was followed until source, replica and row were equal, and no message was left."""
    return all_results(tmp_path_factory.mktemp("certificates"))


def test_every_fault_was_met_wherever_it_can_hit(results: list[Result]):
    met = {(each.fault, each.operation) for each in results}
    assert {(fault.name, operation) for fault in FAULTS for operation in fault.operations} <= met
    assert len(met) == len(results) >= 150


def test_what_is_transient_comes_back_by_itself(results: list[Result]):
    for each in results:
        if each.error_class == "transient":
            assert each.then == "comes back", each


def test_a_failure_is_for_good_only_where_access_was_denied(results: list[Result]):
    for each in results:
        if each.error_class == "permanent":
            assert each.code in FAILURE_CODES
            assert each.code.endswith(("-access-denied", "-kms-denied")), each


def test_no_call_is_made_more_often_than_clients_and_parts_are_tried(results: list[Result]):
    for each in results:
        assert each.attempts <= (12 if each.operation == "UploadPart" else 4), each


def test_the_table_in_the_architecture_is_what_came_of_it(results: list[Result]):
    """`python -m tests.faults table` prints it."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table(results)
