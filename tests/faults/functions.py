"""The two functions in processes of their own, at a server of the test's: invoked, and killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.consumer.fake_aws import CONSUMER, DLQ, KEY_ARN, PRODUCER, QUEUE, RANGES, REPLICA, SOURCE, TABLE
from tests.faults.aws_server import OWN_KEY, OWN_SECRET, AwsServer

EXTERNAL_ID = "an-external-id-of-20"
PART_BYTES = 4
"""Of the small world: the least part, the usual part, and the least range."""
SHARDS = 2
ROOT = Path(__file__).parents[2]
SHRUNK = {
    "FAULTS_PART_BYTES": str(PART_BYTES),
    "HYDRATION_MULTIPART_THRESHOLD_BYTES": str(PART_BYTES),
    "HYDRATION_SPLIT_THRESHOLD_BYTES": str(2 * PART_BYTES),
}


class Killed(Exception):
    """The process was ended by SIGKILL."""


def environment(server: AwsServer) -> dict[str, str]:
    """Of either function, as Lambda and the template set it."""
    settings = {
        "INSTANCE_NAME": "faults",
        "SOURCE_BUCKET": SOURCE,
        "SOURCE_ACCOUNT_ID": PRODUCER,
        "SOURCE_ROLE_ARN": f"arn:aws:iam::{PRODUCER}:role/read",
        "SOURCE_EXTERNAL_ID": EXTERNAL_ID,
        "REPLICA_BUCKET": REPLICA,
        "REPLICA_ACCOUNT_ID": CONSUMER,
        "REPLICA_KMS_KEY_ARN": KEY_ARN,
        "MANIFEST_TABLE": TABLE,
        "MANIFEST_SHARDS": str(SHARDS),
        "QUEUE_URL": server.queue_url(QUEUE),
        "DEAD_LETTER_QUEUE_URL": server.queue_url(DLQ),
        "RANGES_QUEUE_URL": server.queue_url(RANGES),
        "DELETE_POLICY": "mirror",
        "FUNCTION_TIMEOUT_SECONDS": "15",
        "MAX_RECEIVE_COUNT": "5",
        "LAG_OBJECTIVE_SECONDS": "60",
        "SETTLE_SECONDS": "0",
    }
    return {f"HYDRATION_{name}": value for name, value in settings.items()} | {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": OWN_KEY,
        "AWS_SECRET_ACCESS_KEY": OWN_SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }


class Functions:
    """`running`: the function that is being invoked."""

    def __init__(self, host: subprocess.Popen[str]) -> None:
        self._host = host
        self.running = ""
        self._pid = 0
        self._runs = threading.Event()
        assert self._read() == {"ready": True}

    def invoke(self, function: str, event: Any, now: float) -> Any:
        """What the handler answers. `now`: what its clock says, in seconds.

        :raises Killed: it was.
        """
        assert self._host.stdin is not None
        self.running = function
        self._host.stdin.write(json.dumps({"function": function, "event": event, "now": now}) + "\n")
        self._host.stdin.flush()
        self._pid = self._read()["pid"]
        self._runs.set()
        ended = self._read()
        self._runs.clear()
        if ended["status"] == -signal.SIGKILL:
            raise Killed
        assert ended["status"] == 0, f"the function ended with {ended['status']}"
        return ended["answer"]

    def kill(self) -> None:
        """Ends the process of the invocation, from another thread, while it waits for an answer."""
        assert self._runs.wait(10)
        os.kill(self._pid, signal.SIGKILL)

    def _read(self) -> Any:
        assert self._host.stdout is not None
        return json.loads(self._host.stdout.readline())


@contextmanager
def loaded(server: AwsServer, **changes: str) -> Iterator[Functions]:
    """Both functions; `changes` of their environment."""
    command = [sys.executable, "-m", "tests.faults.function_host"]
    variables = environment(server) | {"PATH": os.environ["PATH"]} | changes
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        try:
            yield Functions(host)
        finally:
            host.terminate()
