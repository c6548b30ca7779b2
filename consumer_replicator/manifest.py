"""The manifest table: consistent reads, and writes conditional on the generation read before (edge).

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

import time
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.aws_errors import code_of, translated
from consumer_replicator.errors import HydrationError, RowMoved
from consumer_replicator.row import Row, State, generation_of
from consumer_replicator.row_item import GENERATION, PARTITION, SORT, address, from_item, to_item

BATCH_GET_LIMIT = 100
BATCH_GET_ROUNDS = 5
DAY = 86_400


class Manifest:
    """`dynamodb` signs with the function's own role. Rows without a replica expire after `tombstone_days`."""

    def __init__(self, dynamodb: Any, table: str, bucket: str, shards: int, tombstone_days: int) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket
        self._shards = shards
        self._tombstone_seconds = tombstone_days * DAY

    def read(self, key: str) -> Row | None:
        """The row of one key, strongly consistent; None where there is none."""
        with translated("manifest"):
            answer = self._dynamodb.get_item(TableName=self._table, Key=self._address(key), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def read_many(self, keys: Iterable[str]) -> dict[str, Row | None]:
        """The rows of several keys in as few requests as possible, strongly consistent.

        A row that cannot be read is left out, so that it fails only the key it belongs to.

        :raises HydrationError: `throttled`, when DynamoDB leaves some unread after a few rounds.
        """
        wanted = list(dict.fromkeys(keys))
        rows: dict[str, Row | None] = dict.fromkeys(wanted)
        for some in batched(wanted, BATCH_GET_LIMIT):
            for item in self._batch_get([self._address(key) for key in some]):
                try:
                    rows[item[SORT]["S"]] = from_item(item)
                except HydrationError:
                    del rows[item[SORT]["S"]]
        return rows

    def _batch_get(self, addresses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """UnprocessedKeys are asked for again, with a pause.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
        for attempt in range(BATCH_GET_ROUNDS):
            with translated("manifest"):
                request = {self._table: {"Keys": addresses, "ConsistentRead": True}}
                answer = self._dynamodb.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self._table, [])
            addresses = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not addresses:
                return
            time.sleep(0.05 * 2**attempt)
        raise HydrationError("throttled", "DynamoDB left rows of a batch unread.")

    def write(self, key: str, before: Row | None, after: Row) -> None:
        """Writes `after` if the row is still `before`.

        :raises RowMoved: somebody else wrote it, or the answer to our own write was lost.
        :raises HydrationError: everything else.
        """
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({PARTITION})"}
        if before is not None:
            condition = {
                "ConditionExpression": f"{GENERATION} = :read",
                "ExpressionAttributeValues": {":read": {"N": str(generation_of(before))}},
            }
        item = {**self._address(key), **to_item(after, self._expiry(after))}
        with translated("manifest"):
            try:
                self._dynamodb.put_item(TableName=self._table, Item=item, **condition)
            except ClientError as error:
                if code_of(error) in ("ConditionalCheckFailedException", "TransactionConflictException"):
                    raise RowMoved("PutItem") from error
                raise

    def note_failure(self, now: float) -> None:
        """Remembers that an object failed for good: until a reconcile proves the contrary, the live watermark rests.

        The latest one counts: a proof says nothing of those that came after it. The item lies beside the watermark
        (see `runs`).
        """
        item = {PARTITION: {"S": f"{self._bucket}#watermark"}, SORT: {"S": "failures"}, "f": {"N": str(round(now, 3))}}
        with translated("manifest"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(f) OR f < :now",
                    ExpressionAttributeValues={":now": item["f"]},
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise

    def _address(self, key: str) -> dict[str, dict[str, str]]:
        return address(self._bucket, key, self._shards)

    def _expiry(self, row: Row) -> int | None:
        bygone = row.state is State.DELETED or (row.state is State.GONE and row.replica is None)
        return int(row.written_at) + self._tombstone_seconds if bygone else None
