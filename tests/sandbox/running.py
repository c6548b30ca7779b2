"""The one sandbox that `make sandbox` keeps: its facts in .build/sandbox/sandbox.json, and how it is stopped."""

import json
import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.sandbox.accounts import REGION, SECRET_ACCESS_KEY
from tests.sandbox.emulator_process import ROOT, answers, end_group
from tests.sandbox.sandbox import Sandbox

FACTS = ROOT / ".build" / "sandbox" / "sandbox.json"


def facts(sandbox: Sandbox) -> dict[str, Any]:
    """Everything that a script needs to use the accounts, and what stops them."""
    return {
        "endpoint_url": sandbox.endpoint_url,
        "region": REGION,
        "pid": sandbox.emulator.pid,
        "folder": str(sandbox.emulator.folder),
        "calls": str(sandbox.emulator.calls),
        "producer": asdict(sandbox.producer) | {"environment": environment(sandbox, sandbox.producer.account_id)},
        "consumer": asdict(sandbox.consumer) | {"environment": environment(sandbox, sandbox.consumer.account_id)},
    }


def environment(sandbox: Sandbox, account_id: str) -> dict[str, str]:
    """What makes any AWS client talk to the account as its root."""
    return {
        "AWS_ACCESS_KEY_ID": account_id,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # aws-cli 1 knows only this one
        "AWS_ENDPOINT_URL": sandbox.endpoint_url,
    }


def write(found: dict[str, Any]) -> None:
    """In one step, readable by the owner only: it holds the external id."""
    FACTS.parent.mkdir(parents=True, exist_ok=True)
    new = FACTS.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(found, indent=2) + "\n")
    new.replace(FACTS)


def running() -> dict[str, Any] | None:
    """The facts of the sandbox that runs; None when none does, whatever an old file says."""
    try:
        found: dict[str, Any] = json.loads(FACTS.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if is_ours(found["pid"]) and answers(found["endpoint_url"]) else None


def stop() -> bool:
    """Stops the sandbox that the file names, if it is one; a process that merely has its number is left alone."""
    found = running()
    if found is not None:
        end_group(found["pid"])
        shutil.rmtree(found["folder"], ignore_errors=True)
    FACTS.unlink(missing_ok=True)
    return found is not None


def is_ours(pid: int) -> bool:
    """Whether the process is an emulator of this project, and leads its group as ours do."""
    try:
        return "tests.sandbox.emulator" in command_line(pid) and os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def command_line(pid: int) -> str:
    listed = Path(f"/proc/{pid}/cmdline")
    if listed.parent.parent.joinpath("self").exists():
        return listed.read_text().replace("\0", " ") if listed.exists() else ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
