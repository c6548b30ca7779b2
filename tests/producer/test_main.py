"""The operator's command line: what it prints, and what it exits with."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from producer_events.__main__ import main
from producer_events.event_pattern import event_pattern
from producer_events.object_event import parse_object_event
from producer_events.scope import Scope
from tests.odd_keys import ODD_KEYS

WHERE = {"bucket": "source-bucket", "account": "111111111111"}
NAMED = ["--bucket", "source-bucket", "--account", "111111111111"]


@pytest.fixture
def aws(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def queue_url(aws):
    return boto3.client("sqs").create_queue(QueueName="objects")["QueueUrl"]


def keys_in(queue_url):
    sqs, keys = boto3.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        keys += [parse_object_event(message["Body"]).key for message in messages]
    return sorted(keys)


def test_pattern_prints_the_pattern_of_the_scope_and_nothing_else(capsys):
    assert (
        main(["pattern", *NAMED, "--prefix", "a/", "--prefix", "b/", "--suffix", ".csv", "--exclude", "*.tmp.csv"]) == 0
    )
    scope = Scope(prefixes=("a/", "b/"), suffixes=(".csv",), exclusions=("*.tmp.csv",))
    out, err = capsys.readouterr()
    assert json.loads(out) == event_pattern(scope, **WHERE)
    assert "lets more through" in err


def test_pattern_needs_neither_boto3_nor_credentials():
    code = (
        "import sys; from producer_events import __main__ as m; m.main(sys.argv[1:]); assert 'boto3' not in sys.modules"
    )
    command = [sys.executable, "-c", code, "pattern", *NAMED]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (run.returncode, json.loads(run.stdout)) == (0, event_pattern(Scope(), **WHERE))


def test_a_scope_that_cannot_be_meant_is_wrong_usage(capsys):
    assert main(["pattern", *NAMED, "--exclude", "draft/*"]) == 2
    assert "asterisk" in capsys.readouterr().err


def test_switch_on_shows_what_it_would_do_and_does_nothing(aws, capsys):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="source-bucket")
    assert main(["switch-on", "source-bucket"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "EventBridge: off, to be switched on",
        "kept: nothing, the bucket has no other notifications",
        "Nothing was written. With --apply, it is done.",
    ]


def test_switch_on_tells_a_machine_the_same(aws, capsys):
    boto3.client("s3").create_bucket(Bucket="source-bucket")
    assert main(["switch-on", "source-bucket", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"needed": True, "applied": False, "before": {}, "after": {"EventBridgeConfiguration": {}}}


def test_an_aws_error_is_a_sentence_and_exits_with_1(aws, capsys):
    assert main(["switch-on", "no-such-bucket"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "NoSuchBucket" in err


def test_no_region_is_a_sentence_and_exits_with_1(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert main(["switch-on", "source-bucket"]) == 1
    assert capsys.readouterr().err == "No Region is set: give --region, or set AWS_DEFAULT_REGION.\n"


def test_replay_sends_the_named_keys(queue_url, capsys):
    assert main(["replay", *NAMED, "--queue-url", queue_url, "a b", "a+b%2F"]) == 0
    assert capsys.readouterr().out == "2 sent, 0 not sent, of bucket source-bucket.\n"
    assert keys_in(queue_url) == ["a b", "a+b%2F"]


def test_replay_reads_any_key_from_a_file_that_ends_keys_with_nul(queue_url, tmp_path):
    keys = sorted(key for key in ODD_KEYS.values() if "\0" not in key)
    file = tmp_path / "keys"
    file.write_bytes(b"".join(key.encode() + b"\0" for key in keys))
    assert main(["replay", *NAMED, "--queue-url", queue_url, "--keys-from", str(file), "--null"]) == 0
    assert keys_in(queue_url) == keys


def test_replay_reads_a_key_a_line_and_changes_nothing_in_it(queue_url, tmp_path):
    file = tmp_path / "keys"
    file.write_bytes(" a \nb\r\nc\u2028d".encode())
    assert main(["replay", *NAMED, "--queue-url", queue_url, "--keys-from", str(file)]) == 0
    assert keys_in(queue_url) == sorted([" a ", "b\r", "c\u2028d"])


def test_a_key_that_is_not_sent_is_named_safely_and_exits_with_1(queue_url, capsys):
    boto3.client("s3").create_bucket(Bucket="source-bucket")
    boto3.client("s3").put_object(Bucket="source-bucket", Key="there", Body=b"x")
    account = boto3.client("sts").get_caller_identity()["Account"]
    named = ["--bucket", "source-bucket", "--account", account, "--queue-url", queue_url]
    assert main(["replay", *named, "--look-up", "there", "\x1b[31mgone"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        r"not sent: '\x1b[31mgone': no such object",
        "1 sent, 1 not sent, of bucket source-bucket.",
    ]


def test_replay_tells_a_machine_the_same(queue_url, capsys):
    assert main(["replay", *NAMED, "--queue-url", queue_url, "--json", "a", ""]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["sent"] == 1
    assert [end["key"] for end in told["not_sent"]] == [""]


@pytest.mark.parametrize("keys", [[], ["a", "--keys-from", "file"]])
def test_keys_and_a_file_of_keys_exclude_each_other(keys, capsys):
    assert main(["replay", *NAMED, "--queue-url", "q", *keys]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_a_sentence_and_exits_with_1(capsys, tmp_path):
    assert main(["replay", *NAMED, "--queue-url", "q", "--keys-from", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["replay", "a"], ["switch-on"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
