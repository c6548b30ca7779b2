"""Which messages are events: only those may be lost on purpose, and only those are accounted for."""

import pytest

from consumer_replicator.hint import PlainHint, to_body
from tests.consumer.rig import event
from tests.load.tap import event_id
from tests.sandbox.demo import TORN_EVENT


def test_an_event_has_its_id():
    assert event_id(event("k", "01", event_id="one")) == "one"


@pytest.mark.parametrize("body", [to_body(PlainHint("source", "k", "run-1")), TORN_EVENT, "", "[]", "1"])
def test_what_is_no_event_has_none(body: str):
    assert event_id(body) == ""
