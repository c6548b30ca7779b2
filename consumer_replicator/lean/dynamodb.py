"""GetItem, PutItem and BatchGetItem over the lean client; everything else is the wrapped client's (edge).

Values are in DynamoDB's own JSON, which is botocore's form too, but for binary ones: those are handed to botocore.
"""

import json
from binascii import crc32
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from botocore.exceptions import BotoCoreError, ChecksumError, ResponseStreamingError

from consumer_replicator.lean.connection import Answer
from consumer_replicator.lean.endpoint import Endpoint, endpoint_of
from consumer_replicator.lean.service import Request, Service, uncounted

CONTENT_TYPE = "application/x-amz-json-1.0"
TARGET = "DynamoDB_20120810"


class LeanDynamoDB:
    """Answers for the botocore DynamoDB client that it wraps. Threads share it. `counted` is told of each call's name.

    An answer's members are as they came: what botocore's model does not know is not taken out.
    """

    def __init__(self, client: Any, counted: Callable[[str], None] = uncounted) -> None:
        self._client = client
        self._service = Service(client, counted)
        self._endpoints: dict[str, Endpoint | None] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        """Closes the idle connections, and the wrapped client's."""
        self._service.pool.close()
        self._client.close()

    def get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("GetItem", self._client.get_item, parameters)

    def put_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("PutItem", self._client.put_item, parameters)

    def batch_get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("BatchGetItem", self._client.batch_get_item, parameters)

    def _call(self, operation: str, botocores: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
        request = self._request(operation, parameters)
        if request is None:
            return botocores(**parameters)  # type: ignore[no-any-return]
        reply = self._service.call(operation, request, fault=_checksum_fault)
        try:
            answer: dict[str, Any] = {**json.loads(reply.content)}
        except (ValueError, TypeError, RecursionError) as error:  # botocore would take it for an answer without a row
            raise ResponseStreamingError(error=error) from error
        return answer | {"ResponseMetadata": reply.metadata}

    def _request(self, operation: str, parameters: dict[str, Any]) -> Request | None:
        """None: botocore's."""
        if not parameters.keys() <= PARAMETERS[operation] or any(":" in str(table) for table in _tables(parameters)):
            return None
        try:
            body = json.dumps(parameters).encode()
        except TypeError:
            return None
        endpoint = self._endpoint(operation, parameters)
        if endpoint is None:
            return None
        headers = {
            "content-length": str(len(body)),
            "content-type": CONTENT_TYPE,
            "x-amz-content-sha256": sha256(body).hexdigest(),
            "x-amz-target": f"{TARGET}.{operation}",
        }
        return Request(endpoint, "POST", endpoint.path, "", headers, body)

    def _endpoint(self, operation: str, parameters: dict[str, Any]) -> Endpoint | None:
        if operation not in self._endpoints:
            self._endpoints[operation] = endpoint_of(self._client, operation, parameters)
        return self._endpoints[operation]


PARAMETERS = {
    "BatchGetItem": {"RequestItems", "ReturnConsumedCapacity"},
    "GetItem": {
        "ConsistentRead",
        "ExpressionAttributeNames",
        "Key",
        "ProjectionExpression",
        "ReturnConsumedCapacity",
        "TableName",
    },
    "PutItem": {
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Item",
        "ReturnConsumedCapacity",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
    },
}
"""Those of each operation that are sent as they are. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/"""


def _tables(parameters: dict[str, Any]) -> list[Any]:
    """Names; an ARN instead of one may have another account's endpoint."""
    return [parameters["TableName"]] if "TableName" in parameters else list(parameters.get("RequestItems") or {})


def _checksum_fault(answer: Answer, content: bytes) -> BotoCoreError | None:
    """DynamoDB tells the CRC32 of every answer, and botocore asks again for what does not have it."""
    told = answer.headers.get("x-amz-crc32")
    if told is None or told == str(crc32(content)):
        return None
    return ChecksumError(checksum_type="crc32", expected_checksum=told, actual_checksum=str(crc32(content)))
