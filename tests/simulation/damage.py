"""What AWS answers when it does not answer well: refusals by operation, bodies cut and changed on their way."""

import io
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.response import StreamingBody

from tests.consumer.fake_aws import refuse

S3 = (("SlowDown", 503), ("InternalError", 500), ("ExpiredToken", 400), ("RequestTimeout", 400))
DYNAMODB = (
    ("ProvisionedThroughputExceededException", 400),
    ("InternalServerError", 500),
    ("ExpiredTokenException", 400),
    ("ThrottlingException", 400),
)
SQS = (("RequestThrottled", 403), ("ServiceUnavailable", 503), ("ExpiredToken", 403))
OF_TABLE = frozenset({"GetItem", "BatchGetItem", "PutItem", "UpdateItem", "Query", "DeleteItem"})
OF_QUEUE = frozenset({"SendMessage", "SendMessageBatch", "ChangeMessageVisibility", "GetQueueAttributes"})


def refusal(operation: str, number: int) -> Exception:
    """One of the ways in which this operation is refused for a while; which one, by a running number."""
    codes = DYNAMODB if operation in OF_TABLE else SQS if operation in OF_QUEUE else S3
    place = number % (len(codes) + 1)
    if place == len(codes):
        return EndpointConnectionError(endpoint_url="https://aws")
    return refuse(operation, *codes[place])


def cut(answer: dict[str, Any]) -> dict[str, Any]:
    """The connection ends in the middle of the body."""
    body = _bytes(answer)
    return {**answer, "Body": StreamingBody(io.BytesIO(body[: len(body) // 2]), len(body))}


def flipped(answer: dict[str, Any]) -> dict[str, Any]:
    """One bit of the body is another."""
    body = bytearray(_bytes(answer))
    if body:
        body[-1] ^= 1
    return {**answer, "Body": StreamingBody(io.BytesIO(bytes(body)), len(body))}


def _bytes(answer: dict[str, Any]) -> bytes:
    return answer["Body"]._raw_stream.getvalue()


def taken(answer: Any) -> Any:
    """An answer that can be given again: a body is a stream, and is read by whoever gets it."""
    if isinstance(answer, dict) and "Body" in answer:
        return {**answer, "Body": _bytes(answer)}
    return answer


def replayed(answer: Any) -> Any:
    """The same answer, or error, as if given for the first time."""
    if isinstance(answer, ClientError):
        return ClientError(answer.response, answer.operation_name)
    if isinstance(answer, dict) and isinstance(answer.get("Body"), bytes):
        body = answer["Body"]
        return {**answer, "Body": StreamingBody(io.BytesIO(body), len(body))}
    return answer
