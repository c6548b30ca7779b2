"""The payload: what an operator asks for, every problem told at once, nothing hostile repeated to a terminal."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.payload import MAX_PREFIXES, Mode, Payload, PayloadError, new_run_id
from tests.odd_keys import ODD_KEYS

NARROWING = {
    "prefix": "a/",
    "since": "2026-11-24T06:00:00Z",
    "until": "2026-11-24T06:00:00Z",
    "force": True,
    "max_objects": 10,
    "objects_per_second": 50,
}


def problems(document):
    with pytest.raises(PayloadError) as raised:
        Payload.parse(document)
    assert str(raised.value) == "; ".join(raised.value.problems)
    return raised.value.problems


# -- what is asked for -------------------------------------------------------------------------------------------------


def test_nothing_said_reconciles_everything_in_scope():
    payload = Payload.parse({})
    assert payload == Payload()
    assert payload.mode is Mode.RECONCILE
    assert payload.sees_everything


@pytest.mark.parametrize("field", NARROWING)
def test_whatever_narrows_a_run_down_makes_it_a_backfill(field):
    assert Payload.parse({field: NARROWING[field]}).mode is Mode.BACKFILL


@pytest.mark.parametrize("field", NARROWING)
def test_a_narrowed_run_is_a_reconcile_where_it_says_so(field):
    assert Payload.parse({field: NARROWING[field], "mode": "reconcile"}).mode is Mode.RECONCILE


@pytest.mark.parametrize("document", [{"dry_run": True}, {"run_id": "r"}, {"run_id": "r", "stop": True}])
def test_a_dry_run_and_a_run_by_its_id_are_still_reconciles(document):
    assert Payload.parse(document).mode is Mode.RECONCILE


@pytest.mark.parametrize(
    ("document", "everything"),
    [
        ({}, True),
        ({"run_id": "r"}, True),
        ({"retry": True}, True),  # tries more again, and sees no less
        ({"mode": "reconcile", "force": True}, True),  # copies more, and sees no less
        ({"mode": "reconcile", "objects_per_second": 1}, True),
        ({"force": True}, False),  # a backfill notes no extras
        ({"dry_run": True}, False),
        ({"mode": "backfill"}, False),
        ({"mode": "watermark"}, False),
        *(({"mode": "reconcile", field: NARROWING[field]}, False) for field in ("prefix", "since", "until")),
        ({"mode": "reconcile", "max_objects": 10}, False),
    ],
)
def test_only_a_run_that_looks_at_every_key_and_acts_speaks_for_the_whole_bucket(document, everything):
    assert Payload.parse(document).sees_everything is everything


def test_a_prefix_may_be_one_or_a_list():
    assert Payload.parse({"prefix": "2026/"}).prefix == ("2026/",)
    assert Payload.parse({"prefix": ["a/", "b/"]}).prefix == ("a/", "b/")
    assert Payload.parse({"prefix": []}).prefix == ()


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_a_prefix_is_taken_verbatim_and_survives_being_stored(key):
    payload = Payload.parse({"prefix": key})
    assert payload.prefix == (key,)
    assert Payload.model_validate_json(payload.model_dump_json()) == payload


def test_since_and_until_are_moments_in_any_zone():
    payload = Payload.parse({"since": "2026-11-24T07:00:00+01:00", "until": "2026-11-24T06:00:01Z"})
    assert payload.since_epoch == datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp()
    assert payload.until_epoch == payload.since_epoch + 1
    assert Payload().since_epoch is None
    assert Payload().until_epoch is None


VERIFYING = {"sample": 0.01, "read_bytes": True, "repair": True}


@pytest.mark.parametrize("field", ["prefix", "since", "sample", "read_bytes", "repair", "dry_run"])
def test_a_verify_says_that_it_is_one_and_what_it_takes(field):
    payload = Payload.parse({"mode": "verify", field: (NARROWING | VERIFYING | {"dry_run": True})[field]})
    assert payload.mode is Mode.VERIFY
    assert not payload.sees_everything
    assert Payload.model_validate_json(payload.model_dump_json()) == payload


@pytest.mark.parametrize(
    ("document", "sends"),
    [
        ({}, True),
        ({"prefix": "a/"}, True),
        ({"dry_run": True}, False),
        ({"mode": "verify"}, False),
        ({"mode": "verify", "read_bytes": True}, False),
        ({"mode": "verify", "repair": True}, True),
    ],
)
def test_a_verify_sends_no_hints_unless_it_repairs_and_a_dry_run_none(document, sends):
    assert Payload.parse(document).sends_hints is sends


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [None, [], ["Records"], "Records", 7, True])
def test_what_is_no_object_is_refused(document):
    assert problems(document) == ["the payload is not a JSON object"]


def test_every_problem_is_told_at_once():
    told = problems(
        {
            "mode": "mirror",
            "prefix": 7,
            "since": "yesterday",
            "dry_run": "perhaps",
            "max_objects": 0,
            "objects_per_second": -1,
            "run_id": "../../reports",
            "prefixes": ["a/"],
        }
    )
    assert [problem.partition(":")[0] for problem in told] == [
        "mode",
        "prefix",
        "since",
        "dry_run",
        "max_objects",
        "objects_per_second",
        "run_id",
        "prefixes",
    ]
    assert told[-1] == "prefixes: is not a field of the payload"


def test_contradictions_are_told_at_once():
    moment = "2026-11-24T06:00:00Z"
    assert problems({"since": moment, "until": moment, "stop": True}) == [
        "since is not before until",
        "stop needs the run_id of the run to stop",
    ]


@pytest.mark.parametrize("field", ["force", "retry", "max_objects", "objects_per_second"])
def test_what_is_about_copying_has_no_meaning_for_a_verify(field):
    value = (NARROWING | {"retry": True})[field]
    assert problems({"mode": "verify", field: value}) == [f"{field} has no meaning for a verify"]


@pytest.mark.parametrize("field", VERIFYING)
@pytest.mark.parametrize("mode", [{}, {"mode": "backfill"}, {"mode": "watermark"}])
def test_what_is_about_verifying_is_refused_elsewhere(field, mode):
    assert problems(mode | {field: VERIFYING[field]}) == [f'{field} is for {{"mode": "verify"}} alone']


@pytest.mark.parametrize("document", [{"force": False}, {"max_objects": None}])
def test_what_says_nothing_contradicts_nothing(document):
    assert Payload.parse({"mode": "verify"} | document).mode is Mode.VERIFY


def test_a_repair_that_changes_nothing_is_a_contradiction():
    told = problems({"mode": "verify", "repair": True, "dry_run": True})
    assert told == ["repair changes replicas, and dry_run changes nothing"]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("mode", ["reconcile", "backfill", "watermark", "verify"], ["", "Backfill", None, 1]),
        ("prefix", ["a", "k" * 1024, ["a"] * MAX_PREFIXES], ["", [""], None, [None], "k" * 1025, ["a"] * 101]),
        ("since", ["2026-11-24T06:00:00Z"], ["2026-11-24T06:00:00", "06:00", "", [], {}]),
        ("max_objects", [1, None, 10**12], [0, -1, 1.5, "many", []]),
        ("objects_per_second", [0.1, 1, 100_000], [0, -1, 100_001, float("nan"), float("inf")]),
        ("run_id", ["r", "20261124-085000-1a2b3c", "a.b_c-D9", "x" * 64], ["", "-r", ".r", "a/b", "a b", "r\n", "é"]),
        ("run_id", [None], ["x" * 65, "a#b", 7]),
        ("dry_run", [True, False], [None, "perhaps", [], 2]),
    ],
)
def test_each_field_takes_what_lies_within_its_bounds_and_nothing_beyond(field, good, bad):
    for value in good:
        Payload.parse({field: value})
    for value in bad:
        (problem, *_) = problems({field: value})
        assert problem.startswith(f"{field}: "), value


@pytest.mark.parametrize("prefix", ["é" * 513, "\U0001f680" * 257, ["a", "\uffff" * 342]])
def test_a_prefix_longer_than_any_key_is_refused_by_its_bytes(prefix):
    (problem,) = problems({"prefix": prefix})
    assert problem == "prefix: is not 1 to 1024 bytes of UTF-8"


@pytest.mark.parametrize("prefix", ["\ud800", "a\udfffb"])
def test_half_a_character_begins_no_key(prefix):
    (problem,) = problems({"prefix": json.loads(json.dumps(prefix))})
    assert problem.startswith("prefix: ")


@pytest.mark.parametrize("name", [*ODD_KEYS.values(), '"}\n{"forged": 1', "", "x" * 10_000])
def test_a_hostile_field_name_is_told_in_short_printable_ascii(name):
    (problem,) = problems({name: 1})
    assert problem.isascii()
    assert problem.isprintable()
    assert len(problem) < 100
    assert "is not a field of the payload" in problem


@pytest.mark.parametrize("field", ["mode", "prefix", "since", "max_objects", "run_id", "dry_run", "objects_per_second"])
def test_a_hostile_value_is_not_repeated(field):
    value = '\x1b[2J"}\n{"forged": 1}'
    told = problems({field: {value: value}})
    assert all(problem.isprintable() and "forged" not in problem for problem in told)


SAID = st.sampled_from([*NARROWING.values(), "reconcile", "watermark", True, None, 0, "", "r", [], ["a", 7], {}])


@given(st.dictionaries(st.sampled_from([*Payload.model_fields, "other"]), SAID | st.text(), max_size=4))
def test_any_object_is_a_payload_that_can_be_stored_or_has_problems_to_tell(document):
    try:
        payload = Payload.parse(document)
    except PayloadError as error:
        told = error.problems
    else:
        told = []
        assert Payload.model_validate_json(payload.model_dump_json()) == payload
    assert all(problem.isprintable() and problem.isascii() for problem in told)


def test_a_payload_is_not_changed_by_whom_it_is_given_to():
    document = {"prefix": ["a/"]}
    Payload.parse(document)
    assert document == {"prefix": ["a/"]}
    with pytest.raises(ValueError, match="frozen"):
        Payload().force = True


# -- run ids -----------------------------------------------------------------------------------------------------------


def test_a_new_run_id_reads_as_its_time_and_sorts_by_it():
    moment = datetime(2026, 11, 24, 8, 50, tzinfo=UTC).timestamp()
    assert new_run_id(moment, "1a2b3c4d5e6f") == "20261124-085000-1a2b3c"
    ids = [new_run_id(moment + seconds, unique) for seconds, unique in [(0, "ffffff"), (1, "000000"), (86_400, "0")]]
    assert ids == sorted(ids)


def test_a_new_run_id_is_one_that_a_payload_takes():
    run_id = new_run_id(1_800_000_000.9, "1a2b3c")
    assert Payload.parse({"run_id": run_id}).run_id == run_id
