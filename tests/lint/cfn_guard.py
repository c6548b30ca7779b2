"""AWS Control Tower's proactive controls, checked by cfn-guard.

Both come inside the npm package @cdklabs/cdk-validator-cfnguard. What the rules say is documented at
https://docs.aws.amazon.com/controltower/latest/controlreference/proactive-controls.html
"""

import json
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lint.finding import Finding, LinterFailed, Place

PACKAGE = Path(".build/lint/node_modules/@cdklabs/cdk-validator-cfnguard")
RULES = PACKAGE / "rules" / "control-tower" / "cfn-guard"
SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
MACHINES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
FOUND_NOTHING, FOUND_SOMETHING = 0, 19  # cfn-guard's exit statuses; others are its own errors


def program() -> Path:
    return PACKAGE / "bin" / SYSTEMS[platform.system()] / MACHINES[platform.machine()] / "cfn-guard"


def findings(templates: Sequence[Path]) -> set[Finding]:
    """Of templates that are written out (`rendered`), all at once. LinterFailed where cfn-guard cannot do its work."""
    data = [argument for path in templates for argument in ("--data", str(path))]
    form = ["--structured", "--output-format", "json", "--show-summary", "none"]
    done = subprocess.run(
        [str(program()), "validate", "--rules", str(RULES), *data, *form], capture_output=True, text=True, check=False
    )
    if done.returncode not in (FOUND_NOTHING, FOUND_SOMETHING) or done.stderr:
        raise LinterFailed(f"cfn-guard ended with {done.returncode}: {done.stderr or done.stdout}")
    reports = json.loads(done.stdout)
    if len(reports) != len(templates) or not all(each["compliant"] or each["not_compliant"] for each in reports):
        raise LinterFailed("cfn-guard has not looked at every template")
    return {finding for report in reports for finding in _of_report(report)}


def _of_report(report: Mapping[str, Any]) -> Iterator[Finding]:
    template = Path(report["name"]).name.split(".")[0]
    for rule in report["not_compliant"]:
        inside = list(_mappings(rule))
        messages = [each["custom_message"] for each in inside if each.get("custom_message")]
        says = re.search(r"\[(CT\.[\w.]+)\]: (.+)", "\n".join(messages))
        places = [re.match(r"/Resources/(\w+)", each["path"]) for each in inside if isinstance(each.get("path"), str)]
        identifier, message = (says[1], says[2].strip()) if says else (rule["Rule"]["name"], "")
        for logical_id in {place[1] for place in places if place} or {"(template)"}:
            yield Finding(Place(identifier, f"{template}/{logical_id}"), message)


def _mappings(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for each in node.values():
            yield from _mappings(each)
    elif isinstance(node, list):
        for each in node:
            yield from _mappings(each)
