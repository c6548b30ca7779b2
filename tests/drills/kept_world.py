"""A whole fake world as one JSON document and back: buckets, rows, queues and the clock.

The documents under `golden/` were written by a release of before, on its own fakes; what is in them is what it leaves
in S3, DynamoDB and SQS at some moment.
"""

import base64
import itertools
from collections import deque
from dataclasses import fields
from typing import Any

from consumer_replicator import checksum
from tests.consumer.fake_aws import Bucket, Version, Waiting, World

KEPT_OF_A_VERSION = ("id", "etag", "attributes", "tags", "modified", "marker")


def kept(world: World) -> dict[str, Any]:
    """Bodies in base64; checksums are not kept, since the releases of before had none in their fakes."""
    return {
        "now": world.now,
        "next_number": next(world.numbers),
        "buckets": {name: _kept_bucket(bucket) for name, bucket in world.buckets.items()},
        "rows": list(world.rows.values()),
        "queues": {
            name: [{each.name: getattr(message, each.name) for each in fields(message)} for message in messages]
            for name, messages in world.queues.items()
        },
        "history": {key: [_text(body) for body in bodies] for key, bodies in world.history.items()},
        "shown": [[key, _text(body)] for key, body in world.mutations],
    }


def _kept_bucket(bucket: Bucket) -> dict[str, Any]:
    assert not bucket.uploads, "no document has uploads under way"
    versions = {
        key: [{name: getattr(each, name) for name in KEPT_OF_A_VERSION} | {"body": _text(each.body)} for each in all_]
        for key, all_ in bucket.keys.items()
    }
    return {"versioned": bucket.versioned, "keys": {key: _sendable(each) for key, each in versions.items()}}


def _sendable(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what a fake keeps of a request's body."""
    for each in versions:
        each["attributes"] = {name: value for name, value in each["attributes"].items() if name != "Body"}
    return versions


def restored(document: dict[str, Any]) -> World:
    world = World()
    world.now = document["now"]
    world.numbers = itertools.count(document["next_number"])
    for name, bucket in document["buckets"].items():
        world.buckets[name].versioned = bucket["versioned"]
        for key, versions in bucket["keys"].items():
            world.buckets[name].keys[key] = [_version(place, each) for place, each in enumerate(versions)]
    world.rows = {(item["pk"]["S"], item["sk"]["S"]): item for item in document["rows"]}
    for name, messages in document["queues"].items():
        world.queues[name] = deque(Waiting(**message) for message in messages)
    world.history = {key: [_bytes(body) for body in bodies] for key, bodies in document["history"].items()}
    world.mutations = [(key, _bytes(body)) for key, body in document["shown"]]
    return world


def _version(place: int, kept_one: dict[str, Any]) -> Version:
    body = base64.b64decode(kept_one["body"])
    return Version(**{**kept_one, "body": body}, checksum=checksum.of(body), initiated=place)


def _text(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
