"""Reconcile and backfill, end to end: the source's events are switched off, so that nothing else brings a change over.

The transfer function's timeout is the shortest, so that what waits for a confirmed delete goes on through the ranges
queue, in invocations that nobody here asks for. That makes a delete last most of a minute, so only one test has one.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.pair import Pair, wait_until
from tests.sandbox.sandbox import Sandbox

LAG_OBJECTIVE = 2.0
OLD_ENOUGH = LAG_OBJECTIVE + 1.2  # S3 tells a listed object's age in whole seconds
REPORTS = "_s3-hydration/reports"


class Transfer:
    """The transfer function, asked as an operator asks it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.name = pair.sandbox.consumer.transfer_name

    def ask(self, **payload: Any) -> dict[str, Any]:
        """The answer, whatever the state of the run."""
        answer: dict[str, Any] = self.pair.sandbox.invoke(self.name, payload)
        return answer

    def run(self, **payload: Any) -> dict[str, Any]:
        """The answer of a run that ends within its first invocation, once all that was done is old enough."""
        time.sleep(OLD_ENOUGH)
        return self.ask(**payload)

    def written(self, run_id: str) -> list[str]:
        replica = self.pair.replica
        listed = replica.s3.list_objects_v2(Bucket=replica.name, Prefix=f"{REPORTS}/{run_id}/")
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def read(self, run_id: str, name: str) -> Any:
        replica = self.pair.replica
        return replica.s3.get_object(Bucket=replica.name, Key=f"{REPORTS}/{run_id}/{name}")

    def log(self) -> str:
        return self.pair.sandbox.function_log(20, self.name)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Twelve objects are replicated; then the source says nothing any more."""
    mirror = {"DeletePolicy": "mirror", "TransferTimeoutSeconds": "10", "LagObjectiveSeconds": f"{LAG_OBJECTIVE:.0f}"}
    with Sandbox({"consumer": mirror}) as sandbox:
        pair = Pair(sandbox)
        for number in range(12):
            pair.put(f"before/{number:02}", b"before")
        pair.become_equal()
        pair.settle()
        pair.source.s3.put_bucket_notification_configuration(Bucket=pair.source.name, NotificationConfiguration={})
        yield pair


@pytest.fixture(scope="module")
def transfer(pair: Pair) -> Transfer:
    return Transfer(pair)


@pytest.fixture(autouse=True)
def equal(pair: Pair, transfer: Transfer) -> Iterator[None]:
    """Every test leaves the buckets equal, and nothing set aside."""
    yield
    assert pair.differences() == [], transfer.log()
    for url in (pair.sandbox.consumer.dead_letter_queue_url, pair.sandbox.consumer.ranges_dead_letter_queue_url):
        assert pair.sandbox.queue_depth(url) == 0


def copied(answer: dict[str, Any]) -> int:
    """Of a run that is done, whose books close."""
    assert (answer["state"], answer["books"]["closes"]) == ("done", True)
    return int(answer["books"]["copied"])


def test_what_no_event_told_of_is_found_by_kind_and_repaired_in_as_many_invocations_as_it_takes(
    pair: Pair, transfer: Transfer
) -> None:
    """A delete is confirmed after 25 seconds, and an invocation has 10."""
    pair.put("lost/upload", b"new")
    pair.put("before/00", b"changed")
    pair.delete("before/01")
    answer = transfer.run()
    assert (answer["state"], answer["found"]["hinted"], answer["found"]["extra"]) == ("settling", 2, 1)
    assert pair.sandbox.queue_depth(pair.sandbox.consumer.ranges_queue_url) == 1
    run_id = answer["run_id"]
    assert wait_until(lambda: len(transfer.written(run_id)) == 2, within=90), transfer.log()
    assert wait_until(lambda: transfer.ask(run_id=run_id)["state"] == "done")
    ended = transfer.ask(run_id=run_id)
    assert ended["drift"] == {"missing": 1, "stale": 1, "extra": 1}
    assert copied(ended) == 2
    assert (ended["extras"]["deleted"], ended["extras"]["closes"]) == (1, True)


def test_a_reconcile_after_a_reconcile_finds_nothing(transfer: Transfer) -> None:
    answer = transfer.run()
    assert (answer["drift"], copied(answer)) == ({}, 0)
    assert answer["books"]["current"] == answer["books"]["listed"] > 0


def test_a_replica_that_was_removed_or_changed_behind_the_manifests_back_is_found_and_made_again(
    pair: Pair, transfer: Transfer
) -> None:
    """The manifest vouches for both, and no event tells: the replica bucket's own listing does."""
    pair.replica.s3.delete_object(Bucket=pair.replica.name, Key="before/02")
    pair.replica.s3.put_object(Bucket=pair.replica.name, Key="before/05", Body=b"somebody else's")
    answer = transfer.run()
    assert (answer["drift"], copied(answer)) == ({"stale": 2}, 2)
    assert pair.differences() == []


