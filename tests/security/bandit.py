"""bandit over what ships and what publishes it: weaknesses in Python code. https://bandit.readthedocs.io/"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lint.finding import Finding, LinterFailed, Place

PROGRAM = Path(".build/security/bin/bandit")
CODE = ("producer_events", "consumer_replicator", "service-catalog")
FOUND_NOTHING, FOUND_SOMETHING = 0, 1


def findings(folders: Sequence[str | Path] = CODE) -> set[Finding]:
    """Of every severity. LinterFailed where bandit cannot do its work, or cannot read a file."""
    command = [str(PROGRAM), "--quiet", "--recursive", "--format", "json", "--ignore-nosec", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (FOUND_NOTHING, FOUND_SOMETHING):
        raise LinterFailed(f"bandit ended with {done.returncode}: {done.stderr or done.stdout}")
    report = json.loads(done.stdout)
    if report["errors"] or not report["metrics"]["_totals"]["loc"]:
        raise LinterFailed(f"bandit has not looked at everything: {report['errors']}")
    return {
        Finding(Place(each["test_id"], each["filename"]), f"line {each['line_number']}: {each['issue_text']}")
        for each in report["results"]
    }
