"""The breaker's truth table: when deletes may be passed on, and the sentence when they may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.breaker import Limits, Seen, held_because

LIMITS = Limits(number=100, share=0.1, few=10)

TABLE = [
    # extra, rows, listed, before; part of the reason, or None
    ("nothing is extra", (0, 1000, 1000, 1000), None),
    ("nothing is extra, though all is gone", (0, 1000, 0, 1000), None),
    ("a few of many", (5, 1000, 995, 1000), None),
    ("as many as the number allows", (100, 10_000, 9_900, 10_000), None),
    ("one more than the number allows", (101, 10_000, 9_899, 10_000), "101 deletes, more than 100 in one run."),
    ("exactly the share", (50, 500, 450, 500), None),
    ("above the share", (51, 500, 449, 500), "51 deletes of 500 rows, a share above 10%."),
    ("few in a small bucket", (10, 12, 2, 12), None),
    ("one more than few in a small bucket", (11, 12, 1, 12), "11 deletes of 12 rows, a share above 10%."),
    ("the listing is empty", (1, 1, 0, 1), "The source's listing is empty, and the manifest has 1 rows."),
    ("the listing is empty, the first run", (1, 1, 0, None), "The source's listing is empty"),
    ("the listing is empty, as it was before", (1, 1, 0, 0), "The source's listing is empty"),
    ("the listing shrank by the share", (20, 1000, 900, 1000), None),
    ("the listing shrank by more", (20, 1000, 899, 1000), "The listing shrank from 1000 to 899 entries."),
    ("the listing shrank, and few are extra", (10, 1000, 500, 1000), None),
    ("the first run of all", (20, 1000, 500, None), None),
    ("the listing grew", (20, 1000, 5000, 1000), None),
]


@pytest.mark.parametrize(("seen", "reason"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE])
def test_deletes_pass_or_are_held_for_a_reason(seen, reason):
    held = held_because(Seen(*seen), LIMITS)
    assert (held is None) is (reason is None)
    assert reason is None or reason in held


def test_the_first_reason_is_told_and_it_is_the_gravest():
    assert held_because(Seen(1000, 1000, 0, 1000), LIMITS).startswith("The source's listing is empty")
    assert held_because(Seen(1000, 1000, 1, 1000), LIMITS).startswith("1000 deletes, more than 100")


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        (Limits(number=0, share=1, few=0), False),  # no delete is ever passed on
        (Limits(number=10**9, share=1, few=0), True),  # raised by a person for one run
        (Limits(number=10**9, share=0, few=0), False),
    ],
)
def test_the_limits_are_a_persons_to_raise(limits, passes):
    assert (held_because(Seen(500, 1000, 500, 1000), limits) is None) is passes


def test_no_limit_lets_an_empty_listing_empty_the_replica():
    assert held_because(Seen(5, 5, 0, 5), Limits(number=10**9, share=1, few=10**9))


COUNTS = st.integers(0, 2000)
SEEN = st.builds(Seen, COUNTS, COUNTS, COUNTS, st.none() | COUNTS).filter(lambda seen: seen.extra <= seen.rows)
LIMIT = st.builds(Limits, st.integers(0, 500), st.floats(0, 1), st.integers(0, 20))


@given(SEEN, LIMIT)
def test_what_passes_is_within_every_limit(seen, limits):
    if held_because(seen, limits) is None:
        assert seen.extra <= limits.number
        assert seen.extra <= limits.few or seen.extra <= limits.share * seen.rows
        assert seen.listed or not seen.extra


@given(SEEN, LIMIT, st.integers(0, 100))
def test_fewer_deletes_of_as_many_rows_are_never_held_where_more_pass(seen, limits, fewer):
    if held_because(seen, limits) is None:
        less = Seen(max(seen.extra - fewer, 0), seen.rows, seen.listed, seen.listed_before)
        assert held_because(less, limits) is None
