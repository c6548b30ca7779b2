"""Rows beside the replica's own listing: a LIVE row whose replica is gone, or another, vouches for nothing. Pure.

Such a row loses its source identity on the way to the join, which then cannot tell, and a hint is sent; the copier
finds the replica's ETag changed and makes it again. Objects of the replica bucket that no row knows are left alone:
they may be anybody's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from consumer_replicator.drift import Listed, Unreadable
from consumer_replicator.row import Row, State

type Pair = tuple[str, Row | Unreadable]


def with_replicas(rows: Iterable[Pair], replicas: Iterable[Listed]) -> Iterator[Pair]:
    """The rows, both streams being in key order; one replica is held at a time."""
    listing = iter(replicas)
    replica = next(listing, None)
    for key, row in rows:
        while replica is not None and replica.key < key:
            replica = next(listing, None)
        there = replica if replica is not None and replica.key == key else None
        yield key, _checked(row, there)


def _checked(row: Row | Unreadable, replica: Listed | None) -> Row | Unreadable:
    if not isinstance(row, Row) or row.state is not State.LIVE or row.replica is None:
        return row
    vouched_for = replica is not None and replica.etag == row.replica.etag
    return row if vouched_for else replace(row, source=None)
