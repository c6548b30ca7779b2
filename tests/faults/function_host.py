"""Holds both functions loaded, as Lambda holds an initialised environment, and forks one off for every invocation.

A child is a whole process, with the real handlers and clients, and can be killed with SIGKILL at any time; starting it
costs milliseconds. Commands and answers are JSON lines on standard input and output: `{"function", "event", "now"}`
is answered with `{"pid"}` at once, then with `{"status", "answer"}`. The function's clock stands still at `now`.

`FAULTS_PART_BYTES`: parts and ranges of so many bytes, so that an upload over several invocations is a matter of bytes.
"""

import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

CLOCK = [time.time()]
time.time = lambda: CLOCK[0]  # before the product is loaded, which takes it as a default


def _shrink(part_bytes: int) -> None:
    from consumer_replicator import parts

    parts.MIN_PART_BYTES = parts.DEFAULT_PART_BYTES = parts.LEAST_RANGE_BYTES = part_bytes


@dataclass
class Context:
    function_name: str
    seconds: float = 60.0
    aws_request_id: str = "request-1"
    memory_limit_in_mb: str = "1024"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def _loaded() -> dict[str, Any]:
    if part_bytes := os.environ.get("FAULTS_PART_BYTES"):
        _shrink(int(part_bytes))
    from consumer_replicator.handlers import replicator, transfer

    replicator._application("s3-hydration-replicator")
    transfer._application("s3-hydration-transfer", 1024)
    gc.collect()
    gc.freeze()  # so that a child's collector does not copy all of it
    return {"replicator": replicator.handler, "transfer": transfer.handler}


def _invoke(handlers: dict[str, Any], command: dict[str, Any], answers: int) -> None:
    """In the child, which ends here."""
    name = command["function"]
    CLOCK[0] = command["now"]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    answer = handlers[name](command["event"], Context(f"s3-hydration-{name}"))
    os.write(answers, json.dumps(answer).encode())
    os._exit(0)


def main() -> None:
    handlers = _loaded()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        readable, writable = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(readable)
            _invoke(handlers, json.loads(line), writable)
        os.close(writable)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(readable, "rb") as stream:
            answer = stream.read()
        _, status = os.waitpid(pid, 0)
        print(
            json.dumps({"status": os.waitstatus_to_exitcode(status), "answer": json.loads(answer) if answer else None}),
            flush=True,
        )


if __name__ == "__main__":
    main()
