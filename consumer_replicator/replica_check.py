"""Rows beside the replica's own listing: a LIVE row whose replica is gone, or another, vouches for nothing. Pure.

Such a row loses its source identity on the way to the join, which then cannot tell, and a hint is sent; the copier
finds the replica's ETag changed and makes it again. A replica that no row names is a stray: where the manifest was
lost or is an old one, the hint says so, and the copier looks before it copies. Where the source has no such object it
is left alone: it may be anybody's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from consumer_replicator.drift import Known, Listed, Stray, Unreadable
from consumer_replicator.row import Row, State

type Pair = tuple[str, Row | Unreadable]


def with_replicas(rows: Iterable[Pair], replicas: Iterable[Listed]) -> Iterator[tuple[str, Known]]:
    """The rows, and the strays among them, both streams being in key order; one replica is held at a time."""
    listing = iter(replicas)
    replica = next(listing, None)
    for key, row in rows:
        while replica is not None and replica.key < key:
            yield replica.key, Stray(None)
            replica = next(listing, None)
        there = replica if replica is not None and replica.key == key else None
        if there is not None:
            replica = next(listing, None)
        yield key, _checked(row, there)
    while replica is not None:
        yield replica.key, Stray(None)
        replica = next(listing, None)


def _checked(row: Row | Unreadable, replica: Listed | None) -> Known:
    named = row.replica if isinstance(row, Row) else None
    if replica is not None and named is not None and replica.etag == named.etag:
        return row
    vouches = isinstance(row, Row) and row.state is State.LIVE and named is not None
    checked = replace(row, source=None) if vouches and isinstance(row, Row) else row
    return checked if replica is None else Stray(checked)
