"""What a copy carries from the source object to its replica: allow-lists, as data. Pure.

Not carried, and documented so: ACLs (the replica bucket is owner-enforced), annotations, object lock settings.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONTENT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
"""With Expires, which travels as the text it is, the six content headers."""
WEBSITE_REDIRECT = "WebsiteRedirectLocation"

WRITABLE_STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
    }
)
"""What PutObject takes for a general purpose bucket; any other source class (OUTPOSTS, SNOW) becomes STANDARD."""
PRESERVE = "preserve"

PROVENANCE_SOURCE = "hydration-source"
PROVENANCE_GENERATION = "hydration-generation"
MAX_METADATA_BYTES = 2048
"""User metadata, keys and values together. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""


@dataclass(frozen=True, slots=True)
class Carried:
    """`headers` by their S3 parameter names; `metadata` without the `x-amz-meta-` prefix, values as on the wire."""

    headers: Mapping[str, str] = field(default_factory=dict)
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


def from_answer(answer: Mapping[str, Any]) -> Carried:
    """What an answer of GetObject carries over."""
    return Carried(
        headers={name: _reread(answer[name]) for name in (*CONTENT_HEADERS, WEBSITE_REDIRECT) if answer.get(name)},
        expires=answer.get("ExpiresString"),
        metadata={
            name: _wire_text(value)
            for name, value in answer.get("Metadata", {}).items()
            if name not in (PROVENANCE_SOURCE, PROVENANCE_GENERATION)
        },
        storage_class=answer.get("StorageClass", "STANDARD"),
    )


def with_provenance(metadata: Mapping[str, str], source: str, generation: int) -> dict[str, str]:
    """The replica's user metadata: the source's own, and where it came from.

    A source that leaves no room in S3's 2 KB keeps all of its own: its replica has no provenance, and after a crash
    between PUT and commit it is copied again instead of adopted.
    """
    provenance = {PROVENANCE_SOURCE: source, PROVENANCE_GENERATION: str(generation)}
    whole = {**metadata, **provenance}
    size = sum(len(name) + len(value.encode()) for name, value in whole.items())
    return whole if size <= MAX_METADATA_BYTES else dict(metadata)


def generation_in(metadata: Mapping[str, str]) -> int | None:
    """The generation that a replica's provenance names; None: it has none that can be read."""
    generation = metadata.get(PROVENANCE_GENERATION, "")
    return int(generation) if generation.isdecimal() and generation.isascii() else None


def storage_class(policy: str, source: str) -> str:
    """The replica's storage class: a fixed one, or (`preserve`) the source's where PutObject takes it."""
    chosen = source if policy == PRESERVE else policy
    return chosen if chosen in WRITABLE_STORAGE_CLASSES else "STANDARD"


def _reread(value: str) -> str:
    """A header's text where its bytes are UTF-8: the HTTP client reads it as Latin-1, botocore sends it as UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _wire_text(value: str) -> str:
    """Metadata in the form that can be sent: ASCII as it is, anything else as an RFC 2047 word.

    S3 keeps non-ASCII metadata decoded and returns it encoded ("=?UTF-8?B?...?="), so what it sends can be sent back.
    Stores that return raw bytes give Latin-1 text here, which is UTF-8 misread.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
    """
    if value.isascii():
        return value
    from email import base64mime, quoprimime  # noqa: PLC0415 - rare

    # Not email.header: it begins a new line at whatever Python takes for one, U+2028 and U+0085 too.
    raw = _reread(value).encode()
    return min(quoprimime.header_encode(raw, "utf-8"), base64mime.header_encode(raw, "utf-8"), key=len)
