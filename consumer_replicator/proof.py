"""How a replica is known to hold its source's bytes. Pure."""

from enum import StrEnum


class Proof(StrEnum):
    """From the strongest to the weakest. The values are what log lines, metrics and reports say."""

    SOURCE_CHECKSUM = "source-checksum"  # S3 holds the replica to the source's own full-object checksum
    COMPOSITE = "composite"  # in parts of the source's size, and their checksum of checksums is the source's own
    COMPUTED = (
        "computed"  # S3 holds the replica to the checksum of the bytes that were read; the source has no usable one
    )
    SIZE_ONLY = "size-only"  # no checksum to compare: identity and size alone
