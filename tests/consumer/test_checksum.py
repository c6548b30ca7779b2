"""Checksums agree with values published elsewhere, and are told apart by what they say about a whole."""

import base64
import hashlib
import zlib

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import checksum
from consumer_replicator.checksum import ALGORITHMS, Checksum, Running
from consumer_replicator.identity import Sameness

CHECK = b"123456789"
"""The check value of every CRC catalogue: https://reveng.sourceforge.io/crc-catalogue/all.htm."""


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("CRC64NVME", "ae8b14860a799888"), ("CRC32C", "e3069283"), ("CRC32", "cbf43926")],
)
def test_each_crc_gives_the_check_value_of_the_catalogue(algorithm, value):
    assert checksum.of(CHECK, algorithm) == Checksum(algorithm, base64.b64encode(bytes.fromhex(value)).decode())


@pytest.mark.parametrize("name", ["sha256", "sha1"])
def test_hashes_are_hashlib_s(name):
    digest = hashlib.new(name, CHECK).digest()
    assert checksum.of(CHECK, name.upper()) == Checksum(name.upper(), base64.b64encode(digest).decode())


@given(
    st.lists(st.binary(max_size=50), max_size=8), st.sampled_from(["CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1"])
)
def test_a_running_checksum_is_that_of_all_it_was_shown(pieces, algorithm):
    running = Running(algorithm)
    for piece in pieces:
        running.add(memoryview(piece))
    assert running.checksum() == checksum.of(b"".join(pieces), algorithm)
    assert (running.algorithm, running.value()) == (algorithm, running.checksum().value)


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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_full_object_checksum_of_the_source_is_taken_and_sent_as_it_is(algorithm):
    found = checksum.from_answer({f"Checksum{algorithm}": "AAAA", "ChecksumType": "FULL_OBJECT"})
    assert found == Checksum(algorithm, "AAAA")
    assert found.parameter() == {f"Checksum{algorithm}": "AAAA"}
    assert found.parts == 0


def test_every_algorithm_that_botocore_knows_is_known():
    model = get_session().get_service_model("s3")
    assert set(ALGORITHMS) == set(model.shape_for("ChecksumAlgorithm").enum)
    for operation in ("PutObject", "GetObject", "HeadObject"):
        shape = model.operation_model(operation)
        members = (shape.input_shape if operation == "PutObject" else shape.output_shape).members
        assert {f"Checksum{algorithm}" for algorithm in ALGORITHMS} <= set(members)


@pytest.mark.parametrize("answer", [{"ChecksumType": "COMPOSITE"}, {}])
def test_a_composite_checksum_tells_of_how_many_parts_it_is(answer):
    found = checksum.from_answer({**answer, "ChecksumSHA256": "AAAA-312"})
    assert found == Checksum("SHA256", "AAAA-312")
    assert (found.parts, found.digest) == (312, bytes(3))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ChecksumType": "COMPOSITE", "ChecksumCRC32": "AAAA"},
        {"ChecksumSHA1": "AAAA-"},
        {"ChecksumSHA1": "AAAA-0"},
        {"ChecksumSHA1": "AAAA-x"},
        {"ChecksumBLAKE3": "AAAA"},
        {"ChecksumCRC32": None},
    ],
)
def test_what_is_unknown_or_malformed_is_as_good_as_none(answer):
    assert checksum.from_answer(answer) is None


def test_of_several_checksums_the_one_that_also_fits_a_multipart_upload_comes_first():
    found = checksum.from_answer({"ChecksumSHA256": "AAAA", "ChecksumCRC32": "BBBB", "ChecksumType": "FULL_OBJECT"})
    assert found == Checksum("CRC32", "BBBB")


@pytest.mark.parametrize(
    ("algorithm", "fits"),
    [("CRC64NVME", True), ("CRC32C", True), ("CRC32", True), ("SHA256", False), ("SHA1", False), ("MD5", False)],
)
def test_only_crcs_are_full_object_checksums_of_a_multipart_upload(algorithm, fits):
    assert Checksum(algorithm, "AAAA").fits_multipart is fits
    assert not Checksum(algorithm, "AAAA-2").fits_multipart


def test_a_manifest_row_names_algorithm_and_value():
    assert str(checksum.of(CHECK, "CRC32")) == "CRC32:" + base64.b64encode(zlib.crc32(CHECK).to_bytes(4)).decode()
    digest = base64.b64encode(hashlib.sha256(CHECK).digest()).decode()
    assert str(checksum.from_answer({"ChecksumSHA256": digest})) == f"SHA256:{digest}"
    assert checksum.from_text("CRC32:AAAA-3") == Checksum("CRC32", "AAAA-3")


@pytest.mark.parametrize(
    ("one", "other", "sameness"),
    [
        ("CRC32:AAAA", "CRC32:AAAA", Sameness.SAME),
        ("CRC32:AAAA", "CRC32:BBBB", Sameness.DIFFERENT),
        ("CRC32:AAAA-2", "CRC32:AAAA-2", Sameness.SAME),
        ("CRC32:AAAA-2", "CRC32:BBBB-2", Sameness.UNKNOWN),  # the parts may end elsewhere
        ("CRC32:AAAA-2", "CRC32:AAAA-3", Sameness.UNKNOWN),
        ("CRC32:AAAA", "CRC32:AAAA-1", Sameness.UNKNOWN),
        ("CRC32:AAAA", "CRC32C:AAAA", Sameness.UNKNOWN),
        (None, "CRC32:AAAA", Sameness.UNKNOWN),
        (None, None, Sameness.UNKNOWN),
    ],
)
def test_two_stored_checksums_have_three_answers(one, other, sameness):
    left, right = (checksum.from_text(text) if text else None for text in (one, other))
    assert checksum.compare(left, right) is sameness
    assert checksum.compare(right, left) is sameness
