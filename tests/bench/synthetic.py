"""A bucket and its manifest of any size, made up page by page: what a million objects take, without holding them.

The answers go to real botocore clients at their last step, as bytes, so that everything of ours is measured: requests
built and signed, pages parsed, rows decoded, streams merged. The time it takes to make them up is taken off `clock`.

One object in a hundred drifts: of the five kinds, one after the other.
"""

import json
import time
import zlib
from array import array
from bisect import bisect_right
from collections import Counter
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote_plus, urlsplit

from botocore.awsrequest import AWSResponse

from consumer_replicator.drift import DriftKind
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.row import ReplicaVersion, Row, State
from consumer_replicator.row_item import to_item
from tests.consumer.fake_aws import item_bytes
from tests.consumer.wire import _Body

BUCKET, TABLE, OWNER, SHARDS = "synthetic-source", "manifest", "111111111111", 16
NOW = 1_800_000_000
OLD = NOW - 10 * 86_400
PAGE_KEYS, PAGE_BYTES = 1_000, 1024**2
ONE_IN = 100
KINDS = list(DriftKind)
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Clock:
    """CPU seconds of this process, but for those spent inside `paused`."""

    def __init__(self):
        self._off = 0.0
        self._started = time.process_time()

    @property
    def seconds(self):
        return time.process_time() - self._started - self._off

    @contextmanager
    def paused(self):
        began = time.process_time()
        yield
        self._off += time.process_time() - began


def key_of(number):
    return f"warehouse/table=events/part-{number:09d}.parquet"


def kind_of(number):
    """The drift of an object; None for the ninety-nine in a hundred that are as they should be."""
    return KINDS[number // ONE_IN % len(KINDS)] if number % ONE_IN == ONE_IN - 1 else None


def is_listed(number):
    return kind_of(number) is not DriftKind.EXTRA


def has_row(number):
    return kind_of(number) is not DriftKind.MISSING


def identity_of(number):
    return SourceIdentity(f"{number:032x}", f"{number:032x}", OLD, 1_000_000 + number)


def row_of(number):
    kind = kind_of(number)
    states = {DriftKind.FAILED: State.FAILED, DriftKind.UNFINISHED: State.UPLOADING}
    return Row(
        generation=2,
        state=states.get(kind, State.LIVE),
        written_at=OLD + 3.125,
        source=identity_of(number - 1 if kind is DriftKind.STALE else number),
        checksum="CRC64NVME:AAAAAAAAAAA=",
        replica=ReplicaVersion(f"{number + 7:032x}", f"{number + 9:032x}"),
        sequencer=f"{number:018X}",
        event_time=OLD + 1.5,
        attempts=1 if kind is DriftKind.FAILED else 0,
        error="archived" if kind is DriftKind.FAILED else None,
    )


class Synthetic:
    """`objects` keys between both sides; answers what clients ask for once `attach`ed to them."""

    def __init__(self, objects, shards=SHARDS):
        self.objects = objects
        self.clock = Clock()
        self.calls = Counter()
        self.shards = [array("I") for _ in range(shards)]
        self._items = {}
        for number in filter(has_row, range(objects)):
            self.shards[zlib.crc32(key_of(number).encode()) % shards].append(number)

    @property
    def listed(self):
        return sum(map(is_listed, range(self.objects)))

    @property
    def drift(self):
        return Counter(filter(None, map(kind_of, range(self.objects))))

    def shard_bytes(self):
        """What the rows of each shard are billed as, in bytes."""
        return [sum(map(self._bytes, numbers)) for numbers in self.shards]

    def attach(self, *clients):
        for client in clients:
            client.meta.events.register("before-send", self._answer)

    def _answer(self, request, event_name, **_):
        with self.clock.paused():
            operation = event_name.rpartition(".")[2]
            self.calls[operation] += 1
            body = {"ListObjectsV2": self._listing, "Query": self._query}[operation](request)
            return AWSResponse(request.url, 200, {"Content-Length": str(len(body))}, _Body(body, None))

    # -- ListObjectsV2 -------------------------------------------------------------------------------------------------

    def _listing(self, request):
        asked = {name: value for name, (value,) in parse_qs(urlsplit(request.url).query).items()}
        after = asked.get("continuation-token", asked.get("start-after", ""))
        numbers = []
        number = self._first_after(after)
        while number < self.objects and len(numbers) <= PAGE_KEYS:
            if is_listed(number):
                numbers.append(number)
            number += 1
        more = len(numbers) > PAGE_KEYS
        page = numbers[:PAGE_KEYS]
        following = f"<NextContinuationToken>{key_of(page[-1])}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="{NAMESPACE}"><Name>{BUCKET}</Name>'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{following}"
            f"{''.join(map(entry, page))}</ListBucketResult>"
        ).encode()

    def _first_after(self, key):
        return bisect_right(range(self.objects), unquote_plus(key), key=key_of)

    # -- Query ---------------------------------------------------------------------------------------------------------

    def _query(self, request):
        asked = json.loads(request.body)
        values = asked["ExpressionAttributeValues"]
        numbers = self.shards[int(values[":p"]["S"].rpartition("#")[2])]
        after = asked.get("ExclusiveStartKey", {}).get("sk", values.get(":after", {"S": ""}))["S"]
        until = values.get(":until", {"S": "\U0010ffff"})["S"]
        start, end = (bisect_right(numbers, bound, key=key_of) for bound in (after, until))
        size = stop = 0
        for stop in range(start, end + 1):
            if stop == end or (size and size + self._bytes(numbers[stop]) > PAGE_BYTES):
                break
            size += self._bytes(numbers[stop])
        wanted = asked["ProjectionExpression"].split(", ")
        answer = {
            "Items": [self._projected(number, wanted) for number in numbers[start:stop]],
            "ConsumedCapacity": {"TableName": TABLE, "CapacityUnits": max(-(-size // 4096), 1) / 2},
        }
        if stop < end:
            answer["LastEvaluatedKey"] = {"pk": values[":p"], "sk": {"S": key_of(numbers[stop - 1])}}
        return json.dumps(answer).encode()

    def _projected(self, number, wanted):
        item = {"sk": {"S": key_of(number)}} | to_item(row_of(number), None)
        return {name: item[name] for name in wanted if name in item}

    def _bytes(self, number):
        """The size of an item depends on its kind only: every number in it has a fixed length."""
        kind = kind_of(number)
        if kind not in self._items:
            address = {"pk": {"S": f"{BUCKET}#10"}, "sk": {"S": key_of(number)}}
            self._items[kind] = item_bytes(address | to_item(row_of(number), None))
        return self._items[kind]


def entry(number):
    identity = identity_of(number)
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(identity.last_modified))
    return (
        f"<Contents><Key>{key_of(number)}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>&quot;{identity.etag}&quot;</ETag><Size>{identity.size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
