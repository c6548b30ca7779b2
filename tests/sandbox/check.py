"""The demo's witness: are two buckets equal? It shares no code with the product, so neither can share its mistakes.

For every key of either bucket it compares what a copy has to carry: the key itself, the bytes (SHA-256), the content
headers, the website redirect, the user metadata, the tags and the storage class; and it looks at which KMS key each
replica is encrypted under. Every disagreement is a value; none of them stops the check.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# What GetObject answers with beside the body. ExpiresString, because Expires is any text and boto3 parses it away.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "ExpiresString",
    "WebsiteRedirectLocation",
)
PROVENANCE = frozenset({"hydration-source", "hydration-generation"})  # the replica's own metadata, documented
RESERVED = "_s3-hydration/"  # where the replica bucket keeps the product's reports; never replicated, documented
CHUNK = 1 << 20
EXCERPT = 120


@dataclass(frozen=True)
class Bucket:
    """One side of the comparison: a bucket, and a client that may read it."""

    s3: "S3Client"
    name: str


@dataclass(frozen=True)
class Content:
    """All that a copy has to carry of one object, and the encryption it was found under."""

    sha256: str
    size: int
    storage_class: str
    encryption: str
    kms_key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One disagreement. `aspect` is missing, extra, unreadable, bytes, header X, metadata X, tag X, storage class,
    encryption or unfinished upload; `source` and `replica` are what each side has, None for nothing.
    """

    key: str
    aspect: str
    source: object
    replica: object

    def __str__(self) -> str:
        return f"{_shown(self.key)}: {self.aspect}: source {_shown(self.source)}, replica {_shown(self.replica)}"


@dataclass(frozen=True)
class Verdict:
    """What was compared and what disagreed; `bytes` counts each compared object once."""

    compared: int
    bytes: int
    differences: tuple[Difference, ...]


def compare(
    source: Bucket,
    replica: Bucket,
    *,
    replica_key: str,
    storage_class: str = "preserve",
    wanted: Callable[[str], bool] = lambda _: True,
    checked: Callable[[int, int], None] = lambda _done, _of: None,
    workers: int = 8,
) -> Verdict:
    """Reads both buckets in full, but for the reserved prefix.

    `replica_key` is the ARN every replica must be encrypted under; `storage_class` is "preserve" or the class every
    replica must have; `wanted` tells which source keys are to be replicated at all; `checked(done, of)` is called for
    every object as it is done with.
    """
    here, there = ({key for key in keys(each) if not key.startswith(RESERVED)} for each in (source, replica))
    here = set(filter(wanted, here))
    differences = [Difference(key, "missing", "present", None) for key in here - there]
    differences += [Difference(key, "extra", None, "present") for key in there - here]
    differences += unfinished_uploads(replica)
    both, size = sorted(here & there), 0

    def examined(key: str) -> tuple[int, list[Difference]]:
        try:
            wants = read(source, key)
        except Exception as error:  # noqa: BLE001 whatever it is, it is a finding and not the end of the check
            return 0, [Difference(key, "unreadable", str(error), "present")]
        try:
            has = read(replica, key)
        except Exception as error:  # noqa: BLE001 as above
            return 0, [Difference(key, "unreadable", "present", str(error))]
        found = object_differences(key, wants, has, replica_key=replica_key, storage_class=storage_class)
        return wants.size, list(found)

    with ThreadPoolExecutor(workers) as pool:
        for done, (length, found) in enumerate(pool.map(examined, both), start=1):
            size += length
            differences += found
            checked(done, len(both))
    ordered = sorted(differences, key=lambda difference: (difference.key, difference.aspect))
    return Verdict(len(both), size, tuple(ordered))


def object_differences(
    key: str, source: Content, replica: Content, *, replica_key: str, storage_class: str
) -> Iterator[Difference]:
    """One object against its replica."""
    if source.sha256 != replica.sha256:
        yield Difference(key, "bytes", _digest(source), _digest(replica))
    yield from _entries(key, "header", source.headers, replica.headers)
    yield from _entries(key, "metadata", source.metadata, _without_provenance(replica.metadata))
    yield from _entries(key, "tag", source.tags, replica.tags)
    class_wanted = source.storage_class if storage_class == "preserve" else storage_class
    if replica.storage_class != class_wanted:
        yield Difference(key, "storage class", class_wanted, replica.storage_class)
    if replica.encryption != "aws:kms" or replica.kms_key != replica_key:
        yield Difference(key, "encryption", f"aws:kms {replica_key}", f"{replica.encryption} {replica.kms_key}".strip())


def keys(bucket: Bucket) -> Iterator[str]:
    """Every current key, verbatim (boto3 asks for url-encoded listings and decodes them)."""
    for page in bucket.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name):
        for listed in page.get("Contents", ()):
            yield listed["Key"]


def unfinished_uploads(bucket: Bucket) -> Iterator[Difference]:
    """Parts that nobody completed or aborted: they show in no listing of keys and are paid for."""
    for page in bucket.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket.name):
        for upload in page.get("Uploads", ()):
            yield Difference(upload["Key"], "unfinished upload", None, upload["UploadId"])


def read(bucket: Bucket, key: str) -> Content:
    """One GetObject, hashed as it streams, and one GetObjectTagging."""
    answer: Any = bucket.s3.get_object(Bucket=bucket.name, Key=key)
    digest, size = hashlib.sha256(), 0
    for chunk in answer["Body"].iter_chunks(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    tags = bucket.s3.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
    return Content(
        sha256=digest.hexdigest(),
        size=size,
        storage_class=answer.get("StorageClass", "STANDARD"),  # S3 leaves the default class out
        encryption=answer.get("ServerSideEncryption", ""),
        kms_key=answer.get("SSEKMSKeyId", ""),
        headers={name: answer[name] for name in HEADERS if name in answer},
        metadata=answer["Metadata"],
        tags={tag["Key"]: tag["Value"] for tag in tags},
    )


def _entries(key: str, what: str, source: Mapping[str, str], replica: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(source.keys() | replica.keys()):
        if source.get(name) != replica.get(name):
            yield Difference(key, f"{what} {name}", source.get(name), replica.get(name))


def _without_provenance(metadata: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in metadata.items() if name not in PROVENANCE}


def _digest(content: Content) -> str:
    return f"{content.size} bytes, sha256 {content.sha256[:16]}"


def _shown(value: object) -> str:
    """Escaped and bounded: keys are anybody's text, and this goes to a terminal."""
    if value is None:
        return "absent"
    text = repr(value)
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
