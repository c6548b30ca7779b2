"""The tables of errors are whole: no code without a meaning, no AWS code in two tables, nothing left unused."""

import ast
from itertools import combinations
from pathlib import Path

import pytest

import consumer_replicator
from consumer_replicator import errors
from consumer_replicator.errors import (
    FAILURE_CODES,
    ChangedUnderUs,
    ErrorClass,
    HydrationError,
    Rejected,
    ReplicaMoved,
    RowMoved,
    SourceMoved,
    TagsDenied,
)
from producer_events.message_body import BAD_EVENT_CODES

MODULES = sorted(Path(consumer_replicator.__file__).parent.rglob("*.py"))
AWS_TABLES = (
    "THROTTLING",
    "EXPIRED",
    "DENIED",
    "KEY_UNUSABLE",
    "ABSENT",
    "CONDITION_FAILED",
    "BODY_DAMAGED",
    "TIMED_OUT",
)


def raised_codes(path):
    """The literal codes that a module raises or records: HydrationError("x"), Rejected("x"), Failed("x", ...)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            first = node.args[0]
            if node.func.id in ("HydrationError", "Rejected", "Failed") and isinstance(first, ast.Constant):
                yield first.value


def test_every_code_that_is_raised_anywhere_is_in_the_table():
    raised = {code for path in MODULES for code in raised_codes(path)}
    assert {"checksum-mismatch", "bad-row", "out-of-time", "contended"} <= raised  # the search finds something
    assert raised <= set(FAILURE_CODES)


def test_every_code_of_the_table_is_spelt_by_some_module_or_made_of_whose_it_is():
    spelt = {
        node.value
        for path in MODULES
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    composed = {f"{whose}-{what}" for whose in ("source", "replica") for what in ("access-denied", "kms-denied")}
    assert set(FAILURE_CODES) - spelt - composed - set(BAD_EVENT_CODES) == set()


def test_what_the_event_contract_refuses_is_bad_input():
    for code in BAD_EVENT_CODES:
        assert FAILURE_CODES[code].error_class is ErrorClass.BAD_INPUT


@pytest.mark.parametrize("code", sorted(FAILURE_CODES))
def test_a_code_is_a_word_fit_for_a_dimension_and_its_meaning_one_plain_sentence(code):
    assert code == code.lower()
    assert code.replace("-", "").isalpha() or code == "sse-c"
    meaning = FAILURE_CODES[code].meaning
    assert meaning.isascii()
    assert meaning.isprintable()
    assert meaning[0].isupper()
    assert meaning.endswith(".")
    assert str(HydrationError(code)) == meaning
    assert HydrationError(code).error_class is FAILURE_CODES[code].error_class


def test_an_error_says_what_it_is_told_to_say():
    error = HydrationError("truncated", "Read 20 of 21 bytes.")
    assert (error.code, str(error)) == ("truncated", "Read 20 of 21 bytes.")


def test_an_unknown_code_cannot_be_raised():
    with pytest.raises(KeyError):
        HydrationError("no-such-code")


@pytest.mark.parametrize(("one", "other"), list(combinations(AWS_TABLES, 2)))
def test_no_aws_code_means_two_things(one, other):
    assert getattr(errors, one).isdisjoint(getattr(errors, other))


def test_what_moved_under_us_is_no_failure_and_a_refusal_is():
    for moved in (ReplicaMoved, RowMoved, SourceMoved):
        assert issubclass(moved, ChangedUnderUs)
    assert not issubclass(ChangedUnderUs, HydrationError)
    assert not issubclass(TagsDenied, HydrationError)
    assert issubclass(Rejected, HydrationError)
