"""The contract, read from golden events.

`golden/` has the shapes of https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html. Three are not printed
there and were made by what the page says: object-deleted-permanently (no etag and no size) and the two tag events.
object-created-before-event-version is what the page showed until `event-version` came.
"""

import contextlib
import copy
import json
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json

from producer_events import event_contract
from producer_events.message_body import BAD_EVENT_CODES, MAX_BODY_BYTES
from producer_events.object_event import (
    DETAIL_TYPES,
    BadEvent,
    decode,
    parse_object_event,
    plainly_read,
)
from tests.odd_keys import ODD_KEYS

GOLDEN = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("golden").glob("*.json"))}
CREATED = json.loads(GOLDEN["object-created"])


def refused(body):
    with pytest.raises(BadEvent) as caught:
        parse_object_event(body)
    return caught.value


def created(path=(), value=None, *, without=False):
    """The golden Object Created event with one field, named by its path, set to a value or left out."""
    event = copy.deepcopy(CREATED)
    *parents, last = path
    holder = event
    for name in parents:
        holder = holder[name]
    if without:
        del holder[last]
    else:
        holder[last] = value
    return event


def with_key(key):
    return created(("detail", "object", "key"), key)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_event_is_read(name):
    event = parse_object_event(GOLDEN[name])
    assert (event.bucket, event.key, event.account) == ("amzn-s3-demo-bucket1", "example-key", "111122223333")
    assert event.time == datetime(2021, 11, 12, tzinfo=UTC)
    assert event.id == json.loads(GOLDEN[name])["id"]


def test_the_golden_events_cover_every_type_that_is_replicated():
    assert {json.loads(text)["detail-type"] for text in GOLDEN.values()} == set(DETAIL_TYPES)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("object-created", (5, "b1946ac92492d2347c6235b4d2611184", "617F08299329D189")),
        ("object-deleted-delete-marker", (None, "d41d8cd98f00b204e9800998ecf8427e", "617F0837B476E463")),
        ("object-deleted-permanently", (None, None, "617F0837B476E463")),
        ("object-restore-completed", (5, "b1946ac92492d2347c6235b4d2611184", None)),
    ],
)
def test_what_an_event_leaves_out_is_absent(name, told):
    event = parse_object_event(GOLDEN[name])
    assert (event.size, event.etag, event.sequencer) == told


def test_a_version_id_is_kept_verbatim():
    assert parse_object_event(GOLDEN["object-created"]).version_id == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
    assert parse_object_event(GOLDEN["object-deleted-permanently"]).version_id is None


@pytest.mark.parametrize(
    ("name", "reason", "deletion_type"),
    [
        ("object-deleted-delete-marker", "DeleteObject", "Delete Marker Created"),
        ("object-deleted-permanently", "DeleteObject", "Permanently Deleted"),
        ("object-deleted-lifecycle", "Lifecycle Expiration", "Delete Marker Created"),
    ],
)
def test_a_deletion_tells_its_reason_and_type(name, reason, deletion_type):
    event = parse_object_event(GOLDEN[name])
    assert event.detail_type == "Object Deleted"
    assert (event.reason, event.deletion_type) == (reason, deletion_type)


def test_a_restore_tells_where_the_object_was():
    assert parse_object_event(GOLDEN["object-restore-completed"]).source_storage_class == "GLACIER"
    assert parse_object_event(GOLDEN["object-created"]).source_storage_class is None


@pytest.mark.parametrize("name", GOLDEN)
def test_only_tag_events_are_about_tags(name):
    assert parse_object_event(GOLDEN[name]).about_tags is name.startswith("object-tags-")


def test_an_event_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        parse_object_event(CREATED).id = "another"


def test_text_bytes_and_a_decoded_envelope_are_read_alike():
    text = GOLDEN["object-created"]
    assert parse_object_event(text) == parse_object_event(text.encode()) == parse_object_event(decode(text))


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("name", ODD_KEYS)
def test_a_key_arrives_verbatim(name, ensure_ascii):
    body = json.dumps(with_key(ODD_KEYS[name]), ensure_ascii=ensure_ascii)
    assert parse_object_event(body).key == ODD_KEYS[name]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_any_text_that_fits_a_key_arrives_verbatim(key):
    assert parse_object_event(json.dumps(with_key(key))).key == key


@pytest.mark.parametrize("key", ["", "k" * 1025, "\u00e9" * 513, 17, None, ["k"], True, "\ud800"])
def test_what_is_no_key_is_refused(key):
    assert refused(with_key(key)).code == "not-an-object-event"


