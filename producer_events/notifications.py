"""Switching EventBridge on for a bucket that exists, without losing the notifications that it has.

PutBucketNotificationConfiguration "replaces the existing notification configuration with the configuration you include
in the request body" (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html), so
the configuration is read, merged and written back whole. It knows no condition: a change by somebody else between the
read and the write would be lost without a word. What can be done is done: the configuration is read a second time just
before the write, and read again afterwards until it shows everything that it should, since bucket configurations are
eventually consistent (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from producer_events.terminal import shown

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

EVENTBRIDGE: Final = "EventBridgeConfiguration"
DESTINATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "LambdaFunctionConfigurations": ("Lambda function", "LambdaFunctionArn"),
    "QueueConfigurations": ("queue", "QueueArn"),
    "TopicConfigurations": ("topic", "TopicArn"),
}
LOOKS: Final = 6
"""Looks at the written configuration before it counts as lost, with pauses of 1, 2, 4, 8 and 16 seconds."""

type Configuration = dict[str, Any]


class NotificationsDiffer(Exception):
    """The bucket's configuration is not what it has to be, and somebody has to look. The text says what is amiss."""


@dataclass(frozen=True, slots=True)
class Change:
    """The configuration before and after, as the API takes it; `lines` say in words what changes and what is kept."""

    before: Configuration
    after: Configuration
    needed: bool
    lines: tuple[str, ...]


def merge(current: Mapping[str, Any]) -> Change:
    """What GetBucketNotificationConfiguration answered, with EventBridge added and nothing else touched. Pure."""
    before = {name: value for name, value in current.items() if name != "ResponseMetadata"}
    needed = EVENTBRIDGE not in before
    switch = "EventBridge: off, to be switched on" if needed else "EventBridge: on already, nothing to do"
    return Change(before, {**before, EVENTBRIDGE: {}}, needed, (switch, *_kept(before)))


def missing(wanted: Configuration, found: Mapping[str, Any]) -> list[str]:
    """In words, what of `wanted` is not, or not so, in `found`. What `found` has beyond it is somebody else's."""
    lines = [] if EVENTBRIDGE in found or EVENTBRIDGE not in wanted else ["EventBridge is not on"]
    for name, (noun, arn) in DESTINATIONS.items():
        present = [_comparable(entry) for entry in found.get(name, [])]
        lines += [_line(noun, arn, entry) for entry in wanted.get(name, []) if _comparable(entry) not in present]
    return lines


def switch_on(
    s3: "S3Client",
    bucket: str,
    *,
    apply: bool = False,
    expected_owner: str | None = None,
    pause: Callable[[float], None] = sleep,
) -> Change:
    """Reads, merges and, with `apply`, writes back and verifies. Without it nothing is written: the change is the plan.

    NotificationsDiffer when somebody else changes the configuration meanwhile, or when it does not read back whole.
    ClientError as S3 raises it; AccessDenied also means that the bucket is not `expected_owner`'s.
    """
    owner: dict[str, Any] = {"ExpectedBucketOwner": expected_owner} if expected_owner else {}

    def read() -> Mapping[str, Any]:
        return s3.get_bucket_notification_configuration(Bucket=bucket, **owner)

    change = merge(read())
    if not change.needed or not apply:
        return change
    again = merge(read()).before
    if missing(change.before, again) or missing(again, change.before):
        raise NotificationsDiffer("Somebody else is changing the bucket's notifications just now; nothing was written.")
    configuration: Any = change.after  # what GET gave is what PUT takes
    # An old destination that is gone by now must not keep EventBridge off: it stays as it was, unvalidated.
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True, **owner
    )
    _verify(change, read, pause)
    return change


def _verify(change: Change, read: Callable[[], Mapping[str, Any]], pause: Callable[[float], None]) -> None:
    for look in range(LOOKS):
        if look:
            pause(2 ** (look - 1))
        lost = missing(change.after, read())
        if not lost:
            return
    raise NotificationsDiffer(f"The configuration was written, but does not read back whole: {'; '.join(lost)}.")


def _kept(before: Configuration) -> Sequence[str]:
    kept = [
        f"kept: {_line(noun, arn, entry)}"
        for name, (noun, arn) in DESTINATIONS.items()
        for entry in before.get(name, [])
    ]
    return kept or ("kept: nothing, the bucket has no other notifications",)


def _line(noun: str, arn: str, entry: Mapping[str, Any]) -> str:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    where = "".join(f", {rule['Name'].lower()} {rule['Value']!a}" for rule in rules)
    return shown(f"{noun} {entry.get(arn)} on {', '.join(entry.get('Events', []))}{where} (id {entry.get('Id')})")


def _comparable(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without the orders that mean nothing: S3 gives events and filter rules back as it likes."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    plain = {name: value for name, value in entry.items() if name not in ("Events", "Filter")}
    return {
        **plain,
        "events": sorted(entry.get("Events", [])),
        "rules": sorted((rule["Name"].lower(), rule["Value"]) for rule in rules),
    }
