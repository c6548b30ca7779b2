"""How a replica is known to hold its source's bytes. Pure."""

from enum import StrEnum

from consumer_replicator.checksum import Checksum, compare
from consumer_replicator.identity import Sameness


class Proof(StrEnum):
    """From the strongest to the weakest. The values are what log lines, metrics and reports say."""

    SOURCE_CHECKSUM = "source-checksum"  # S3 holds the replica to the source's own full-object checksum
    COMPOSITE = "composite"  # in parts of the source's size, and their checksum of checksums is the source's own
    COMPUTED = "computed"  # S3 holds the replica to the checksum of the bytes read; the source has none to compare
    SIZE_ONLY = "size-only"  # no checksum to compare: identity and size alone


def proof_of(replica: Checksum | None, source: Checksum | None) -> Proof:
    """What the stored checksums of a replica and of its source prove, where neither's bytes are read.

    Those that differ are no business of this function: `checksum.compare` tells.
    """
    if source is None or compare(replica, source) is not Sameness.SAME:
        return Proof.SIZE_ONLY
    return Proof.COMPOSITE if source.parts else Proof.SOURCE_CHECKSUM
