"""pip-audit over what ships in the functions' zip: known vulnerabilities of pinned packages.

It asks PyPI, or OSV, and has no data of its own. Where they do not answer, nothing is known, and that is what is said.
https://github.com/pypa/pip-audit
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = Path(".build/security/bin/pip-audit")
SHIPPED = Path("consumer_replicator/requirements.txt")


def audit() -> tuple[int, list[str]]:
    """(exit status, what to say): 0 only when every package was looked up, and none is known to be vulnerable."""
    command = [str(PROGRAM), "--requirement", str(SHIPPED), "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return 2, [f"Not audited: the vulnerability data cannot be had. {done.stderr.strip()[-300:]}"]
    return told(report)


def told(report: Mapping[str, Any]) -> tuple[int, list[str]]:
    known = [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no release'}"
        for each in report["dependencies"]
        for found in each.get("vulns", ())
    ]
    unknown = [
        f"{each['name']}: not audited. {each['skip_reason']}"
        for each in report["dependencies"]
        if "skip_reason" in each
    ]
    if known or unknown or not report["dependencies"]:
        return 1 if known else 2, [*known, *unknown, f"{len(known)} known, {len(unknown)} packages not audited."]
    return 0, [f"{len(report['dependencies'])} packages audited, none known to be vulnerable."]
