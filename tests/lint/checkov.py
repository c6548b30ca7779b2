"""checkov's rules for CloudFormation, in an environment of its own: it pins an old boto3. Offline."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lint.finding import Finding, LinterFailed, Place

PROGRAM = Path(".build/checkov/bin/checkov").absolute()
OFFLINE = {"CKV_SKIP_PACKAGE_UPDATE_CHECK": "true", "BC_SKIP_MAPPING": "true"}
FOUND_NOTHING, FOUND_SOMETHING = 0, 1  # checkov's exit statuses; others are its own errors


def findings(templates: Sequence[Path]) -> set[Finding]:
    """Of templates that are written out (`rendered`), all at once. LinterFailed where checkov cannot do its work."""
    form = ["--skip-download", "--framework", "cloudformation", "--output", "json", "--compact"]
    done = subprocess.run(
        [str(PROGRAM), *form, "--file", *(path.name for path in templates)],
        cwd=templates[0].parent,
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (FOUND_NOTHING, FOUND_SOMETHING):
        raise LinterFailed(f"checkov ended with {done.returncode}: {done.stderr or done.stdout}")
    results = json.loads(done.stdout).get("results", {"passed_checks": [], "failed_checks": []})
    looked_at = {Path(each["file_path"]).name for each in results["passed_checks"] + results["failed_checks"]}
    if unread := {path.name for path in templates} - looked_at:
        raise LinterFailed(f"checkov has not looked at {', '.join(sorted(unread))}")
    return {Finding(_place(each), each["check_name"]) for each in results["failed_checks"]}


def _place(check: Mapping[str, Any]) -> Place:
    template = Path(check["file_path"]).name.split(".")[0]
    return Place(check["check_id"], f"{template}/{check['resource'].split('.')[-1]}")
