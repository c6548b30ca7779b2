"""Drifted keys as lines of a file, and the table of what became of them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.comparison import Answer, Basis, Verified, different
from consumer_replicator.drift import Drift, DriftKind, Listed, Unreadable
from consumer_replicator.drift_record import FIRST_SECOND, LAST_SECOND, DriftRecord, Ending, ending
from consumer_replicator.row import Row, State
from tests.consumer.arbitrary import KEYS, ROWS
from tests.odd_keys import ODD_KEYS

NOW = 1_800_000_000.0
LISTED = Listed("k", "e1", 1_790_000_000, 17)
ROW = Row(generation=4, state=State.LIVE, written_at=NOW)
STALE = DriftRecord(DriftKind.STALE, "k", 17, 1_790_000_000, 4, hinted=True)
EXTRA = DriftRecord(DriftKind.EXTRA, "k", None, None, 4, hinted=False)

DIFFERENT = DriftRecord(Answer.DIFFERENT, "k", 17, 1_790_000_000, 4, hinted=False, reason="checksums")

RECORDS = st.builds(
    DriftRecord,
    kind=st.sampled_from([*DriftKind, Answer.DIFFERENT, Answer.CANNOT_TELL]),
    key=KEYS,
    size=st.none() | st.integers(0, 50 * 10**12),
    last_modified=st.none() | st.integers(FIRST_SECOND, LAST_SECOND),
    generation=st.integers(),
    hinted=st.booleans(),
    reason=st.none() | st.sampled_from(["checksums", "other-parts"]),
)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_is_short_and_says_what_the_documentation_says():
    assert STALE.to_line() == '{"k": "stale", "key": "k", "z": 17, "m": 1790000000, "g": 4, "h": 1}'
    assert EXTRA.to_line() == '{"k": "extra", "key": "k", "g": 4, "h": 0}'
    assert DIFFERENT.to_line() == (
        '{"k": "different", "key": "k", "z": 17, "m": 1790000000, "g": 4, "h": 0, "r": "checksums"}'
    )


@given(RECORDS)
def test_every_record_survives_its_line(record):
    assert DriftRecord.from_line(record.to_line()) == record


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_whatever_the_key_a_record_is_one_line_of_printable_ascii(key):
    line = replace(STALE, key=key).to_line()
    assert line.isascii()
    assert line.isprintable()
    assert line.splitlines() == [line]
    assert json.loads(line)["key"] == key


def test_an_empty_object_of_the_epoch_is_still_a_listed_one():
    record = replace(STALE, size=0, last_modified=0)
    assert DriftRecord.from_line(record.to_line()) == record
    assert record.listed


# -- from what was found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "hinted", "record"),
    [
        (Drift(DriftKind.STALE, "k", LISTED, ROW), True, STALE),
        (Drift(DriftKind.EXTRA, "k", None, ROW), False, EXTRA),
        (Drift(DriftKind.MISSING, "k", LISTED, None), True, replace(STALE, kind=DriftKind.MISSING, generation=0)),
        (Drift(DriftKind.STALE, "k", LISTED, Unreadable("?")), True, replace(STALE, generation=0)),
        # An object that outgrew the scope is as good as deleted: its books are those of extras.
        (Drift(DriftKind.EXTRA, "k", LISTED, ROW, outgrown="too-large"), False, EXTRA),
    ],
    ids=["stale", "extra", "missing", "unreadable row", "outgrown"],
)
def test_a_record_has_what_settling_and_the_report_need(drift, hinted, record):
    assert DriftRecord.of(drift, hinted=hinted) == record


def test_what_a_verify_told_is_a_record_that_nothing_becomes_of_unless_it_was_hinted():
    verified = Verified("k", LISTED, 4, different(Basis.CHECKSUMS))
    assert DriftRecord.of_verified(verified, hinted=False) == DIFFERENT
    assert DIFFERENT.told_only
    assert not DriftRecord.of_verified(verified, hinted=True).told_only
    assert not STALE.told_only
    assert not EXTRA.told_only


@pytest.mark.parametrize(("record", "listed"), [(STALE, True), (EXTRA, False)])
def test_a_record_stands_in_the_books_of_the_listed_or_in_those_of_extras(record, listed):
    assert record.listed is listed


# -- endings -----------------------------------------------------------------------------------------------------------

COPIED, UPLOADING, CURRENT, DELETED, KEPT, FAILED, WAITING, HELD = Ending
ENDINGS = [
    # state of the row, one generation or more on: the ending of a listed key, of an extra
    (State.LIVE, COPIED, KEPT),
    (State.DELETED, CURRENT, DELETED),
    (State.GONE, CURRENT, KEPT),
    (State.FAILED, FAILED, FAILED),
    (State.PENDING, WAITING, WAITING),
    (State.UPLOADING, UPLOADING, KEPT),
    (State.DELETING, WAITING, WAITING),
]


@pytest.mark.parametrize(("state", "of_listed", "of_extra"), ENDINGS)
def test_a_row_that_was_written_since_tells_the_ending(state, of_listed, of_extra):
    row = Row(generation=5, state=state, written_at=NOW, error="archived" if state is State.FAILED else None)
    code = "archived" if state is State.FAILED else ""
    assert ending(STALE, row) == (of_listed, code)
    assert ending(EXTRA, row) == (of_extra, code)


def test_the_table_of_endings_has_every_state():
    assert {state for state, _, _ in ENDINGS} == set(State)


@pytest.mark.parametrize("state", State)
def test_a_row_that_nobody_wrote_since_is_still_waiting(state):
    for record in (STALE, EXTRA):
        assert ending(record, replace(ROW, state=state)) == (WAITING, "")
        assert ending(record, None) == (WAITING, "")


def test_a_row_that_appeared_since_tells_the_ending_of_a_missing_key():
    missing = replace(STALE, kind=DriftKind.MISSING, generation=0)
    assert ending(missing, replace(ROW, generation=1)) == (COPIED, "")
    assert ending(missing, None) == (WAITING, "")


def test_a_failure_without_a_code_is_an_unexpected_one():
    assert ending(STALE, Row(generation=5, state=State.FAILED, written_at=NOW)) == (FAILED, "unexpected")


def test_a_failure_tried_again_in_vain_has_failed_again():
    failed = replace(STALE, kind=DriftKind.FAILED)
    row = Row(generation=4, state=State.FAILED, written_at=NOW, error="archived")
    assert ending(failed, row) == (WAITING, "")
    assert ending(failed, replace(row, generation=5)) == (FAILED, "archived")


@given(RECORDS, st.none() | ROWS)
def test_whatever_the_row_there_is_an_ending_and_a_code_where_it_failed(record, row):
    outcome, code = ending(record, row)
    assert bool(code) is (outcome is FAILED)
    assert outcome is not HELD  # that is the breaker's to say
    assert record.listed or outcome not in (COPIED, CURRENT, UPLOADING)
    assert not record.listed or outcome not in (DELETED, KEPT)
