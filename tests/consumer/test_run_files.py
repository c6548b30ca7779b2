"""Files of a run: where they lie, what they are sent with, and every drifted key back as it was."""

import json
from dataclasses import replace

import pytest
from botocore.stub import ANY

from consumer_replicator import checksum
from consumer_replicator.drift import DriftKind
from consumer_replicator.drift_record import DriftRecord
from consumer_replicator.errors import HydrationError
from consumer_replicator.key_ranges import KeyRange
from consumer_replicator.run import RangeState
from consumer_replicator.run_files import ROOT, RunFiles
from producer_events.scope import OutOfScope, Scope
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA
from tests.consumer.refusals import assert_told
from tests.consumer.wire import Answer, Wire
from tests.odd_keys import ODD_KEYS

WHERE = {"Bucket": REPLICA, "ExpectedBucketOwner": CONSUMER}
RECORD = DriftRecord(DriftKind.STALE, "k", 17, 1_790_000_000, 4, hinted=True)
FAILURES = [
    ("SlowDown", 503, "throttled"),
    ("InternalError", 500, "aws-error"),
    ("AccessDenied", 403, "replica-access-denied"),
    ("KMS.DisabledException", 400, "replica-kms-denied"),
]


@pytest.fixture
def stub(stubbed):
    """(the files, their Stubber)"""
    client, stubber = stubbed("s3")
    return RunFiles(client, REPLICA, CONSUMER, KEY_ARN), stubber


@pytest.fixture
def bucket(versioned):
    return versioned(REPLICA)


@pytest.fixture
def files(bucket):
    return RunFiles(bucket, REPLICA, CONSUMER, KEY_ARN)


def records(*keys):
    return [replace(RECORD, key=key) for key in keys]


def ranges(*numbers, chunks=20, writers=((0, "w"),)):
    return [RangeState(number, KeyRange(), chunks=chunks, writers=writers) for number in numbers]


def keys_of(files, run_id, states):
    return [record.key for record in files.drift(run_id, states)]


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_a_file_is_encrypted_under_the_replica_s_key_and_proven_by_its_checksum(stub):
    files, stubber = stub
    body = (RECORD.to_line() + "\n").encode()
    request = {
        **WHERE,
        "Key": "_s3-hydration/runs/r/drift/200003-000012-1a2b3c4d.jsonl",
        "Body": body,
        "ChecksumCRC64NVME": checksum.of(body).value,
        "ContentType": "application/x-ndjson",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": KEY_ARN,
        "BucketKeyEnabled": True,
    }
    stubber.add_response("put_object", {"ETag": '"e"'}, request)
    files.write_drift("r", 200_003, 12, "1a2b3c4d", [RECORD])


@pytest.mark.parametrize(
    ("name", "content_type"), [("report.json", "application/json"), ("report.html", "text/html; charset=utf-8")]
)
def test_a_report_opens_in_a_browser_as_what_it_is(stub, name, content_type):
    files, stubber = stub
    request = {
        **WHERE,
        "Key": f"_s3-hydration/reports/r/{name}",
        "Body": "caf\u00e9".encode(),
        "ChecksumCRC64NVME": ANY,
        "ContentType": content_type,
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": KEY_ARN,
        "BucketKeyEnabled": True,
    }
    stubber.add_response("put_object", {"ETag": '"e"'}, request)
    assert files.write_report("r", name, "caf\u00e9") == f"s3://{REPLICA}/_s3-hydration/reports/r/{name}"


def test_the_body_is_sent_with_the_one_checksum_and_no_other(aws):
    s3 = aws("s3")
    wire = Wire(s3)
    wire.answer("PutObject", Answer(headers={"ETag": '"e"'}))
    RunFiles(s3, REPLICA, CONSUMER, KEY_ARN).write_report("r", "report.json", "{}")
    sent = wire.only("PutObject").headers
    assert [name for name in sent if name.lower().startswith("x-amz-checksum-")] == ["x-amz-checksum-crc64nvme"]


