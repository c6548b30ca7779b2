"""What a run has cost, and what a backfill or a verify will take: dollars and seconds. Pure.

Prices are list prices of us-east-1 without free tiers and discounts; other regions differ by up to some ten per cent.
Not counted: storage of the replica, logs, the KMS keys' monthly dollar, VPC endpoints; traffic within a region is
free.

The time of a backfill rests on the named assumptions below. Every object pays `SECONDS_PER_OBJECT`, spread over the
keys that are worked on at once, and its bytes pass one function at `BYTES_PER_SECOND`; the two are added although
they overlap in part, so the estimate leans to the long side. An object too large for one function is carried by many at
once. What S3 copies by itself (`CopyMode` server-side) passes no function, and goes in fewer and larger parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Literal

from consumer_replicator.parts import DEFAULT_PART_BYTES, part_size

type Architecture = Literal["arm64", "x86_64"]
type Limit = Literal["nothing to do", "round trips", "bandwidth", "rate limit"]
type Item = Literal[
    "s3 writes and lists",
    "s3 reads",
    "dynamodb writes",
    "dynamodb reads",
    "sqs",
    "kms",
    "lambda requests",
    "lambda time",
]

PRICES_DATE: Final = "2026-11"
PRICES_REGION: Final = "us-east-1"
PRICES: Final[Mapping[Item, float]] = {
    # https://aws.amazon.com/s3/pricing/ (S3 Standard): $0.005 per 1,000 PUT, COPY, POST, LIST; $0.0004 per 1,000 GET
    # and all others; DELETE and the abort of an upload are free
    "s3 writes and lists": 0.005 / 1000,
    "s3 reads": 0.0004 / 1000,
    # https://aws.amazon.com/dynamodb/pricing/on-demand/: $0.625 and $0.125 per million write and read request units
    "dynamodb writes": 0.625 / 1e6,
    "dynamodb reads": 0.125 / 1e6,
    # https://aws.amazon.com/sqs/pricing/: $0.40 per million requests; a batch of ten is one request
    "sqs": 0.40 / 1e6,
    # https://aws.amazon.com/kms/pricing/: $0.03 per 10,000 requests
    "kms": 0.03 / 10_000,
    # https://aws.amazon.com/lambda/pricing/: $0.20 per million requests; the time is priced by processor, below
    "lambda requests": 0.20 / 1e6,
    "lambda time": 0.0000133334,
}
"""Dollars for one request, request unit or (arm64) GB-second."""
GB_SECOND: Final[Mapping[Architecture, float]] = {"arm64": PRICES["lambda time"], "x86_64": 0.0000166667}

ITEM_OF_CALL: Final[Mapping[str, Item]] = {
    "ListObjectsV2": "s3 writes and lists",
    "ListMultipartUploads": "s3 writes and lists",
    "ListParts": "s3 writes and lists",
    "PutObject": "s3 writes and lists",
    "PutObjectTagging": "s3 writes and lists",
    "CreateMultipartUpload": "s3 writes and lists",
    "UploadPart": "s3 writes and lists",
    "UploadPartCopy": "s3 writes and lists",
    "CompleteMultipartUpload": "s3 writes and lists",
    "GetObject": "s3 reads",
    "GetObjectTagging": "s3 reads",
    "HeadObject": "s3 reads",
    "HeadBucket": "s3 reads",
    "SendMessage": "sqs",
    "SendMessageBatch": "sqs",
    "ReceiveMessage": "sqs",
    "DeleteMessage": "sqs",
    "DeleteMessageBatch": "sqs",
    "ChangeMessageVisibility": "sqs",
    "ChangeMessageVisibilityBatch": "sqs",
    "GetQueueAttributes": "sqs",
    "Invoke": "lambda requests",
}
"""API operation to what it is billed as. Not here: free ones, and DynamoDB's, which are billed by units."""

