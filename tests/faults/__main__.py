"""`python -m tests.faults table` meets every fault on the wire and prints what came of it, for architecture.md."""

import sys
import tempfile
from pathlib import Path

from tests.faults.wire_runs import meet_all, table

USAGE = "usage: python -m tests.faults table"

if __name__ == "__main__":
    if sys.argv[1:] != ["table"]:
        sys.exit(USAGE)
    with tempfile.TemporaryDirectory() as folder:
        print(table(meet_all(Path(folder)).results))
