"""The real transfer handler with real clients on moto: payloads, steps of its queue, answers, log lines and metrics."""

import json
from typing import Any

import boto3
import pytest
from moto.sqs.models import sqs_backends

from consumer_replicator.errors import HydrationError
from consumer_replicator.handlers import transfer
from consumer_replicator.ranges_queue import Step
from consumer_replicator.settings import SettingsError
from consumer_replicator.transfer import Transfer
from tests.consumer.clouds import REGION, Clouds, Context, forget_applications
from tests.consumer.fake_aws import CONSUMER, REPLICA, SOURCE
from tests.consumer.wire import Wire, s3_error
from tests.odd_keys import ODD_KEYS

OLD = 86_400
CONTEXT = Context("s3-hydration-transfer")


def ask(payload: Any, context: Context = CONTEXT) -> dict[str, Any]:
    """What the caller of the function gets: JSON, there and back."""
    answer: dict[str, Any] = json.loads(json.dumps(transfer.handler(json.loads(json.dumps(payload)), context)))
    return answer


def sent_to(queue: str) -> list[str]:
    """Bodies of what is in a queue, delayed or not: moto's delays are not waited for."""
    stored = sqs_backends[CONSUMER][REGION].queues[queue.rpartition("/")[2]]
    return [message.body for message in stored._messages]


def work_off_the_ranges_queue(clouds: Clouds) -> int:
    bodies = sent_to(clouds.ranges)
    sqs_backends[CONSUMER][REGION].queues[clouds.ranges.rpartition("/")[2]]._messages.clear()
    for body in bodies:
        assert transfer.handler({"Records": [{"messageId": "m", "body": body}]}, CONTEXT) == {}
    return len(bodies)


