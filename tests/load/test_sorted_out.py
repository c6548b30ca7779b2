"""Tags that differ because their event was lost are told from everything that must not be."""

from tests.load.soak import sorted_out
from tests.sandbox.check import Difference

TAG = Difference("lost", "tag a", "1", None)
HEARD = Difference("heard", "tag a", "1", None)
BYTES = Difference("lost", "bytes", "1", "2")


def test_only_tags_of_keys_with_a_lost_event_may_differ():
    assert sorted_out([TAG, HEARD, BYTES], {"lost"}) == ([HEARD, BYTES], {"lost"})
    assert sorted_out([TAG], set()) == ([TAG], set())
