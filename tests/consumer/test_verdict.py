"""What a person reads first says what is wrong and what to do, and nothing when nothing is."""

import pytest

from consumer_replicator.comparison import Doubt
from consumer_replicator.drift import DriftKind
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.report import build
from consumer_replicator.run_facts import BookCounts, ExtraCounts, Lags, LossCounts, VerifyCounts
from consumer_replicator.verdict import findings
from tests.consumer.run_rig import DAY, STARTED, facts

HELD = ExtraCounts(found=400, held=400, held_because="400 deletes, more than 10 in one run.")
FAILED = BookCounts(listed=7, failed={"archived": 7})
LOST = LossCounts(overdue=3, changed=100, since=STARTED - DAY)


def found(**changes):
    changes = {"books": BookCounts(listed=1, current=1)} | changes
    return [(finding.level, finding.what) for finding in findings(facts(**changes), unaccounted=0)]


def test_a_run_in_which_all_is_well_has_no_finding_and_says_so():
    verdict = build(facts(books=BookCounts(listed=1, current=1))).verdict
    assert (verdict.level, verdict.closes, verdict.findings) == ("fine", True, ())
    assert verdict.headline == "The books close, and nothing needs doing."


@pytest.mark.parametrize(
    ("changes", "level", "what"),
    [
        ({"state": "failed", "failure": "No bucket."}, "wrong", "The run failed: No bucket."),
        ({"state": "failed"}, "wrong", "The run failed: no reason was recorded."),
        ({"state": "stopped"}, "attention", "The run was stopped before its end"),
        ({"extras": HELD}, "wrong", "The delete breaker held 400 deletes: 400 deletes, more than 10 in one run."),
        ({"books": FAILED}, "attention", "7 objects could not be replicated."),
        ({"loss": LOST}, "attention", "3 changes since the last whole run came by no event in time."),
        ({"lags": Lags.of([301.0])}, "attention", "One object in a hundred took longer than"),
        ({"books": BookCounts(listed=2, uploading=2)}, "note", "2 objects were under way in uploads"),
        ({"unclaimed": 2}, "note", "Left alone: 2 replicas of which neither source nor manifest knows."),
        ({"dry_run": True}, "note", "Nothing was enqueued"),
        ({"books": BookCounts()}, "note", "The listing was empty"),
    ],
)
def test_each_trouble_has_its_level_and_its_sentence(changes, level, what):
    ((found_level, sentence),) = found(**changes)
    assert found_level == level
    assert sentence.startswith(what)


def verified(**books):
    counts = {"listed": sum(sum(each.values()) for each in books.values())} | books
    return {"mode": "verify", "verify": VerifyCounts(), "books": BookCounts(**counts)}


@pytest.mark.parametrize(
    ("books", "level", "what"),
    [
        ({"different": {"checksums": 1}}, "wrong", "1 replica differs from the source, although the manifest says"),
        ({"different": {"checksums": 2, "size": 1}}, "wrong", "3 replicas differ from the source, although"),
        (
            {"cannot_tell": {"missing": 1, "bad-row": 1}},
            "attention",
            "2 objects that the manifest does not call current",
        ),
        ({"cannot_tell": {"other-parts": 3}}, "attention", "3 objects could not be compared by checksums."),
        ({"cannot_tell": {"too-large": 1}}, "attention", "1 object could not be read within one invocation."),
        ({"cannot_tell": {"source-kms-denied": 2}}, "attention", "2 objects could not be looked at."),
        ({"cannot_tell": {"changing": 1, "source-absent": 1}}, "note", "2 objects changed while being looked at."),
    ],
    ids=str,
)
def test_each_result_of_a_verify_has_its_level_and_its_sentence(books, level, what):
    ((found_level, sentence),) = found(**verified(**books))
    assert found_level == level
    assert sentence.startswith(what)


def test_every_reason_of_a_verify_is_told_once():
    reasons = [*Doubt, *DriftKind, *FAILURE_CODES]
    told = findings(facts(**verified(cannot_tell=dict.fromkeys(map(str, reasons), 1))), unaccounted=0)
    counted = [int(finding.what.split()[0]) for finding in told]
    assert sum(counted) == len(set(map(str, reasons)))
    assert all(finding.todo for finding in told if finding.level != "note")


@pytest.mark.parametrize(
    ("books", "headline"),
    [
        ({"same": {"checksums": 1}}, "No replica differs from its source, and nothing needs doing."),
        ({"cannot_tell": {"stale": 1}}, "No replica was seen to differ from its source; something deserves a look."),
        ({"different": {"bytes": 1}, "cannot_tell": {"stale": 1}}, "Replicas differ from their sources."),
    ],
)
def test_the_headline_of_a_verify_is_about_replicas(books, headline):
    assert build(facts(**verified(**books))).verdict.headline == headline


def test_a_dry_verify_says_nothing_of_replicas_that_it_has_not_looked_at():
    changes = verified(cannot_tell={"missing": 1}) | {"dry_run": True}
    assert build(facts(**changes)).verdict.headline == "The books close; something deserves a look."


def test_whoever_reads_of_a_trouble_reads_what_to_do():
    changes = {"state": "stopped", "extras": HELD, "books": FAILED, "loss": LOST, "lags": Lags.of([301.0])}
    told = findings(facts(**changes), unaccounted=2)
    assert len(told) == 6
    assert all(finding.todo for finding in told)


def test_the_worst_comes_first_and_gives_the_whole_its_level():
    verdict = build(facts(extras=HELD, books=FAILED, dry_run=True)).verdict
    assert [finding.level for finding in verdict.findings] == ["wrong", "attention", "note"]
    assert (verdict.level, verdict.headline) == ("wrong", "The books close; something is wrong.")


def test_what_was_overdue_before_there_was_a_previous_run_is_no_lost_event():
    assert found(loss=LossCounts(overdue=3, changed=None, since=None)) == []


def test_a_lag_at_the_objective_is_within_it():
    assert found(lags=Lags.of([300.0])) == []


def test_the_payload_to_go_on_with_a_stopped_run_is_spelt_out():
    (finding,) = findings(facts(state="stopped"), unaccounted=0)
    assert '{"run_id": "20261124-030000-1a2b3c"}' in finding.todo


def test_one_of_a_thing_is_told_in_the_singular():
    assert found(books=BookCounts(listed=1, failed={"archived": 1}))[0][1] == "1 object could not be replicated."


def test_two_defects_in_the_books_do_not_cancel_each_other_out():
    verdict = build(facts(books=BookCounts(listed=2, current=1), extras=ExtraCounts(found=1, deleted=2))).verdict
    assert (verdict.level, verdict.closes) == ("wrong", False)
    assert verdict.findings[0].what == "2 keys ended nowhere in the books."
