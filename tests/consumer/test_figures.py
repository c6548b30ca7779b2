"""Figures read naturally, and rounding never turns something into nothing."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.figures import dollars, duration, instant, number, percent, size


@pytest.mark.parametrize(
    ("count", "words"),
    [
        *((None, "unknown"), (0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (1024, "1.0 KiB")),
        *((1024**2 - 1, "1.0 MiB"), (1536 * 1024, "1.5 MiB"), (1024**6, "1.0 EiB"), (5000 * 1024**6, "5,000.0 EiB")),
    ],
)
def test_sizes(count, words):
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((None, "unknown"), (0, "0 s"), (0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min")),
        *((60, "1 min"), (200, "3 min 20 s"), (3599.9, "1 h"), (7500, "2 h 5 min"), (97_200, "1 d 3 h")),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "$0"), (0.000001, "under $0.0001"), (0.0157, "$0.0157"), (0.1, "$0.10"), (1234.5, "$1,234.50")],
)
def test_dollars(amount, words):
    assert dollars(amount) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        *((None, "unknown"), (0, "0 %"), (1, "100 %"), (0.25, "25 %"), (0.0008, "0.08 %"), (0.00001, "under 0.01 %")),
        (0.99999, "over 99.99 %"),
    ],
)
def test_shares(share, words):
    assert percent(share) == words


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_share_that_is_not_nothing_and_not_all_never_reads_so(share):
    assert percent(share) not in ("0 %", "100 %")


@given(st.floats(0, 1e6, exclude_min=True))
def test_money_spent_never_reads_as_none(amount):
    assert dollars(amount) != "$0"


def test_a_moment_is_told_in_utc():
    moment = datetime(2026, 11, 24, 4, 0, 0, tzinfo=timezone(timedelta(hours=1)))
    assert instant(moment) == "2026-11-24 03:00:00 UTC" == instant(moment.astimezone(UTC))
    assert instant(None) == "unknown"


def test_numbers_have_their_thousands_apart():
    assert number(1234567) == "1,234,567"