def test_no_file_lies_where_a_replica_could(files, bucket):
    files.write_drift("r", 1, 0, "w", [RECORD])
    files.write_report("r", "report.json", "{}")
    written = [entry["Key"] for entry in bucket.list_objects_v2(Bucket=REPLICA)["Contents"]]
    assert len(written) == 2
    for key in written:
        assert key.startswith(ROOT)
        assert isinstance(Scope().judge(key), OutOfScope)


def test_the_addresses_of_a_report_are_told_without_a_call(stub):
    files, _ = stub
    assert files.report_address("r") == {
        "report": f"s3://{REPLICA}/_s3-hydration/reports/r/report.json",
        "page": f"s3://{REPLICA}/_s3-hydration/reports/r/report.html",
    }


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_every_drifted_key_comes_back_as_it_was(files):
    written = records(*ODD_KEYS.values())
    files.write_drift("r", 1, 0, "w", written)
    assert list(files.drift("r", ranges(1))) == written


def test_drift_comes_range_by_range_and_chunk_by_chunk(files):
    for number, chunk in ((2, 1), (1, 10), (1, 2), (2, 0)):
        files.write_drift("r", number, chunk, "w", records(f"{number}-{chunk}-a", f"{number}-{chunk}-b"))
    assert keys_of(files, "r", ranges(1, 2)) == [
        f"{place}-{n}" for place in ("1-2", "1-10", "2-0", "2-1") for n in "ab"
    ]


def test_only_the_ranges_asked_for_are_read(files):
    for number in (99_999, 100_000, 100_001, 100_002, 1_000_000):
        files.write_drift("r", number, 0, "w", records(str(number)))
    assert keys_of(files, "r", ranges(100_000, 100_001)) == ["100000", "100001"]
    assert keys_of(files, "r", ranges(1_000_000)) == ["1000000"]
    assert keys_of(files, "r", ranges(5)) == []
    assert keys_of(files, "r", []) == []


def test_a_run_reads_no_other_run_s_drift(files):
    for run_id in ("r", "r2", "R"):
        files.write_drift(run_id, 1, 0, "w", records(run_id))
    assert keys_of(files, "r", ranges(1)) == ["r"]
    assert keys_of(files, "nobody's", ranges(1)) == []


def test_of_a_chunk_that_several_have_written_the_file_counts_whose_checkpoint_was_taken(files):
    files.write_drift("r", 1, 0, "slow", records("a", "b"))
    files.write_drift("r", 1, 0, "fast", records("b"))
    assert keys_of(files, "r", ranges(1, writers=((0, "fast"),))) == ["b"]
    assert keys_of(files, "r", ranges(1, writers=((0, "without drift"),))) == []


def test_a_chunk_that_no_checkpoint_ended_has_not_been_looked_at(files):
    for chunk in range(3):
        files.write_drift("r", 1, chunk, "w", records(str(chunk)))
    assert keys_of(files, "r", ranges(1, chunks=2)) == ["0", "1"]


def test_workers_that_take_over_from_each_other_each_have_their_chunks(files):
    for chunk in range(5):
        for writer in ("one", "two"):
            files.write_drift("r", 1, chunk, writer, records(f"{chunk} by {writer}"))
    states = ranges(1, chunks=5, writers=((0, "one"), (2, "two"), (4, "one")))
    assert keys_of(files, "r", states) == ["0 by one", "1 by one", "2 by two", "3 by two", "4 by one"]


def test_a_run_that_an_earlier_release_began_finds_its_files_which_name_no_writer(files, bucket):
    files.write_drift("r", 1, 0, "w", records("a"))
    named, unnamed = (f"{ROOT}runs/r/drift/000001-000000{end}.jsonl" for end in ("-w", ""))
    body = bucket.get_object(Bucket=REPLICA, Key=named)["Body"].read()
    bucket.put_object(Bucket=REPLICA, Key=unnamed, Body=body)
    assert keys_of(files, "r", ranges(1, chunks=1, writers=())) == ["a"]


