"""GetObject, PutObject and UploadPart over the lean client; everything else is the wrapped client's (edge).

What is none of ours (a parameter that `s3_request` does not name, a kind of bucket, an answer that asks to go
elsewhere) is handed to botocore, whole.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.lean.endpoint import Endpoint, endpoint_of
from consumer_replicator.lean.request_body import Stream
from consumer_replicator.lean.s3_answer import Members, members_in, members_of
from consumer_replicator.lean.s3_request import GET_OBJECT, PUT_OBJECT, UPLOAD_PART, Operation, request_of
from consumer_replicator.lean.service import Reply, Service, uncounted

ELSEWHERE = frozenset(
    {"301", "302", "307", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
    | {"IllegalLocationConstraintException"}
)
"""Codes with which S3 says that the bucket is in another region: botocore finds out which, and remembers."""


class LeanS3:
    """Answers for the botocore S3 client that it wraps. Threads share it. `counted` is told of each call's name."""

    takes_streams = True

    def __init__(self, client: Any, counted: Callable[[str], None] = uncounted) -> None:
        self._client = client
        self._service = Service(client, counted)
        self._endpoints: dict[str, Endpoint | None] = {}
        self._members: dict[str, Members] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        """Closes the idle connections, and the wrapped client's."""
        self._service.pool.close()
        self._client.close()

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        """`Body` has `read`, `readinto` and `close`; the rest is as botocore's."""
        return self._call(GET_OBJECT, self._client.get_object, parameters)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        """`Body`: bytes; or what has `readinto`, with its `ContentLength`, which is sent once and never again.

        `TrailingChecksum`: follows such a stream, and is asked for its `value()` when the last byte was read.
        """
        return self._call(PUT_OBJECT, self._client.put_object, parameters)

    def upload_part(self, **parameters: Any) -> dict[str, Any]:
        """`Body` and `TrailingChecksum` as for `put_object`."""
        return self._call(UPLOAD_PART, self._client.upload_part, parameters)

    def _call(self, operation: Operation, botocores: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
        bucket, key = parameters.get("Bucket"), parameters.get("Key")
        endpoint = self._endpoint(bucket) if isinstance(bucket, str) and isinstance(key, str) and key else None
        request = request_of(operation, endpoint, parameters) if endpoint else None
        if request is None:
            return botocores(**parameters)  # type: ignore[no-any-return]
        try:
            reply = self._service.call(operation.name, request, streamed=operation is GET_OBJECT)
        except ClientError as error:
            if not _is_elsewhere(error):
                raise
            self._endpoints.pop(parameters["Bucket"], None)
            if isinstance(request.body, Stream):
                raise
            return botocores(**parameters)  # type: ignore[no-any-return]
        return self._answer(operation, reply)

    def _endpoint(self, bucket: str) -> Endpoint | None:
        """Asked for once; its `path` is what comes before the key.

        :raises BotoCoreError: there can be no such bucket.
        """
        if bucket not in self._endpoints:
            found = endpoint_of(self._client, "GetObject", {"Bucket": bucket, "Key": "k"})
            self._endpoints[bucket] = found and replace(found, path=found.path.removesuffix("k"))
        return self._endpoints.get(bucket)

    def _answer(self, operation: Operation, reply: Reply) -> dict[str, Any]:
        if operation.name not in self._members:
            model = self._client.meta.service_model.operation_model(operation.name)
            self._members[operation.name] = members_of(model.output_shape)
        told, metadata = members_in(reply.answer.headers, self._members[operation.name])
        told["ResponseMetadata"] = reply.metadata
        return told | {"Metadata": metadata, "Body": reply.answer.body} if operation is GET_OBJECT else told


def _is_elsewhere(error: ClientError) -> bool:
    code, status = error.response["Error"].get("Code"), error.response["ResponseMetadata"]["HTTPStatusCode"]
    return code in ELSEWHERE or status in (301, 302, 307)
