"""From a message to a hint and back: every key survives, and everything else is refused with its reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.errors import ErrorClass, Rejected
from consumer_replicator.hint import ConfirmHint, Hint, PartRange, PlainHint, RangeHint, parse_hint, to_body
from producer_events.object_event import DETAIL_TYPES
from tests.consumer.arbitrary import KEYS
from tests.consumer.fake_aws import CONSUMER, PRODUCER, SOURCE
from tests.consumer.rig import event
from tests.odd_keys import ODD_KEYS

OWN = {"s3-hydration-hint": 1, "kind": "plain", "bucket": SOURCE, "key": "k", "id": "i"}
CONFIRM = {**OWN, "kind": "confirm", "tombstone": 7}
RANGE = {**OWN, "kind": "range", "upload": "u-1", "range": 3}


def read(body, receive_count=1):
    return parse_hint(body, bucket=SOURCE, account=PRODUCER, receive_count=receive_count)


def refusal(body):
    with pytest.raises(Rejected) as raised:
        read(body)
    assert raised.value.error_class is ErrorClass.BAD_INPUT
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()
    return raised.value.code


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_every_hint_of_our_own_carries_every_key(key):
    assert read(to_body(PlainHint(bucket=SOURCE, key=key, id="e-1"))) == Hint(key=key, event_id="e-1")
    confirm = to_body(ConfirmHint(bucket=SOURCE, key=key, id="e-1", tombstone=7))
    assert read(confirm) == Hint(key=key, event_id="e-1", tombstone=7)
    part_range = to_body(RangeHint(bucket=SOURCE, key=key, id="e-1", upload="u-1", range=3))
    assert read(part_range) == Hint(key=key, event_id="e-1", range=PartRange("u-1", 3))


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_an_object_event_carries_every_key_verbatim(key):
    assert read(event(key)).key == key


@given(KEYS)
def test_a_hint_is_sent_in_characters_that_sqs_takes(key):
    body = to_body(PlainHint(bucket=SOURCE, key=key, id="e"))
    assert all(character in "\t\n\r" or " " <= character <= "\x7f" for character in body)
    assert read(body).key == key


def test_the_form_of_a_hint_on_the_wire_is_fixed():
    """Messages of one release are read by the next: this is what is in the queue during a deployment."""
    assert json.loads(to_body(PlainHint(bucket=SOURCE, key="k", id="i"))) == OWN
    assert json.loads(to_body(ConfirmHint(bucket=SOURCE, key="k", id="i", tombstone=7))) == CONFIRM
    assert json.loads(to_body(RangeHint(bucket=SOURCE, key="k", id="i", upload="u-1", range=3))) == RANGE
    demanding = PlainHint(bucket=SOURCE, key="k", id="i", force=True, stray=True, resend="u-1")
    assert json.loads(to_body(demanding)) == {**OWN, "force": True, "stray": True, "resend": "u-1"}


def test_a_plain_hint_may_force_a_copy_and_ask_for_ranges_again():
    assert read(json.dumps({**OWN, "force": True})) == Hint(key="k", event_id="i", force=True)
    assert read(json.dumps({**OWN, "force": False})) == Hint(key="k", event_id="i")
    assert read(json.dumps({**OWN, "stray": True})) == Hint(key="k", event_id="i", stray=True)
    assert read(json.dumps({**OWN, "resend": "u-1"})) == Hint(key="k", event_id="i", resend="u-1")
    assert read(json.dumps({**CONFIRM, "force": True, "resend": "u-1"})) == Hint(key="k", event_id="i", tombstone=7)


def test_the_id_of_an_event_is_cut_to_what_a_hint_may_have():
    """An event's id may have 1,024 characters: a hint that could not be read again would end in dead letters."""
    assert read(to_body(PlainHint(bucket=SOURCE, key="k", id="i" * 1024))).event_id == "i" * 128


@pytest.mark.parametrize("kind", DETAIL_TYPES)
def test_an_object_event_becomes_a_hint_with_its_time_and_the_sequencer_of_a_write(kind):
    found = read(event("k", "0A", kind=kind, event_id="e-9", time=1_800_000_000), receive_count=3)
    assert found == Hint(
        key="k",
        event_id="e-9",
        event_time=1_800_000_000,
        sequencer="0A" if kind in ("Object Created", "Object Deleted") else None,
        about_tags="Tags" in kind,
        receive_count=3,
    )


def test_the_receive_count_comes_from_the_queue_and_not_from_the_message():
    assert read(json.dumps({**OWN, "receive_count": 99}), receive_count=2).receive_count == 2


