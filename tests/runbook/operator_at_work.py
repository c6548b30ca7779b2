"""Somebody who types what the documents say, by aws-cli, in the two accounts of a sandbox."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.runbook.doc_commands import Command
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, REGION
from tests.sandbox.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
CLI = ROOT / ".build" / "aws-cli"
RUN_ID = "20261124-030000-1a2b3c"  # the documents'


def installed() -> None:
    """aws-cli 1, into an environment of its own."""
    if not (CLI / ".installed").exists():
        requirements = Path(__file__).with_name("requirements.txt")
        subprocess.run([ROOT / "tests" / "set-up.sh", CLI, requirements], check=True, timeout=250)


class Operator:
    """Types commands in a folder of its own, with the exports of the account that a command is for."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.words = words(sandbox)

    def types(self, command: Command, more: str = "", **words: str) -> str:
        """What it prints. Fails as the shell says when it fails. `more` is added to it, as a document says in prose;
        `words` replace the document's others.
        """
        text = self._for_this_machine(command, words) + more
        account = PRODUCER_ACCOUNT if is_the_producers(command.text) else CONSUMER_ACCOUNT
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=self._exports(account),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _for_this_machine(self, command: Command, words: Mapping[str, str]) -> str:
        keys = {"KEY": self.sandbox.consumer.kms_key_arn if command.text.startswith("aws kms") else "hello.txt"}
        text = command.filled({**self.words, **keys, **words})
        text = re.sub(r"^python ", f"{sys.executable} ", text)
        # aws-cli 2 takes a payload for base64 unless told otherwise; 1, which PyPI has, takes it as it is.
        text = text.replace("--cli-binary-format raw-in-base64-out ", "")
        # And for SQS it looks for a name of AWS's own, whatever the exports say.
        text = re.sub(r"^aws sqs ", f"aws --endpoint-url {self.sandbox.endpoint_url} sqs ", text)
        if text.startswith("aws cloudformation"):
            text = re.sub(r"--stack-name s3-hydration-\w+", "--stack-name s3-hydration", text)
        return text

    def _exports(self, account: str) -> dict[str, str]:
        return {
            "PATH": f"{CLI / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.sandbox.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
        }


def is_the_producers(text: str) -> bool:
    return text.startswith("aws iam") or any(
        each in text for each in ("SOURCE_BUCKET", "switch-on", "hydration-producer")
    )


def words(sandbox: Sandbox) -> dict[str, str]:
    consumer, source = sandbox.consumer, sandbox.producer.bucket
    mappings = sandbox.client("lambda", CONSUMER_ACCOUNT).list_event_source_mappings(
        FunctionName=consumer.function_name
    )
    queues = {
        "OBJECTS_QUEUE": consumer.queue_url,
        "DEAD_LETTER_QUEUE": consumer.dead_letter_queue_url,
        "RANGES_DEAD_LETTER_QUEUE": consumer.ranges_dead_letter_queue_url,
    }
    urls = {f"{name}_URL": url for name, url in queues.items()}
    arns = {
        f"{name}_ARN": f"arn:aws:sqs:{REGION}:{CONSUMER_ACCOUNT}:{url.rpartition('/')[2]}"
        for name, url in queues.items()
    }
    return {
        **urls,
        **arns,
        "URL": consumer.undelivered_events_url,
        "SOURCE": source,
        "SOURCE_BUCKET": source,
        "BUCKET": source,
        "PRODUCER": PRODUCER_ACCOUNT,
        "REPLICA_BUCKET": consumer.bucket,
        "MANIFEST": consumer.table,
        "RUN_ID": RUN_ID,
        "UUID": mappings["EventSourceMappings"][0]["UUID"],
        "OLD_KEY_ARN": sandbox.producer.kms_key_arn,
    }