@pytest.mark.parametrize(
    "path",
    [
        ("id",),
        ("account",),
        ("time",),
        ("region",),
        ("detail",),
        ("detail", "bucket"),
        ("detail", "bucket", "name"),
        ("detail", "object"),
        ("detail", "object", "key"),
    ],
)
def test_a_missing_field_is_named(path):
    fault = refused(created(path, without=True))
    assert fault.code == "not-an-object-event"
    assert str(fault) == f"The message is no S3 object event: {'.'.join(path)} is missing."


@pytest.mark.parametrize(
    "path",
    [
        ("version",),
        ("resources",),
        ("detail", "version"),
        ("detail", "event-version"),
        ("detail", "request-id"),
        ("detail", "requester"),
        ("detail", "reason"),
        ("detail", "object", "size"),
        ("detail", "object", "etag"),
        ("detail", "object", "version-id"),
        ("detail", "object", "sequencer"),
    ],
)
def test_an_optional_field_may_be_missing_or_null(path):
    assert parse_object_event(created(path, without=True)).key == "example-key"
    assert parse_object_event(created(path, None)).key == "example-key"


@pytest.mark.parametrize(
    "path", [("new",), ("detail", "new"), ("detail", "bucket", "new"), ("detail", "object", "new")]
)
def test_an_unknown_field_is_ignored(path):
    assert parse_object_event(created(path, {"any": ["thing"]})) == parse_object_event(CREATED)


def test_a_field_is_known_by_the_name_that_s3_gives_it_only():
    event = created(("detail", "object", "version_id"), "not S3's spelling")
    assert parse_object_event(event).version_id == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("account",), "11112222333"),
        (("account",), "111122223333\n"),
        (("account",), 111122223333),
        (("time",), "yesterday"),
        (("time",), "2021-11-12T00:00:00"),  # no time zone
        (("time",), "1636675200"),
        (("time",), 1636675200),
        (("detail",), []),
        (("detail", "object", "size"), -1),
        (("detail", "object", "size"), "5"),
        (("detail", "object", "size"), 5.5),
        (("detail", "object", "size"), True),
        (("detail", "object", "size"), 10**30),
        (("detail", "object", "etag"), 5),
        (("id",), ""),
        (("id",), "\ud800"),
        (("id",), "x" * 1025),
    ],
)
def test_a_field_of_another_kind_is_refused_and_named(path, value):
    fault = refused(created(path, value))
    assert fault.code == "not-an-object-event"
    assert ".".join(path) in str(fault)


@pytest.mark.parametrize("sequencer", ["", "not hexadecimal", "0x17", 17, ["AB"], "A" * 65])
def test_a_sequencer_that_cannot_be_compared_counts_as_absent(sequencer):
    assert parse_object_event(created(("detail", "object", "sequencer"), sequencer)).sequencer is None


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (("version",), "0"),
        (("version",), "0.1"),
        (("detail", "version"), "0.7"),
        (("detail", "event-version"), "1.0"),
        (("detail", "event-version"), "1.27"),
        (("detail", "event-version"), "1"),
    ],
)
def test_an_equal_major_version_is_read(path, version):
    assert parse_object_event(created(path, version)).key == "example-key"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (("version",), "1"),
        (("version",), 0),
        (("detail", "version"), "1.0"),
        (("detail", "version"), ""),
        (("detail", "event-version"), "2.0"),
        (("detail", "event-version"), "11"),
        (("detail", "event-version"), "0.9"),
        (("detail", "event-version"), " 1.0"),
        (("detail", "event-version"), 1.1),
        (("detail", "event-version"), {"major": 1}),
    ],
)
def test_another_major_version_is_refused_by_that_name(path, version):
    fault = refused(created(path, version))
    assert fault.code == "unknown-version"
    assert ".".join(path) in str(fault)


def test_another_version_is_the_reason_even_where_fields_are_missing_too():
    event = created(("detail", "event-version"), "2.0")
    del event["detail"]["object"]
    assert refused(event).code == "unknown-version"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source",), "aws.ec2"),
        (("source",), None),
        (("detail-type",), "Object ACL Updated"),
        (("detail-type",), "Object Storage Class Changed"),
        (("detail-type",), "Object Annotation Created"),
        (("detail-type",), None),
        (("detail-type",), ["Object Created"]),
    ],
)
def test_another_source_or_type_is_no_object_event(path, value):
    fault = refused(created(path, value))
    assert fault.code == "not-an-object-event"
    assert path[0] in str(fault)


