"""A manifest row as a DynamoDB item and back. Pure. Names in items are short, because they are billed.

    pk  "<source bucket>#<shard>"      z  size              e  error code
    sk  the raw object key             m  last-modified     a  attempts
    g   generation                     k  checksum          t  tags digest
    s   state                          r  replica ETag      o  event time
    v   source version-id              w  replica version   c  written at
    i   source ETag                    h  replica checksum  x  expiry (TTL)
                                       p  proof             q  sequencer

Numbers are strings in DynamoDB's wire form, so times keep their milliseconds.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State

type Item = Mapping[str, Mapping[str, Any]]

PARTITION, SORT, GENERATION, EXPIRY = "pk", "sk", "g", "x"
PROOFS = {"S": Proof.SOURCE_CHECKSUM, "M": Proof.COMPOSITE, "C": Proof.COMPUTED, "Z": Proof.SIZE_ONLY}
_LETTERS = {proof: letter for letter, proof in PROOFS.items()}


def address(bucket: str, key: str, shards: int) -> dict[str, dict[str, str]]:
    """The primary key of a row. The shard is a stable hash, so that no partition gets hot on one prefix."""
    shard = zlib.crc32(key.encode()) % shards
    return {PARTITION: {"S": f"{bucket}#{shard}"}, SORT: {"S": key}}


def to_item(row: Row, expires_at: int | None) -> dict[str, dict[str, str]]:
    """The attributes of a row but for its address. `expires_at`: seconds since the epoch, for TTL."""
    source, replica = row.source, row.replica
    texts = {
        "s": row.state.value,
        "v": source.version_id if source else None,
        "i": source.etag if source else None,
        "k": row.checksum,
        "r": replica.etag if replica else None,
        "w": replica.version_id if replica else None,
        "h": row.replica_checksum,
        "p": _LETTERS[row.proof] if row.proof else None,
        "q": row.sequencer,
        "e": row.error,
        "t": row.tags,
    }
    numbers: dict[str, int | float | None] = {
        GENERATION: row.generation,
        "z": source.size if source else None,
        "m": source.last_modified if source else None,
        "o": row.event_time,
        "c": round(row.written_at, 3),
        "a": row.attempts or None,
        EXPIRY: expires_at,
    }
    item = {name: {"S": text} for name, text in texts.items() if text}
    return item | {name: {"N": str(number)} for name, number in numbers.items() if number is not None}


def from_item(item: Item) -> Row:
    """The row that an item holds.

    :raises HydrationError: `bad-row`, when the item is damaged or of a newer release.
    """
    try:
        source = _source(item)
        replica = ReplicaVersion(item["r"]["S"], _text(item, "w")) if "r" in item else None
        return Row(
            generation=int(item[GENERATION]["N"]),
            state=State(item["s"]["S"]),
            written_at=float(item["c"]["N"]),
            source=source,
            checksum=_text(item, "k"),
            replica=replica,
            replica_checksum=_text(item, "h"),
            proof=PROOFS[item["p"]["S"]] if "p" in item else None,
            tags=_text(item, "t") or "",
            sequencer=_text(item, "q"),
            event_time=float(item["o"]["N"]) if "o" in item else None,
            attempts=int(item["a"]["N"]) if "a" in item else 0,
            error=_text(item, "e"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise HydrationError("bad-row", f"The manifest row cannot be read: {error!r:.100}.") from error


def _source(item: Item) -> SourceIdentity | None:
    if "i" not in item:
        return None
    return SourceIdentity(_text(item, "v"), item["i"]["S"], int(item["m"]["N"]), int(item["z"]["N"]))


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None
