"""The calls that faults are put at, and what leads to each: which function, in what world, doing what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from consumer_replicator.splitting import Splitting
from tests.consumer.fake_aws import CONSUMER as OWNER
from tests.consumer.fake_aws import KEY_ARN, QUEUE, REPLICA, Call
from tests.consumer.rig import event
from tests.consumer.transfer_rig import TransferRig
from tests.faults.crash_scenarios import a_reconcile_of_what_events_did_not_bring as drifted

type Way = Literal["stream", "server-side", "split", "transfer"]

SHARDS = 2
THRESHOLD = 4
"""Bytes: what is larger goes as an upload, of one part; where it is to be split, in parts and ranges of so many."""
SPLITTING = Splitting(THRESHOLD, bandwidth=1e12, small=0, least_range=THRESHOLD)
RUN = "20270115T080000Z-faults"
LATER = 100.0
"""Seconds that messages are put off which another one goes before."""
TRANSFER_KEYS = ("current", "stale", "extra", "missing")


@dataclass(frozen=True)
class Site:
    """One call. `prepare` brings a world to where one invocation makes it, among others.

    `after`: an operation that must have been called before it; `key`: the one that it is about; where other calls of
    the same operation are made. `beside`: another operation that is
    refused at the same time, with this status and code.

    `steps`: it is made when the run is gone on with, not when it is begun.
    """

    name: str
    prepare: Callable[[TransferRig], None]
    operation: str
    service: Literal["s3", "dynamodb", "sqs", "sts"] = "s3"
    answers: Literal["xml", "json", "object", "head", "none"] = "none"
    way: Way = "stream"
    principal: Literal["own", "source"] = "own"
    after: str = ""
    key: str | None = None
    beside: tuple[str, int, str] | None = None
    steps: bool = False

    def is_it(self, call: Call, before: list[Call]) -> bool:
        return (
            call.operation == self.operation
            and (self.operation == "AssumeRole" or call.principal == self.principal)
            and (self.key is None or (call.key or "").startswith(self.key))
            and (not self.after or any(each.operation == self.after for each in before))
        )


# -- the replicator ------------------------------------------------------------------------------------------------


def small(rig: TransferRig) -> None:
    rig.upload("k", b"one", tags={"a": "b"})


def large(rig: TransferRig) -> None:
    rig.upload("k", b"aaaabbbb")


def in_parts(rig: TransferRig) -> None:
    rig.world.send(event("k", rig.world.upload_in_parts("k", [b"aaaa", b"bbbb"])))


def known(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.world.send(event("k"))


def unrecorded(rig: TransferRig) -> None:
    """A replica whose row is lost: the first PUT is refused, and everything read again."""
    rig.upload("k", b"one")
    rig.drain()
    rig.world.rows.clear()
    rig.world.send(event("k"))


def retagged(rig: TransferRig) -> None:
    known(rig)
    source = rig.world.source.current("k")
    assert source
    source.tags = {"a": "b"}


def untagged(rig: TransferRig) -> None:
    rig.upload("k", b"one", tags={"a": "b"})
    rig.drain()
    source = rig.world.source.current("k")
    assert source
    source.tags = {}
    rig.world.send(event("k", kind="Object Tags Deleted"))


def deleted(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")


def delete_confirmed(rig: TransferRig) -> None:
    deleted(rig)
    rig.run()
    rig.world.now = max(message.visible_at for message in rig.world.queues[QUEUE]) + 1


def unreadable(rig: TransferRig) -> None:
    rig.world.send("no JSON")


def begun(rig: TransferRig) -> None:
    """An upload of three ranges is open, and their messages wait."""
    rig.upload("k", b"one")
    rig.drain()
    rig.upload("k", b"aaaabbbbcc", tags={"a": "b"})
    rig.run()


def hinted_meanwhile(rig: TransferRig) -> None:
    begun(rig)
    _put_off(rig, keep=0)
    rig.world.send(event("k"))


def a_range(rig: TransferRig) -> None:
    begun(rig)
    _put_off(rig, keep=1)


def the_last_range(rig: TransferRig) -> None:
    begun(rig)
    _put_off(rig, keep=1)
    rig.run()
    _put_off(rig, keep=1)
    for message in list(rig.world.queues[QUEUE])[:1]:
        message.visible_at = rig.world.now
    rig.run()
    for message in rig.world.queues[QUEUE]:
        message.visible_at = rig.world.now


def all_ranges(rig: TransferRig) -> None:
    the_last_range(rig)
    rig.run()


def to_split(rig: TransferRig) -> None:
    rig.upload("k", b"aaaabbbbcc")


def replaced(rig: TransferRig) -> None:
    """The upload that is under way is of an object that is no more."""
    begun(rig)
    _put_off(rig, keep=0)
    rig.upload("k", b"two")


def _put_off(rig: TransferRig, keep: int) -> None:
    """All messages that wait but the first few."""
    for place, message in enumerate(rig.world.queues[QUEUE]):
        message.visible_at = rig.world.now + (0 if place < keep else LATER)


# -- the transfer function -----------------------------------------------------------------------------------------


def orphaned(rig: TransferRig) -> None:
    """Beside it, an upload that nobody will complete."""
    drifted(rig)
    rig.world.s3("own").create_multipart_upload(
        Bucket=REPLICA,
        Key="current",
        ExpectedBucketOwner=OWNER,
        ChecksumAlgorithm="CRC64NVME",
        ChecksumType="FULL_OBJECT",
        SSEKMSKeyId=KEY_ARN,
    )
    rig.world.now += 200_000


def verified(rig: TransferRig) -> None:
    rig.upload("current", b"one")
    rig.settle_down()


SITES = [
    Site("AssumeRole", small, "AssumeRole", "sts", "xml"),
    Site("BatchGetItem", small, "BatchGetItem", "dynamodb", "json"),
    Site("GetItem", unrecorded, "GetItem", "dynamodb", "json"),
    Site("PutItem", small, "PutItem", "dynamodb", "json"),
    Site(
        "PutItem (failure)",
        small,
        "PutItem",
        "dynamodb",
        "json",
        key="failures",
        beside=("GetObject", 403, "AccessDenied"),
    ),
    Site("GetObject", small, "GetObject", answers="object", principal="source"),
    Site("GetObjectTagging", small, "GetObjectTagging", answers="xml", principal="source"),
    Site("HeadObject", known, "HeadObject", answers="head"),
    Site("PutObject", small, "PutObject"),
    Site("PutObjectTagging", retagged, "PutObjectTagging"),
    Site("DeleteObjectTagging", untagged, "DeleteObjectTagging"),
    Site("DeleteObject", delete_confirmed, "DeleteObject"),
    Site("HeadObject (source's part)", in_parts, "HeadObject", answers="head", principal="source"),
    Site("CreateMultipartUpload", large, "CreateMultipartUpload", answers="xml"),
    Site("GetObject (part)", large, "GetObject", answers="object", principal="source", after="CreateMultipartUpload"),
    Site("UploadPart", large, "UploadPart"),
    Site("UploadPartCopy", large, "UploadPartCopy", answers="xml", way="server-side"),
    Site("CompleteMultipartUpload", large, "CompleteMultipartUpload", answers="xml"),
    Site("AbortMultipartUpload", replaced, "AbortMultipartUpload", way="split"),
    Site("PutItem (begin)", to_split, "PutItem", "dynamodb", "json", way="split", after="CreateMultipartUpload"),
    Site("SendMessageBatch (ranges)", to_split, "SendMessageBatch", "sqs", "json", way="split"),
    Site("UpdateItem (sent)", to_split, "UpdateItem", "dynamodb", "json", way="split"),
    Site("UpdateItem (touch)", hinted_meanwhile, "UpdateItem", "dynamodb", "json", way="split"),
    Site("UpdateItem (range)", a_range, "UpdateItem", "dynamodb", "json", way="split"),
    Site("SendMessage (carried)", the_last_range, "SendMessage", "sqs", "json", way="split"),
    Site("ListParts (resume)", hinted_meanwhile, "ListParts", answers="xml", way="split"),
    Site("ListParts (complete)", all_ranges, "ListParts", answers="xml", way="split"),
    Site("CompleteMultipartUpload (ranges)", all_ranges, "CompleteMultipartUpload", answers="xml", way="split"),
    Site("SendMessage (confirm)", deleted, "SendMessage", "sqs", "json"),
    Site("SendMessage (dead letter)", unreadable, "SendMessage", "sqs", "json"),
    Site(
        "ChangeMessageVisibilityBatch",
        small,
        "ChangeMessageVisibility",
        "sqs",
        "json",
        beside=("GetObject", 500, "InternalError"),
    ),
    Site("GetItem (run)", drifted, "GetItem", "dynamodb", "json", way="transfer"),
    Site("PutItem (run)", drifted, "PutItem", "dynamodb", "json", way="transfer"),
    Site("ListObjectsV2 (source)", drifted, "ListObjectsV2", answers="xml", way="transfer", principal="source"),
    Site("ListObjectsV2 (replica)", drifted, "ListObjectsV2", answers="xml", way="transfer"),
    Site("Query (manifest)", drifted, "Query", "dynamodb", "json", way="transfer"),
    Site("SendMessageBatch (hints)", drifted, "SendMessageBatch", "sqs", "json", way="transfer"),
    Site("PutObject (drift)", drifted, "PutObject", way="transfer"),
    Site("SendMessage (step)", drifted, "SendMessage", "sqs", "json", way="transfer"),
    Site("ListObjectsV2 (drift)", drifted, "ListObjectsV2", answers="xml", way="transfer", steps=True),
    Site("GetObject (drift)", drifted, "GetObject", answers="object", way="transfer", steps=True),
    Site("BatchGetItem (settling)", drifted, "BatchGetItem", "dynamodb", "json", way="transfer", steps=True),
    Site("Query (ranges)", drifted, "Query", "dynamodb", "json", way="transfer", steps=True),
    Site("ListMultipartUploads", orphaned, "ListMultipartUploads", answers="xml", way="transfer", steps=True),
    Site("AbortMultipartUpload (sweep)", orphaned, "AbortMultipartUpload", way="transfer", steps=True),
    Site("PutObject (report)", drifted, "PutObject", way="transfer", steps=True),
]