MALFORMED = {
    "a version of next year": {**OWN, "s3-hydration-hint": 2},
    "a version of zero": {**OWN, "s3-hydration-hint": 0},
    "a version as text": {**OWN, "s3-hydration-hint": "1"},
    "a version that is true": {**OWN, "s3-hydration-hint": True},
    "a version with a fraction": {**OWN, "s3-hydration-hint": 1.0},
    "no version": {**OWN, "s3-hydration-hint": None},
    "a version by its other name": {**OWN, "s3-hydration-hint": 2, "version": 1},
    "nothing but the mark": {"s3-hydration-hint": 1},
    "an unknown kind": {**OWN, "kind": "question"},
    "no kind": {name: value for name, value in OWN.items() if name != "kind"},
    "a kind that is a list": {**OWN, "kind": ["plain"]},
    "no key": {name: value for name, value in OWN.items() if name != "key"},
    "an empty key": {**OWN, "key": ""},
    "a key that is a number": {**OWN, "key": 7},
    "a key of 1,025 bytes": {**OWN, "key": "k" * 1025},
    "a key of 1,024 characters, but 2,048 bytes": {**OWN, "key": "\u00e9" * 1024},
    "no bucket": {name: value for name, value in OWN.items() if name != "bucket"},
    "an empty bucket": {**OWN, "bucket": ""},
    "no id": {name: value for name, value in OWN.items() if name != "id"},
    "an id that fills the log": {**OWN, "id": "i" * 129},
    "no tombstone": {**OWN, "kind": "confirm"},
    "a tombstone of generation 0": {**CONFIRM, "tombstone": 0},
    "a tombstone as text": {**CONFIRM, "tombstone": "7"},
    "a tombstone that is true": {**CONFIRM, "tombstone": True},
    "a tombstone with a fraction": {**CONFIRM, "tombstone": 7.0},
    "a force that is a number": {**OWN, "force": 1},
    "a force that is nothing": {**OWN, "force": None},
    "ranges of a nameless upload asked for again": {**OWN, "resend": ""},
    "ranges of a numbered upload asked for again": {**OWN, "resend": 7},
    "no upload": {**OWN, "kind": "range", "range": 3},
    "a nameless upload": {**RANGE, "upload": ""},
    "an upload that fills the log": {**RANGE, "upload": "u" * 1025},
    "no range": {**OWN, "kind": "range", "upload": "u-1"},
    "a range of number 0": {**RANGE, "range": 0},
    "a range as text": {**RANGE, "range": "3"},
    "a range that is true": {**RANGE, "range": True},
    "a range with a fraction": {**RANGE, "range": 3.0},
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_claims_to_be_our_hint_and_is_not_is_refused(message):
    assert refusal(json.dumps(message)) == "bad-hint"


def test_unknown_fields_of_a_hint_are_ignored_so_that_a_next_release_may_add_some():
    assert read(json.dumps({**OWN, "shade": "blue"})) == read(json.dumps(OWN))


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "not json",
        "{",
        '{"s3-hydration-hint": 1',
        "NaN",
        '{"s3-hydration-hint": NaN}',
        json.dumps({**OWN, "key": "\ud800"}),  # a lone surrogate: no UTF-8, so no key
        "\ud800",
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"s3-hydration-hint": 1, "key": ' + "[" * 5_000 + "]" * 5_000 + "}",
        "\ufeff{}",
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_what_is_not_json_is_refused_however_deep_it_nests(body):
    assert refusal(body) == "not-json"


@pytest.mark.parametrize(
    "document",
    [None, 1, [], "text", {}, {"Records": []}, [OWN], json.dumps(OWN), {"Event": "s3:TestEvent"}, {"detail": OWN}],
)
def test_json_that_is_no_object_event_is_refused(document):
    assert refusal(json.dumps(document)) == "not-an-object-event"


def test_an_event_inside_a_json_text_is_not_unwrapped():
    assert refusal(json.dumps(event("k"))) == "not-an-object-event"


@pytest.mark.parametrize("kind", ["Object ACL Updated", "Object Access Tier Changed", "AWS API Call via CloudTrail"])
def test_an_event_that_changes_nothing_we_carry_is_refused(kind):
    assert refusal(event("k", kind=kind)) == "not-an-object-event"


def test_an_event_of_another_major_version_is_refused():
    document = json.loads(event("k"))
    document["detail"]["event-version"] = "2.0"
    assert refusal(json.dumps(document)) == "unknown-version"


@pytest.mark.parametrize("bucket", ["another-bucket", SOURCE + "x", SOURCE.upper(), " " + SOURCE])
def test_another_bucket_is_refused_in_events_and_in_hints(bucket):
    assert refusal(event("k", bucket=bucket)) == "foreign-bucket"
    assert refusal(json.dumps({**OWN, "bucket": bucket})) == "foreign-bucket"
    assert refusal(json.dumps({**CONFIRM, "bucket": bucket})) == "foreign-bucket"
    assert refusal(json.dumps({**RANGE, "bucket": bucket})) == "foreign-bucket"


def test_an_event_from_another_account_is_refused_even_for_our_bucket():
    assert refusal(event("k", account=CONSUMER)) == "foreign-account"


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")))
def test_no_text_at_all_gets_past_the_contract(text):
    assert refusal(text) in {"not-json", "not-an-object-event"}
