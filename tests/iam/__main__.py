"""Writes anew what is committed here, for a person to review:

python -m tests.iam sweep      allowed.txt: what the policies allow, from the templates (20 s)
python -m tests.iam record     calls.json: which calls are made, from the end-to-end tests and the demo (8 minutes)
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.iam import shape, sweep
from tests.sandbox.calls import read_calls
from tests.sandbox.emulator_process import KEPT_CALLS

RUNS = (
    [sys.executable, "-m", "pytest", "tests/sandbox"],
    [sys.executable, "-m", "tests.sandbox", "demo"],
)


def record() -> None:
    with TemporaryDirectory() as folder:
        for command in RUNS:
            subprocess.run(command, env=os.environ | {KEPT_CALLS: folder}, check=True)
        shape.write(set().union(*(shape.shapes_of(read_calls(each)) for each in Path(folder).iterdir())))


def main(arguments: list[str]) -> int:
    match arguments:
        case ["sweep"]:
            sweep.COMMITTED.write_text("\n".join(sweep.everything()) + "\n")
        case ["record"]:
            record()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
