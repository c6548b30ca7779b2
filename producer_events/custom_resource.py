"""The custom resource of the producer's template: switches the events of a bucket on that exists.

Creating and updating merge (`notifications.switch_on`), so they may come twice. Deleting changes nothing: EventBridge
stays on, since somebody else may use it by then, and without a rule its events cost nothing. CloudFormation waits until
an answer is put to the address that it gave, so every end has one, an unforeseen one too; only an answer that could not
be put is an error, and Lambda invokes the function again.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import json
import logging
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MAX_REASON_CHARACTERS: Final = 1000
"""An answer has at most 4,096 bytes. The reason is cut when it is ASCII, of which JSON takes two bytes at most."""
ANSWER_SECONDS: Final = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SwitchOn:
    """The bucket's events are to be on, and everything else of its notifications as it is."""

    bucket: str
    owner: str


@dataclass(frozen=True, slots=True)
class LeaveAsItIs:
    reason: str = "EventBridge and all other notifications of the bucket stay as they are."


def decide(request: Mapping[str, Any]) -> SwitchOn | LeaveAsItIs:
    """What a request of CloudFormation asks for. Pure. ValueError for one that is not of this resource."""
    match request.get("RequestType"), request.get("ResourceProperties"):
        case "Delete", _:
            return LeaveAsItIs()
        case "Create" | "Update", {"BucketName": str(bucket), "ExpectedOwner": str(owner)} if bucket and owner:
            return SwitchOn(bucket, owner)
        case kind, _:
            raise ValueError(f"A request of type {kind!r} needs BucketName and ExpectedOwner.")


def answer(request: Mapping[str, Any], *, failed: bool, reason: str) -> dict[str, Any]:
    """What CloudFormation is told. Another bucket is another resource: CloudFormation then deletes the old one, which
    changes nothing, and one whose creation failed is deleted under the id that it was going to have."""
    properties = request.get("ResourceProperties")
    bucket = properties.get("BucketName") if isinstance(properties, Mapping) else None
    name = bucket or request.get("PhysicalResourceId") or "unknown"
    deleted = request.get("PhysicalResourceId") if request.get("RequestType") == "Delete" else None
    return {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": ascii(reason)[1:-1][:MAX_REASON_CHARACTERS],
        "PhysicalResourceId": deleted or f"events-of-{name}",
        **{key: request.get(key) for key in ("StackId", "RequestId", "LogicalResourceId")},
    }


def respond(
    request: Mapping[str, Any], s3: "Callable[[], S3Client]", pause: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """Does what is asked, and returns the answer. Never raises: CloudFormation would wait for an hour."""
    try:
        match decide(request):
            case SwitchOn(bucket, owner):
                from producer_events.notifications import switch_on  # noqa: PLC0415 a delete needs none of it

                pausing: dict[str, Any] = {"pause": pause} if pause else {}
                change = switch_on(s3(), bucket, apply=True, expected_owner=owner, **pausing)
                logger.info("merged: %s", "; ".join(change.lines))
                return answer(request, failed=False, reason=change.lines[0])
            case LeaveAsItIs(reason):
                return answer(request, failed=False, reason=reason)
    except Exception as error:
        logger.exception("failed")
        return answer(request, failed=True, reason=f"{type(error).__name__}: {error}")


def put(url: str, document: Mapping[str, Any]) -> None:
    """Puts the answer to the address. OSError when it cannot; the address is a secret, so no error tells it."""
    if not url.startswith(("https://", "http://")):
        raise OSError("The address to answer to is none of the web's.")
    body = json.dumps(document).encode()
    # Without a content type: the address is signed without one.
    asked = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as got:  # noqa: S310 given by CloudFormation
        got.read()


def handler(request: dict[str, Any], _context: Any) -> None:
    put(request["ResponseURL"], respond(request, _s3))


def _s3() -> "S3Client":
    import botocore.session  # noqa: PLC0415 the zip has botocore without boto3, whose client this is

    client: Any = botocore.session.get_session().create_client("s3")
    return client  # type: ignore[no-any-return]
