"""The strict fakes, watched: every call goes through one point, and what must always hold is looked at after each.

`perform` decides what becomes of a call. Outside a process (a test that looks or drives by hand) it is simply carried
out; inside one (see `process`) the scheduler decides: go on, crash, refuse, lose the answer.

Broken rules are noted in `broken` instead of raised: the product sets exceptions of one message aside, and must.
"""

import json
import pickle
import zlib
from collections.abc import Callable
from typing import Any

from consumer_replicator.carried import PROVENANCE_SOURCE
from consumer_replicator.hint import MARK as OF_A_HINT
from consumer_replicator.row import State
from producer_events.scope import RESERVED_PREFIXES
from tests.consumer.fake_aws import (
    QUEUE,
    RANGES,
    SOURCE,
    Bucket,
    Call,
    FakeDynamoDB,
    FakeS3,
    FakeSqs,
    Version,
    Waiting,
    World,
)
from tests.simulation.process import Process, current_process

type Act = Callable[[], Any]

SHARDS = 16
MARK = "~"
"""What ETags and version ids begin with, and nothing else, so that they can be found in any text (see `position`)."""
NOT_STATE = frozenset({"lock", "before", "after", "calls", "mutations", "broken", "call_count", "keys", "shards"})
UNKEPT = ("Body", "TrailingChecksum")


class Numbers:
    """Like itertools.count, and can be pickled."""

    def __init__(self, first: int = 1) -> None:
        self.next = first

    def __next__(self) -> int:
        self.next += 1
        return self.next - 1


