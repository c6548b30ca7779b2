"""One line and one metric per outcome, complete and valid, whatever a key tries to do to them."""

import itertools
import json

import pytest

from consumer_replicator.batch import Done
from consumer_replicator.errors import FAILURE_CODES, ErrorClass
from consumer_replicator.handlers.telemetry import Telemetry
from consumer_replicator.hint import Hint, PartRange
from consumer_replicator.outcome import (
    Deferred,
    Deleted,
    Failed,
    RangeCopied,
    Replicated,
    Skipped,
    SkipReason,
    TagsReplicated,
    UploadStarted,
)
from consumer_replicator.proof import Proof
from consumer_replicator.queue import Message
from tests.odd_keys import ODD_KEYS

HINT = Hint("a key", "e-1")
NAMES = (f"instance-{number}" for number in itertools.count())
BAD_INPUT = sorted(code for code, failure in FAILURE_CODES.items() if failure.error_class is ErrorClass.BAD_INPUT)


def done(outcome, hint=HINT, receive_count=1):
    return Done(Message("m-1", "r-1", "the body, with a secret in it", receive_count), hint, outcome)


class Reported:
    """What a report wrote: `lines` (the log), `metrics` (EMF documents), in the order written."""

    def __init__(self, text):
        self.text = text
        documents = [json.loads(line) for line in text.split("\n") if line]
        self.lines = [document for document in documents if "_aws" not in document]
        self.metrics = [document for document in documents if "_aws" in document]

    @property
    def values(self):
        """(metric, its dimensions but the service) to its values."""
        found = {}
        for document in self.metrics:
            (directive,) = document["_aws"]["CloudWatchMetrics"]
            (names,) = directive["Dimensions"]
            dimensions = tuple((name, document[name]) for name in names if name != "service")
            for metric in directive["Metrics"]:
                found.setdefault((metric["Name"], *dimensions), []).extend(document[metric["Name"]])
        return found


@pytest.fixture
def written(capsys):
    """What acting on a telemetry wrote; of a name of its own: a logger keeps to the stdout it met first, as long as
    the process."""
    made = []

    def write(act):
        if not made:
            made.append(Telemetry(next(NAMES)))
        act(made[0])
        return Reported(capsys.readouterr().out)

    return write


@pytest.fixture
def report(written):
    return lambda *outcomes: written(lambda telemetry: telemetry.report(outcomes, request_id="request-1"))


@pytest.fixture
def report_run(written):
    return lambda answer: written(lambda telemetry: telemetry.report_run(answer, request_id="request-1"))


# -- metrics -----------------------------------------------------------------------------------------------------------

COMPUTED = ("ReplicasProven", ("proof", "computed"))
METRICS = [
    (
        Replicated(5, 1.23456, Proof.COMPUTED),
        {("ObjectsReplicated",): [1], ("BytesReplicated",): [5], ("ReplicationLag",): [1.235], COMPUTED: [1]},
    ),
    *(
        (
            Replicated(0, None, proof),
            {
                ("ObjectsReplicated",): [1],
                ("BytesReplicated",): [0],
                ("ReplicasProven", ("proof", proof.value)): [1],
            },
        )
        for proof in Proof
    ),
    (
        Replicated(5, None, Proof.COMPUTED, tags_denied=True, missing_metadata=2, retries=3),
        {
            ("ObjectsReplicated",): [1],
            ("BytesReplicated",): [5],
            ("MetadataMissing",): [2],
            ("TagsDenied",): [1],
            ("CopyRetries",): [3],
            COMPUTED: [1],
        },
    ),
    (UploadStarted(100, parts=10, ranges=5), {("UploadsStarted",): [1]}),
    (RangeCopied(3, 20, parts=2), {("RangesCopied",): [1], ("RangeBytes",): [20]}),
    (RangeCopied(3, 20, 2, retries=4), {("RangesCopied",): [1], ("RangeBytes",): [20], ("CopyRetries",): [4]}),
    (Deferred(), {("RangesDeferred",): [1]}),
    (Deferred(sent_again=True), {("RangesDeferred",): [1]}),
    (TagsReplicated(lag=2.0), {("TagsReplicated",): [1]}),
    (Deleted(), {("DeletesApplied",): [1]}),
    (
        Skipped(SkipReason.CURRENT, tags_denied=True),
        {("ObjectsSkipped", ("reason", "current")): [1], ("TagsDenied",): [1]},
    ),
    *((Skipped(reason), {("ObjectsSkipped", ("reason", reason.value)): [1]}) for reason in SkipReason),
    *((Failed(code, "why", final=True), {("ObjectsFailed", ("code", code)): [1]}) for code in FAILURE_CODES),
    *(
        (Failed(code, "why", final=False), {("ObjectsFailed", ("code", code)): [1]} if code not in BAD_INPUT else {})
        for code in FAILURE_CODES
    ),
]


