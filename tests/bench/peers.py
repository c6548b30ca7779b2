"""The tools that are compared: how each is asked for the drift between two buckets, and how its answer is read.

Each is asked in its own best way for this question, with extras wanted, nothing changed and nothing read but listings.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.sandbox.emulator_process import ROOT

PROGRAMS = ROOT / ".build" / "peers" / "bin"
FOUND = "found.txt"


class BenchError(Exception):
    """Why there is nothing to compare, in a sentence."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run finds what it compares, and the folder for what it leaves."""

    s3_url: str
    manifest_url: str
    source: str
    replica: str
    shards: int


@dataclass(frozen=True)
class Tool:
    """`reads` says what its figures include; `found` are the keys it reports; `accepted` exit codes mean an answer."""

    name: str
    reads: str
    command: Callable[[Places, Path], list[str]]
    found: Callable[[Path], set[str]]
    accepted: frozenset[int] = frozenset({0})


def environment(places: Places, access_key_id: str, secret_access_key: str, home: Path) -> Mapping[str, str]:
    """Nothing of this machine but the path: no profile, no configuration, no proxy."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_S3": places.s3_url,
        "AWS_ENDPOINT_URL_DYNAMODB": places.manifest_url,
    }


def program(name: str) -> Path:
    """The program itself: s5cmd's package puts a Python script before it, which would be measured with it.

    :raises BenchError: it is not installed.
    """
    behind = PROGRAMS.parent.glob(f"lib/python*/site-packages/{name}/bin/{name}")
    for path in (*behind, PROGRAMS / name):
        if path.exists():
            return path
    raise BenchError(f"{name} is not installed. `make bench` installs what it measures.")


class Named(Protocol):
    @property
    def name(self) -> str: ...


def chosen[T: Named](beginnings: Sequence[str], tools: Sequence[T]) -> list[T]:
    """Those whose names begin so, in the order asked for."""
    found = [tool for beginning in beginnings for tool in tools if tool.name.startswith(beginning)]
    return list({tool.name: tool for tool in found}.values())


def lines(path: Path) -> set[str]:
    return set(path.read_text().splitlines()) if path.exists() else set()


def _ours(places: Places, folder: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.bench.detect",
        places.source,
        places.replica,
        str(places.shards),
        str(folder / FOUND),
    ]


RCLONE_REPORTS = ("--differ", "--missing-on-src", "--missing-on-dst", "--error")


def _rclone(*flags: str) -> Callable[[Places, Path], list[str]]:
    def command(places: Places, folder: Path) -> list[str]:
        s3 = f"env_auth=true,provider=SeaweedFS,region=us-east-1,endpoint='{places.s3_url}'"
        reports = [word for report in RCLONE_REPORTS for word in (report, str(folder / f"rclone{report}.txt"))]
        pair = [f":s3,{s3}:{places.source}", f":s3,{s3}:{places.replica}"]
        return [str(program("rclone")), "--config=", "--quiet", "check", *flags, *reports, *pair]

    return command


def _rclone_found(folder: Path) -> set[str]:
    return set().union(*(lines(folder / f"rclone{report}.txt") for report in RCLONE_REPORTS))


def _aws(places: Places, _folder: Path) -> list[str]:
    pair = [f"s3://{places.source}", f"s3://{places.replica}"]
    return [str(program("aws")), "s3", "sync", "--dryrun", "--delete", *pair]


def _s5cmd(places: Places, _folder: Path) -> list[str]:
    pair = [f"s3://{places.source}/*", f"s3://{places.replica}/"]
    return [str(program("s5cmd")), "--endpoint-url", places.s3_url, "--dry-run", "sync", "--delete", *pair]


def _printed(folder: Path) -> set[str]:
    """`(dryrun) copy: s3://source/key to ...`, `cp s3://source/key ...`, `rm s3://replica/key`: the first URL's key."""
    return set(re.findall(r"(?m)^[^:\n]*?:? ?s3://[^/\s]+/(\S+)", (folder / "stdout").read_text()))


TOOLS = (
    Tool("s3-hydration", "lists both buckets, queries the manifest", _ours, lambda folder: lines(folder / FOUND)),
    Tool("rclone check", "lists both buckets", _rclone(), _rclone_found, frozenset({0, 1})),
    Tool("rclone check --fast-list", "lists both buckets", _rclone("--fast-list"), _rclone_found, frozenset({0, 1})),
    Tool("aws s3 sync --dryrun", "lists both buckets", _aws, _printed),
    Tool("s5cmd --dry-run sync", "lists both buckets, sorts on disk", _s5cmd, _printed),
)


def versions() -> dict[str, str]:
    """The version that each program says it is of.

    :raises BenchError: one is not installed.
    """
    asked = {"rclone": "version", "aws": "--version", "s5cmd": "version", "weed": "version"}
    said = {}
    for name, word in asked.items():
        answer = subprocess.run([program(name), word], capture_output=True, text=True, check=True, timeout=60)
        version = re.search(r"\d+\.\d+[.\d]*", answer.stdout)
        said["SeaweedFS" if name == "weed" else name] = version[0] if version else answer.stdout.strip()
    return said