def test_a_classic_s3_notification_is_no_object_event():
    assert refused('{"Records": [{"eventSource": "aws:s3", "s3": {}}]}').code == "not-an-object-event"


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "hello",
        "{",
        '{"a": 1} trailing',
        "{'a': 1}",
        "[NaN]",
        '{"size": Infinity}',
        "9" * 5000,
        "[" * 500_000,
        '{"a":' * 100_000,
        '"\\ud800"',
        "\ud800",
        "\ufeff{}",
        b"\xff\xfe",
        b"\xc3\x28",
    ],
    ids=ascii,
)
def test_what_is_not_json_is_refused_by_that_name(body):
    assert refused(body).code == "not-json"


@pytest.mark.parametrize("body", ["[]", "null", "17", '"text"', "true", "{}", '"{\\"source\\": \\"aws.s3\\"}"'])
def test_json_that_is_no_envelope_is_no_object_event(body):
    assert refused(body).code == "not-an-object-event"


@pytest.mark.parametrize("body", [None, 17, 10**15, [1, 2], True])
def test_a_body_of_any_other_type_is_no_object_event(body):
    assert refused(body).code == "not-an-object-event"


def test_a_body_bigger_than_a_message_can_be_is_not_read():
    padding = " " * (MAX_BODY_BYTES - len(GOLDEN["object-created"]))
    assert parse_object_event(GOLDEN["object-created"] + padding).key == "example-key"
    fault = refused(GOLDEN["object-created"] + padding + " ")
    assert (fault.code, "1048577 bytes" in str(fault)) == ("not-an-object-event", True)


def test_of_a_field_named_twice_the_last_counts():
    body = json.dumps(CREATED).replace('"key": "example-key"', '"key": "first", "key": "last"')
    assert parse_object_event(body).key == "last"


HOSTILE = "\x1b[31m\nred\r\u202e\x00\x9b" * 500


@pytest.mark.parametrize(
    "path",
    [
        ("source",),
        ("detail-type",),
        ("version",),
        ("account",),
        ("time",),
        ("id",),
        ("detail", "event-version"),
        ("detail", "object", "key"),
        ("detail", "object", "etag"),
    ],
)
def test_a_fault_quotes_hostile_input_shortly_and_escaped(path):
    message = str(refused(json.dumps(created(path, HOSTILE))))
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
            max_leaves=10,
        ),
    )
)
def test_whatever_comes_the_only_exception_is_bad_event(body):
    fault = refused(body)
    assert fault.code in BAD_EVENT_CODES
    assert str(fault).isascii()
    assert str(fault).isprintable()


@given(
    st.sampled_from(
        [
            ("version",),
            ("id",),
            ("source",),
            ("detail-type",),
            ("account",),
            ("time",),
            ("region",),
            ("detail",),
            ("detail", "version"),
            ("detail", "event-version"),
            ("detail", "bucket"),
            ("detail", "object"),
            ("detail", "reason"),
            ("detail", "object", "key"),
            ("detail", "object", "size"),
            ("detail", "object", "version-id"),
        ]
    ),
    st.none() | st.integers() | st.floats() | st.text() | st.lists(st.none()) | st.dictionaries(st.text(), st.none()),
)
def test_an_event_with_anything_in_one_field_is_read_or_refused_in_a_sentence(path, value):
    with contextlib.suppress(BadEvent):
        event = parse_object_event(created(path, value))
        assert 1 <= len(event.key.encode()) <= 1024
        return
    message = str(refused(created(path, value)))
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400


# -- the plain reader against the contract -------------------------------------------------------------------------


def contracts_answer(envelope):
    return event_contract.read(envelope, envelope["detail-type"])


@pytest.mark.parametrize("name", GOLDEN)
def test_an_event_as_s3_writes_it_is_read_without_the_models_and_as_they_would(name):
    envelope = json.loads(GOLDEN[name])
    assert plainly_read(envelope, envelope["detail-type"]) == contracts_answer(envelope)


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_message_is_decoded_without_the_strict_reader(monkeypatch, ensure_ascii):
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    event = with_key('a b/\u00e9\u2028\\"')
    assert decode(json.dumps(event, ensure_ascii=ensure_ascii)) == event


