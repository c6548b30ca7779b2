"""DynamoDB behind the client calls on the manifest's table, with its conditions and pages. See `fake_aws`."""

import bisect
import itertools
import math
from collections.abc import Callable
from typing import Any

from tests.consumer.fake_client import TABLE, Client, refuse


class FakeDynamoDB(Client):
    """The calls on the table, with the conditions that the manifest writes under."""

    def get_item(self, *, TableName: str, Key: dict[str, Any], ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        assert TableName == TABLE
        assert ConsistentRead

        def act() -> dict[str, Any]:
            item = self.world.rows.get(_address(Key))
            return {"Item": dict(item)} if item else {}

        return self._step("GetItem", Key["sk"]["S"], act)

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        keys = RequestItems[TABLE]["Keys"]
        assert RequestItems[TABLE]["ConsistentRead"]
        assert len({_address(key) for key in keys}) == len(keys), "DynamoDB refuses a batch that names a key twice"

        def act() -> dict[str, Any]:
            found = [dict(self.world.rows[_address(key)]) for key in keys if _address(key) in self.world.rows]
            return {"Responses": {TABLE: found}, "UnprocessedKeys": {}}

        return self._step("BatchGetItem", None, act)

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Item: dict[str, Any],  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeValues: dict[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        assert TableName == TABLE

        def act() -> dict[str, Any]:
            item = self.world.rows.get(_address(Item))
            if not _holds(item, ConditionExpression, ExpressionAttributeValues or {}):
                raise refuse("PutItem", "ConditionalCheckFailedException", 400)
            self.world.rows[_address(Item)] = dict(Item)
            return {}

        return self._step("PutItem", Item["sk"]["S"], act)

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: dict[str, Any],  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: dict[str, Any],  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        assert TableName == TABLE

        def act() -> dict[str, Any]:
            item = self.world.rows.get(_address(Key))
            if item is None or not _holds(item, ConditionExpression, ExpressionAttributeValues):
                raise refuse("UpdateItem", "ConditionalCheckFailedException", 400)
            after = {**item, **_updated(item, UpdateExpression, ExpressionAttributeValues)}
            self.world.rows[_address(Key)] = after
            return {"Attributes": dict(after)} if ReturnValues == "ALL_NEW" else {}

        return self._step("UpdateItem", Key["sk"]["S"], act)

    def delete_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: dict[str, Any],  # noqa: N803
        ConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: dict[str, Any],  # noqa: N803
    ) -> dict[str, Any]:
        assert TableName == TABLE

        def act() -> dict[str, Any]:
            if not _holds(self.world.rows.get(_address(Key)), ConditionExpression, ExpressionAttributeValues):
                raise refuse("DeleteItem", "ConditionalCheckFailedException", 400)
            self.world.rows.pop(_address(Key), None)
            return {}

        return self._step("DeleteItem", Key["sk"]["S"], act)

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: dict[str, Any],  # noqa: N803
        ProjectionExpression: str | None = None,  # noqa: N803
        ExclusiveStartKey: dict[str, Any] | None = None,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
        ReturnConsumedCapacity: str = "NONE",  # noqa: N803
        ScanIndexForward: bool = True,  # noqa: N803
        Limit: int | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """A page ends before the item that would make it larger than 1 MB, whatever of the items is asked for."""
        assert TableName == TABLE

        def act() -> dict[str, Any]:
            holds = _key_condition(KeyConditionExpression, ExpressionAttributeValues)
            after = ExclusiveStartKey["sk"]["S"] if ExclusiveStartKey else ""
            found = sorted((sk, item) for (pk, sk), item in self.world.rows.items() if holds(pk, sk) and sk > after)
            found = found[:Limit] if ScanIndexForward else found[::-1][:Limit]
            sizes = list(itertools.accumulate(item_bytes(item) for _, item in found))
            fitting = bisect.bisect_right(sizes, self.world.page_bytes)
            page = [item for _, item in found[: max(fitting, 1)]]
            answer: dict[str, Any] = {"Items": [_projected(item, ProjectionExpression) for item in page]}
            if len(page) < len(found):
                answer["LastEvaluatedKey"] = {name: page[-1][name] for name in ("pk", "sk")}
            if ReturnConsumedCapacity == "TOTAL":
                units = max(math.ceil(sum(map(item_bytes, page)) / 4096), 1)
                answer["ConsumedCapacity"] = {"CapacityUnits": float(units) if ConsistentRead else units / 2}
            return answer

        return self._step("Query", None, act)


def _address(key: dict[str, Any]) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def _key_condition(expression: str, values: dict[str, Any]) -> Callable[[str, str], bool]:
    """The forms that are in use, and nothing else."""
    said = {name: value["S"] for name, value in values.items()}
    partition, _, bounds = expression.removeprefix("pk = ").partition(" AND ")
    words = bounds.split()
    named = {word.removesuffix(")") for word in words if word.startswith(":")}
    assert set(said) == {partition, *named}, "a value that nothing names"
    match words:
        case []:
            return lambda pk, _sk: pk == said[partition]
        case ["sk", ">", after]:
            return lambda pk, sk: pk == said[partition] and sk > said[after]
        case ["sk", "<=", until]:
            return lambda pk, sk: pk == said[partition] and sk <= said[until]
        case ["sk", "BETWEEN", first, "AND", last]:
            if said[first] > said[last]:
                raise refuse("Query", "ValidationException", 400)
            return lambda pk, sk: pk == said[partition] and said[first] <= sk <= said[last]
        case ["begins_with(sk,", prefix]:
            return lambda pk, sk: pk == said[partition] and sk.startswith(said[prefix.removesuffix(")")])
    raise refuse("Query", "ValidationException", 400, expression)


def _projected(item: dict[str, Any], projection: str | None) -> dict[str, Any]:
    names = projection.split(", ") if projection else item
    return {name: item[name] for name in names if name in item}


def item_bytes(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names and texts by their UTF-8 bytes, a number by two digits a byte and one more.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: dict[str, Any]) -> int:
    match value:
        case {"S": text}:
            return len(text.encode())
        case {"N": number}:
            return (len(number.strip("-0.").replace(".", "")) + 1) // 2 + 1
        case {"NS": numbers}:
            return sum(_value_bytes({"N": number}) for number in numbers)
        case {"M": inner}:
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in inner.items())
    raise refuse("PutItem", "ValidationException", 400, str(value))


def _updated(item: dict[str, Any], expression: str, values: dict[str, Any]) -> dict[str, Any]:
    """The attributes that the form in use changes: SET name = :value, ... ADD name :numbers."""
    sets, _, adds = expression.removeprefix("SET ").partition(" ADD ")
    changed = {name: values[value] for name, value in (change.split(" = ") for change in sets.split(", "))}
    if adds:
        name, added = adds.split(" ")
        had = item.get(name, {"NS": []})["NS"]
        changed[name] = {"NS": [*had, *(number for number in values[added]["NS"] if number not in had)]}
    return changed


def _holds(item: dict[str, Any] | None, condition: str, values: dict[str, Any]) -> bool:
    """The two forms of condition that are written: attribute_not_exists(name), and name = :value."""
    if not condition:
        return True
    if condition.startswith("attribute_not_exists("):
        return item is None or condition.removeprefix("attribute_not_exists(").removesuffix(")") not in item
    name, _, value = condition.partition(" = ")
    return item is not None and item.get(name) == values[value]
