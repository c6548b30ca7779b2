"""Checksums agree with values published elsewhere, and only those that travel are sent along."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import checksum
from consumer_replicator.checksum import SINGLE_PUT_ALGORITHMS, Checksum

CHECK = b"123456789"
"""The check value of every CRC catalogue: https://reveng.sourceforge.io/crc-catalogue/all.htm."""


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("CRC64NVME", "ae8b14860a799888"), ("CRC32C", "e3069283"), ("CRC32", "cbf43926")],
)
def test_each_crc_gives_the_check_value_of_the_catalogue(algorithm, value):
    assert checksum.of(CHECK, algorithm) == Checksum(algorithm, base64.b64encode(bytes.fromhex(value)).decode())


def test_the_empty_body_has_checksums_of_full_width():
    assert checksum.of(b"").value == base64.b64encode(bytes(8)).decode()
    assert checksum.of(b"", "CRC32C").value == base64.b64encode(bytes(4)).decode()


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_checksums_of_parts_combine_to_that_of_the_whole(bodies):
    parts = [(checksum.of(body), len(body)) for body in bodies]
    assert checksum.combined(parts) == checksum.of(b"".join(bodies))


def test_the_order_of_the_parts_counts():
    first, second = (checksum.of(b"first"), 5), (checksum.of(b"second"), 6)
    assert checksum.combined([first, second]) != checksum.combined([second, first])


@pytest.mark.parametrize("algorithm", SINGLE_PUT_ALGORITHMS)
def test_a_full_object_checksum_of_the_source_is_taken_and_sent_as_it_is(algorithm):
    found = checksum.from_answer({f"Checksum{algorithm}": "AAAA", "ChecksumType": "FULL_OBJECT"})
    assert found == Checksum(algorithm, "AAAA")
    assert found.parameter() == {f"Checksum{algorithm}": "AAAA"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ChecksumType": "COMPOSITE", "ChecksumSHA256": "AAAA-3"},
        {"ChecksumType": "COMPOSITE", "ChecksumCRC32": "AAAA"},
        {"ChecksumSHA1": "AAAA-12"},  # a store that does not name the type
        {"ChecksumMD5": "AAAA"},
        {"ChecksumCRC32": None},
    ],
)
def test_what_depends_on_the_boundaries_of_parts_or_is_unknown_is_not_taken(answer):
    assert checksum.from_answer(answer) is None


def test_of_several_checksums_the_one_that_also_fits_a_multipart_upload_comes_first():
    found = checksum.from_answer({"ChecksumSHA256": "AAAA", "ChecksumCRC32": "BBBB", "ChecksumType": "FULL_OBJECT"})
    assert found == Checksum("CRC32", "BBBB")


@pytest.mark.parametrize(
    ("algorithm", "fits"),
    [("CRC64NVME", True), ("CRC32C", True), ("CRC32", True), ("SHA256", False), ("SHA1", False)],
)
def test_only_crcs_are_full_object_checksums_of_a_multipart_upload(algorithm, fits):
    assert Checksum(algorithm, "AAAA").fits_multipart is fits


def test_a_manifest_row_names_algorithm_and_value():
    assert str(checksum.of(CHECK, "CRC32")) == "CRC32:" + base64.b64encode(zlib.crc32(CHECK).to_bytes(4)).decode()
    digest = base64.b64encode(hashlib.sha256(CHECK).digest()).decode()
    assert str(checksum.from_answer({"ChecksumSHA256": digest})) == f"SHA256:{digest}"
