"""The report says what the facts say: books that close do, books that do not say so, and nothing is guessed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer_replicator import report_model
from consumer_replicator.comparison import Basis, Doubt
from consumer_replicator.drift import DriftKind
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.estimate import Capacity, Load, estimate
from consumer_replicator.payload import Mode
from consumer_replicator.proof import Proof
from consumer_replicator.report import PreviousRun, Report, build, to_json
from consumer_replicator.run_facts import (
    LAG_BOUNDS,
    BookCounts,
    DriftEntry,
    ExtraCounts,
    KindCount,
    Lags,
    LossCounts,
    PrefixCount,
    Usage,
)
from tests.consumer.run_rig import CODES, DAY, KINDS, STARTED, closed_books, closed_extras, facts
from tests.odd_keys import ODD_KEYS

DOCUMENT = Path(__file__).parents[2] / "service-catalog" / "docs" / "report.md"
OFF = st.integers(-1000, 1000).filter(bool)


@given(closed_books(), closed_extras())
def test_books_with_every_key_in_one_place_close_whatever_the_outcomes(books, extras):
    made = build(facts(books=books, extras=extras))
    assert made.verdict.closes
    assert (made.books.unaccounted, made.extras.unaccounted) == (0, 0)
    parts = made.books
    named = [parts.skipped, parts.failed, parts.filtered, parts.same, parts.different, parts.cannot_tell]
    counted = parts.copied + parts.uploading + parts.current + parts.planned
    assert parts.listed == counted + sum(sum(counts.values()) for counts in named)


@given(closed_books(), OFF)
def test_a_listed_object_that_ends_nowhere_or_twice_is_told_as_a_defect(books, off):
    made = build(facts(books=replace(books, listed=max(0, books.listed + off))))
    if books.listed + off < 0:
        off = -books.listed
    assert made.books.unaccounted == off
    if off:
        assert not made.verdict.closes
        assert (made.verdict.level, made.verdict.headline) == ("wrong", "The books do not close.")
        assert f"{abs(off):,} key" in made.verdict.findings[0].what


@given(closed_extras(), OFF)
def test_an_extra_that_ends_nowhere_or_twice_is_told_as_a_defect(extras, off):
    found = max(0, extras.found + off)
    made = build(facts(extras=replace(extras, found=found)))
    assert made.extras.unaccounted == found - extras.found
    assert made.verdict.closes == (found == extras.found)


@given(closed_books(), st.integers(1, 10**6), st.integers(0, 10**6))
def test_books_with_keys_still_waiting_are_open_but_no_defect(books, waiting, extras_waiting):
    counts = replace(books, listed=books.listed + waiting, waiting=waiting)
    made = build(facts(books=counts, extras=ExtraCounts(found=extras_waiting, waiting=extras_waiting)))
    assert (made.books.unaccounted, made.extras.unaccounted) == (0, 0)
    assert not made.verdict.closes
    assert made.extras.closes == (not extras_waiting)
    assert made.verdict.headline == "The books do not close."
    assert any(f"{waiting + extras_waiting:,} hint" in finding.what for finding in made.verdict.findings)


@given(CODES, CODES)
def test_failures_are_those_of_listed_objects_and_of_extras_the_most_frequent_first(listed, extra):
    books = BookCounts(listed=sum(listed.values()), failed=listed)
    made = build(facts(books=books, extras=ExtraCounts(found=sum(extra.values()), failed=extra))).failures
    assert {failure.code: failure.objects for failure in made} == {
        code: listed.get(code, 0) + extra.get(code, 0)
        for code in listed | extra
        if listed.get(code, 0) + extra.get(code, 0)
    }
    assert [failure.objects for failure in made] == sorted((failure.objects for failure in made), reverse=True)
    assert all(failure.meaning == FAILURE_CODES[failure.code].meaning for failure in made)
    assert all(failure.runbook == f"Failure codes: {failure.code}" for failure in made)


def test_a_failure_code_of_another_release_is_shown_as_unknown():
    (failure,) = build(facts(books=BookCounts(listed=1, failed={"brand-new": 1}))).failures
    assert (failure.code, failure.meaning) == ("brand-new", "A code that this version does not know.")


# -- the event-loss rate ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overdue", "changed", "rate"),
    [(0, 0, 0.0), (0, 10, 0.0), (1, 4, 0.25), (4, 4, 1.0), (5, 4, 1.0), (1, 0, None), (0, None, None), (3, None, None)],
)
def test_the_loss_rate_is_overdue_per_changed_and_null_where_it_cannot_be_told(overdue, changed, rate):
    loss = build(facts(loss=LossCounts(overdue, changed, STARTED - DAY))).loss
    assert loss.rate == rate
    assert (loss.overdue, loss.changed) == (overdue, changed)


# -- lag -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 10**6), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_an_upper_bound_at_most_one_class_too_high(samples, share):
    lags = Lags.of(samples)
    exact = sorted(samples)[max(0, -(-len(samples) * share // 1).__int__() - 1)]
    bound = lags.percentile(share)
    assert exact <= bound <= max(samples)
    assert not any(exact <= edge < bound for edge in LAG_BOUNDS)


@given(st.lists(st.floats(0, 10**6)), st.lists(st.floats(0, 10**6)))
def test_lags_counted_apart_add_up(one, other):
    assert Lags.of(one) + Lags.of(other) == Lags.of([*one, *other])


def test_without_lags_there_are_no_percentiles():
    lag = build(facts()).lag
    assert (lag.objects, lag.p50, lag.p90, lag.p99, lag.longest) == (0, None, None, None, None)


def test_the_histogram_has_every_class_and_an_open_one():
    lag = build(facts(lags=Lags.of([0.5, 1.0, 1.1, 10**6]))).lag
    assert [one.up_to for one in lag.histogram] == [*LAG_BOUNDS, None]
    assert [one.objects for one in lag.histogram if one.objects] == [2, 1, 1]
    assert lag.histogram[-1].objects == 1


# -- the rest --------------------------------------------------------------------------------------------------------


def test_kinds_of_drift_come_in_the_order_of_their_definition_and_only_where_there_are_some():
    drift = {DriftKind.UNFINISHED: KindCount(1, 5), DriftKind.MISSING: KindCount(2, 7), DriftKind.STALE: KindCount()}
    made = build(facts(drift=drift)).drift
    assert [(kind.kind, kind.objects) for kind in made.kinds] == [("missing", 2), ("unfinished", 1)]
    assert (made.objects, made.bytes) == (3, 12)


def test_every_kind_of_drift_has_its_place_in_the_report():
    made = build(facts(drift={kind: KindCount(1, 1) for kind in DriftKind})).drift
    assert [kind.kind for kind in made.kinds] == [kind.value for kind in DriftKind]


def test_the_cost_is_that_of_the_counted_calls_and_units():
    usage = Usage({"ListObjectsV2": 1000, "SendMessageBatch": 10}, read_units=8_000_000, write_units=8, gb_seconds=2.5)
    cost = build(facts(usage=usage)).cost
    assert cost.dollars == pytest.approx(0.005 + 0.000004 + 1.0 + 0.000005 + 0.000033, abs=1e-6)
    assert sum(cost.items.values()) == pytest.approx(cost.dollars, abs=1e-5)
    assert list(cost.calls) == ["ListObjectsV2", "SendMessageBatch"]


def test_a_dry_run_has_a_plan_and_its_planned_objects_close_the_books():
    plan = estimate(Load(objects=3, bytes=10**9), Capacity(functions=2))
    made = build(facts(mode=Mode.BACKFILL, dry_run=True, books=BookCounts(listed=3, planned=3), plan=plan))
    assert made.verdict.closes
    assert made.plan is not None
    assert (made.plan.objects, made.plan.bytes) == (3, 10**9)
    assert made.verdict.headline == "A dry run: the books close, and nothing was changed."


@given(st.sampled_from(sorted(ODD_KEYS.values())), KINDS)
def test_the_json_is_ascii_and_gives_back_every_key_verbatim(key, kind):
    entry = DriftEntry(kind, key, size=1, last_modified=STARTED)
    prefix = PrefixCount(key, 1, 1, {kind: 1})
    made = build(facts(biggest=(entry,), oldest=(entry,), prefixes=(prefix,), payload={"prefix": [key]}))
    text = to_json(made)
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    again = Report.model_validate_json(text)
    assert again == made
    assert again.drift.biggest[0].key == again.drift.prefixes[0].prefix == again.run.payload["prefix"][0] == key


def test_times_are_utc_and_in_iso_form():
    document = json.loads(to_json(build(facts(watermark=STARTED - 300))))
    assert document["run"]["started"] == "2026-11-24T03:00:00Z"
    assert document["watermark"] == "2026-11-24T02:55:00Z"
    assert document["run"]["seconds"] == 60


def test_a_reader_takes_a_report_with_fields_it_does_not_know_and_refuses_another_version():
    document = json.loads(to_json(build(facts())))
    document["books"]["new"] = 1
    assert Report.model_validate(document) == build(facts())
    with pytest.raises(ValidationError):
        Report.model_validate(document | {"schema_version": "2"})


def test_a_run_is_kept_for_comparison_in_a_form_that_comes_back():
    books = BookCounts(listed=5, current=2, failed={"archived": 3})
    made = build(facts(books=books, drift={"missing": KindCount(4, 1)}, lags=Lags.of([2.0])))
    kept = PreviousRun.of(made)
    assert (kept.listed, kept.drift, kept.failed, kept.lag_p99, kept.level) == (5, 4, 3, 2.0, "attention")
    assert PreviousRun.model_validate(json.loads(kept.model_dump_json())) == kept


# -- the documented schema -------------------------------------------------------------------------------------------


def in_words(schema: dict) -> str:  # noqa: PLR0911 a table: one row per form
    """A JSON schema as the document names it."""
    match schema:
        case {"$ref": name}:
            return name.rpartition("/")[2]
        case {"anyOf": options}:
            return " or ".join(in_words(option) for option in options)
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"type": "array", "items": items}:
            return f"list of {in_words(items)}"
        case {"type": "object", "additionalProperties": {"type": inner}}:
            return f"object of {inner}s"
        case {"type": "string", "format": "date-time"}:
            return "time"
        case {"type": kind}:
            return kind
    raise AssertionError(schema)


def section(name: str, model: dict) -> str:
    about = f"{model['description']}\n\n" if model.get("description") else ""
    rows = "".join(
        f"| `{field}` | {in_words(detail)} | {detail.get('description', '')} |\n".replace("|  |", "| |")
        for field, detail in model["properties"].items()
    )
    return f"### {name}\n\n{about}| field | type | |\n|---|---|---|\n{rows}"


def test_the_document_has_every_field_of_the_schema_with_its_type_and_meaning():
    schema = Report.model_json_schema(mode="serialization")
    expected = "\n".join(section(name, model) for name, model in {"Report": schema, **schema["$defs"]}.items())
    documented = re.search(r"<!-- schema: begin -->\n(.*)\n<!-- schema: end -->", DOCUMENT.read_text(), re.DOTALL)
    assert documented
    assert documented[1].strip() == expected.strip()


def test_the_document_says_what_every_word_of_a_verify_and_every_proof_means():
    words = [*Basis, *Doubt, *Proof, "unknown", "not-sampled", "bad-row"]
    words += [kind for kind in DriftKind if kind is not DriftKind.EXTRA]
    assert [word for word in words if f"`{word}`" not in DOCUMENT.read_text()] == []


def test_every_count_of_the_schema_refuses_to_be_negative():
    with pytest.raises(ValidationError):
        report_model.KindOfDrift(kind="missing", objects=-1, bytes=0)
