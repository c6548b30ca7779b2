"""A manifest row as a DynamoDB item and back. Pure. Names in items are short, because they are billed.

    pk  "<source bucket>#<shard>"      z  size              e  error code
    sk  the raw object key             m  last-modified     a  attempts
    g   generation                     k  checksum          t  tags digest
    s   state                          r  replica ETag      o  event time
    v   source version-id              w  replica version   c  written at
    i   source ETag                    h  replica checksum  x  expiry (TTL)
                                       p  proof             q  sequencer

Of an upload under way: u its id, d the set of its finished ranges, n when its ranges had been sent, and a map y:

    v i m z  the source object, as above      g  generation of its provenance     k  checksum algorithm
    r w      the replica it replaces          b  bytes of a part                  f  checksum type
                                              l  parts of a range                 t  tags digest

The set is beside the map because DynamoDB adds to top-level sets only.
Numbers are strings in DynamoDB's wire form, so times keep their milliseconds.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Cut
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State, Upload

type Item = Mapping[str, Mapping[str, Any]]

PARTITION, SORT, GENERATION, EXPIRY = "pk", "sk", "g", "x"
SEQUENCER, WRITTEN_AT, UPLOAD_ID, DONE_RANGES, SENT_AT = "q", "c", "u", "d", "n"
PROOFS = {"S": Proof.SOURCE_CHECKSUM, "M": Proof.COMPOSITE, "C": Proof.COMPUTED, "Z": Proof.SIZE_ONLY}
_LETTERS = {proof: letter for letter, proof in PROOFS.items()}


def address(bucket: str, key: str, shards: int) -> dict[str, dict[str, str]]:
    """The primary key of a row. The shard is a stable hash, so that no partition gets hot on one prefix."""
    shard = zlib.crc32(key.encode()) % shards
    return {PARTITION: {"S": f"{bucket}#{shard}"}, SORT: {"S": key}}


def to_item(row: Row, expires_at: int | None) -> dict[str, dict[str, Any]]:
    """The attributes of a row but for its address. `expires_at`: seconds since the epoch, for TTL."""
    texts = {
        "s": row.state.value,
        "k": row.checksum,
        "h": row.replica_checksum,
        "p": _LETTERS[row.proof] if row.proof else None,
        SEQUENCER: row.sequencer,
        "e": row.error,
        "t": row.tags,
    }
    numbers = {
        GENERATION: row.generation,
        "o": row.event_time,
        WRITTEN_AT: moment(row.written_at),
        "a": row.attempts or None,
        EXPIRY: expires_at,
    }
    item = _attributes(row.source, row.replica, texts, numbers)
    return item | _upload_item(row.upload) if row.upload else item


def moment(seconds: float) -> float:
    """A time to the millisecond."""
    return round(seconds, 3)


def _upload_item(upload: Upload) -> dict[str, dict[str, Any]]:
    texts = {"k": upload.algorithm, "f": upload.type, "t": upload.tags}
    numbers = {"g": upload.generation, "b": upload.cut.part_bytes, "l": upload.cut.range_parts}
    item: dict[str, dict[str, Any]] = {
        UPLOAD_ID: {"S": upload.id},
        "y": {"M": _attributes(upload.source, upload.expected, texts, numbers)},
    }
    if upload.sent_at is not None:
        item[SENT_AT] = {"N": str(moment(upload.sent_at))}
    if upload.done:  # DynamoDB has no empty sets
        item[DONE_RANGES] = {"NS": [str(number) for number in sorted(upload.done)]}
    return item


def _attributes(
    source: SourceIdentity | None,
    replica: ReplicaVersion | None,
    texts: Mapping[str, str | None],
    numbers: Mapping[str, int | float | None],
) -> dict[str, dict[str, Any]]:
    if source:
        texts = {**texts, "v": source.version_id, "i": source.etag}
        numbers = {**numbers, "z": source.size, "m": source.last_modified}
    if replica:
        texts = {**texts, "r": replica.etag, "w": replica.version_id}
    item = {name: {"S": text} for name, text in texts.items() if text}
    return item | {name: {"N": str(number)} for name, number in numbers.items() if number is not None}


def from_item(item: Item) -> Row:
    """The row that an item holds.

    :raises HydrationError: `bad-row`, when the item is damaged or of a newer release.
    """
    try:
        return Row(
            generation=int(item[GENERATION]["N"]),
            state=State(item["s"]["S"]),
            written_at=float(item[WRITTEN_AT]["N"]),
            source=_source(item),
            checksum=_text(item, "k"),
            replica=_replica(item),
            replica_checksum=_text(item, "h"),
            proof=PROOFS[item["p"]["S"]] if "p" in item else None,
            tags=_text(item, "t") or "",
            sequencer=_text(item, SEQUENCER),
            event_time=float(item["o"]["N"]) if "o" in item else None,
            attempts=int(item["a"]["N"]) if "a" in item else 0,
            error=_text(item, "e"),
            upload=_upload(item) if UPLOAD_ID in item else None,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise HydrationError("bad-row", f"The manifest row cannot be read: {error!r:.100}.") from error


def _source(item: Item) -> SourceIdentity | None:
    if "i" not in item:
        return None
    return SourceIdentity(_text(item, "v"), item["i"]["S"], int(item["m"]["N"]), int(item["z"]["N"]))


def _replica(item: Item) -> ReplicaVersion | None:
    return ReplicaVersion(item["r"]["S"], _text(item, "w")) if "r" in item else None


def _upload(item: Item) -> Upload:
    facts = item["y"]["M"]
    source = _source(facts)
    if source is None:
        raise KeyError("i")
    return Upload(
        id=item[UPLOAD_ID]["S"],
        source=source,
        expected=_replica(facts),
        generation=int(facts["g"]["N"]),
        cut=Cut(source.size, int(facts["b"]["N"]), int(facts["l"]["N"])),
        algorithm=facts["k"]["S"],
        type=facts["f"]["S"],
        tags=_text(facts, "t") or "",
        sent_at=float(item[SENT_AT]["N"]) if SENT_AT in item else None,
        done=frozenset(map(int, item[DONE_RANGES]["NS"])) if DONE_RANGES in item else frozenset(),
    )


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None
