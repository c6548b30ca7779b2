"""Schedules depend on their choices alone: no threads of the product's own, no pauses."""

import pytest

from tests.simulation.one_thread import one_thread


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield
