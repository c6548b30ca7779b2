"""The manifest table: consistent reads, and writes conditional on the generation read before (edge).

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.aws_errors import answered, code_of, translated
from consumer_replicator.errors import HydrationError, RowMoved
from consumer_replicator.row import Row, State, generation_of
from consumer_replicator.row_item import (
    DONE_RANGES,
    GENERATION,
    PARTITION,
    SENT_AT,
    SEQUENCER,
    SORT,
    UPLOAD_ID,
    WRITTEN_AT,
    address,
    from_item,
    moment,
    to_item,
)

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
        with translated("manifest"), answered():
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
                with answered():
                    key = item[SORT]["S"]
                if key not in some:
                    raise HydrationError("truncated", "A row came that was not asked for.")
                try:
                    rows[key] = from_item(item)
                except HydrationError:
                    rows.pop(key, None)
        return rows

    def _batch_get(self, addresses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """UnprocessedKeys are asked for again, with a pause.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
        for attempt in range(BATCH_GET_ROUNDS):
            with translated("manifest"), answered():
                request = {self._table: {"Keys": addresses, "ConsistentRead": True}}
                answer = self._dynamodb.batch_get_item(RequestItems=request)
                items = answer["Responses"].get(self._table, [])
                if not isinstance(items, list):
                    raise HydrationError("truncated", "The rows of a batch are no list.")
                addresses = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            yield from items
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
        with self._conditional("PutItem"):
            self._dynamodb.put_item(TableName=self._table, Item=item, **condition)

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

    # -- an upload under way: ranges are added to the row side by side, so that no write may replace it ---------------

    def touch(self, key: str, before: Row, after: Row) -> None:
        """Writes generation, time and sequencer of `after` if the row is still `before`; all else stays as it is.

        :raises RowMoved: somebody else wrote it, or the answer to our own write was lost.
        :raises HydrationError: everything else.
        """
        changes = {GENERATION: {"N": str(after.generation)}, WRITTEN_AT: {"N": str(moment(after.written_at))}}
        if after.sequencer:
            changes[SEQUENCER] = {"S": after.sequencer}
        answer = self._update(
            key,
            "SET " + ", ".join(f"{name} = :{name}" for name in changes),
            f"{GENERATION} = :read",
            {f":{name}": value for name, value in changes.items()} | {":read": {"N": str(before.generation)}},
        )
        _must_say(answer, GENERATION)

    def add_range(self, key: str, upload_id: str, number: int, now: float) -> int:
        """Adds one range to the finished ones, and says how many they are now. May be repeated.

        The row's time is that of the last range: an upload that gets on is not taken for an unfinished one.

        :raises RowMoved: the row does not name this upload any more.
        :raises HydrationError: everything else.
        """
        values = {
            ":range": {"NS": [str(number)]},
            ":now": {"N": str(moment(now))},
            ":upload": {"S": upload_id},
        }
        update = f"SET {WRITTEN_AT} = :now ADD {DONE_RANGES} :range"
        answer = self._update(key, update, f"{UPLOAD_ID} = :upload", values)
        return len(_must_say(answer, DONE_RANGES)["NS"])

    def mark_sent(self, key: str, upload_id: str, now: float) -> None:
        """Remembers that all ranges of this upload have been sent.

        :raises RowMoved: the row does not name this upload any more.
        :raises HydrationError: everything else.
        """
        values = {":now": {"N": str(moment(now))}, ":upload": {"S": upload_id}}
        _must_say(self._update(key, f"SET {SENT_AT} = :now", f"{UPLOAD_ID} = :upload", values), SENT_AT)

    def _update(self, key: str, update: str, condition: str, values: dict[str, Any]) -> Any:
        """The answer, with the row as it is now: botocore takes what is no document for an empty one."""
        with self._conditional("UpdateItem"):
            return self._dynamodb.update_item(
                TableName=self._table,
                Key=self._address(key),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )

    @contextmanager
    def _conditional(self, operation: str) -> Iterator[None]:
        with translated("manifest"):
            try:
                yield
            except ClientError as error:
                if code_of(error) in ("ConditionalCheckFailedException", "TransactionConflictException"):
                    raise RowMoved(operation) from error
                raise

    def _address(self, key: str) -> dict[str, dict[str, str]]:
        return address(self._bucket, key, self._shards)

    def _expiry(self, row: Row) -> int | None:
        bygone = row.state is State.DELETED or (row.state is State.GONE and row.replica is None)
        return int(row.written_at) + self._tombstone_seconds if bygone else None


def _must_say(answer: Any, name: str) -> Any:
    """This attribute of the row as it is now.

    :raises HydrationError: `truncated`: the answer does not have it, so that nobody knows whether the row was written.
    """
    with answered():
        return answer["Attributes"][name]