def test_a_forced_backfill_copies_what_is_current(pair: Pair, transfer: Transfer) -> None:
    place: Any = {"Bucket": pair.replica.name, "Key": "before/06"}
    before = pair.replica.s3.head_object(**place)["VersionId"]
    assert copied(transfer.run(prefix="before/06", force=True)) == 1
    assert pair.replica.s3.head_object(**place)["VersionId"] != before


def test_a_dry_run_tells_what_a_backfill_would_do_take_and_cost_and_does_nothing(
    pair: Pair, transfer: Transfer
) -> None:
    for number in range(5):
        pair.put(f"old/{number}", b"x" * 1000)
    planned = transfer.run(prefix="old/", dry_run=True)
    assert (planned["state"], planned["dry_run"], planned["books"]["planned"]) == ("done", True, 5)
    assert (planned["plan"]["objects"], planned["plan"]["bytes"]) == (5, 5000)
    assert planned["plan"]["dollars"] > 0
    assert len(pair.differences()) == 5
    transfer.run()


def test_a_backfill_of_a_prefix_copies_that_prefix_and_deletes_nothing(pair: Pair, transfer: Transfer) -> None:
    pair.put("chosen/a", b"x")
    pair.put("chosen/b", b"x")
    pair.put("left/a", b"x")
    pair.delete("before/03")
    answer = transfer.run(prefix="chosen/")
    assert (answer["mode"], answer["drift"], copied(answer)) == ("backfill", {"missing": 2}, 2)
    assert {(each.key, each.aspect) for each in pair.differences()} == {("left/a", "missing"), ("before/03", "extra")}
    pair.put("before/03", b"back")
    transfer.run()


def test_a_backfill_catches_up_from_a_moment_on(pair: Pair, transfer: Transfer) -> None:
    pair.put("since/before", b"x")
    time.sleep(1.5)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
    time.sleep(1.0)
    pair.put("since/after", b"x")
    assert copied(transfer.run(since=moment)) == 1
    assert [each.key for each in pair.differences()] == ["since/before"]
    transfer.run()


def test_the_watermark_is_the_moment_up_to_which_everything_is_shown_to_be_here(transfer: Transfer) -> None:
    began = time.time()
    transfer.run()
    told = transfer.ask(mode="watermark")
    assert began - 0.1 < told["proven"] < time.time() - LAG_OBJECTIVE
    assert LAG_OBJECTIVE <= told["age_seconds"] < time.time() - began + LAG_OBJECTIVE
    assert told["queue_at_rest"] is True


def test_a_run_leaves_its_report_for_programs_and_for_people_under_the_replicas_key(
    pair: Pair, transfer: Transfer
) -> None:
    pair.put("<script>alert(1)</script>", b"x")
    answer = transfer.run()
    assert answer["report"] == f"s3://{pair.replica.name}/{REPORTS}/{answer['run_id']}/report.json"
    for name in ("report.json", "report.html"):
        assert transfer.read(answer["run_id"], name)["SSEKMSKeyId"] == pair.sandbox.consumer.kms_key_arn
    document = json.loads(transfer.read(answer["run_id"], "report.json")["Body"].read())
    assert document["run"]["id"] == answer["run_id"]
    assert document["books"] == answer["books"]
    page = transfer.read(answer["run_id"], "report.html")["Body"].read().decode()
    assert page.lower().startswith("<!doctype html>")
    assert answer["run_id"] in page
    assert "alert(1)" in page
    assert "<script>alert" not in page


