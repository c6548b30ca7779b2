"""Tags converge too, best effort: an AccessDenied on them is counted and never blocks the bytes.

A row keeps a digest of the tags that its replica was given, so a change is seen without asking the replica. The
source's tags are asked for only when there is a reason to: GetObject counts them (0 also when the role may not see
them), the event is about tags, or the replica has some that may have to go.

Setting tags knows no condition. So a slower copier may set older ones after a faster one's row was written; its own row
is then refused, or its message comes back: on a hint that may be half done they are set whatever the row says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from consumer_replicator.errors import TagsDenied
from consumer_replicator.hint import Hint
from consumer_replicator.row import NO_TAGS, TAGS_DENIED, Row
from consumer_replicator.source import Source, SourceObject

DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Tags:
    """`digest` is what the row keeps; `denied`: they could not be read, so nothing is known of them."""

    values: Mapping[str, str] = field(default_factory=dict)
    digest: str = NO_TAGS
    denied: bool = False


def digest(values: Mapping[str, str]) -> str:
    if not values:
        return NO_TAGS
    return sha256(json.dumps(sorted(values.items())).encode()).hexdigest()[:DIGEST_CHARACTERS]


def wanted(source: Source, found: SourceObject, hint: Hint, row: Row | None) -> Tags:
    """The tags that the replica should have."""
    had_some = row is not None and row.tags != NO_TAGS
    if not (found.tag_count or hint.about_tags or had_some):
        return Tags()
    try:
        values = source.tags(hint.key, found.identity)
    except TagsDenied:
        return Tags(digest=TAGS_DENIED, denied=True)
    return Tags(values, digest(values))
