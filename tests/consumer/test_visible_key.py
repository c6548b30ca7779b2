"""Whatever a key is made of, a person sees all of it, and it changes nothing around it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.visible_key import LONGEST, SPELT_OUT, Piece, spelt_out, visible
from tests.odd_keys import ODD_KEYS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def verbatim(pieces) -> str:
    return "".join(piece.text for piece in pieces if not piece.escaped)


@pytest.mark.parametrize(
    ("key", "pieces"),
    [
        ("plain.txt", [("plain.txt", False)]),
        ("a space.txt", [("a space.txt", False)]),
        ("a\u202egnp.exe", [("a", False), ("\\u202e", True), ("gnp.exe", False)]),
        ("zero\u200bwidth", [("zero", False), ("\\u200b", True), ("width", False)]),
        ("a\nb", [("a", False), ("\\n", True), ("b", False)]),
        ("\x1b[31m", [("\\x1b", True), ("[31m", False)]),
        (" a ", [("\\x20", True), ("a", False), ("\\x20", True)]),
        ("a  b", [("a ", False), ("\\x20", True), ("b", False)]),
        ("no\u00a0break", [("no", False), ("\\xa0", True), ("break", False)]),
        ("back\\u202eslash", [("back\\u202eslash", False)]),  # the key's own backslash is verbatim
        ("caf\u00e9 \u65e5\u672c", [("caf\u00e9 \u65e5\u672c", False)]),
        ("cafe\u0301", [("cafe\u0301", False)]),
        ("\u0301a", [("\\u0301", True), ("a", False)]),  # nothing before it that it could stand on
        ("e\u0301\u0301\u0301", [("e\u0301\u0301", False), ("\\u0301", True)]),
        ("<b>&amp;", [("<b>&amp;", False)]),
    ],
)
def test_what_cannot_be_seen_is_spelt_out_and_the_rest_is_verbatim(key, pieces):
    assert visible(key) == tuple(Piece(text, escaped) for text, escaped in pieces)


@given(TEXT)
def test_nothing_invisible_is_left_verbatim(key):
    shown = verbatim(visible(key))
    assert not [character for character in shown if unicodedata.category(character) in SPELT_OUT - {"Zs"}]
    assert not set(shown) & {character for character in key if unicodedata.category(character) == "Zs"} - {" "}


@given(TEXT.filter(lambda key: len(key) <= LONGEST))
def test_a_short_key_can_be_read_back_from_what_is_shown(key):
    read = "".join(
        piece.text.encode("ascii").decode("unicode_escape") if piece.escaped else piece.text for piece in visible(key)
    )
    assert read == key


@given(TEXT)
def test_the_whole_key_spelt_out_is_printable_ascii_and_unambiguous(key):
    text = spelt_out(key)
    assert text.isascii()
    assert not text or text.isprintable()
    assert text.encode("ascii").decode("unicode_escape") == key


def test_a_long_key_shows_its_beginning_its_end_and_how_much_is_missing():
    head, missing, tail = visible("a" * 900 + "z" * 124)
    assert (head.text, tail.text) == ("a" * 64, "z" * 32)
    assert (missing.text.strip(), missing.escaped) == ("… 928 more …", True)


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_odd_keys_take_a_bounded_place(key):
    assert sum(len(piece.text) for piece in visible(key)) <= 10 * LONGEST


def test_equal_looking_keys_look_different():
    assert visible("a\u200b") != visible("a")
    assert visible("a\\u200b") != visible("a\u200b")
    assert visible("a ") != visible("a")