def test_a_source_that_may_not_be_listed_fails_the_run_in_a_sentence_and_deletes_nothing(
    pair: Pair, transfer: Transfer
) -> None:
    pair.delete("before/04")
    with unlistable(pair):
        failed = transfer.run()
        assert failed["state"] == "failed"
        assert "ListObjectsV2" in failed["failure"]
        assert "AccessDenied" in failed["failure"]
        assert failed["extras"]["found"] == 0
        assert [(each.key, each.aspect) for each in pair.differences()] == [("before/04", "extra")]
    pair.put("before/04", b"back")
    assert copied(transfer.run(run_id=failed["run_id"])) == 1


@contextmanager
def unlistable(pair: Pair) -> Iterator[None]:
    """The read role may not list the source; it keeps what it may read."""
    iam = pair.sandbox.client("iam", PRODUCER_ACCOUNT)
    role = {"RoleName": pair.sandbox.producer.role_arn.rpartition("/")[2], "PolicyName": "denied"}
    statement = {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}
    iam.put_role_policy(**role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    yield
    iam.delete_role_policy(**role)


def test_too_many_deletes_are_held_until_they_are_fewer(pair: Pair, transfer: Transfer) -> None:
    keys = [f"many/{number:02}" for number in range(12)]
    for key in keys:
        pair.put(key, b"x")
    transfer.run()
    for key in keys:
        pair.delete(key)
    held = transfer.run()
    assert (held["state"], held["extras"]["held"]) == ("done", 12)
    assert "12 deletes" in held["deletes_held"]
    assert {(each.key, each.aspect) for each in pair.differences()} == {(key, "extra") for key in keys}
    for key in keys:
        pair.put(key, b"back")
    answer = transfer.run()
    assert (copied(answer), answer["extras"]["held"]) == (12, 0)


def test_a_payload_that_is_not_understood_is_refused_with_every_problem(transfer: Transfer) -> None:
    refused = transfer.ask(prefx="a/", max_objects=0)
    assert refused["state"] == "refused"
    assert len(refused["problems"]) == 2


def test_a_run_is_paced_stopped_and_goes_on(pair: Pair, transfer: Transfer) -> None:
    """Hints are sent ten at a time: the eleventh is due after ten seconds."""
    for number in range(11):
        pair.put(f"paced/{number:02}", b"x")
    answer = transfer.run(prefix="paced/", objects_per_second=1)
    assert answer["state"] == "settling"
    assert [each.key for each in pair.differences()] == ["paced/10"]
    assert transfer.ask(run_id=answer["run_id"], stop=True)["state"] == "stopped"
    pair.become_equal()
    assert copied(transfer.run(run_id=answer["run_id"])) == 11


# -- verify ------------------------------------------------------------------------------------------------------------


def told(answer: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Of a verify that is done, whose books close."""
    assert (answer["state"], answer["books"]["closes"]) == ("done", True), answer
    return {name: answer["books"][name] for name in ("same", "different", "cannot_tell") if answer["books"][name]}


def test_replicas_are_the_same_by_what_s3_and_the_manifest_have_stored_and_no_body_is_read(
    pair: Pair, transfer: Transfer
) -> None:
    """A source in parts has a COMPOSITE checksum, its replica of one PUT another: the manifest knows that the copy was
    proven. (A larger one would be copied in the same parts. The emulator tells no part of an object apart, so that the
    copy would be computed there, too: HEAD with a part number answers with the whole, and without their number.)"""
    for algorithm in ("CRC32", "SHA256"):
        pair.put(f"verify/{algorithm}", b"checksummed by its uploader", ChecksumAlgorithm=algorithm)
    pair.put("verify/plain", b"checksummed by S3")
    in_parts(pair, "verify/parts", [b"x" * 5 * 1024**2, b"y" * 1000])
    transfer.run(prefix="verify/")
    pair.become_equal()
    began = len(pair.sandbox.calls())
    assert told(transfer.run(mode="verify", prefix="verify/")) == {"same": {"checksums": 3, "manifest": 1}}
    calls = pair.sandbox.calls()[began:]
    assert {call.operation for call in calls if call.key.startswith("verify/")} == {"HeadObject"}
    assert sum(call.operation == "HeadObject" for call in calls) == 8


def in_parts(pair: Pair, key: str, bodies: list[bytes]) -> None:
    """With a COMPOSITE checksum, as most uploaders make it."""
    s3: Any = pair.source.s3
    place = {"Bucket": pair.source.name, "Key": key}
    upload = place | {"UploadId": s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32")["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, start=1):
        made = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumCRC32": made["ChecksumCRC32"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def test_a_replica_of_other_bytes_is_found_told_and_copied_again_only_where_that_is_asked_for(
    pair: Pair, transfer: Transfer
) -> None:
    place: Any = {"Bucket": pair.replica.name, "Key": "before/07"}
    pair.replica.s3.put_object(**place, Body=b"BEFORE")
    found = transfer.run(mode="verify")
    assert told(found)["different"] == {"checksums": 1}
    assert found["drift"] == {"different": 1}
    listed = json.loads(transfer.read(found["run_id"], "report.json")["Body"].read())["drift"]["biggest"]
    assert [(each["key"], each["kind"], each["code"]) for each in listed] == [("before/07", "different", "checksums")]
    assert [each.key for each in pair.differences()] == ["before/07"]
    repaired = transfer.run(mode="verify", prefix="before/07", repair=True)
    assert repaired["verification"]["repairs"] == {"copied": 1}
    assert pair.differences() == []


def test_bytes_are_read_where_they_are_asked_for_and_no_checksum_tells(pair: Pair, transfer: Transfer) -> None:
    place: Any = {"Bucket": pair.replica.name, "Key": "before/08"}
    body = pair.replica.s3.get_object(**place)["Body"].read()
    pair.replica.s3.put_object(**place, Body=body, ChecksumAlgorithm="SHA1")
    only = {"mode": "verify", "prefix": "before/08"}
    assert told(transfer.run(**only)) == {"cannot_tell": {"other-algorithm": 1}}
    read = transfer.run(**only, read_bytes=True)
    assert told(read) == {"same": {"bytes": 1}}
    assert read["verification"]["bytes_read"] == len(body)
    transfer.run()


def test_a_dry_verify_tells_what_it_would_take_and_looks_at_no_object(pair: Pair, transfer: Transfer) -> None:
    began = len(pair.sandbox.calls())
    planned = transfer.run(mode="verify", dry_run=True)
    assert planned["plan"]["objects"] == planned["books"]["planned"] > 0
    assert "HeadObject" not in {call.operation for call in pair.sandbox.calls()[began:]}


def test_the_schedule_starts_a_reconcile_in_its_own_role(pair: Pair, transfer: Transfer) -> None:
    """The stack's schedule with another time: the next moment."""
    scheduler = pair.sandbox.client("scheduler", CONSUMER_ACCOUNT)
    target = scheduler.get_schedule(Name="s3-hydration-reconcile")["Target"]
    pair.put("scheduled", b"x")
    time.sleep(OLD_ENOUGH)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    scheduler.create_schedule(
        Name="now", ScheduleExpression=f"at({moment})", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    pair.become_equal()
    transfer.run()


def test_both_functions_continue_by_their_own_queues_and_may_loop(pair: Pair) -> None:
    functions, consumer = pair.sandbox.client("lambda", CONSUMER_ACCOUNT), pair.sandbox.consumer
    found = [
        functions.get_function_recursion_config(FunctionName=name)["RecursiveLoop"]
        for name in (consumer.transfer_name, consumer.function_name)
    ]
    assert found == ["Allow", "Allow"]


def test_no_call_of_the_transfer_function_was_refused_and_none_touched_the_source_in_its_own_role(
    pair: Pair,
) -> None:
    """After all the others. The refused listing is the read role's."""
    calls = [call for call in pair.sandbox.calls() if call.role == "s3-hydration-transfer"]
    assert {call.error for call in calls if call.status in (401, 403)} == set()
    assert pair.source.name not in {call.bucket for call in calls}
    assert {call.operation for call in calls if call.service == "s3"} <= {
        "PutObject",
        "GetObject",
        "HeadObject",
        "ListObjectsV2",
        "ListMultipartUploads",
        "AbortMultipartUpload",
    }
