"""detect-secrets over every file that git tracks: keys, tokens and passwords. https://github.com/Yelp/detect-secrets

Its two detectors of text that merely looks random are off: checksums, digests and ids of events are what they find.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lint.finding import Finding, LinterFailed, Place

PROGRAM = Path(".build/security/bin/detect-secrets")
LOOKS_RANDOM = ("HexHighEntropyString", "Base64HighEntropyString")
HASHES_ONLY = ("requirements.txt", "package-lock.json")


def tracked() -> list[str]:
    """The files in the repository, but for those that pin packages by their hashes."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and not name.endswith(HASHES_ONLY) and Path(name).is_file()]


def findings(files: Sequence[str], root: Path = Path()) -> set[Finding]:
    """Of files below `root`; the secrets are not told. LinterFailed where detect-secrets cannot do its work."""
    off = [word for name in LOOKS_RANDOM for word in ("--disable-plugin", name)]
    command = [str(PROGRAM.absolute()), "-c", "2", "scan", "--all-files", "--no-verify", *off, *files]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        raise LinterFailed(f"detect-secrets ended with {done.returncode}: {done.stderr}")
    return {
        Finding(Place(each["type"], name), f"line {each['line_number']}")
        for name, found in json.loads(done.stdout)["results"].items()
        for each in found
    }
