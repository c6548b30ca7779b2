"""What a copy carries, and what it adds: allow-lists, metadata as it can be sent, provenance within S3's 2 KB."""

from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer_replicator.carried import (
    MAX_METADATA_BYTES,
    WRITABLE_STORAGE_CLASSES,
    Carried,
    from_answer,
    storage_class,
    with_provenance,
)

EVERYTHING = {
    "CacheControl": "max-age=60",
    "ContentDisposition": 'attachment; filename="a.txt"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de, en",
    "ContentType": "text/plain; charset=utf-8",
    "WebsiteRedirectLocation": "/elsewhere",
}


def carried_metadata(value):
    return from_answer({"Metadata": {"name": value}}).metadata["name"]


def decoded(value):
    return str(make_header(decode_header(value)))


def test_all_six_content_headers_and_the_website_redirect_are_carried_verbatim():
    found = from_answer({**EVERYTHING, "ExpiresString": "Thu, 01 Dec 1994 16:00:00 GMT", "Metadata": {}})
    assert found == Carried(headers=EVERYTHING, expires="Thu, 01 Dec 1994 16:00:00 GMT")


@pytest.mark.parametrize("text", ["0", "-1", "Thu, 01 Dec 1994 16:00:00 GMT", "never"])
def test_expires_travels_as_the_text_it_is(text):
    assert from_answer({"ExpiresString": text, "Expires": None}).expires == text


def test_nothing_else_of_an_answer_is_carried():
    answer = {
        "ETag": '"e"',
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:of-the-producer",
        "ObjectLockMode": "COMPLIANCE",
        "Restore": "ongoing",
        "ReplicationStatus": "COMPLETED",
        "AcceptRanges": "bytes",
    }
    assert from_answer(answer) == Carried()


def test_a_source_without_headers_gives_its_replica_none():
    assert from_answer({"Metadata": {}, "ContentType": ""}).headers == {}


@pytest.mark.parametrize("value", ["", "plain", "a=b; c", "=?UTF-8?B?w6k=?=", "x" * 2000])
def test_ascii_metadata_is_carried_verbatim_and_so_is_what_s3_encoded(value):
    assert carried_metadata(value) == value


@pytest.mark.parametrize("text", ["\u00e9", "\u65e5\u672c\u8a9e", "\U0001f680 to the moon", "Stra\u00dfe"])
def test_metadata_that_a_store_returns_as_raw_utf8_is_sent_as_rfc_2047_words(text):
    as_the_client_reads_it = text.encode().decode("latin-1")
    sent = carried_metadata(as_the_client_reads_it)
    assert sent.isascii()
    assert decoded(sent) == text


@pytest.mark.parametrize("text", ["\u00e9", "\u65e5\u672c"])  # bytes that are not UTF-8; text beyond Latin-1
def test_metadata_that_is_no_misread_utf8_keeps_its_text(text):
    assert decoded(carried_metadata(text)) == text


FOREIGN = st.characters(min_codepoint=0x80, exclude_categories=["Cs"])


@given(st.text(FOREIGN, min_size=1, max_size=700))
@example("\u65e5" * 680)  # 2,040 bytes; S3 allows 2,048
@example("\u0085")
@example("a\u2028b\u2029c\x0bd\x0ce\x1cf\x1dg\x1eh\u0085i")  # lines to Python, and to no header
def test_metadata_of_any_length_stays_on_one_line(text):
    sent = carried_metadata(text.encode().decode("latin-1"))
    assert sent.isascii()
    assert len(sent.splitlines()) == 1
    assert decoded(sent) == text


def test_provenance_is_added_to_the_metadata_of_the_source():
    assert with_provenance({"mine": "1"}, "v/abc", 7) == {
        "mine": "1",
        "hydration-source": "v/abc",
        "hydration-generation": "7",
    }


def test_the_provenance_of_a_source_that_is_itself_a_replica_does_not_travel_on():
    answer = {"Metadata": {"mine": "1", "hydration-source": "v/first", "hydration-generation": "3"}}
    assert from_answer(answer).metadata == {"mine": "1"}
    assert with_provenance(from_answer(answer).metadata, "v/second", 9)["hydration-source"] == "v/second"


OF_PROVENANCE = len("hydration-source" + "v/abc" + "hydration-generation" + "7")


@pytest.mark.parametrize(("over", "fits"), [(-1, True), (0, True), (1, False)])
def test_a_source_that_leaves_no_room_in_two_kilobytes_keeps_all_of_its_own_metadata(over, fits):
    full = {"m": "x" * (MAX_METADATA_BYTES - OF_PROVENANCE - 1 + over)}
    written = with_provenance(full, "v/abc", 7)
    assert written["m"] == full["m"]
    assert ("hydration-source" in written) is fits
    assert ("hydration-generation" in written) is fits


@given(st.dictionaries(st.text("abc-", min_size=1, max_size=9), st.text(max_size=900), max_size=4))
def test_provenance_never_makes_metadata_too_long(metadata):
    written = with_provenance(metadata, "v/abc", 7)
    assert metadata.items() <= written.items()
    if written != metadata:
        assert sum(len(name) + len(value.encode()) for name, value in written.items()) <= MAX_METADATA_BYTES


@pytest.mark.parametrize("source", sorted(WRITABLE_STORAGE_CLASSES))
def test_preserve_keeps_every_class_that_putobject_takes(source):
    assert storage_class("preserve", source) == source


@pytest.mark.parametrize("source", ["OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "of next year"])
def test_preserve_turns_every_other_class_into_standard(source):
    assert storage_class("preserve", source) == "STANDARD"


def test_a_fixed_class_is_the_class_of_every_replica():
    assert storage_class("STANDARD_IA", "DEEP_ARCHIVE") == "STANDARD_IA"


def test_an_answer_that_names_no_class_is_standard():
    assert from_answer({}).storage_class == "STANDARD"
    assert from_answer({"StorageClass": "GLACIER_IR"}).storage_class == "GLACIER_IR"