@pytest.mark.parametrize(("outcome", "values"), METRICS, ids=lambda value: repr(value)[:60])
def test_every_outcome_has_its_metrics_and_no_other(report, outcome, values):
    assert report(done(outcome)).values == values


UNITS = {
    "ObjectsReplicated": "Count",
    "BytesReplicated": "Bytes",
    "ReplicationLag": "Seconds",
    "MetadataMissing": "Count",
    "TagsDenied": "Count",
    "TagsReplicated": "Count",
    "DeletesApplied": "Count",
    "CopyRetries": "Count",
    "UploadsStarted": "Count",
    "RangesCopied": "Count",
    "RangeBytes": "Bytes",
    "RangesDeferred": "Count",
    "ReplicasProven": "Count",
    "ObjectsSkipped": "Count",
    "ObjectsFailed": "Count",
}


def test_every_document_is_valid_emf_in_our_namespace_with_the_service_as_its_base_dimension(report):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    reported = report(*(done(outcome) for outcome, _ in METRICS))
    seen = set()
    for document in reported.metrics:
        assert set(document["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
        assert isinstance(document["_aws"]["Timestamp"], int)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert directive["Namespace"] == "S3Hydration"
        (dimensions,) = directive["Dimensions"]
        assert "service" in dimensions
        assert set(dimensions) <= {"service", "reason", "code", "proof"}
        assert all(isinstance(document[name], str) and document[name] for name in dimensions)
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric == {"Name": metric["Name"], "Unit": UNITS[metric["Name"]]}
            assert 1 <= len(document[metric["Name"]]) <= 100
            assert all(isinstance(value, int | float) for value in document[metric["Name"]])
            seen.add(metric["Name"])
    assert seen == set(UNITS)


def test_the_metrics_of_a_batch_add_up(report):
    reported = report(
        *(done(Replicated(size, 1.0, Proof.COMPUTED)) for size in (1, 2, 3)),
        *(done(Skipped(SkipReason.CURRENT)) for _ in range(4)),
        *(done(Failed("archived", "why", final=True)) for _ in range(5)),
    )
    assert reported.values == {
        ("ObjectsReplicated",): [1, 1, 1],
        ("BytesReplicated",): [1, 2, 3],
        ("ReplicationLag",): [1.0, 1.0, 1.0],
        COMPUTED: [3],
        ("ObjectsSkipped", ("reason", "current")): [4],
        ("ObjectsFailed", ("code", "archived")): [5],
    }


def test_a_batch_of_more_outcomes_than_one_document_holds_loses_none(report):
    reported = report(*(done(Replicated(1, 0.5, Proof.COMPUTED)) for _ in range(350)))
    assert len(reported.metrics) > 1
    assert reported.values[COMPUTED] == [350]
    assert {name: len(values) for (name, *dimension), values in reported.values.items() if not dimension} == {
        "ObjectsReplicated": 350,
        "BytesReplicated": 350,
        "ReplicationLag": 350,
    }


def test_one_report_leaves_nothing_behind_for_the_next(report):
    report(done(Failed("archived", "why", final=True)), done(Replicated(7, None, Proof.COMPUTED)))
    assert report(done(Deleted())).values == {("DeletesApplied",): [1]}
    assert report().text == ""


# -- log lines ---------------------------------------------------------------------------------------------------------

LINES = [
    (
        Replicated(5, 1.5, Proof.COMPUTED, parts=2, adopted=True, retries=1),
        "INFO",
        "replicated",
        {"bytes": 5, "lag": 1.5, "parts": 2, "adopted": True, "proof": "computed", "retries": 1},
    ),
    (UploadStarted(100, 10, 5), "INFO", "uploadstarted", {"bytes": 100, "parts": 10, "ranges": 5}),
    (RangeCopied(3, 20, 2, 1), "INFO", "rangecopied", {"bytes": 20, "parts": 2, "retries": 1}),
    (Deferred(), "INFO", "deferred", {"sent_again": False}),
    (TagsReplicated(lag=2.0), "INFO", "tagsreplicated", {"lag": 2.0}),
    (Deleted(), "INFO", "deleted", {}),
    (
        Skipped(SkipReason.OUT_OF_SCOPE, detail="prefix"),
        "INFO",
        "skipped",
        {"reason": "out-of-scope", "detail": "prefix"},
    ),
    (
        Failed("archived", "The object is archived.", final=True),
        "ERROR",
        "failed",
        {"code": "archived", "error": "The object is archived.", "final": True},
    ),
]


@pytest.mark.parametrize(("outcome", "level", "text", "facts"), LINES, ids=lambda value: repr(value)[:20])
def test_every_outcome_is_one_line_of_constant_text_with_its_facts_in_fields(report, outcome, level, text, facts):
    (line,) = report(done(outcome, receive_count=3)).lines
    assert (line["level"], line["message"]) == (level, text)
    correlation = {"message_id": "m-1", "event_id": "e-1", "receive_count": 3, "request_id": "request-1"}
    assert (facts | correlation | {"key": "a key"}).items() <= line.items()
    by_the_logger = {"level", "message", "timestamp", "service"}
    assert set(line) == {*facts, *correlation, "key"} | by_the_logger


def test_the_line_of_a_range_says_which_of_which_upload(report):
    (line,) = report(done(RangeCopied(3, 20, 2), Hint("a key", "e-1", range=PartRange("u-1", 3)))).lines
    assert (line["upload_id"], line["range"]) == ("u-1", 3)


def test_a_message_that_is_no_hint_is_told_by_its_message_id(report):
    (line,) = report(done(Failed("not-json", "The message is not JSON.", final=True), hint=None)).lines
    assert line["message_id"] == "m-1"
    assert not {"key", "event_id"} & set(line)


def test_the_body_of_a_message_is_in_no_line(report):
    assert "secret" not in report(done(Failed("not-json", "why", final=True), hint=None), done(Deleted())).text


def test_a_long_error_does_not_fill_the_log(report):
    (line,) = report(done(Failed("unexpected", "x" * 10_000, final=False))).lines
    assert line["error"] == "x" * 300


# -- hostile keys ------------------------------------------------------------------------------------------------------

HOSTILE = {
    **ODD_KEYS,
    "a forged line": 'k\n{"level": "INFO", "message": "replicated"}',
    "forged metrics": '"}\n{"_aws": {"CloudWatchMetrics": []}}',
    "every control character": "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)])),
    "line ends of unicode": "a\u2028b\u2029c\u0085d\x0be\x0cf",
    "a lone surrogate": "\ud800",
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_key_stays_inside_its_line_in_plain_printable_ascii(report, key):
    for outcome in (Replicated(1, 1.0, Proof.COMPUTED), Failed("unexpected", key, final=False)):
        reported = report(done(outcome, Hint(key, key)))
        assert reported.text.isascii()
        assert all(line.isprintable() for line in reported.text.split("\n"))
        (line,) = reported.lines
        assert (line["key"], line["event_id"]) == (key, key)


def test_no_key_is_in_any_metric_document(report):
    reported = report(*(done(outcome, Hint("the-key", "the-event")) for outcome, _ in METRICS))
    written = json.dumps(reported.metrics)
    assert "ObjectsReplicated" in written
    assert "the-key" not in written
    assert "the-event" not in written


# -- runs of the transfer function -------------------------------------------------------------------------------------

EXTRAS = {"found": 3, "held": 2}
DONE = {"run_id": "r", "mode": "reconcile", "dry_run": False, "state": "done", "extras": EXTRAS, "drift": {}}
VERIFIED = {
    "state": "done",
    "mode": "verify",
    "dry_run": False,
    "books": {"same": {"checksums": 5, "manifest": 2}, "different": {}, "cannot_tell": {"stale": 3}},
    "drift": {"cannot-tell": 3},
}
RUNS = [
    (DONE, {("RunsCompleted",): [1], ("DeletesHeld",): [2]}),
    (DONE | {"mode": "backfill"}, {}),  # it has no extras, so it says nothing of those that a reconcile holds
    (DONE | {"note": "The run is done already.", "drift": {"missing": 5}}, {}),  # asked for again: counted before
    (DONE | {"dry_run": True}, {}),
    (DONE | {"state": "listing"}, {}),
    (DONE | {"state": "stopped"}, {}),
    ({"run_id": "r", "state": "at rest", "note": "The run is done."}, {}),
    ({"run_id": "r", "state": "unknown"}, {}),
    (DONE | {"state": "failed"}, {("RunsFailed",): [1]}),
    ({"state": "refused", "problems": ["x"]}, {}),  # the one who asked reads the answer: nobody is woken
    ({"state": "watermark", "age_seconds": 61.26}, {("WatermarkAge",): [61.3]}),
    ({"state": "watermark", "age_seconds": 0.0}, {("WatermarkAge",): [0.0]}),
    ({"state": "watermark", "age_seconds": None}, {}),
    (
        DONE | {"drift": {"missing": 5, "extra": 1}},
        {
            ("RunsCompleted",): [1],
            ("DeletesHeld",): [2],
            ("DriftFound", ("kind", "missing")): [5],
            ("DriftFound", ("kind", "extra")): [1],
        },
    ),
    (
        VERIFIED,
        {
            ("VerifiedObjects", ("result", "same")): [7],
            ("VerifiedObjects", ("result", "different")): [0],
            ("VerifiedObjects", ("result", "cannot-tell")): [3],
        },
    ),
    (VERIFIED | {"dry_run": True}, {}),
    (VERIFIED | {"note": "The run is done already."}, {}),
    (VERIFIED | {"state": "listing", "books": {}}, {}),
]


@pytest.mark.parametrize(("answer", "values"), RUNS, ids=lambda value: repr(value)[:60])
def test_every_answer_of_a_run_is_one_line_and_has_its_metrics_and_no_other(report_run, answer, values):
    reported = report_run(answer)
    (line,) = reported.lines
    assert (line["message"], line["run"], line["request_id"]) == ("run", answer, "request-1")
    assert line["level"] == ("ERROR" if answer["state"] in ("failed", "refused") else "INFO")
    assert reported.values == values


def test_the_metrics_of_a_run_are_counts_and_seconds_with_a_kind_at_most(report_run):
    units = {}
    for answer, _ in RUNS:
        for document in report_run(answer).metrics:
            (directive,) = document["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "S3Hydration"
            assert set(directive["Dimensions"][0]) <= {"service", "kind", "result"}
            units |= {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    counted = dict.fromkeys(("RunsCompleted", "RunsFailed", "DeletesHeld", "DriftFound", "VerifiedObjects"), "Count")
    assert units == counted | {"WatermarkAge": "Seconds"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_an_answer_says_it_stays_inside_its_line_in_plain_printable_ascii(report_run, text):
    reported = report_run({"state": "refused", "problems": [text], "failure": text})
    assert reported.text.isascii()
    assert all(line.isprintable() for line in reported.text.split("\n"))
    (line,) = reported.lines
    assert line["run"]["problems"] == [text]
