"""COMPOSITE checksums: as S3 makes them, cut where the source was cut."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import checksum, composite
from consumer_replicator.checksum import Checksum
from consumer_replicator.composite import MIRRORED, Cutting, is_uniform
from consumer_replicator.parts import MAX_PART_BYTES

MIB = 1024**2


def test_a_composite_is_the_checksum_of_the_parts_checksums_and_their_number():
    """Three parts of 5, 5 and 1 MiB as S3 answered for them in 2026: https://github.com/floci-io/floci/issues/3083."""
    parts = [
        "lcKa6Boe7a167tUCN5C4OaFygGSYD8MBnBARTrdL+1w=",
        "gHjhbUT4oo2tSCtSZJdlKi+jeNXJT+VImqdPXsXvkOc=",
        "4l9PQ3zOPZ0oGFvknFX+J4zZwE4WMzO+l3r8XrbWOeM=",
    ]
    expected = Checksum("SHA256", "rVWtNbadtsaKXJAcgWPWjifHzJaXde/iV4jaJAOdivc=-3")
    assert composite.of([Checksum("SHA256", value) for value in parts]) == expected


def test_a_composite_of_one_part_is_not_that_part_s_checksum():
    whole = checksum.of(b"hello", "SHA256")
    assert composite.of([whole]).value == base64.b64encode(checksum.of(whole.digest, "SHA256").digest).decode() + "-1"


@given(
    st.binary(min_size=1, max_size=200), st.integers(1, 60), st.lists(st.integers(1, 70)), st.sampled_from([*MIRRORED])
)
def test_bytes_shown_in_any_pieces_are_cut_where_they_should_be(body, part_bytes, pieces, algorithm):
    cutting, rest = Cutting(algorithm, part_bytes), body
    for length in pieces:
        piece, rest = rest[:length], rest[length:]
        cutting.add(piece)
    cutting.add(rest)
    parts = [body[first : first + part_bytes] for first in range(0, len(body), part_bytes)]
    assert cutting.checksum() == composite.of([checksum.of(part, algorithm) for part in parts])


@pytest.mark.parametrize(
    ("size", "count", "part_bytes"),
    [
        (1, 1, 1),
        (5 * MIB, 1, 5 * MIB),
        (5 * MIB + 1, 2, 5 * MIB),
        (10 * MIB, 2, 5 * MIB),
        (10 * MIB, 2, 8 * MIB),
        (10_000 * 5 * MIB, 10_000, 5 * MIB),
        (2 * MAX_PART_BYTES, 2, MAX_PART_BYTES),
    ],
)
def test_parts_of_one_size_that_make_up_the_object_in_their_number_are_uniform(size, count, part_bytes):
    assert is_uniform(size, count, part_bytes)


@pytest.mark.parametrize(
    ("size", "count", "part_bytes"),
    [
        (0, 1, 0),
        (10 * MIB, 3, 5 * MIB),
        (10 * MIB + 1, 2, 5 * MIB),
        (10 * MIB, 2, 10 * MIB),
        (2, 2, 1),  # S3 takes no such parts today; its first customers' objects may have them
        (5 * MIB, 2, 5 * MIB - 1),
        (10_001 * 5 * MIB, 10_001, 5 * MIB),
        (2 * MAX_PART_BYTES + 2, 2, MAX_PART_BYTES + 1),
        (10 * MIB, 0, 5 * MIB),
    ],
)
def test_what_does_not_add_up_or_no_upload_takes_is_not_uniform(size, count, part_bytes):
    assert not is_uniform(size, count, part_bytes)
