"""Runs one command and says what it took: `python -S tests/bench/gauge.py LIMIT_SECONDS RESULT.json COMMAND...`

Linux keeps a process's peak memory across exec, so a child of a big process starts with its parent's peak. This is a
small process between the two: its own 10 MB are the least that can be measured. It imports nothing of the project.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere (getrusage(2))


def main(limit: int, result: Path, command: list[str]) -> None:
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.execv(command[0], command)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(limit)
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": round(seconds, 4),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 4),
        "peak_bytes": used.ru_maxrss * MAXRSS_UNIT,
    }
    result.write_text(json.dumps(taken))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
