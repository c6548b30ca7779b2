"""The whole product, end to end: the templates as deployed, the zip as built, the function as run, two accounts.

What is equal is decided by `check`, which shares no code with the product.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.odd_keys import ODD_KEYS
from tests.sandbox import check
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.calls import Call
from tests.sandbox.pair import Pair, wait_until
from tests.sandbox.sandbox import Sandbox


@pytest.fixture(scope="module")
def pair(sandbox: Sandbox) -> Pair:
    """One object is deleted at the source from the start: the other tests run while the delete awaits confirmation."""
    pair = Pair(sandbox)
    pair.put("deleted", b"x")
    pair.become_equal("deleted")
    pair.delete("deleted")
    return pair


def test_an_uploaded_object_appears_with_all_that_a_copy_carries(pair: Pair) -> None:
    pair.put(
        "carried/all",
        b"hello",
        CacheControl="no-cache",
        ContentDisposition='attachment; filename="a.txt"',
        ContentEncoding="identity",
        ContentLanguage="de-AT",
        ContentType="text/plain; charset=utf-8",
        WebsiteRedirectLocation="/elsewhere",
        Metadata={"plain": "a  b", "encoded": "=?UTF-8?B?w6TDtsO8?="},
        Tagging="team=storage&empty=&odd=%2B%20%3D",
        StorageClass="STANDARD_IA",
    )
    pair.become_equal("carried/all")


def test_objects_of_every_key_and_size_appear(pair: Pair) -> None:
    objects = {key: name.encode() for name, key in ODD_KEYS.items()}
    objects |= {"empty": b"", "big": bytes(range(256)) * 4096 * 12}  # 12 MiB: a multipart upload
    for key, body in objects.items():
        pair.put(key, body)
    pair.become_equal(*objects)


def test_an_overwritten_object_is_overwritten(pair: Pair) -> None:
    for version in range(8):
        pair.put("overwritten", f"version {version}".encode())
    pair.become_equal("overwritten")


def test_changed_tags_change_and_deleted_tags_go(pair: Pair) -> None:
    place: Any = {"Bucket": pair.source.name, "Key": "tagged"}
    pair.put("tagged", b"x", Tagging="a=1")
    pair.become_equal("tagged")
    pair.source.s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    pair.become_equal("tagged")
    pair.source.s3.delete_object_tagging(**place)
    pair.become_equal("tagged")


def test_an_object_that_comes_back_is_there(pair: Pair) -> None:
    pair.put("back", b"before")
    pair.become_equal("back")
    pair.delete("back")
    pair.put("back", b"after")
    pair.become_equal("back")


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "not JSON",
        lambda event: json.dumps(event | {"source": "acme.app"}),
        lambda event: json.dumps(event | {"account": "333333333333"}),
        lambda event: json.dumps(event | {"detail": event["detail"] | {"bucket": {"name": "another"}}}),
    ],
    ids=["not JSON", "not of S3", "foreign account", "foreign bucket"],
)
def test_a_bad_message_is_dead_lettered_with_its_reason_and_touches_nothing(
    pair: Pair, change: Callable[[dict[str, Any]], str]
) -> None:
    body = change(created_event(pair, "bad"))
    sqs, consumer = pair.sandbox.client("sqs", CONSUMER_ACCOUNT), pair.sandbox.consumer
    began = time.time()
    sqs.send_message(QueueUrl=consumer.queue_url, MessageBody=body)
    letters: list[dict[str, Any]] = []

    def arrived() -> bool:
        letters.extend(taken(sqs, consumer.dead_letter_queue_url))
        return bool(letters)

    assert wait_until(arrived)
    (letter,) = letters
    assert letter["Body"] == body
    assert letter["MessageAttributes"]["hydration-error-code"]["StringValue"]
    assert " " in letter["MessageAttributes"]["hydration-error"]["StringValue"]
    assert not [call for call in calls_of_the_function(pair, began) if call.service == "s3"]


def test_a_deleted_object_is_deleted_once_the_delete_is_confirmed(pair: Pair) -> None:
    pair.become_equal("deleted")
    assert [key for key in check.keys(pair.replica) if key == "deleted"] == []


def test_a_small_object_costs_one_get_one_put_one_row_and_a_share_of_a_read(pair: Pair) -> None:
    pair.settle()
    began = time.time()
    pair.put("cost", b"x")
    pair.become_equal("cost")
    pair.settle()
    asked = Counter((call.role, call.operation) for call in calls_of_the_function(pair, began))
    asked.pop(("s3-hydration-replicator", "AssumeRole"), None)  # once per worker and hour
    assert asked == {
        ("s3-hydration-replicator", "BatchGetItem"): 1,
        ("s3-hydration-read", "GetObject"): 1,
        ("s3-hydration-replicator", "PutObject"): 1,
        ("s3-hydration-replicator", "PutItem"): 1,
    }


def test_the_source_is_read_by_the_read_role_and_nothing_else_is(pair: Pair) -> None:
    pair.settle()
    calls = calls_of_the_function(pair, 0.0)
    assert {call.bucket for call in calls if call.role == "s3-hydration-read"} == {pair.source.name}
    assert pair.source.name not in {call.bucket for call in calls if call.role == "s3-hydration-replicator"}
    assert {call.error for call in calls if call.status == 403} == set()


def test_no_event_was_lost_between_the_accounts(pair: Pair) -> None:
    """After all the others: nothing undelivered, nothing failed, nothing differs."""
    pair.settle()
    sandbox = pair.sandbox
    for url in (
        sandbox.producer.undelivered_events_url,
        sandbox.consumer.undelivered_events_url,
        sandbox.consumer.dead_letter_queue_url,
    ):
        assert sandbox.queue_depth(url) == 0
    assert pair.differences() == []


def calls_of_the_function(pair: Pair, since: float) -> list[Call]:
    return [call for call in pair.sandbox.calls(since) if call.role]


def created_event(pair: Pair, key: str) -> dict[str, Any]:
    """A well-formed event of the source bucket."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": PRODUCER_ACCOUNT,
        "time": "2026-11-12T00:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{pair.source.name}"],
        "detail": {"version": "0", "bucket": {"name": pair.source.name}, "object": {"key": key, "size": 1}},
    }


def taken(sqs: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found
