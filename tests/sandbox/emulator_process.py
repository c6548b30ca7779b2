"""The emulator's process: started on a free port of loopback, healthy or explained, stopped with all its workers."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.sandbox.accounts import CONSUMER_ACCOUNT, ORGANISATION_ID, PRODUCER_ACCOUNT, REGION

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".build" / "emulator"
COMMAND = [str(ENVIRONMENT / "bin" / "python"), "-m", "tests.sandbox.emulator"]
STARTS_WITHIN = 60.0  # seconds; 0.8 on an idle machine
STOPS_WITHIN = 5.0


KEPT_CALLS = "SANDBOX_KEEPS_CALLS"
"""Environment variable: a folder that the record of calls is left in when an emulator stops."""


class SandboxError(Exception):
    """What went wrong, in a sentence for the person who started the sandbox."""


class EmulatorProcess:
    """One MiniStack in a process group of its own: a plain SIGTERM would leave its function workers running.

    `folder` holds its log, its record of calls and everything temporary, and goes when it stops. Attached, it ends when
    the process that started it does, however that ends; detached, it stays until somebody stops it.
    """

    def __init__(self, *, detached: bool = False) -> None:
        if not Path(COMMAND[0]).exists():
            raise SandboxError(f"The emulator is not installed: {COMMAND[0]} is missing. `make setup` installs it.")
        self.folder = ROOT / ".build" / "sandbox" / f"run-{secrets.token_hex(4)}"
        self.log = self.folder / "emulator.log"
        self.calls = self.folder / "calls.jsonl"
        self.port = free_port()
        self._detached = detached
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Also the id of its process group."""
        if self._process is None:
            raise SandboxError("The emulator has not been started.")
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. SandboxError with the end of its log when it does not."""
        self.folder.mkdir(parents=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL if self._detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the whole group, asking first; does nothing the second time."""
        if self._process is None:
            return
        if (kept := os.environ.get(KEPT_CALLS)) and self.calls.exists():
            shutil.copyfile(self.calls, Path(kept) / f"{self.folder.name}.jsonl")
        if self._process.stdin:
            self._process.stdin.close()
        end_group(self._process.pid)
        self._process.wait()
        self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _environment(self) -> Mapping[str, str]:
        """Nothing of the caller's but the path: functions inherit what the emulator has, proxies, credentials."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",  # trust policies, ExternalId, identity and resource policies are enforced
            "SANDBOX_CALLS": str(self.calls),
            "SANDBOX_ORGANISATION_ID": ORGANISATION_ID,
            "SANDBOX_ORGANISATION_ACCOUNTS": f"{PRODUCER_ACCOUNT},{CONSUMER_ACCOUNT}",
            "SANDBOX_LIFELINE": "" if self._detached else "stdin",
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while not answers(self.endpoint_url):
            if process.poll() is not None:
                raise SandboxError(
                    f"The emulator ended with code {process.returncode} as it started.\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise SandboxError(f"The emulator did not answer within {STARTS_WITHIN:.0f} s.\n{self.log_tail()}")
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(endpoint_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint_url}/_ministack/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def end_group(group: int) -> None:
    """SIGTERM to a process group, SIGKILL to what is left of it after a while."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOPS_WITHIN
        while time.monotonic() < deadline and group_alive(group):
            time.sleep(0.02)


def group_alive(group: int) -> bool:
    """Whether the group has a process. Reaps its leader if that is a child of ours: a zombie counts as a process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
