"""Every AWS API request is on record: what was asked, by whom, of what, and what came of it."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.bare_accounts import BareAccounts
from tests.sandbox.calls import Call
from tests.sandbox.test_emulator_objects import refusal, upload


@pytest.fixture(scope="module")
def s3(aws: BareAccounts) -> Any:
    return aws.bucket("recorded", versioned=True)


def test_a_call_names_its_principal_bucket_key_and_status(aws: BareAccounts, s3: Any) -> None:
    began = time.time()
    s3.put_object(Bucket="recorded", Key="a b/ü", Body=b"x")
    (call,) = aws.calls(began)
    assert (call.service, call.operation, call.status) == ("s3", "PutObject", 200)
    assert (call.account, call.principal) == (PRODUCER_ACCOUNT, f"arn:aws:iam::{PRODUCER_ACCOUNT}:root")
    assert (call.bucket, call.key, call.error, call.role) == ("recorded", "a b/ü", "", "")
    assert began <= call.time <= time.time()


def test_operations_of_s3_have_the_names_that_the_api_gives_them(aws: BareAccounts, s3: Any) -> None:
    place = {"Bucket": "recorded", "Key": "named"}
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    began = time.time()
    s3.put_object(**place, Body=b"x")
    s3.get_object(**place)
    s3.head_object(**place)
    s3.put_object_tagging(**place, Tagging=tags)
    s3.get_object_tagging(**place)
    s3.delete_object_tagging(**place)
    s3.copy_object(**place, CopySource=place)
    s3.list_objects_v2(Bucket="recorded", Prefix="", Delimiter="/")
    s3.list_object_versions(Bucket="recorded")
    s3.list_multipart_uploads(Bucket="recorded")
    s3.get_object_attributes(**place, ObjectAttributes=["ETag"])
    upload(s3, "recorded", "named", [b"x"])
    s3.abort_multipart_upload(**place, UploadId=s3.create_multipart_upload(**place)["UploadId"])
    s3.delete_object(**place)
    s3.delete_objects(Bucket="recorded", Delete={"Objects": [{"Key": "named"}]})
    assert [call.operation for call in aws.calls(began)] == [
        "PutObject",
        "GetObject",
        "HeadObject",
        "PutObjectTagging",
        "GetObjectTagging",
        "DeleteObjectTagging",
        "CopyObject",
        "ListObjectsV2",
        "ListObjectVersions",
        "ListMultipartUploads",
        "GetObjectAttributes",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "AbortMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
    ]


def test_other_services_name_their_table_queue_and_role(aws: BareAccounts) -> None:
    dynamodb, sqs = aws.client("dynamodb", CONSUMER_ACCOUNT), aws.client("sqs", CONSUMER_ACCOUNT)
    key = [{"AttributeName": "pk", "KeyType": "HASH"}]
    types = [{"AttributeName": "pk", "AttributeType": "S"}]
    dynamodb.create_table(TableName="table", KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    began = time.time()
    dynamodb.put_item(TableName="table", Item={"pk": {"S": "1"}})
    dynamodb.batch_get_item(RequestItems={"table": {"Keys": [{"pk": {"S": "1"}}]}})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    aws.client("lambda", CONSUMER_ACCOUNT).list_functions()
    assert [(call.service, call.operation, call.resource) for call in aws.calls(began)][:3] == [
        ("dynamodb", "PutItem", "table"),
        ("dynamodb", "BatchGetItem", "table"),
        ("sqs", "SendMessage", "queue"),
    ]
    assert aws.calls(began)[3].operation == "ListFunctions"


def test_what_policies_ask_about_besides_is_on_record(aws: BareAccounts, s3: Any) -> None:
    place = {"Bucket": "recorded", "Key": "asked"}
    dynamodb = aws.client("dynamodb", CONSUMER_ACCOUNT)
    began = time.time()
    written = s3.put_object(**place, Body=b"x", IfNoneMatch="*", Tagging="a=b")
    s3.get_object(**place, VersionId=written["VersionId"], IfMatch=written["ETag"], ChecksumMode="ENABLED")
    s3.list_objects_v2(Bucket="recorded", Prefix="a/")
    refusal(dynamodb.put_item, TableName="missing", Item={"pk": {"S": "1"}})
    refusal(dynamodb.delete_item, TableName="missing", Key={"other": {"N": "1"}})
    refusal(aws.client("sts").assume_role, RoleArn="arn:aws:iam::1:role/x", RoleSessionName="xx", ExternalId="e" * 16)
    assert [call.conditions for call in aws.calls(began)] == [
        {"if-none-match": "*", "tags": "a=b"},
        {"version": written["VersionId"], "if-match": written["ETag"], "checksum": "ENABLED"},
        {"prefix": "a/"},
        {"partition": "1"},
        {"partition": ""},
        {"external-id": True},
    ]


def test_a_refused_call_has_its_status_and_code(aws: BareAccounts, s3: Any) -> None:
    began = time.time()
    refusal(s3.get_object, Bucket="recorded", Key="missing")
    refusal(aws.client("dynamodb").get_item, TableName="missing", Key={"pk": {"S": "1"}})
    assert [(call.status, call.error) for call in aws.calls(began)] == [
        (404, "NoSuchKey"),
        (400, "ResourceNotFoundException"),
    ]


def test_calls_side_by_side_are_all_there(aws: BareAccounts, s3: Any) -> None:
    began = time.time()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket="recorded", Key=f"many/{n}", Body=b""), range(200)))
    calls = aws.calls(began)
    assert {call.key for call in calls} == {f"many/{number}" for number in range(200)}


def test_the_role_of_a_session_is_its_name() -> None:
    session = "arn:aws:sts::111111111111:assumed-role/s3-hydration-read/s3-hydration-replicator"
    call = Call(1.0, 1.0, "s3", "GetObject", PRODUCER_ACCOUNT, session, 200)
    assert call.role == "s3-hydration-read"
