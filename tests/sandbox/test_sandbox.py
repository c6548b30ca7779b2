"""The sandbox's life: it comes up with both products or says why not, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import __main__ as command
from tests.sandbox import running
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.emulator_process import ROOT, EmulatorProcess, SandboxError, group_alive
from tests.sandbox.sandbox import Sandbox
from tests.sandbox.stacks import deploy

HANDLER = """
import json, os, sys
def handler(event, context):
    if event == "fail":
        raise RuntimeError("as it was asked to")
    print("got", json.dumps(event))
    found = {name: value for name, value in os.environ.items() if name.startswith("HYDRATION_")}
    return {"path": sys.path, "settings": found, "seconds": context.get_remaining_time_in_millis() / 1000}
"""


@pytest.fixture(scope="module")
def stub_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function that does nothing but tell how it is run."""
    path = tmp_path_factory.mktemp("stub") / "stub.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("consumer_replicator/handlers/replicator.py", HANDLER)
    return path


@pytest.fixture(scope="module")
def stubbed(stub_zip: Path) -> Any:
    with Sandbox({"consumer": {"DeletePolicy": "mirror"}}, function_zip=stub_zip) as sandbox:
        yield sandbox


class TestBothProducts:
    def test_each_account_has_what_its_stack_made(self, stubbed: Sandbox) -> None:
        producer, consumer = stubbed.producer, stubbed.consumer
        stubbed.client("s3", PRODUCER_ACCOUNT).head_bucket(Bucket=producer.bucket)
        stubbed.client("s3", CONSUMER_ACCOUNT).head_bucket(Bucket=consumer.bucket)
        stubbed.client("dynamodb", CONSUMER_ACCOUNT).describe_table(TableName=consumer.table)
        for account, key in ((PRODUCER_ACCOUNT, producer.kms_key_arn), (CONSUMER_ACCOUNT, consumer.kms_key_arn)):
            assert stubbed.client("kms", account).describe_key(KeyId=key)["KeyMetadata"]["Enabled"]
        for url in (consumer.queue_url, consumer.dead_letter_queue_url, producer.undelivered_events_url):
            assert stubbed.queue_depth(url) == 0

    def test_the_function_has_the_stacks_settings_and_its_own_timeout(self, stubbed: Sandbox) -> None:
        found = stubbed.invoke(stubbed.consumer.function_name, {})
        assert found["settings"]["HYDRATION_SOURCE_BUCKET"] == stubbed.producer.bucket
        assert found["settings"]["HYDRATION_SOURCE_EXTERNAL_ID"] == stubbed.external_id
        assert found["settings"]["HYDRATION_DELETE_POLICY"] == "mirror"
        assert 9 < found["seconds"] <= 10

    def test_the_function_sees_its_zip_and_the_standard_library_only(self, stubbed: Sandbox) -> None:
        path = stubbed.invoke(stubbed.consumer.function_name, {})["path"]
        assert not [entry for entry in path if "site-packages" in entry or entry == str(ROOT)]

    def test_a_function_that_fails_says_why(self, stubbed: Sandbox) -> None:
        with pytest.raises(SandboxError, match="as it was asked to"):
            stubbed.invoke(stubbed.consumer.function_name, "fail")

    def test_an_upload_reaches_the_function_as_an_event_of_the_producer(self, stubbed: Sandbox) -> None:
        stubbed.client("s3", PRODUCER_ACCOUNT).put_object(Bucket=stubbed.producer.bucket, Key="seen", Body=b"x")
        deadline = time.monotonic() + 10
        while '\\"key\\": \\"seen\\"' not in stubbed.function_log() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert '\\"key\\": \\"seen\\"' in stubbed.function_log()
        assert stubbed.queue_depth(stubbed.producer.undelivered_events_url) == 0

    @pytest.mark.parametrize("external_id", ["", "not-the-one-it-was-given"], ids=["without", "wrong"])
    def test_nobody_reads_the_source_without_the_external_id(self, stubbed: Sandbox, external_id: str) -> None:
        sts = stubbed.client("sts", CONSUMER_ACCOUNT)
        said = {"ExternalId": external_id} if external_id else {}
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=stubbed.producer.role_arn, RoleSessionName="test", **said)

    @pytest.mark.parametrize("account", [PRODUCER_ACCOUNT, "333333333333"])
    def test_the_consumers_bus_takes_no_forged_event(self, stubbed: Sandbox, account: str) -> None:
        """Not even of the producer's account: only its rule's role may, and only with events of S3."""
        detail = {"bucket": {"name": stubbed.producer.bucket}, "object": {"key": "forged"}}
        entry = {"Source": "acme.forged", "DetailType": "Object Created", "Detail": json.dumps(detail)}
        entry["EventBusName"] = stubbed.consumer.event_bus_arn
        with pytest.raises(ClientError, match="AccessDenied"):
            stubbed.client("events", account).put_events(Entries=[entry])


