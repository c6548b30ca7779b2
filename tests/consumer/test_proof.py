"""What stored checksums prove about a replica whose bytes nobody read."""

import pytest

from consumer_replicator import checksum
from consumer_replicator.proof import Proof, proof_of


@pytest.mark.parametrize(
    ("replica", "source", "proof"),
    [
        ("CRC32:AAAA", "CRC32:AAAA", Proof.SOURCE_CHECKSUM),
        ("SHA256:AAAA-2", "SHA256:AAAA-2", Proof.COMPOSITE),
        ("CRC64NVME:AAAA", "SHA256:AAAA-2", Proof.SIZE_ONLY),
        ("CRC64NVME:AAAA", None, Proof.SIZE_ONLY),
        (None, "CRC32:AAAA", Proof.SIZE_ONLY),
        (None, None, Proof.SIZE_ONLY),
        ("CRC32:AAAA-2", "CRC32:BBBB-2", Proof.SIZE_ONLY),
    ],
)
def test_equal_checksums_prove_and_all_else_is_size_alone(replica, source, proof):
    stored, own = (checksum.from_text(text) if text else None for text in (replica, source))
    assert proof_of(stored, own) is proof


def test_proofs_go_from_the_strongest_to_the_weakest():
    assert [proof.value for proof in Proof] == ["source-checksum", "composite", "computed", "size-only"]
