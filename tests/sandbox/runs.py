"""Runs of the transfer function as an operator makes them: asked for, waited for, the answer kept, the page saved."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.sandbox.emulator_process import ROOT
from tests.sandbox.sandbox import Sandbox
from tests.sandbox.settle import Stuck

FOLDER = ROOT / ".build" / "demo"
COMMAND = "aws lambda invoke --function-name {} --cli-binary-format raw-in-base64-out --payload {} answer.json"
OLD_ENOUGH = 3.2  # the sandbox's lag objective, and a second because S3 lists whole ones
LOOK_EVERY_SECONDS = 2.0
UNDER_WAY = frozenset({"planning", "listing", "deleting", "settling"})


@dataclass(frozen=True)
class RunShown:
    """A run that has ended: what was asked, the function's answer, what it must have found, where its page is."""

    name: str
    payload: Mapping[str, Any]
    answer: Mapping[str, Any]
    seconds: float
    expected: Mapping[str, int] = field(default_factory=dict)
    page: str = ""

    @property
    def drift(self) -> Mapping[str, int]:
        return dict(self.answer.get("drift", {}))

    @property
    def closes(self) -> bool:
        parts = (self.answer.get("books", {}), self.answer.get("extras", {}))
        return all(part.get("closes") for part in parts)


@dataclass
class Runs:
    """`tell` is called with the command that an operator would type. `patience` in seconds.

    :raises Stuck: by `run`, when a run has not ended within `patience`.
    """

    sandbox: Sandbox
    tell: Callable[[str], None]
    patience: float

    def run(self, name: str, payload: Mapping[str, Any], expected: Mapping[str, int]) -> RunShown:
        """Asks, and waits until the run has ended; its page is saved as `<name>.html`."""
        function = self.sandbox.consumer.transfer_name
        time.sleep(OLD_ENOUGH)
        self.tell(COMMAND.format(function, shlex.quote(json.dumps(payload))))
        began = time.monotonic()
        answer = self.sandbox.invoke(function, payload)
        while answer["state"] in UNDER_WAY:
            if time.monotonic() - began > self.patience:
                raise Stuck(f"The run {answer['run_id']} is still {answer['state']}.")
            time.sleep(LOOK_EVERY_SECONDS)
            answer = self.sandbox.invoke(function, {"run_id": answer["run_id"]})
        return RunShown(name, payload, answer, time.monotonic() - began, expected, self._save(name, answer))

    def watermark(self) -> float | None:
        """Seconds since the epoch: everything that the source had then is shown to be in the replica bucket."""
        answer = self.sandbox.invoke(self.sandbox.consumer.transfer_name, {"mode": "watermark"})
        proven: float | None = answer["proven"]
        return proven

    def _save(self, name: str, answer: Mapping[str, Any]) -> str:
        """The report's page as a file of this machine; answers with its path within the project."""
        if "page" not in answer:
            return ""
        where = urlsplit(answer["page"])
        s3 = self.sandbox.client("s3", self.sandbox.consumer.account_id)
        page = s3.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read()
        FOLDER.mkdir(parents=True, exist_ok=True)
        saved = FOLDER / f"{name}.html"
        saved.write_bytes(page)
        return relative(saved)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def found(run: RunShown) -> str:
    """What a run found and what came of it, in a line."""
    books, extras = run.answer.get("books", {}), run.answer.get("extras", {})
    drift = ", ".join(f"{kind} {count}" for kind, count in run.drift.items()) or "nothing"
    done = {
        "copied": books.get("copied", 0),
        "deleted": extras.get("deleted", 0),
        "planned": books.get("planned", 0),
        "failed": sum(books.get("failed", {}).values()),
        "held": extras.get("held", 0),
    }
    ended = ", ".join(f"{what} {count}" for what, count in done.items() if count) or "nothing to do"
    return f"of {books.get('listed', 0)} listed: {drift}; {ended} ({run.seconds:.0f} s)"