class TestLifeCycle:
    def test_a_template_that_fails_is_explained_and_nothing_stays(self, stub_zip: Path) -> None:
        sandbox = Sandbox({"consumer": {"DeletePolicy": "sometimes"}}, function_zip=stub_zip)
        with pytest.raises(SandboxError, match=r"(?s)s3-hydration .*DeletePolicy.*retain"):
            sandbox.start()
        assert not sandbox.emulator.alive()
        assert not sandbox.emulator.folder.exists()

    def test_a_resource_that_fails_is_named_with_its_reason(self, stubbed: Sandbox, tmp_path: Path) -> None:
        template = tmp_path / "template.json"
        alarm = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": 'ALARM("nobody")'}}
        template.write_text(json.dumps({"Resources": {"Any": alarm}}))
        with pytest.raises(SandboxError, match=r"Any \(AWS::CloudWatch::CompositeAlarm\).*nobody.*do not exist"):
            deploy(stubbed.client("cloudformation", PRODUCER_ACCOUNT), "failing", template, {})

    def test_what_needs_the_accounts_asks_for_a_start_first(self, stub_zip: Path) -> None:
        sandbox = Sandbox(function_zip=stub_zip)
        with pytest.raises(SandboxError, match="start the sandbox first"):
            _ = sandbox.producer
        sandbox.stop()

    def test_an_emulator_that_cannot_start_shows_its_log(self, monkeypatch: pytest.MonkeyPatch) -> None:
        emulator = EmulatorProcess()
        monkeypatch.setattr(EmulatorProcess, "_environment", lambda _: {"PATH": os.defpath})
        with pytest.raises(SandboxError, match=r"(?s)ended with code 1.*SANDBOX_"):
            emulator.start()

    def test_stopping_ends_the_function_workers_too(self, stub_zip: Path) -> None:
        with Sandbox(function_zip=stub_zip) as sandbox:
            sandbox.invoke(sandbox.consumer.function_name, {})
            group, folder = sandbox.emulator.pid, sandbox.emulator.folder
            assert group_alive(group)
        assert not group_alive(group)
        assert not folder.exists()

    def test_the_emulator_ends_when_the_process_that_started_it_is_killed(self) -> None:
        program = textwrap.dedent("""
            import time
            from tests.sandbox.emulator_process import EmulatorProcess
            emulator = EmulatorProcess()
            emulator.start()
            print(emulator.pid, emulator.folder, flush=True)
            time.sleep(60)
        """)
        starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert starter.stdout
        pid, folder = starter.stdout.readline().split()
        starter.kill()
        starter.wait()
        starter.stdout.close()
        deadline = time.monotonic() + 10
        while group_alive(int(pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not group_alive(int(pid))
        assert not Path(folder).exists()


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def own_facts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub_zip: Path) -> None:
        """Not the file of a sandbox that somebody has running; and the stub's zip, which is there at once."""
        monkeypatch.setattr(running, "FACTS", tmp_path / "sandbox.json")
        monkeypatch.setattr("tests.sandbox.sandbox.built_zip", lambda: stub_zip)
        monkeypatch.setattr(signal, "signal", lambda *_: None)

    @pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # which is the point
    def test_up_detached_leaves_two_accounts_until_down(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["up", "--detach", "--json", "--consumer", "DeletePolicy=mirror"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts == json.loads(running.FACTS.read_text())
        assert running.FACTS.stat().st_mode & 0o077 == 0
        assert command.main(["up"]) == 1
        assert f"already running at {facts['endpoint_url']}" in capsys.readouterr().err
        assert command.main(["down"]) == 0
        assert not group_alive(facts["pid"])
        assert not running.FACTS.exists()

    def test_up_says_how_to_use_it_and_ends_clean_on_ctrl_c(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ctrl_c(_: EmulatorProcess) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(EmulatorProcess, "alive", ctrl_c)
        assert command.main(["up"]) == 0
        out, err = capsys.readouterr()
        assert f"export AWS_ACCESS_KEY_ID={PRODUCER_ACCOUNT}" in out
        assert f"export AWS_ACCESS_KEY_ID={CONSUMER_ACCOUNT}" in out
        for client in (
            "aws lambda invoke --function-name s3-hydration-transfer --payload fileb://ask.json",
            "aws s3 cp",
            "rclone copy",
            "s5cmd --endpoint-url http://127.0.0.1:",
        ):
            assert client in out
        assert err.endswith("sandbox: stopped\n")
        assert not running.FACTS.exists()

    def test_down_leaves_a_process_alone_that_merely_has_the_number(self, capsys: pytest.CaptureFixture[str]) -> None:
        bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
        running.write({"pid": bystander.pid, "endpoint_url": "http://127.0.0.1:9", "folder": "/nowhere"})
        assert command.main(["down"]) == 0
        assert "none is running" in capsys.readouterr().err
        assert bystander.poll() is None
        bystander.kill()
        bystander.wait()

    def test_what_goes_wrong_is_a_sentence_and_no_trace(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_zip() -> Path:
            raise SandboxError("there is no zip")

        monkeypatch.setattr("tests.sandbox.sandbox.built_zip", no_zip)
        assert command.main(["up"]) == 1
        assert capsys.readouterr().err.endswith("sandbox: there is no zip\n")

    def test_a_parameter_without_a_value_is_not_understood(self) -> None:
        with pytest.raises(SystemExit, match="2"):
            command.main(["up", "--consumer", "DeletePolicy"])