class Cloud(World):
    """`keys`: those that may ever be touched. `broken`: rules that did not hold, as (name, sentence).

    `shown`: of each key the ETag that the replica shows; `latest`: the source state (its place in the history) that
    the last change of the replica came from. `tokens`: every source version that ever was, by its identity's token.
    `heard` is told every message that is sent, and its queue.
    """

    def __init__(
        self,
        *,
        versioned: bool = True,
        replica_versioned: bool = True,
        keys: tuple[str, ...] = ("k",),
        shards: int = SHARDS,
    ) -> None:
        super().__init__(versioned=versioned)
        self.replica.versioned = replica_versioned
        self.numbers = Numbers()  # type: ignore[assignment]
        self.sequencers = Numbers()
        self.names: dict[str, int] = {}
        self.keys = keys
        self.shards = shards
        self.shown: dict[str, str | None] = {}
        self.latest: dict[str, int] = {}
        self.tokens: dict[str, tuple[str, bytes]] = {}
        self.broken: list[tuple[str, str]] = []
        self.call_count = 0
        self.heard: Callable[[str, str], None] = lambda _body, _queue: None

    # -- the whole state, taken and put back -----------------------------------------------------------------------

    def snapshot(self) -> bytes:
        kept = {name: value for name, value in vars(self).items() if name not in NOT_STATE and not callable(value)}
        return pickle.dumps(kept, -1)

    def restore(self, snapshot: bytes) -> None:
        vars(self).update(pickle.loads(snapshot))

    # -- clients -----------------------------------------------------------------------------------------------------

    def s3(self, principal: str) -> "CloudS3":
        return CloudS3(self, principal)

    def dynamodb(self) -> "CloudDynamoDB":
        return CloudDynamoDB(self, "own")

    def sqs(self) -> "CloudSqs":
        return CloudSqs(self, "own")

    def perform(self, call: Call, act: Act) -> Any:
        process = current_process()
        return act() if process is None else process.perform(call, act)

    def carry_out(self, process: Process, call: Call, act: Act) -> Any:
        """The call of a process takes effect."""
        self.call_count += 1
        try:
            return act()
        finally:
            if call.key is not None and not call.key.startswith(RESERVED_PREFIXES):
                if process.looks and call.operation in ("GetObject", "HeadObject"):
                    process.reads[call.key] = self.state_index(call.key)
                self._watch(call, call.key, process.reads)

    # -- what is made ------------------------------------------------------------------------------------------------

    def sequencer(self) -> str:
        """Of its own count, of differing lengths, right-padded."""
        return f"{next(self.sequencers):08X}00".rstrip("0")

    def _store(
        self, bucket: Bucket, key: str, body: bytes, attributes: dict[str, Any], tags: dict[str, str]
    ) -> Version:
        kept = {name: value for name, value in attributes.items() if name not in UNKEPT}
        version = super()._store(bucket, key, bytes(body), kept, tags)
        version.etag = f"{MARK}{int(version.etag, 16)}"
        version.id = f"{MARK}{version.id}" if bucket.versioned else version.id
        if bucket is self.source:
            token = (
                f"v/{version.id}" if bucket.versioned else f"e/{version.etag}/{version.modified}/{len(version.body)}"
            )
            self.tokens[token] = (key, version.body)
        return version

    def retag(self, key: str, tags: dict[str, str]) -> None:
        version = self.source.current(key)
        if version is not None:
            version.tags = dict(tags)

    def send(self, body: str, delay: float = 0, queue: str = QUEUE, attributes: Any = None, *, name: str = "") -> None:
        self.heard(body, queue)
        if not name and queue == RANGES:
            self.names["step"] = self.names.get("step", 0) + 1
            name = f"step{self.names['step']}"
        elif not name:
            kind = json.loads(body).get("kind", "event") if OF_A_HINT in body else "event"
            self.names[kind] = self.names.get(kind, 0) + 1
            name = f"{kind}{self.names[kind]}"
        self.queues[queue].append(Waiting(name, body, self.now + delay, attributes or {}))

    def message(self, name: str) -> Waiting | None:
        return next((message for message in self.queues[QUEUE] if message.id == name), None)

    # -- looking -----------------------------------------------------------------------------------------------------

    def item(self, key: str) -> dict[str, Any] | None:
        return self.rows.get((f"{SOURCE}#{zlib.crc32(key.encode()) % self.shards}", key))

    def state_index(self, key: str) -> int:
        """How many states the source has shown of a key."""
        return len(self.history.get(key, ()))

    def _watch(self, call: Call, key: str, reads: dict[str, int]) -> None:
        if key not in self.keys:
            if call.operation in ("GetItem", "PutItem", "UpdateItem", "DeleteItem") and self.item(key) is None:
                return  # what a run or the watermark keeps beside the rows
            self.broken.append(("FENCE", f"{call.operation} on {key!r}, which is out of scope"))
            return
        version = self.replica.current(key)
        shows = version.etag if version else None
        if shows != self.shown.get(key):
            self.shown[key] = shows
            self._watch_change(call, key, version, reads)
        item = self.item(key)
        if version is None and item is not None and item["s"]["S"] == State.LIVE.value:
            self.broken.append(("CLAIM", f"{key}: the row says LIVE, and there is no replica"))

    def _watch_change(self, call: Call, key: str, version: Version | None, reads: dict[str, int]) -> None:
        read, latest = reads.get(key, self._last_shown(key, version)), self.latest.get(key, 0)
        if call.principal != "own":
            self.broken.append(("FENCE", f"the source's role changed the replica of {key!r}"))
        if read < latest:
            what = "deleted" if version is None else f"wrote {version.body!r}"
            self.broken.append(
                ("MONO", f"{key}: {call.operation} {what}, from source state {read}; the replica showed {latest}")
            )
        if version is None and 1 <= read <= self.state_index(key) and self.history[key][read - 1] is not None:
            self.broken.append(("MONO", f"{key}: deleted, from source state {read}, in which the object was there"))
        self.latest[key] = max(read, latest)
        if version is not None:
            token = version.attributes.get("Metadata", {}).get(PROVENANCE_SOURCE)
            if self.tokens.get(token or "") != (key, version.body):
                self.broken.append(("MIX", f"{key}: the replica {version.body!r} is not the source's {token}"))

    def _last_shown(self, key: str, version: Version | None) -> int:
        """The last source state that was this one: of whoever changes a replica without having looked."""
        body = version.body if version else None
        states = [number for number, state in enumerate(self.history.get(key, ()), start=1) if state == body]
        return states[-1] if states else -1


class _Watched:
    """Sends every step of a fake client through `Cloud.perform`."""

    world: Cloud
    principal: str

    def _step(self, operation: str, key: str | None, act: Act) -> Any:
        return self.world.perform(Call(self.principal, operation, key), act)


class CloudS3(_Watched, FakeS3):
    def get_object(self, **parameters: Any) -> dict[str, Any]:
        self._reads(parameters, whole="Range" not in parameters)
        return super().get_object(**parameters)

    def head_object(self, **parameters: Any) -> dict[str, Any]:
        self._reads(parameters, whole="PartNumber" not in parameters)
        return super().head_object(**parameters)

    def _reads(self, parameters: dict[str, Any], *, whole: bool) -> None:
        """Whether the call tells the source's current state, or reads a part of what is known already."""
        process = current_process()
        if process is not None:
            process.looks = whole and parameters["Bucket"] == SOURCE and "VersionId" not in parameters


class CloudDynamoDB(_Watched, FakeDynamoDB):
    pass


class CloudSqs(_Watched, FakeSqs):
    pass