def test_files_are_read_one_at_a_time_as_they_are_needed(files, bucket):
    asked = []
    bucket.meta.events.register("before-call.s3.GetObject", lambda params, **_: asked.append(params["url_path"]))
    for chunk in range(3):
        files.write_drift("r", 1, chunk, "w", records(str(chunk)))
    drift = files.drift("r", ranges(1))
    assert next(drift).key == "0"
    assert len(asked) == 1


def test_all_pages_of_files_are_read(stub):
    files, stubber = stub
    asked = {**WHERE, "Prefix": "_s3-hydration/runs/r/drift/"}
    pages = [[{"Key": f"{asked['Prefix']}000009-{chunk:06d}.jsonl"}] for chunk in (0, 1)]
    stubber.add_response(
        "list_objects_v2", {"Contents": pages[0], "IsTruncated": True, "NextContinuationToken": "t"}, asked
    )
    stubber.add_response(
        "list_objects_v2", {"Contents": pages[1], "IsTruncated": False}, asked | {"ContinuationToken": "t"}
    )
    assert list(files.drift("r", ranges(1))) == []


def test_a_listing_of_files_that_does_not_say_that_it_ends_is_not_taken_for_all_of_them(stub):
    """A run would settle without what it has found, and prove what is not so."""
    files, stubber = stub
    stubber.add_response("list_objects_v2", {})
    with pytest.raises(HydrationError) as raised:
        list(files.drift("r", ranges(1)))
    assert raised.value.code == "truncated"


def test_a_file_of_which_s3_does_not_say_what_it_stored_may_not_be_there(stub):
    files, stubber = stub
    stubber.add_response("put_object", {})
    with pytest.raises(HydrationError) as raised:
        files.write_drift("r", 1, 0, "w", [RECORD])
    assert raised.value.code == "truncated"


def test_a_report_is_read_as_it_was_written(files):
    document = {"books": {"listed": 3}, "keys": list(ODD_KEYS.values())}
    files.write_report("r", "report.json", json.dumps(document))
    assert files.read_report("r") == document


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", FAILURES)
def test_a_bucket_that_refuses_says_why(stub, refusal):
    files, stubber = stub
    calls = {
        "put_object": [
            lambda: files.write_drift("r", 1, 0, "w", [RECORD]),
            lambda: files.write_report("r", "a.json", ""),
        ],
        "list_objects_v2": [lambda: list(files.drift("r", ranges(1)))],
        "get_object": [lambda: files.read_report("r")],
    }
    assert_told(stubber, calls, refusal)


def test_a_file_that_cannot_be_read_is_an_error_and_not_the_end_of_the_drift(stub):
    files, stubber = stub
    listed = {"Contents": [{"Key": f"{ROOT}runs/r/drift/000001-000000-w.jsonl"}], "IsTruncated": False}
    for code, status in (("AccessDenied", 403), ("NoSuchKey", 404)):
        stubber.add_response("list_objects_v2", listed)
        stubber.add_client_error("get_object", code, http_status_code=status)
        with pytest.raises(HydrationError):
            list(files.drift("r", ranges(1)))


def test_a_file_that_breaks_off_is_an_error_and_not_the_end_of_the_drift(aws):
    from botocore.exceptions import ResponseStreamingError

    s3 = aws("s3")
    wire = Wire(s3)
    key = f"{ROOT}runs/r/drift/000001-000000-w.jsonl"
    wire.answer(
        "ListObjectsV2",
        Answer(f"<R><Contents><Key>{key}</Key></Contents><IsTruncated>false</IsTruncated></R>".encode()),
    )
    wire.answer("GetObject", Answer(b"", fault=ResponseStreamingError(error="reset")))
    with pytest.raises(HydrationError) as raised:
        list(RunFiles(s3, REPLICA, CONSUMER, KEY_ARN).drift("r", ranges(1)))
    assert raised.value.code == "truncated"
