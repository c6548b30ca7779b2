"""The real replicator on the fake AWS, and what drives it: events in, batches run, invariants checked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from consumer_replicator.batch import Batch, Done
from consumer_replicator.converge import Converger
from consumer_replicator.copier import Copier
from consumer_replicator.deadline import Deadline
from consumer_replicator.manifest import Manifest
from consumer_replicator.part_copies import BucketOf, PartCopies
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.queue import Message, Queue
from consumer_replicator.replica import Replica
from consumer_replicator.row import Row, State
from consumer_replicator.server_side import PartsWithinS3
from consumer_replicator.source import Source
from consumer_replicator.splitting import Splitting
from consumer_replicator.tries import Tries
from producer_events.scope import Scope
from tests.consumer.fake_aws import CONSUMER, DLQ, KEY_ARN, PRODUCER, QUEUE, REPLICA, SOURCE, TABLE, World

CONFIRM_DELAY = 30.0
WHOLE = Splitting(bandwidth=1e12)
"""No object is so large that a test would split it by chance."""
MIB = 1024**2
LONG_TAGS = {f"{n}{'\u00fc' * 127}": "\u00e9" * 256 for n in range(10)}
"""As many and as long as S3 takes: percent-encoded, 23 KB.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


class Rig:
    """`threshold` and `part_bytes` in bytes: parts of 5 MiB are S3's least, and what a quick test can afford.

    `server_side`: S3 copies the parts, and the producer lets it.
    """

    def __init__(
        self,
        world: World,
        *,
        policy: DeletePolicy = DeletePolicy.RETAIN,
        scope: Scope | None = None,
        threshold: int = 5 * MIB,
        max_receive_count: int = 5,
        splitting: Splitting = WHOLE,
        part_bytes: int = 5 * MIB,
        held_bytes: int = 16 * MIB,
        server_side: bool = False,
        stream_from: int = 256 * 1024,
        shards: int = 16,
        s3: Callable[[str], Any] | None = None,
    ) -> None:
        self.world = world
        world.lets_replicator_in = server_side
        self.scope = scope or Scope()
        s3 = s3 or world.s3
        source = Source(s3("source"), SOURCE, PRODUCER)
        replica = Replica(s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve")
        self.manifest = Manifest(world.dynamodb(), TABLE, SOURCE, shards, 30)
        queue = Queue(world.sqs(), QUEUE, DLQ, SOURCE)
        copies = PartCopies(world.s3("own"), BucketOf(PRODUCER, SOURCE), BucketOf(CONSUMER, REPLICA))
        self.copier = Copier(
            source,
            replica,
            threshold=threshold,
            part_concurrency=4,
            part_bytes=part_bytes,
            held_bytes=held_bytes,
            stream_from=stream_from,
            pause=no_pause,
            carrier=PartsWithinS3(copies, Tries(no_pause)) if server_side else None,
        )
        self.converger = Converger(
            source,
            replica,
            self.manifest,
            queue,
            self.copier,
            scope=self.scope,
            policy=policy,
            confirm_delay=CONFIRM_DELAY,
            splitting=splitting,
            max_receive_count=max_receive_count,
            now=lambda: world.now,
        )
        self.batch = Batch(
            self.converger,
            self.manifest,
            queue,
            bucket=SOURCE,
            account=PRODUCER,
            scope=self.scope,
            concurrency=4,
            max_receive_count=max_receive_count,
        )

    # -- driving -------------------------------------------------------------------------------------------------

    def upload(self, key: str, body: bytes = b"one", **attributes: Any) -> None:
        """A write at the source, and its event on the queue."""
        self.world.send(event(key, self.world.upload(key, body, **attributes)))

    def remove(self, key: str) -> None:
        self.world.send(event(key, self.world.remove(key), kind="Object Deleted"))

    def run(self, seconds: float = 60.0) -> list[Done]:
        """One batch: receive, work, acknowledge what does not come back."""
        return self.work(self.world.receive(), seconds)

    def work(self, records: list[dict[str, Any]], seconds: float = 60.0) -> list[Done]:
        done = self.batch.run([Message.from_record(record) for record in records], Deadline(seconds))
        self.world.acknowledge({each.message.id for each in done if not each.comes_back})
        return done

    def drain(self, rounds: int = 40) -> list[Done]:
        """Batches until the queue is empty, time passing as far as the next message is delayed."""
        done: list[Done] = []
        for _ in range(rounds):
            waiting = self.world.queues[QUEUE]
            if not waiting:
                return done
            self.world.now = max(self.world.now, min(message.visible_at for message in waiting))
            done += self.run()
        raise AssertionError(f"not drained: {[message.body for message in self.world.queues[QUEUE]]}")

    # -- looking -------------------------------------------------------------------------------------------------

    def row(self, key: str) -> Row | None:
        before = list(self.world.calls)
        row = self.manifest.read(key)
        self.world.calls[:] = before
        return row

    def replica_body(self, key: str) -> bytes | None:
        version = self.world.replica.current(key)
        return version.body if version else None

    def assert_covered(self, key: str) -> None:
        """COVER: nothing queued or in flight, so replica = source and row = replica."""
        source, replica, row = self.world.source.current(key), self.world.replica.current(key), self.row(key)
        if source is None:
            assert replica is None, f"{key}: the source is gone, the replica is not"
            assert row is None or row.state is State.DELETED
            return
        assert replica is not None, f"{key}: no replica"
        assert replica.body == source.body
        assert row is not None
        assert row.state is State.LIVE
        assert row.replica is not None
        assert row.replica.etag == replica.etag
        assert row.source is not None
        assert row.source.etag == source.etag

    def assert_claims(self) -> None:
        """CLAIM: a LIVE row's replica exists."""
        for item in self.world.rows.values():
            if item.get("s", {}).get("S") == State.LIVE.value:
                assert self.world.replica.current(item["sk"]["S"]) is not None, f"CLAIM: {item['sk']['S']!r}"

    def assert_monotonic(self, key: str) -> None:
        """MONO: the replica's states are a walk through the source's states that never steps back."""
        assert_monotonic(
            [body for name, body in self.world.mutations if name == key], self.world.history.get(key, []), key
        )


def no_pause(_seconds: float) -> None:
    """What would be waited for."""


def assert_monotonic(shown: list[bytes | None], states: list[bytes | None], key: str = "") -> None:
    """Every state in `shown` is found in `states` at the place of the one before it, or later."""
    place = 0
    for body in shown:
        while place < len(states) and states[place] != body:
            place += 1
        assert place < len(states), f"MONO: {key!r} went back: showed {shown}, source was {states}"


def event(
    key: str,
    sequencer: str | None = None,
    *,
    kind: str = "Object Created",
    bucket: str = SOURCE,
    account: str = PRODUCER,
    event_id: str = "e-1",
    time: float = 1_799_999_990,
) -> str:
    """An object event as EventBridge hands it to SQS."""
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {"key": key},
        "request-id": "R",
        "requester": account,
        "reason": "PutObject",
    }
    if sequencer is not None:
        detail["object"]["sequencer"] = sequencer
    return json.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": kind,
            "source": "aws.s3",
            "account": account,
            "time": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": detail,
        }
    )
