"""What the runbook and the deployment guide give to type is typed, in their order, by aws-cli in the two accounts."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.runbook.doc_commands import Command, commands
from tests.runbook.operator_at_work import ROOT, RUN_ID, Operator, installed
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.pair import Pair, wait_until
from tests.sandbox.sandbox import Sandbox

DOCS = ROOT / "service-catalog" / "docs"
NOT_HERE = {
    "make ": "needs no AWS account to be tried: the tests of building and publishing do",
    "aws servicecatalog ": "the sandbox has no Service Catalog",
    "aws cloudformation deploy ": "the sandbox deploys both products by the calls themselves",
    "aws s3 cp .build/": "the sandbox has uploaded the zip",
    "aws ssm start-automation-execution ": "the sandbox runs no documents; tests of the template read their steps",
    "aws events start-replay ": "a drill of its own replays the archive",
    "aws dynamodb list-backups ": "the sandbox has no backups",
    "aws dynamodb restore-table-": "the sandbox has no backups",
    "aws kms rotate-key-on-demand ": "the sandbox's keys do not rotate",
    "aws logs tail ": "aws-cli 2 only, which PyPI does not have",
}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An object is replicated; another is gone without a word, which a run of the documents' id has found; a bad
    message is set aside.
    """
    installed()
    with Sandbox() as sandbox:
        pair = Pair(sandbox)
        pair.put("hello.txt", b"hello")
        pair.put("gone.txt", b"gone")
        pair.become_equal("hello.txt", "gone.txt")
        notifications = {"Bucket": sandbox.producer.bucket, "NotificationConfiguration": {}}
        pair.source.s3.put_bucket_notification_configuration(**notifications)
        pair.delete("gone.txt")
        time.sleep(3.2)  # older than the lag objective, which is 2 s here
        sandbox.invoke(sandbox.consumer.transfer_name, {"run_id": RUN_ID})
        notifications["NotificationConfiguration"] = {"EventBridgeConfiguration": {}}
        pair.source.s3.put_bucket_notification_configuration(**notifications)
        sqs = sandbox.client("sqs", CONSUMER_ACCOUNT)
        sqs.send_message(QueueUrl=sandbox.consumer.queue_url, MessageBody="not JSON")
        assert wait_until(lambda: sandbox.queue_depth(sandbox.consumer.dead_letter_queue_url) == 1)
        upload = sandbox.client("s3", CONSUMER_ACCOUNT).create_multipart_upload(
            Bucket=sandbox.consumer.bucket,
            Key="hello.txt",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=sandbox.consumer.kms_key_arn,
        )
        folder = tmp_path_factory.mktemp("operator")
        (folder / "keys.txt").write_text("hello.txt\n")
        operator = Operator(sandbox, folder)
        operator.words["UPLOAD_ID"] = upload["UploadId"]
        yield operator


ALL = [
    (document, command)
    for document in ("runbook", "deployment-guide")
    for command in commands((DOCS / f"{document}.md").read_text())
]
HERE = [each for each in ALL if not each[1].text.startswith(tuple(NOT_HERE))]


def test_a_pause_holds_messages_back_and_resuming_lets_them_go(operator: Operator) -> None:
    listing, pause, resume = (command for _, command in ALL if command.section == "Pause and resume")
    assert operator.types(listing).strip() == operator.words["UUID"]
    operator.types(pause)
    pair = Pair(operator.sandbox)
    pair.put("while-paused.txt", b"later")
    assert not wait_until(lambda: not pair.differences("while-paused.txt"), within=5)
    operator.types(resume)
    pair.become_equal("while-paused.txt")


def test_the_external_id_is_rotated_without_a_gap(operator: Operator) -> None:
    sandbox = operator.sandbox
    make, look, accepted = (command for _, command in ALL if command.section == "Rotate the ExternalId without a gap")
    old, new = sandbox.external_id, operator.types(make).strip()
    pair = Pair(sandbox)
    for name, account, change, expected in (
        ("both", PRODUCER_ACCOUNT, {"NextExternalId": new}, [old, new]),
        ("the-consumer", CONSUMER_ACCOUNT, {"ExternalId": new}, [old, new]),
        ("the-producer", PRODUCER_ACCOUNT, {"ExternalId": new, "NextExternalId": ""}, new),
    ):
        update(sandbox.client("cloudformation", account), change)
        assert json.loads(operator.types(accepted))["StringEquals"]["sts:ExternalId"] == expected
        pair.put(f"rotated-{name}.txt", b"here")
        pair.become_equal(f"rotated-{name}.txt")
        operator.types(look)
        assert json.loads((operator.folder / "answer.json").read_text())["state"] == "done"
    function = sandbox.client("lambda", CONSUMER_ACCOUNT).get_function_configuration(
        FunctionName="s3-hydration-replicator"
    )
    assert function["Environment"]["Variables"]["HYDRATION_SOURCE_EXTERNAL_ID"] == new  # not an old session's doing


def update(cloudformation: Any, changes: Mapping[str, str]) -> None:
    """As a stack update with these parameters does."""
    stack = cloudformation.describe_stacks(StackName="s3-hydration")["Stacks"][0]
    others = [each["ParameterKey"] for each in stack["Parameters"] if each["ParameterKey"] not in changes]
    cloudformation.update_stack(
        StackName="s3-hydration",
        UsePreviousTemplate=True,
        Parameters=[
            *({"ParameterKey": name, "ParameterValue": value} for name, value in changes.items()),
            *({"ParameterKey": each, "UsePreviousValue": True} for each in others),
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName="s3-hydration", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@pytest.mark.parametrize("command", [each for _, each in HERE], ids=[f"{name}: {each.section}" for name, each in HERE])
def test_a_command_of_the_documents_does_what_it_is_given_for(operator: Operator, command: Command) -> None:
    printed = operator.types(command)
    if "row_item import address" in command.text:
        operator.words["PARTITION"] = json.loads(printed)["pk"]["S"]
    if "lambda invoke" in command.text:
        assert "FunctionError" not in printed
        answer = json.loads((operator.folder / "answer.json").read_text())
        assert answer.get("state") not in ("refused", "unknown", "failed"), answer


def test_more_than_half_of_the_commands_are_tried_and_every_reason_not_to_try_one_is_needed() -> None:
    assert len(HERE) > len(ALL) / 2
    assert [start for start in NOT_HERE if not any(each.text.startswith(start) for _, each in ALL)] == []


def test_a_command_over_several_lines_is_one_and_words_in_capitals_are_filled_in() -> None:
    (command,) = commands("## Some\n\n    aws s3 cp \\\n        A_KEY s3://BUCKET_NAME/x\n")
    assert command == Command("Some", "aws s3 cp A_KEY s3://BUCKET_NAME/x")
    assert command.filled({"BUCKET_NAME": "b"}) == "aws s3 cp A_KEY s3://b/x"
    with pytest.raises(KeyError, match="BUCKET_NAME"):
        command.filled({})