SECONDS_PER_OBJECT: Final = 0.15
"""Assumption: round trips of one small object, GET, PUT under KMS and row write one after the other."""
BYTES_PER_SECOND: Final = 78e6
"""Per function inside a VPC: 625 Mbps. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
HEADS: Final = 2
"""Of a comparison: the source's and the replica's."""
SECONDS_PER_COMPARISON: Final = 0.1
"""Assumption: two HEADs one after the other, and what they wait for the processor."""
RANGES_AT_ONCE: Final = 5
"""TransferConcurrency's default."""
MESSAGES_PER_BATCH: Final = 10
BUCKET_KEY_SHARE: Final = 0.01
"""With S3 Bucket Keys up to 99 % of the KMS requests fall away.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars by item, only the items that cost something."""

    items: Mapping[Item, float] = field(default_factory=dict)

    @property
    def dollars(self) -> float:
        return sum(self.items.values())


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be copied: objects and their bytes; of those that are cut into parts (`large`) both, and the parts.
    Loads add up."""

    objects: int = 0
    bytes: int = 0
    large: int = 0
    parts: int = 0
    large_bytes: int = 0

    @classmethod
    def of(cls, size: int, threshold: int = DEFAULT_PART_BYTES) -> "Load":
        """One object of `size` bytes, cut into parts above `threshold`."""
        if size <= threshold:
            return cls(objects=1, bytes=size)
        return cls(objects=1, bytes=size, large=1, parts=ceil(size / part_size(size)), large_bytes=size)

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.objects + other.objects,
            self.bytes + other.bytes,
            self.large + other.large,
            self.parts + other.parts,
            self.large_bytes + other.large_bytes,
        )

    def within_s3(self, part_bytes: int) -> "Load":
        """The same where S3 copies what is large by itself: no byte of it passes a function, and of each object's parts
        but the last all have this size. At most one too many of each."""
        return replace(self, bytes=self.bytes - self.large_bytes, parts=self.large + self.large_bytes // part_bytes)


@dataclass(frozen=True, slots=True)
class CopiesWithinS3:
    """How S3 copies what is large by itself: in parts of this size, at this speed for one function."""

    part_bytes: int
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """How the copying is configured. `functions`: MaximumConcurrency; `keys_at_once`: HYDRATION_BATCH_CONCURRENCY.
    `copies`: None where every byte passes a function.

    `objects_per_second`: the rate limit of the run, None for none. `source_bucket_keys`: whether the source bucket
    has S3 Bucket Keys on; the replica bucket has.
    """

    functions: int
    keys_at_once: int = 10
    memory_mb: int = 1024
    architecture: Architecture = "arm64"
    objects_per_second: float | None = None
    source_bucket_keys: bool = False
    copies: CopiesWithinS3 | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """`limited_by` says what would have to change for the run to be faster. `calls`: of a verify, by API operation."""

    load: Load
    seconds: float
    limited_by: Limit
    cost: Cost
    calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def dollars(self) -> float:
        return self.cost.dollars


def cost_of(
    calls: Mapping[str, int],
    *,
    read_units: float = 0,
    write_units: float = 0,
    kms_requests: float = 0,
    gb_seconds: float = 0,
    architecture: Architecture = "arm64",
) -> Cost:
    """The price of counted `calls` (API operation to count), request units and GB-seconds. Unknown calls are free."""
    dollars: dict[Item, float] = dict.fromkeys(PRICES, 0.0)
    for call, count in calls.items():
        if item := ITEM_OF_CALL.get(call):
            dollars[item] += count * PRICES[item]
    dollars["dynamodb reads"] += read_units * PRICES["dynamodb reads"]
    dollars["dynamodb writes"] += write_units * PRICES["dynamodb writes"]
    dollars["kms"] += kms_requests * PRICES["kms"]
    dollars["lambda time"] += gb_seconds * GB_SECOND[architecture]
    return Cost({item: price for item, price in dollars.items() if price})


def estimate(load: Load, capacity: Capacity) -> Estimate:
    """Seconds and dollars to copy `load`. Dollars of two loads add up; so do seconds, but for the rate limit."""
    waiting = load.objects * SECONDS_PER_OBJECT / capacity.keys_at_once
    passing = load
    moving = load.bytes / BYTES_PER_SECOND
    if copies := capacity.copies:
        passing = load.within_s3(copies.part_bytes)
        moving = passing.bytes / BYTES_PER_SECOND + load.large_bytes / copies.bytes_per_second
    busy = waiting + moving  # function-seconds
    seconds = busy / capacity.functions
    paced = load.objects / capacity.objects_per_second if capacity.objects_per_second else 0.0
    return Estimate(
        load=load,
        seconds=max(seconds, paced),
        limited_by=_limit(waiting, moving, seconds, paced),
        cost=_cost_of_copying(passing, busy * capacity.memory_mb / 1024, capacity),
    )


def estimate_verify(load: Load, capacity: Capacity) -> Estimate:
    """Seconds and dollars to compare `load.objects` with their replicas and to read, at most, `load.bytes`.

    `capacity`: of the transfer function; `keys_at_once` are its threads.
    """
    waiting = load.objects * SECONDS_PER_COMPARISON / capacity.keys_at_once
    moving = load.bytes / BYTES_PER_SECOND
    source_share = BUCKET_KEY_SHARE if capacity.source_bucket_keys else 1.0
    gb_seconds = (waiting + moving) * capacity.memory_mb / 1024
    dollars: dict[Item, float] = {
        "s3 reads": HEADS * load.objects * PRICES["s3 reads"],
        "kms": load.objects * (source_share + BUCKET_KEY_SHARE) * PRICES["kms"],
        "lambda time": gb_seconds * GB_SECOND[capacity.architecture],
    }
    return Estimate(
        load=load,
        seconds=(waiting + moving) / capacity.functions,
        limited_by=_limit(waiting, moving, 0.0, 0.0),
        cost=Cost({item: price for item, price in dollars.items() if price}),
        calls={"HeadObject": HEADS * load.objects},
    )


def _limit(waiting: float, moving: float, seconds: float, paced: float) -> Limit:
    if not (waiting or moving):
        return "nothing to do"
    if paced > seconds:
        return "rate limit"
    return "round trips" if waiting >= moving else "bandwidth"


def _cost_of_copying(load: Load, gb_seconds: float, capacity: Capacity) -> Cost:
    """Per object one GET, PUT, row write and row read; per part one of each more; the messages in batches of ten.
    A part that S3 copies is one request, a write; the key is asked for both its sides."""
    batches = load.objects / MESSAGES_PER_BATCH
    writes = load.objects + load.parts + load.large  # an upload in parts: create and complete instead of one PUT
    decrypts = load.objects + load.parts
    reads = load.objects if capacity.copies else decrypts
    source_share = BUCKET_KEY_SHARE if capacity.source_bucket_keys else 1.0
    dollars: dict[Item, float] = {
        "s3 writes and lists": writes * PRICES["s3 writes and lists"],
        "s3 reads": reads * PRICES["s3 reads"],
        "dynamodb writes": load.objects * PRICES["dynamodb writes"],
        "dynamodb reads": load.objects * PRICES["dynamodb reads"],
        "sqs": 3 * batches * PRICES["sqs"],  # sent, received and deleted, ten at a time
        "kms": (decrypts * source_share + writes * BUCKET_KEY_SHARE) * PRICES["kms"],
        "lambda requests": batches * PRICES["lambda requests"],
        "lambda time": gb_seconds * GB_SECOND[capacity.architecture],
    }
    return Cost({item: price for item, price in dollars.items() if price})
