"""The manifest read in key order: one Query a shard, merged (edge).

Pages of 1 MB without a limit, eventually consistent: a page's sizes are added up and rounded once, so that a row costs
a twentieth of what it costs in a BatchGetItem. What is a little behind is younger than the lag objective anyway.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
"""

import zlib
from collections.abc import Iterator, Mapping
from heapq import merge
from operator import itemgetter
from typing import Any

from consumer_replicator.aws_errors import answered, translated
from consumer_replicator.bulk_answers import parse_queries_in_bulk
from consumer_replicator.drift import Unreadable
from consumer_replicator.errors import HydrationError
from consumer_replicator.pages import Onward
from consumer_replicator.row import Row
from consumer_replicator.row_item import PARTITION, SORT, from_item

ATTRIBUTES = f"{SORT}, g, s, v, i, z, m, r, c, a, e, o, p"
"""What judging and reporting need. The rest (checksums, tags, sequencer) would be paid for in memory only."""
WITH_CHECKSUMS = f"{ATTRIBUTES}, k, h"
"""What verifying needs."""

type Pair = tuple[str, Row | Unreadable]


class ManifestScan:
    """`dynamodb` signs with the function's own role. Rows come without checksums, tags and sequencer.

    `pages` counts requests, `read_units` what they consumed, `misplaced` rows that lie in another shard than their key
    hashes to: left over from another number of shards, never read by a copier, and therefore left out.

    One thread each. Memory: one page of rows for each shard.
    """

    def __init__(self, dynamodb: Any, table: str, bucket: str, shards: int) -> None:
        parse_queries_in_bulk(dynamodb)
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket
        self._shards = shards
        self.pages = 0
        self.read_units = 0.0
        self.misplaced = 0

    def rows(self, after: str = "", until: str | None = None, *, checksums: bool = False) -> Iterator[Pair]:
        """Keys and rows after `after`, up to and with `until`, in key order; a row that cannot be read says so.

        `checksums`: with those of source and replica.

        :raises HydrationError: the manifest cannot be read.
        """
        wanted = {"ProjectionExpression": WITH_CHECKSUMS if checksums else ATTRIBUTES}
        shards = (self._shard(shard, after, until, wanted) for shard in range(self._shards))
        return merge(*shards, key=itemgetter(0))

    def _shard(self, shard: int, after: str, until: str | None, wanted: Mapping[str, str]) -> Iterator[Pair]:
        condition = _condition(f"{self._bucket}#{shard}", after, until)
        start: dict[str, Any] | None = {}
        onward = Onward("the manifest")
        while start is not None:
            page = self._page(**condition, **start, **wanted)
            rows = self._decoded(page["Items"], shard, after)
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if page.get("LastEvaluatedKey") else None
            if start is not None:
                onward.to(page["LastEvaluatedKey"])
            del page  # the rows are a tenth of it
            yield from rows

    def _decoded(self, items: list[dict[str, Any]], shard: int, after: str) -> list[Pair]:
        pairs = []
        with answered():
            for item in items:
                key = item[SORT]["S"]
                if zlib.crc32(key.encode()) % self._shards != shard:
                    self.misplaced += 1
                elif key != after:
                    pairs.append((key, _row(item)))
        return pairs

    def _page(self, **request: Any) -> Mapping[str, Any]:
        self.pages += 1
        with translated("manifest"), answered():
            page: Mapping[str, Any] = self._dynamodb.query(
                TableName=self._table,
                ReturnConsumedCapacity="TOTAL",
                **request,
            )
        if not isinstance(page.get("Items"), list):
            raise HydrationError("truncated", "A page of the manifest has no list of rows, not even an empty one.")
        with answered():
            self.read_units += page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        return page


def _condition(partition: str, after: str, until: str | None) -> dict[str, Any]:
    """BETWEEN is inclusive at both ends: the row of `after` comes along, and is left out afterwards.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html"""
    values = {":p": {"S": partition}}
    if after:
        values[":after"] = {"S": after}
    if until is not None:
        values[":until"] = {"S": until}
    bounds = {
        (False, False): "",
        (True, False): f" AND {SORT} > :after",
        (False, True): f" AND {SORT} <= :until",
        (True, True): f" AND {SORT} BETWEEN :after AND :until",
    }[bool(after), until is not None]
    return {"KeyConditionExpression": f"{PARTITION} = :p{bounds}", "ExpressionAttributeValues": values}


def _row(item: Mapping[str, Any]) -> Row | Unreadable:
    try:
        return from_item(item)
    except HydrationError as error:
        return Unreadable(str(error))