def lines_of(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(log lines, metrics by name) since the last look."""
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [
        (metric["Name"], document)
        for document in documents
        if "_aws" in document
        for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    ]
    return [document for document in documents if "_aws" not in document], {
        name: document[name] for name, document in names
    }


# -- by hand, or by the schedule ---------------------------------------------------------------------------------------


def test_an_empty_payload_reconciles_everything_and_answers_with_the_books(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    """Hints are left to the replicator; the run ends once its own queue says that it is time to look again."""
    for key in ("a+b %2F/ü", "plain"):
        clouds.upload(key, b"hello", age=OLD)
    answer = ask({})
    assert answer["state"] == "settling"
    assert answer["found"]["hinted"] == 2
    clouds.replicate()
    assert work_off_the_ranges_queue(clouds) == 1
    (*_, line), metrics = lines_of(capsys)
    assert line["run"]["state"] == "done"
    assert metrics["RunsCompleted"] == [1]
    done = ask({"run_id": answer["run_id"]})
    assert done["books"]["closes"]
    assert done["books"]["copied"] == done["books"]["listed"] == 2
    assert done["drift"] == {"missing": 2}
    assert clouds.consumer_s3.get_object(Bucket=REPLICA, Key="a+b %2F/ü")["Body"].read() == b"hello"


def test_an_equal_bucket_is_reported_within_the_invocation(clouds: Clouds, capsys: pytest.CaptureFixture[str]):
    answer = ask({})
    assert (answer["state"], answer["books"]["listed"], answer["books"]["closes"]) == ("done", 0, True)
    _, metrics = lines_of(capsys)
    assert (metrics["RunsCompleted"], metrics["DeletesHeld"]) == ([1], [0])


def test_the_report_is_where_the_answer_says_and_under_the_consumer_s_key(clouds: Clouds):
    answer = ask({})
    for field, kind in (("report", "application/json"), ("page", "text/html; charset=utf-8")):
        bucket, _, key = answer[field].removeprefix("s3://").partition("/")
        found = clouds.consumer_s3.get_object(Bucket=bucket, Key=key)
        assert found["ContentType"] == kind
        assert found["ServerSideEncryption"] == "aws:kms"
        assert answer["run_id"].encode() in found["Body"].read()


def test_a_dry_run_of_every_odd_key_answers_with_a_plan_and_touches_nothing(clouds: Clouds):
    keys = [key for key in ODD_KEYS.values() if "\x00" not in key and "\x1f" not in key]
    for key in keys:
        clouds.upload(key, b"12345", age=OLD)
    answer = ask({"mode": "backfill", "dry_run": True})
    assert answer["state"] == "done"
    assert answer["plan"]["objects"] == answer["books"]["planned"] == len(keys)
    assert answer["plan"]["bytes"] == 5 * len(keys)
    assert not sent_to(clouds.queue)
    written = clouds.consumer_s3.list_objects_v2(Bucket=REPLICA)["Contents"]
    assert all(entry["Key"].startswith("_s3-hydration/") for entry in written)


def test_a_run_is_stopped_by_its_id(clouds: Clouds):
    clouds.upload("k", b"x", age=OLD)
    run_id = ask({})["run_id"]
    assert ask({"run_id": run_id, "stop": True})["state"] == "stopped"
    assert ask({"run_id": "nobody", "stop": True})["state"] == "unknown"


def test_the_watermark_is_one_question_and_one_metric(clouds: Clouds, capsys: pytest.CaptureFixture[str]):
    before = ask({"mode": "watermark"})
    assert (before["proven"], before["age_seconds"], before["queue_at_rest"]) == (None, None, True)
    assert "WatermarkAge" not in lines_of(capsys)[1]
    ask({})
    after = ask({"mode": "watermark"})
    assert after["proven"] is not None
    assert lines_of(capsys)[1]["WatermarkAge"] == [round(after["age_seconds"], 1)]


def test_a_verify_finds_the_one_replica_that_differs_and_says_so_in_answer_report_and_metrics(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    for key in ("a", "b", "c"):
        clouds.upload(key, b"hello", age=OLD)
    ask({})
    clouds.replicate()
    work_off_the_ranges_queue(clouds)
    clouds.consumer_s3.put_object(Bucket=REPLICA, Key="b", Body=b"HELLO")
    lines_of(capsys)
    answer = ask({"mode": "verify", "read_bytes": True})
    assert (answer["state"], answer["books"]["closes"]) == ("done", True)
    assert answer["books"]["same"] == {"bytes": 2}, "moto stores no checksum that is sent as a value alone"
    assert answer["drift"] == {"different": 1}
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    verified = {each["result"]: each["VerifiedObjects"] for each in documents if "VerifiedObjects" in each}
    assert verified == {"same": [2], "different": [1], "cannot-tell": [0]}
    assert not sent_to(clouds.queue)
    page = answer["page"].removeprefix(f"s3://{REPLICA}/")
    assert b"differ" in clouds.consumer_s3.get_object(Bucket=REPLICA, Key=page)["Body"].read()
    assert ask({"mode": "verify", "repair": True})["found"]["hinted"] == 1
    clouds.replicate()
    assert clouds.consumer_s3.get_object(Bucket=REPLICA, Key="b")["Body"].read() == b"hello"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_bad_payload_is_refused_with_every_problem_and_touches_nothing(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    answer = ask({"prefixes": ["a/"], "max_objects": 0, "\x1b[2J": 1})
    assert answer["state"] == "refused"
    assert len(answer["problems"]) == 3
    lines, metrics = lines_of(capsys)
    assert [(line["level"], line["message"]) for line in lines] == [("ERROR", "run")]
    assert "RunsCompleted" not in metrics
    assert boto3.client("dynamodb", REGION).scan(TableName="manifest")["Count"] == 0


def test_a_payload_that_is_no_object_is_refused_in_words(clouds: Clouds):
    for payload in ([], ["Records"], "Records", 7, None, True):
        assert ask(payload) == {"state": "refused", "problems": ["the payload is not a JSON object"]}


def test_a_source_that_cannot_be_read_fails_the_run_with_a_report_and_deletes_nothing(
    clouds: Clouds, capsys: pytest.CaptureFixture[str]
):
    clouds.upload("k", b"x", age=OLD)
    ask({})
    clouds.replicate()
    work_off_the_ranges_queue(clouds)
    for version in clouds.producer_s3.list_object_versions(Bucket=SOURCE)["Versions"]:
        clouds.producer_s3.delete_object(Bucket=SOURCE, Key=version["Key"], VersionId=version["VersionId"])
    deny_listing()
    lines_of(capsys)
    answer = ask({})
    assert answer["state"] == "failed"
    assert "AccessDenied" in answer["failure"]
    assert answer["verdict"] == "The run failed before its end."
    (line,), metrics = lines_of(capsys)
    assert line["level"] == "ERROR"
    assert metrics == {"RunsFailed": [1]}
    assert not sent_to(clouds.queue)
    assert clouds.consumer_s3.head_object(Bucket=REPLICA, Key="k")


def deny_listing() -> None:
    """moto checks no bucket policy, so the answer is given in its place."""
    application, _ = transfer._application(CONTEXT.function_name, 1024)
    wire = Wire()
    wire.answer("ListObjectsV2", s3_error("AccessDenied", 403))
    application._parts.listing._s3.meta.events.register_first("before-send", wire._answer)


def test_an_unusable_environment_is_told_in_full_at_the_first_invocation(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HYDRATION_RANGES_QUEUE_URL")
    monkeypatch.setenv("HYDRATION_BREAKER_DELETES", "some")
    with pytest.raises(SettingsError) as error:
        transfer.handler({}, CONTEXT)
    assert "HYDRATION_RANGES_QUEUE_URL: is not set" in str(error.value)
    assert "HYDRATION_BREAKER_DELETES" in str(error.value)
    assert "an external id of 16" not in str(error.value)


# -- steps of its own queue --------------------------------------------------------------------------------------------


def test_a_run_whose_time_is_up_goes_on_by_its_queue_and_ends_with_the_same_books(clouds: Clouds):
    for number in range(5):
        clouds.upload(f"k{number}", b"x", age=OLD)
    hasty = Context("s3-hydration-transfer", milliseconds=0)
    answer = ask({}, hasty)
    assert answer["state"] == "listing"
    for _ in range(4):
        work_off_the_ranges_queue(clouds)
        clouds.replicate()
    done = ask({"run_id": answer["run_id"]})
    assert done["state"] == "done"
    assert done["books"]["copied"] == done["books"]["listed"] == 5


def test_a_step_of_a_run_that_is_done_or_forgotten_is_acknowledged(clouds: Clouds, capsys: pytest.CaptureFixture[str]):
    run_id = ask({})["run_id"]
    lines_of(capsys)
    for step, state in ((Step(run_id), "at rest"), (Step(run_id, 7), "at rest"), (Step("gone"), "unknown")):
        assert transfer.handler({"Records": [{"messageId": "m", "body": step.to_body()}]}, CONTEXT) == {}
        (line,), metrics = lines_of(capsys)
        assert (line["level"], line["run"]["state"]) == ("INFO", state)
        assert metrics == {}


@pytest.mark.parametrize(
    ("attributes", "again"),
    [({"ApproximateReceiveCount": "1"}, False), ({"ApproximateReceiveCount": "2"}, True), ({}, False)],
)
def test_a_step_is_told_whether_its_message_has_come_before(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch, attributes: dict[str, str], again: bool
):
    told = []

    def step(_self: Transfer, step: Step, _deadline: Any, *, redelivered: bool) -> dict[str, str]:
        told.append((step, redelivered))
        return {"run_id": step.run_id, "state": "at rest"}

    monkeypatch.setattr(Transfer, "step", step)
    record = {"messageId": "m", "body": Step("run", 3).to_body(), "attributes": attributes}
    assert transfer.handler({"Records": [record]}, CONTEXT) == {}
    assert told == [(Step("run", 3), again)]


def test_a_message_that_is_no_step_comes_back_until_it_is_set_aside(clouds: Clouds):
    """The queue's redrive policy does that: the function touches nothing."""
    with pytest.raises(HydrationError) as raised:
        transfer.handler({"Records": [{"messageId": "m", "body": "nonsense"}]}, CONTEXT)
    assert raised.value.code == "bad-hint"
    assert boto3.client("dynamodb", REGION).scan(TableName="manifest")["Count"] == 0


def test_settings_are_read_once_an_environment(clouds: Clouds, monkeypatch: pytest.MonkeyPatch):
    ask({})
    monkeypatch.delenv("HYDRATION_SOURCE_BUCKET")
    assert ask({})["state"] == "done"
    forget_applications()
    with pytest.raises(SettingsError):
        ask({})
