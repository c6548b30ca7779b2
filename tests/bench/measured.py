"""One measured run of a command: how long, how much CPU, how much memory at its peak."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import BenchError
from tests.sandbox.emulator_process import end_group

GAUGE = Path(__file__).with_name("gauge.py")
LIMIT = 300  # seconds that a run may take


@dataclass(frozen=True, slots=True)
class Taken:
    """`seconds` on the wall, `cpu_seconds` of the command alone (the server's are not in it), `peak_bytes` resident."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, accepted: frozenset[int] = frozenset({0})
) -> Taken:
    """Runs it in `folder`, where its stdout and stderr stay as files; `accepted` are the exit codes that mean success.

    :raises BenchError: any other exit code, with the end of its stderr.
    """
    result, out, err = folder / "taken.json", folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-S", str(GAUGE), str(LIMIT), str(result), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            process.wait()
        finally:
            end_group(process.pid)
    taken = json.loads(result.read_text()) if result.exists() else {"code": process.returncode}
    if taken.pop("code") not in accepted or "seconds" not in taken:
        tail = "\n".join(err.read_text(errors="replace").splitlines()[-5:])
        raise BenchError(f"{Path(command[0]).name} failed, or took more than {LIMIT} s.\n{tail}")
    return Taken(**taken)
