"""How the demo ends when it cannot go on; that it shows its point is what `make demo` itself is for."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.sandbox import demo

COMMAND = [sys.executable, "-m", "tests.sandbox", "demo"]
ROOT = Path(demo.__file__).parents[2]


def test_a_folder_without_files_is_refused_in_a_sentence_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--dir", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said == f"The demo failed: {tmp_path} holds no file that can be read\n"


def test_with_json_nothing_but_the_document_goes_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--dir", str(tmp_path), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"ok": False, "problems": [f"{tmp_path} holds no file that can be read"]}
    assert "The demo failed" in said.err


def _heed_interrupts() -> None:
    """A shell starts its background jobs with SIGINT ignored, and they hand that on to what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_the_demo_and_both_accounts_without_a_stack_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    process = subprocess.Popen(
        [*COMMAND, "--dir", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 - no thread of this process is under way
    )
    with process:
        assert process.stdout
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "changes made" in line:
                process.send_signal(signal.SIGINT)
                break
        said += process.stdout
    assert process.returncode == 130
    assert said[-1] == "Interrupted; both accounts are gone.\n"
    assert "Traceback" not in "".join(said)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(said)), timeout=5)


def port(said: Iterable[str]) -> int:
    return int(next(line for line in said if "starting two AWS accounts" in line).rstrip().rpartition(":")[2])
