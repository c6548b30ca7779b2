"""The real handler with real clients on moto: both principals, good, bad and malformed input."""

import gc
import json
import os
import subprocess
import sys

import pytest

from consumer_replicator.handlers import replicator
from consumer_replicator.settings import SettingsError
from tests.consumer.clouds import Clouds, Context
from tests.consumer.fake_aws import CONSUMER
from tests.consumer.rig import event


def test_an_uploaded_object_arrives_under_the_consumer_s_key_with_what_it_carries(clouds: Clouds):
    clouds.upload(
        "a+b %2F/ü",
        b"hello",
        ContentType="text/plain",
        CacheControl="no-cache",
        Metadata={"owner": "team"},
        Tagging="stage=gold",
    )
    answer = replicator.handler({"Records": [clouds.record(event("a+b %2F/ü", "01"))]}, Context())
    assert answer == {"batchItemFailures": []}
    replica = clouds.consumer_s3.get_object(Bucket="replica-bucket", Key="a+b %2F/ü")
    assert replica["Body"].read() == b"hello"
    assert (replica["ContentType"], replica["CacheControl"]) == ("text/plain", "no-cache")
    assert replica["ServerSideEncryption"] == "aws:kms"
    assert replica["SSEKMSKeyId"].endswith(f":{CONSUMER}:key/k")
    assert replica["Metadata"]["owner"] == "team"
    assert replica["Metadata"]["hydration-source"].startswith("v/")
    tags = clouds.consumer_s3.get_object_tagging(Bucket="replica-bucket", Key="a+b %2F/ü")["TagSet"]
    assert tags == [{"Key": "stage", "Value": "gold"}]


def test_a_large_object_arrives_in_parts(clouds: Clouds):
    body = bytes(range(256)) * 4096 * 9
    clouds.upload("big", body)
    assert replicator.handler({"Records": [clouds.record(event("big", "01"))]}, Context()) == {"batchItemFailures": []}
    replica = clouds.consumer_s3.get_object(Bucket="replica-bucket", Key="big")
    assert replica["Body"].read() == body
    assert replica["ETag"].endswith('-2"')
    assert "Uploads" not in clouds.consumer_s3.list_multipart_uploads(Bucket="replica-bucket")


def test_good_and_bad_messages_in_one_batch_each_get_what_they_deserve(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    clouds.upload("good", b"hello")
    records = [clouds.record(body) for body in (event("good", "01"), "nonsense", event("missing", "02"))]
    assert replicator.handler({"Records": records}, Context()) == {"batchItemFailures": []}
    aside = clouds.sqs.receive_message(QueueUrl=clouds.dead_letters, MessageAttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in aside] == ["nonsense"]
    assert aside[0]["MessageAttributes"]["hydration-error-code"]["StringValue"] == "not-json"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = {line["message"]: line for line in lines if "message" in line}
    assert set(outcomes) == {"replicated", "failed", "skipped"}
    assert outcomes["replicated"]["key"] == "good"
    assert outcomes["replicated"]["event_id"] == "e-1"
    assert outcomes["skipped"]["reason"] == "source-gone"
    assert "an external id of 16" not in json.dumps(lines)


def test_with_no_time_left_every_message_comes_back(clouds: Clouds):
    clouds.upload("k", b"hello")
    record = clouds.record(event("k", "01"))
    answer = replicator.handler({"Records": [record]}, Context(milliseconds=0))
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}


def test_an_unusable_environment_is_told_in_full_at_the_first_invocation(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HYDRATION_SOURCE_BUCKET")
    monkeypatch.setenv("HYDRATION_DELETE_POLICY", "sometimes")
    with pytest.raises(SettingsError) as error:
        replicator.handler({"Records": []}, Context())
    assert "HYDRATION_SOURCE_BUCKET" in str(error.value)
    assert "HYDRATION_DELETE_POLICY" in str(error.value)
    assert "an external id of 16" not in str(error.value)


def start(code, environment):
    """A fresh interpreter that imports the handler's module, as Lambda does before the first invocation."""
    command = [sys.executable, "-c", f"from consumer_replicator.handlers import replicator\n{code}"]
    lambdas_own = {"AWS_LAMBDA_FUNCTION_NAME": "s3-hydration-replicator", "AWS_REGION": "us-east-1"}
    return subprocess.run(command, env={**environment, **lambdas_own}, capture_output=True, text=True, check=False)


def test_in_lambda_everything_is_put_together_before_the_first_invocation(clouds: Clouds):
    code = "print(replicator._application.cache_info().currsize, replicator.gc.isenabled())"
    assert start(code, os.environ).stdout == "1 True\n"


def test_an_unusable_environment_is_told_in_full_before_the_first_invocation(clouds: Clouds):
    environment = {name: value for name, value in os.environ.items() if name != "HYDRATION_SOURCE_BUCKET"}
    told = start("", environment).stderr
    assert "SettingsError: The environment is not usable:\n  HYDRATION_SOURCE_BUCKET: is not set" in told
    assert "an external id of 16" not in told


def test_the_garbage_collector_works_once_the_handler_is_there():
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