TEXT = st.text(max_size=8) | st.sampled_from(["x" * 1024, "x" * 1025, "\ud800", "\u00e9" * 512, "\u00e9" * 513])
TIMES = (
    st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat)
    | st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})?", fullmatch=True
    )
    | st.sampled_from(["2021-11-12T00:00:00Z", "2021-W45-5T00Z", "20211112T000000+01", "1636675200", "2021-11-12"])
)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT, max_size=1) | st.just({})
FIELDS = {
    ("id",): TEXT,
    ("account",): st.from_regex(r"[0-9]{11,13}", fullmatch=True) | st.sampled_from(["\u0661" * 12, "1" * 12 + "\n"]),
    ("time",): TIMES,
    ("region",): TEXT,
    ("detail-type",): st.sampled_from(DETAIL_TYPES),
    ("detail", "bucket", "name"): TEXT,
    ("detail", "object", "key"): TEXT,
    ("detail", "object", "size"): st.integers(-1, 2**63) | st.sampled_from([2**63 - 1, 2**63]),
    ("detail", "object", "etag"): TEXT,
    ("detail", "object", "version-id"): TEXT,
    ("detail", "object", "sequencer"): st.from_regex(r"[0-9A-Fa-fg]{0,65}", fullmatch=True),
    ("detail", "reason"): TEXT,
    ("detail", "requester"): TEXT,
    ("detail", "deletion-type"): TEXT,
    ("detail", "source-storage-class"): TEXT,
    ("detail", "bucket"): ANYTHING,
    ("detail", "object"): ANYTHING,
    ("detail",): ANYTHING,
}
ABSENT = object()


@st.composite
def envelopes(draw):
    """Events of every type with a few fields changed: to something of their kind, to anything at all, to nothing."""
    event = json.loads(GOLDEN[draw(st.sampled_from(sorted(GOLDEN)))])
    for path in draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=4)):
        *parents, last = path
        holder = event
        for name in parents:
            holder = holder.get(name) if isinstance(holder, dict) else None
        value = draw(FIELDS[path] | ANYTHING | st.just(ABSENT))
        if path == ("detail-type",):
            value = draw(FIELDS[path])
        if isinstance(holder, dict):
            holder.pop(last, None)
            holder |= {} if value is ABSENT else {last: value}
    return event


@given(envelopes())
def test_what_the_plain_reader_takes_the_contract_admits_and_reads_alike(envelope):
    with contextlib.suppress(ValueError):
        event = plainly_read(envelope, envelope["detail-type"])
        by_contract = contracts_answer(envelope)
        assert event == by_contract
        assert (event.time.isoformat(), type(event.time)) == (by_contract.time.isoformat(), type(by_contract.time))


@given(envelopes())
def test_an_event_is_read_or_refused_as_the_contract_says(envelope):
    def answer(read):
        try:
            return read(envelope)
        except BadEvent as bad:
            return bad.code, str(bad)

    assert answer(parse_object_event) == answer(contracts_answer)


# -- the standard library's JSON reader against the strict one -----------------------------------------------------

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
BROKEN = st.lists(
    st.sampled_from(
        [*'{}[]:,"\\ \t\n0123456789.-+eE/u', "\\u", "d83d", "de00", "NaN", "null", "\ufeff", "\x00", "\u00e9"]
    ),
    max_size=12,
).map("".join)


@given(
    DOCUMENTS.map(lambda document: json.dumps({"a": document}).encode())
    | DOCUMENTS.map(lambda document: json.dumps({"a": document}, ensure_ascii=False).encode(errors="surrogatepass"))
    | BROKEN.map(lambda text: f'{{"a":{text}}}'.encode())
    | BROKEN.map(str.encode)
    | st.binary(max_size=8).map(lambda raw: b'{"a":"' + raw + b'"}')
)
@example(b'{"a":' * 101 + b"1" + b"}" * 101)
@example(b'{"a":' * 201 + b"1" + b"}" * 201)
@example(b'{"a":"\\\\ud83d\\udE00"}')
@example(b'{"a":"\\ud83d\\uDE00"}')
@example(b'{"a":' + b"9" * 4301 + b"}")
def test_a_body_is_decoded_exactly_as_the_strict_reader_would(raw):
    try:
        expected = from_json(raw, allow_inf_nan=False)
    except ValueError:
        assert refused(raw).code == "not-json"
        return
    if isinstance(expected, dict):
        assert repr(decode(raw)) == repr(expected)
    else:
        assert refused(raw).code == "not-an-object-event"
