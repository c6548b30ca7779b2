"""Reconciles as the schedule asks for them, only more often, and patiently: what was asked for may be killed."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.load.soak_report import NightlyRun
from tests.sandbox.runs import LOOK_EVERY_SECONDS, OLD_ENOUGH, UNDER_WAY
from tests.sandbox.sandbox import Sandbox

PATIENCE_SECONDS = 400.0  # a killed invocation's message comes back after a minute, and a run has several


class NoAnswer(Exception):
    """The function was killed or failed."""


@dataclass
class Nightly:
    """Each run has an id of its own, so that asking again goes on with it. `runs` are those that ended."""

    sandbox: Sandbox
    runs: list[NightlyRun] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _stop: Event = field(default_factory=Event)

    @contextmanager
    def going_on(self, every: float) -> Iterator[None]:
        """One every so many seconds until the end of the block, which the last one may outlive."""
        thread = Thread(target=self._work, args=(every,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(PATIENCE_SECONDS)

    def _work(self, every: float) -> None:
        while not self._stop.wait(every):
            self.runs.append(self.reconcile())

    def reconcile(self, **asked: Any) -> NightlyRun:
        """Waits for its end, or says in which state it was when patience ended. `asked`: of the payload."""
        time.sleep(OLD_ENOUGH)
        run_id = f"soak-{next(self._numbers)}"
        payload = {"run_id": run_id, **asked}
        began, refused = time.monotonic(), 0
        answer: Mapping[str, Any] = {"state": "unanswered"}
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                answer = self._ask(payload)
            except NoAnswer:
                refused += 1
            else:
                payload = {"run_id": run_id}
                if answer["state"] not in UNDER_WAY:
                    break
            time.sleep(LOOK_EVERY_SECONDS)
        return run_of(run_id, answer, time.monotonic() - began, refused)

    def look_again(self) -> None:
        """At those that had not ended when patience did: what they waited for may have come."""
        for number, run in enumerate(self.runs):
            if run.state != "done":
                with suppress(NoAnswer):
                    answer = self._ask({"run_id": run.run_id})
                    self.runs[number] = run_of(run.run_id, answer, run.seconds, run.refused)

    def _ask(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """:raises NoAnswer: it failed, or was killed."""
        try:
            answer = self._client().invoke(
                FunctionName=self.sandbox.consumer.transfer_name, Payload=json.dumps(payload).encode()
            )
            body = json.loads(answer["Payload"].read() or b"null")
        except (BotoCoreError, ClientError) as error:
            raise NoAnswer from error
        if "FunctionError" in answer or not isinstance(body, dict) or "state" not in body:
            raise NoAnswer(str(body))
        return body

    def _client(self) -> Any:
        """Asks once: asking again is a decision of the caller's."""
        untyped: Any = boto3
        config = Config(read_timeout=60, retries={"total_max_attempts": 1, "mode": "standard"})
        return untyped.client(
            "lambda", endpoint_url=self.sandbox.endpoint_url, config=config, **self.sandbox.consumer.credentials
        )


def run_of(run_id: str, answer: Mapping[str, Any], seconds: float, refused: int) -> NightlyRun:
    """From the transfer function's answer."""
    parts = (answer.get("books", {}), answer.get("extras", {}))
    drift = {kind: number for kind, number in answer.get("drift", {}).items() if number}
    return NightlyRun(run_id, answer["state"], all(part.get("closes") for part in parts), seconds, drift, refused)
