"""From what a run left behind to its report: every figure from where it belongs, books that close or say why not."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer_replicator import report
from consumer_replicator.drift import DriftKind
from consumer_replicator.drift_record import DriftRecord, Ending
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.estimate import RANGES_AT_ONCE, SECONDS_PER_COMPARISON, Capacity, CopiesWithinS3
from consumer_replicator.key_ranges import KeyRange
from consumer_replicator.manifest import Manifest
from consumer_replicator.payload import Payload
from consumer_replicator.report_model import PreviousRun, Report
from consumer_replicator.reporting import PREVIOUS_RUNS, Reporting, Surroundings, books, extras, total
from consumer_replicator.row import Row, State
from consumer_replicator.run import Phase, RangeState, Run
from consumer_replicator.run_facts import LAG_BOUNDS, BookCounts, ExtraCounts, VerifyCounts
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.settling import Settled, settle, unsettled
from consumer_replicator.tally import Tally
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA, SOURCE, TABLE, World

NOW = 1_800_000_000.0
DRY = Payload(dry_run=True)
RUN = Run("20270115-080000-1a2b3c", Payload(), NOW, Phase.DONE, since_run=NOW - 86_400, finished=NOW + 60)
SURROUNDINGS = Surroundings(SOURCE, REPLICA, 300.0, Capacity(functions=10), memory_gb=0.5)
COPIED, UPLOADING, CURRENT, DELETED, KEPT, FAILED, WAITING, HELD = Ending


@pytest.fixture
def world():
    return World()


def reporting_in(world, now=lambda: NOW + 5, surroundings=SURROUNDINGS):
    runs = Runs(world.dynamodb(), TABLE, SOURCE)
    files = RunFiles(world.s3("own"), REPLICA, CONSUMER, KEY_ARN)
    return Reporting(runs, files, surroundings, now)


@pytest.fixture
def reporting(world):
    return reporting_in(world)


def facts_of(run=RUN, tally=None, settled=None, surroundings=SURROUNDINGS, **more):
    states = [RangeState(1, KeyRange(), tally=Tally(tally or {}))]
    plain = {"watermark": None, "swept": 0} | more
    return reporting_in(World(), surroundings=surroundings).facts(run, states, settled or Settled(), **plain)


# -- books -------------------------------------------------------------------------------------------------------------

TALLY = Tally({"listed": 21, "current": 5, "skipped:young": 2, "filtered:suffix": 3, "hinted": 11})
SETTLED = Settled(
    listed=Counter({COPIED: 4, UPLOADING: 1, CURRENT: 1, FAILED: 3, WAITING: 2}),
    extras=Counter({DELETED: 3, KEPT: 2, FAILED: 1, WAITING: 4, HELD: 5}),
    failed=Counter({"archived": 2, "sse-c": 1}),
    failed_extras=Counter({"replica-access-denied": 1}),
)


def test_every_listed_object_is_in_one_place():
    assert books(Payload(), TALLY, SETTLED) == BookCounts(
        listed=21,
        copied=4,
        uploading=1,
        current=6,
        skipped={"young": 2},
        filtered={"suffix": 3},
        failed={"archived": 2, "sse-c": 1},
        waiting=2,
    )


def test_every_extra_is_in_one_place():
    held = replace(RUN, held="Too many.")
    assert extras(held, SETTLED) == ExtraCounts(
        found=15, deleted=3, kept=2, failed={"replica-access-denied": 1}, waiting=4, held=5, held_because="Too many."
    )


def test_in_a_dry_run_what_waits_is_planned():
    settled = Settled(listed=Counter({WAITING: 10}), extras=Counter({WAITING: 4}))
    dry = books(DRY, TALLY, settled)
    assert (dry.planned, dry.waiting) == (10, 0)
    found = extras(replace(RUN, payload=DRY), settled)
    assert (found.found, found.planned, found.waiting) == (4, 4, 0)


VERIFY = Payload.parse({"mode": "verify"})


def test_in_a_verify_every_listed_object_is_told_about_in_one_place():
    tally = Tally(
        {
            "listed": 15,
            "same:checksums": 4,
            "same:manifest": 3,
            "different:checksums": 1,
            "cannot-tell:stale": 2,
            "skipped:young": 2,
            "filtered:suffix": 3,
        }
    )
    counts = books(VERIFY, tally, Settled(listed=Counter({COPIED: 1})))
    assert counts == BookCounts(
        listed=15,
        same={"checksums": 4, "manifest": 3},
        different={"checksums": 1},
        cannot_tell={"stale": 2},
        skipped={"young": 2},
        filtered={"suffix": 3},
    )
    facts = facts_of(replace(RUN, payload=VERIFY), tally | Tally({"bodies-read": 2, "bytes-read": 9}))
    assert facts.verify == VerifyCounts(2, 9, {})
    assert report.build(facts).books.closes
    assert facts_of().verify is None


def test_what_became_of_repairs_is_told_beside_the_books():
    settled = Settled(listed=Counter({COPIED: 2, WAITING: 1}))
    made = report.build(facts_of(replace(RUN, payload=VERIFY), {"listed": 3, "different:size": 3}, settled))
    assert made.verification.repairs == {"copied": 2, "waiting": 1}
    assert made.books.closes


def test_what_a_verify_would_take_is_estimated_for_the_transfer_function():
    tally = {"planned": 1000, "bytes": 78_000_000}
    plain = facts_of(replace(RUN, payload=Payload.parse({"mode": "verify", "dry_run": True}), ranges=16), tally).plan
    assert (plain.load.objects, plain.load.bytes, plain.limited_by) == (1000, 0, "round trips")
    assert plain.seconds == 1000 * SECONDS_PER_COMPARISON / 10 / RANGES_AT_ONCE
    payload = Payload.parse({"mode": "verify", "dry_run": True, "read_bytes": True})
    reading = facts_of(replace(RUN, payload=payload, ranges=1), tally).plan
    assert reading.load.bytes == 78_000_000
    assert reading.seconds == 1000 * SECONDS_PER_COMPARISON / 10 + 1


def test_proofs_are_told_as_counted():
    assert facts_of(tally={"proof:computed": 2, "proof:source-checksum": 7}).proofs == {
        "source-checksum": 7,
        "computed": 2,
    }


def record(kind, key, listed, generation=1):
    size, modified = (10, 1_790_000_000) if listed else (None, None)
    return DriftRecord(kind, key, size, modified, generation, hinted=kind is not DriftKind.EXTRA)


FOUND = st.tuples(
    st.sampled_from([kind for kind in DriftKind if kind is not DriftKind.EXTRA]) | st.just(DriftKind.EXTRA),
    st.booleans(),
    st.none()
    | st.tuples(st.sampled_from(State), st.integers(1, 3), st.none() | st.sampled_from(sorted(FAILURE_CODES))),
)


@given(
    found=st.lists(FOUND, max_size=12),
    elsewhere=st.dictionaries(
        st.sampled_from(["current", "skipped:young", "skipped:in-flight", "filtered:window", "filtered:suffix"]),
        st.integers(0, 5),
    ),
    held=st.booleans(),
    dry=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_endings_nothing_is_unaccounted_for_and_the_books_close_iff_nothing_waits(
    found, elsewhere, held, dry
):
    world = World()
    manifest = Manifest(world.dynamodb(), TABLE, SOURCE, 16, 30)
    records = []
    for number, (kind, listed, row) in enumerate(found):
        records.append(record(kind, f"k{number}", listed and kind is not DriftKind.EXTRA))
        if row:
            state, generation, error = row
            manifest.write(f"k{number}", None, Row(generation, state, NOW, error=error))
    tally = Tally(elsewhere)
    tally["hinted"] = sum(each.listed for each in records)
    tally["listed"] = sum(elsewhere.values()) + tally["hinted"]
    run = replace(RUN, payload=DRY if dry else Payload(), held="Too many." if held else None)
    settled = unsettled(records) if dry else settle(manifest, records, held=held)
    made = report.build(facts_of(run, tally, settled))
    assert made.books.unaccounted == made.extras.unaccounted == 0
    assert made.verdict.closes is (dry or not settled.waiting)
    assert made.books.closes is (dry or not settled.listed[WAITING])
    assert made.extras.closes is (dry or not settled.extras[WAITING])
    assert made.extras.held == (0 if dry else settled.extras[HELD])
    assert sum(failure.objects for failure in made.failures) == settled.listed[FAILED] + settled.extras[FAILED]
    assert sum(kind.objects for kind in made.drift.kinds) == len(records)


# -- the other facts ---------------------------------------------------------------------------------------------------


def test_the_tallies_of_all_ranges_add_up_and_stay_what_they_are():
    states = [RangeState(number, KeyRange(), tally=Tally(listed=number)) for number in (1, 2, 3)]
    assert total(states) == {"listed": 6}
    assert total([]) == {}
    assert [state.tally["listed"] for state in states] == [1, 2, 3]


@pytest.mark.parametrize(
    ("phase", "state"),
    [(Phase.DONE, "done"), (Phase.FAILED, "failed"), (Phase.STOPPED, "stopped"), (Phase.SETTLING, "done")],
)
def test_a_report_says_how_its_run_ended(phase, state):
    facts = facts_of(replace(RUN, phase=phase, failure="The listing was refused."))
    assert facts.state == state
    assert facts.failure == "The listing was refused."


def test_a_run_that_has_not_ended_is_reported_as_of_now():
    assert facts_of(RUN).finished == NOW + 60
    assert facts_of(replace(RUN, finished=None)).finished == NOW + 5


def test_the_payload_is_told_as_it_was_asked_for():
    payload = Payload.parse({"prefix": "a/", "since": "2026-11-24T06:00:00Z"})
    told = facts_of(replace(RUN, payload=payload)).payload
    assert told == {"mode": "backfill", "prefix": ["a/"], "since": "2026-11-24T06:00:00Z"}
    assert facts_of().payload == {}


def test_loss_is_counted_against_what_changed_since_the_run_before():
    loss = facts_of(tally={"overdue": 2, "changed": 50}).loss
    assert (loss.overdue, loss.changed, loss.since) == (2, 50, NOW - 86_400)
    first = facts_of(replace(RUN, since_run=None), tally={"overdue": 2}).loss
    assert (first.changed, first.since) == (None, None)


def test_usage_is_what_the_ranges_called_and_how_long_the_run_took():
    usage = facts_of(tally={"calls:Query": 7, "calls:PutItem": 3, "read-half-units": 5, "listed": 9}).usage
    assert usage.calls == {"Query": 7, "PutItem": 3}
    assert usage.read_units == 2.5
    assert usage.write_units == 3
    assert usage.gb_seconds == 60 * 0.5


def test_clocks_that_differ_cost_nothing_negative():
    assert facts_of(replace(RUN, finished=NOW - 3)).usage.gb_seconds == 0


@pytest.mark.parametrize(
    ("counts", "longest"),
    [
        ({}, 0.0),
        ({0: 5}, 1.0),
        ({0: 5, 3: 1}, 4.0),
        ({len(LAG_BOUNDS) - 1: 1}, 86_400.0),
        ({len(LAG_BOUNDS): 1}, 172_800.0),
    ],
)
def test_lags_are_told_by_class_and_the_longest_by_the_end_of_its_class(counts, longest):
    lags = facts_of(tally={f"lag:{place}": count for place, count in counts.items()}).lags
    assert {place: count for place, count in enumerate(lags.counts) if count} == counts
    assert lags.longest == longest


def test_only_a_dry_run_has_a_plan_and_it_keeps_to_the_pace_asked_for():
    tally = {"hinted": 1000, "bytes": 1000, "large": 0, "parts": 1000}
    assert facts_of(tally=tally).plan is None
    plan = facts_of(replace(RUN, payload=DRY), tally).plan
    assert plan.load.objects == plan.load.bytes == 1000
    paced = Payload.parse({"dry_run": True, "objects_per_second": 2})
    assert facts_of(replace(RUN, payload=paced), tally).plan.seconds >= 500 > plan.seconds


def test_the_plan_of_a_dry_run_knows_what_s3_copies_by_itself():
    tally = {"hinted": 1, "bytes": 10**12, "large": 1, "large-bytes": 10**12, "parts": 10_000}
    within_s3 = replace(SURROUNDINGS.capacity, copies=CopiesWithinS3(128 * 1024**2, 1.6e9))
    streamed = facts_of(replace(RUN, payload=DRY), tally).plan
    copied = facts_of(replace(RUN, payload=DRY), tally, surroundings=replace(SURROUNDINGS, capacity=within_s3)).plan
    assert copied.load == streamed.load
    assert copied.seconds < streamed.seconds / 20


def test_watermark_and_sweep_are_told_as_given():
    facts = facts_of(watermark=NOW - 300, swept=2)
    assert (facts.watermark, facts.swept) == (NOW - 300, 2)


# -- written -----------------------------------------------------------------------------------------------------------


def write(reporting, run=RUN):
    return reporting.write(run, [RangeState(1, KeyRange(), tally=TALLY)], SETTLED, watermark=NOW, swept=0)


def test_both_forms_are_written_beside_each_other_and_the_summary_kept(reporting, world):
    written = write(reporting)
    folder = f"s3://{REPLICA}/_s3-hydration/reports/{RUN.id}/"
    assert (written.json, written.page) == (folder + "report.json", folder + "report.html")
    made = Report.model_validate(RunFiles(world.s3("own"), REPLICA, CONSUMER, KEY_ARN).read_report(RUN.id))
    assert made.run.id == RUN.id
    assert made.books.listed == 21
    (summary,) = Runs(world.dynamodb(), TABLE, SOURCE).summaries(9)
    assert PreviousRun.model_validate(summary) == PreviousRun.of(made)


def test_a_report_written_again_is_written_over_itself_and_compared_with_others_only(reporting, world):
    write(reporting)
    page = f"_s3-hydration/reports/{RUN.id}/report.html"
    first = world.replica.current(page).body
    write(reporting)
    assert world.replica.current(page).body == first
    assert len(Runs(world.dynamodb(), TABLE, SOURCE).summaries(9)) == 1


def test_a_report_is_compared_with_the_dozen_runs_before_it(reporting, monkeypatch):
    from consumer_replicator import report_page

    compared = []
    page = report_page.page
    monkeypatch.setattr(report_page, "page", lambda made, previous: compared.append(previous) or page(made, previous))
    for number in range(PREVIOUS_RUNS + 3):
        write(reporting, replace(RUN, id=f"run-{number}", started=NOW + number))
    assert compared[0] == []
    assert [each.id for each in compared[-1]] == [f"run-{number}" for number in range(13, 1, -1)]
