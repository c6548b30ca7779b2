"""Drift: the truth table, cell by cell, and the merge of two sorted streams."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.drift import (
    Current,
    Drift,
    DriftKind,
    Filtered,
    LeftAlone,
    LeftReason,
    Listed,
    NotAscending,
    Rules,
    Stray,
    Unclaimed,
    Unreadable,
    findings,
    judge,
)
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.row import Row, State
from producer_events.scope import Scope
from tests.consumer.arbitrary import ROWS
from tests.odd_keys import ODD_KEYS

NOW = 1_800_000_000.0
OBJECTIVE, CONFIRM, UNFINISHED_AFTER, FIRST_RETRY, LAST_RETRY = 900.0, 915.0, 86_400.0, 3_600.0, 14_400.0
OLD, YOUNG = int(NOW) - 10 * 86_400, int(NOW) - 60
KEY = "reports/2026.csv"

MISSING, STALE, EXTRA, FAILED, UNFINISHED = DriftKind
CURRENT = "current"
YOUNG_, IN_FLIGHT, RETRY_NOT_DUE, KEPT, TOMBSTONE = LeftReason


def rules(**changes):
    return Rules(
        **{
            "now": NOW,
            "lag_objective": OBJECTIVE,
            "policy": DeletePolicy.MIRROR,
            "scope": Scope(prefixes=("reports/", "a", "b"), min_bytes=1, max_bytes=1_000),
            "first_retry_seconds": FIRST_RETRY,
            "last_retry_seconds": LAST_RETRY,
            "unfinished_after": UNFINISHED_AFTER,
            "confirm_delay": CONFIRM,
            **changes,
        }
    )


def entry(key=KEY, etag="e1", modified=OLD, size=5):
    return Listed(key, etag, modified, size)


def row(state=State.LIVE, age=10 * 86_400, etag="e1", modified=OLD, size=5, **more):
    source = SourceIdentity("v1", etag, modified, size)
    return Row(generation=1, state=state, written_at=NOW - age, source=source, **more)


def short(finding):
    """What was found, in one word."""
    match finding:
        case Drift(kind=kind):
            return kind
        case Current():
            return CURRENT
        case LeftAlone(reason=reason):
            return reason
        case Filtered(reason=reason):
            return f"filtered: {reason}"


LIVE, PENDING, UPLOADING, DELETING, DELETED, GONE = (
    State.LIVE,
    State.PENDING,
    State.UPLOADING,
    State.DELETING,
    State.DELETED,
    State.GONE,
)
OBJECTIVE_PASSED, CONFIRM_PASSED = OBJECTIVE + 1, OBJECTIVE + CONFIRM + 1
UNREADABLE = Unreadable("newer")

TABLE = {
    # name: (listed, row, expected under mirror, and under retain where that differs)
    "listed, no row": (entry(), None, MISSING),
    "listed young, no row": (entry(modified=YOUNG), None, YOUNG_),
    "listed at the objective, no row": (entry(modified=int(NOW - OBJECTIVE)), None, YOUNG_),
    "listed past the objective, no row": (entry(modified=int(NOW - OBJECTIVE_PASSED)), None, MISSING),
    "listed, LIVE, same": (entry(), row(), CURRENT),
    "listed young, LIVE young, same": (entry(modified=YOUNG), row(modified=YOUNG, age=1), CURRENT),
    "listed, LIVE, another ETag": (entry(), row(etag="e2"), STALE),
    "listed, LIVE, another time": (entry(), row(modified=OLD + 1), STALE),
    "listed, LIVE, another size": (entry(), row(size=6), STALE),
    "listed, LIVE without an identity": (entry(), Row(1, LIVE, NOW - 10 * 86_400), STALE),
    "listed young, LIVE, different": (entry(modified=YOUNG), row(), YOUNG_),
    "listed, LIVE young, different": (entry(), row(etag="e2", age=60), YOUNG_),
    "listed, LIVE at the objective, different": (entry(), row(etag="e2", age=OBJECTIVE), YOUNG_),
    "listed, LIVE past the objective, different": (entry(), row(etag="e2", age=OBJECTIVE_PASSED), STALE),
    "listed, FAILED once, due": (entry(), row(State.FAILED, FIRST_RETRY, attempts=1), FAILED),
    "listed, FAILED once, not due": (entry(), row(State.FAILED, FIRST_RETRY - 1, attempts=1), RETRY_NOT_DUE),
    "listed, FAILED twice, due": (entry(), row(State.FAILED, 2 * FIRST_RETRY, attempts=2), FAILED),
    "listed, FAILED twice, not due": (entry(), row(State.FAILED, 2 * FIRST_RETRY - 1, attempts=2), RETRY_NOT_DUE),
    "listed, FAILED for ever, due": (entry(), row(State.FAILED, LAST_RETRY, attempts=10**6), FAILED),
    "listed, FAILED for ever, not due": (entry(), row(State.FAILED, LAST_RETRY - 1, attempts=10**6), RETRY_NOT_DUE),
    "listed, FAILED uncounted, due": (entry(), row(State.FAILED, FIRST_RETRY), FAILED),
    "listed newer than its failure": (
        entry(modified=int(NOW) - 1_000),
        row(State.FAILED, 1_100, attempts=9),
        FAILED,
    ),
    "listed young, FAILED": (entry(modified=YOUNG), row(State.FAILED, LAST_RETRY, attempts=1), YOUNG_),
    "listed, PENDING, old": (entry(), row(PENDING, OBJECTIVE_PASSED), UNFINISHED),
    "listed, PENDING": (entry(), row(PENDING, OBJECTIVE), IN_FLIGHT),
    "listed young, PENDING, old": (entry(modified=YOUNG), row(PENDING), YOUNG_),
    "listed, UPLOADING, old": (entry(), row(UPLOADING, UNFINISHED_AFTER + 1), UNFINISHED),
    "listed, UPLOADING": (entry(), row(UPLOADING, UNFINISHED_AFTER), IN_FLIGHT),
    "listed, DELETING, old": (entry(), row(DELETING, CONFIRM_PASSED), UNFINISHED),
    "listed, DELETING, waiting for its confirm hint": (entry(), row(DELETING, OBJECTIVE_PASSED), IN_FLIGHT),
    "listed, DELETED": (entry(), row(DELETED), MISSING),
    "listed young, DELETED": (entry(modified=YOUNG), row(DELETED), YOUNG_),
    "listed, DELETED young": (entry(), row(DELETED, 60), YOUNG_),
    "listed, GONE": (entry(), row(GONE), MISSING),
    "listed, GONE young": (entry(), row(GONE, 60), YOUNG_),
    "listed, unreadable": (entry(), UNREADABLE, STALE),
    "listed young, unreadable": (entry(modified=YOUNG), UNREADABLE, YOUNG_),
    "not listed, LIVE": (None, row(), EXTRA),
    "not listed, LIVE young": (None, row(age=60), YOUNG_),
    "not listed, LIVE from after the reading began": (None, row(age=-60), YOUNG_),
    "not listed, FAILED": (None, row(State.FAILED, OBJECTIVE_PASSED, attempts=5), EXTRA),
    "not listed, FAILED young": (None, row(State.FAILED, 60), YOUNG_),
    "not listed, PENDING": (None, row(PENDING), EXTRA),
    "not listed, PENDING young": (None, row(PENDING, 60), YOUNG_),
    "not listed, UPLOADING": (None, row(UPLOADING, OBJECTIVE_PASSED), EXTRA),
    "not listed, UPLOADING young": (None, row(UPLOADING, 60), YOUNG_),
    "not listed, DELETING, old": (None, row(DELETING, CONFIRM_PASSED), UNFINISHED),
    "not listed, DELETING": (None, row(DELETING, OBJECTIVE_PASSED), IN_FLIGHT),
    "not listed, DELETED": (None, row(DELETED), TOMBSTONE),
    "not listed, DELETED young": (None, row(DELETED, 60), TOMBSTONE),
    "not listed, GONE": (None, row(GONE), EXTRA, KEPT),
    "not listed, GONE young": (None, row(GONE, 60), YOUNG_, KEPT),
    "not listed, unreadable": (None, UNREADABLE, EXTRA),
    "too large, no row": (entry(size=1_001), None, "filtered: too-large"),
    "too large, LIVE": (entry(size=1_001), row(), EXTRA),
    "too small, LIVE": (entry(size=0), row(), EXTRA),
    "too large, young, LIVE": (entry(size=1_001, modified=YOUNG), row(), "filtered: too-large"),
    "too large, LIVE young": (entry(size=1_001), row(age=60), "filtered: too-large"),
    "too large, DELETED": (entry(size=1_001), row(DELETED), "filtered: too-large"),
    "too large, GONE": (entry(size=1_001), row(GONE), EXTRA, "filtered: too-large"),
    "too large, DELETING, old": (entry(size=1_001), row(DELETING, CONFIRM_PASSED), UNFINISHED),
    "too large, DELETING": (entry(size=1_001), row(DELETING, 60), "filtered: too-large"),
    "too large, unreadable": (entry(size=1_001), UNREADABLE, EXTRA),
    "listed, key out of scope": (entry(key="other"), None, "filtered: prefix"),
    "listed, key out of scope, LIVE": (entry(key="other"), row(etag="e2"), "filtered: prefix"),
    "not listed, key out of scope, LIVE": (None, row(), "filtered: prefix"),
}
CASES = [(name, policy) for name in TABLE for policy in DeletePolicy]


def key_of(name, listed):
    return "other" if "key out of scope" in name else KEY if listed is None else listed.key


@pytest.mark.parametrize(("name", "policy"), CASES, ids=str)
def test_the_truth_table(name, policy):
    listed, known, mirror, *retain = TABLE[name]
    expected = retain[0] if retain and policy is DeletePolicy.RETAIN else mirror
    assert short(judge(listed, known, key_of(name, listed), rules(policy=policy))) == expected


def test_the_table_has_every_state_on_both_sides():
    states = {
        (listed is not None, known.state if isinstance(known, Row) else known) for listed, known, *_ in TABLE.values()
    }
    assert states >= set(itertools.product((True, False), [*State, UNREADABLE]))


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case[2] is STALE])
def test_what_cannot_be_told_is_never_current_not_even_when_forced(name):
    listed, known, *_ = TABLE[name]
    found = judge(listed, known, KEY, rules(force=True))
    assert found == Drift(STALE, KEY, listed, known, forced=False)


def test_force_asks_for_what_is_current_and_says_so():
    assert judge(entry(), row(), KEY, rules(force=True)) == Drift(STALE, KEY, entry(), row(), forced=True)


def test_force_makes_every_failure_due_and_leaves_alone_what_is_under_way():
    assert short(judge(entry(), row(State.FAILED, 1, attempts=9), KEY, rules(force=True))) is FAILED
    assert short(judge(entry(), row(UPLOADING, 60), KEY, rules(force=True))) is IN_FLIGHT
    assert short(judge(entry(modified=YOUNG), None, KEY, rules(force=True))) is YOUNG_


def test_retry_makes_every_failure_due_and_nothing_else():
    assert short(judge(entry(), row(State.FAILED, 1, attempts=9), KEY, rules(retry=True))) is FAILED
    assert judge(entry(), row(), KEY, rules(retry=True)) == judge(entry(), row(), KEY, rules())
    assert short(judge(entry(), row(UPLOADING, 60), KEY, rules(retry=True))) is IN_FLIGHT


def test_an_object_that_outgrew_the_scope_is_drift_of_its_row_that_says_why():
    listed = entry(size=1_001)
    assert judge(listed, row(), KEY, rules()) == Drift(EXTRA, KEY, listed, row(), outgrown="too-large")


@pytest.mark.parametrize(
    ("modified", "expected"),
    [(OLD - 1, "filtered: window"), (OLD, MISSING), (OLD + 9, MISSING), (OLD + 10, "filtered: window")],
)
def test_the_window_has_its_first_second_and_not_its_last(modified, expected):
    assert short(judge(entry(modified=modified), None, KEY, rules(since=OLD, until=OLD + 10))) == expected


def test_what_is_not_listed_has_no_time_to_be_out_of_the_window():
    assert short(judge(None, row(), KEY, rules(since=NOW - 10))) is EXTRA


def test_the_reserved_prefix_is_never_drift():
    assert (
        short(judge(entry(key="_s3-hydration/x"), None, "_s3-hydration/x", rules(scope=Scope())))
        == "filtered: reserved"
    )


def test_nothing_at_all_is_not_judged():
    with pytest.raises(AssertionError):
        judge(None, None, KEY, rules())


@given(
    listed=st.none() | st.builds(entry, etag=st.sampled_from(["e1", "e2"]), modified=st.integers(0, 2**33)),
    known=st.none() | ROWS | st.just(UNREADABLE),
    force=st.booleans(),
    policy=st.sampled_from(DeletePolicy),
)
def test_whatever_is_found_carries_what_it_was_found_from_and_current_is_only_said_of_the_same(
    listed, known, force, policy
):
    if listed is None and known is None:
        return
    found = judge(listed, known, KEY, rules(force=force, policy=policy))
    assert (found.key, found.listed) == (KEY, listed)
    if isinstance(found, Drift):
        assert found.row is known
    if isinstance(found, Current):
        assert known.state is State.LIVE
        assert (listed.etag, listed.last_modified, listed.size) == (
            known.source.etag,
            known.source.last_modified,
            known.source.size,
        )


# -- the merge ---------------------------------------------------------------------------------------------------------


def naive(entries, rows, by):
    listed, known = {each.key: each for each in entries}, dict(rows)
    keys = sorted(listed.keys() | known.keys(), key=str.encode)
    return [judge(listed.get(key), known.get(key), key, by) for key in keys]


@given(
    st.dictionaries(
        st.text("\0a+%\ud7ff\ue000\uffff\U00010000\U0010ffff", max_size=4), st.tuples(st.booleans(), st.booleans())
    )
)
def test_the_merge_finds_for_each_key_of_either_side_what_its_pair_is(which):
    everything = rules(scope=Scope(reserved=()))
    keys = sorted(filter(None, which), key=str.encode)
    entries = [entry(key=key) for key in keys if which[key][0]]
    rows = [(key, row(etag="e2")) for key in keys if which[key][1]]
    assert list(findings(entries, rows, everything)) == naive(entries, rows, everything)


def test_the_hostile_keys_merge_in_the_order_of_their_bytes():
    everything = rules(scope=Scope())
    entries = [entry(key=key) for key in sorted(ODD_KEYS.values(), key=str.encode)]
    rows = [(each.key, row()) for each in entries]
    assert [type(found) for found in findings(entries, rows, everything)] == [Current] * len(ODD_KEYS)


def test_a_replica_without_an_entry_and_a_row_is_found_unclaimed():
    pairs = [("a1", Stray(None)), ("a2", row()), ("b", Stray(None))]
    found = list(findings([entry(key="b")], pairs, rules()))
    assert found[0] == Unclaimed("a1")
    assert [type(each) for each in found[1:]] == [Drift, Drift]


def test_two_empty_sides_are_no_findings():
    assert list(findings([], [], rules())) == []


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "a"), ("a", "b", "b"), ("\U00010000", "\uffff")])
def test_a_listing_that_goes_back_or_repeats_itself_is_refused(keys):
    with pytest.raises(NotAscending, match="listing"):
        list(findings([entry(key=key) for key in keys], [], rules()))


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "a")])
def test_rows_that_go_back_or_repeat_themselves_are_refused(keys):
    with pytest.raises(NotAscending, match="rows"):
        list(findings([], [(key, row()) for key in keys], rules()))


def test_a_failure_of_either_side_is_not_taken_for_its_end():
    def broken():
        yield entry(key="a")
        raise ConnectionError

    found = findings(broken(), [("a", row()), ("b", row())], rules())
    with pytest.raises(ConnectionError):
        list(found)


def test_the_merge_reads_one_entry_and_one_row_ahead_and_no_more():
    read = []

    def watched(name, values):
        for value in values:
            read.append(name)
            yield value

    entries = watched("entry", (entry(key=f"a{number:04d}") for number in range(1_000)))
    rows = watched("row", ((f"a{number:04d}", row()) for number in range(1_000)))
    next(findings(entries, rows, rules()))
    assert read == ["entry", "row"]
