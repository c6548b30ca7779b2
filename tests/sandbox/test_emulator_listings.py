"""The emulator lists as the reconcile needs it: in the order of UTF-8, from any key on, over page ends."""

import time
from typing import Any

import pytest

from consumer_replicator.listing import Listing
from consumer_replicator.manifest import Manifest
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.row import Row, State
from tests.odd_keys import ODD_KEYS
from tests.sandbox.accounts import PRODUCER_ACCOUNT, client
from tests.sandbox.bare_accounts import BareAccounts

KEYS = sorted(ODD_KEYS.values(), key=str.encode)


@pytest.fixture(scope="module")
def listed(aws: BareAccounts) -> Any:
    """S3, with a bucket `listed` that has an object of every odd key."""
    s3 = aws.bucket("listed")
    for key in KEYS:
        s3.put_object(Bucket="listed", Key=key, Body=b"x")
    return s3


def test_pages_go_on_where_the_last_one_ended(listed: Any) -> None:
    pages = list(listed.get_paginator("list_objects_v2").paginate(Bucket="listed", PaginationConfig={"PageSize": 3}))
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == KEYS
    assert {page["KeyCount"] for page in pages[:-1]} == {3}


@pytest.mark.parametrize("after", KEYS, ids=ascii)
def test_a_listing_starts_after_any_key(aws: BareAccounts, listed: Any, after: str) -> None:
    assert listed
    own = client(aws.emulator.endpoint_url, "s3", PRODUCER_ACCOUNT)  # it parses in its own way from then on
    found = Listing(own, "listed", PRODUCER_ACCOUNT).objects(after)
    assert [each.key for each in found] == KEYS[KEYS.index(after) + 1 :]


def test_unfinished_uploads_are_listed_with_their_age_over_page_ends(aws: BareAccounts) -> None:
    s3, began = aws.bucket("unfinished"), time.time()
    keys = ["a", "a", "b c/ü", "z"]
    ids = [s3.create_multipart_upload(Bucket="unfinished", Key=key)["UploadId"] for key in keys]
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket="unfinished", PaginationConfig={"PageSize": 1})
    found = [upload for page in pages for upload in page.get("Uploads", ())]
    assert [upload["Key"] for upload in found] == keys
    assert {upload["UploadId"] for upload in found} == set(ids)
    assert all(abs(upload["Initiated"].timestamp() - began) < 10 for upload in found)


@pytest.mark.parametrize("bounds", [(0, None), (4, None), (0, 9), (4, 9)], ids=["all", "after", "until", "between"])
def test_a_scan_of_the_manifest_is_in_key_order_between_any_bounds(
    aws: BareAccounts, bounds: tuple[int, int | None]
) -> None:
    dynamodb = client(aws.emulator.endpoint_url, "dynamodb", PRODUCER_ACCOUNT)
    table = f"scanned-{bounds[0]}-{bounds[1]}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    manifest = Manifest(dynamodb, table, "listed", 4, 30)
    for key in KEYS:
        manifest.write(key, None, Row(generation=1, state=State.PENDING, written_at=1.0))
    first, last = bounds
    scan = ManifestScan(dynamodb, table, "listed", 4)
    found = scan.rows(KEYS[first - 1] if first else "", None if last is None else KEYS[last])
    assert [key for key, _ in found] == KEYS[first : None if last is None else last + 1]
    assert scan.read_units > 0


def test_a_batch_of_messages_with_a_group_on_a_queue_without_order_comes_after_its_delay(aws: BareAccounts) -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="fair")["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": str(n), "MessageGroupId": "run-1", "DelaySeconds": 1} for n in range(10)]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert len(answer["Successful"]) == 10
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    time.sleep(1.2)
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(message["Body"] for message in taken) == [str(n) for n in range(10)]
