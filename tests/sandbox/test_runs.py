"""Runs are asked for as an operator would and waited for; a scripted function stands for the real one."""

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sandbox import runs
from tests.sandbox.runs import Runs, RunShown, found
from tests.sandbox.settle import Stuck


class Scripted:
    """Answers with one state after the other; the last one for ever."""

    consumer = SimpleNamespace(transfer_name="transfer")

    def __init__(self, *states: str) -> None:
        self.asked: list[Any] = []
        self._states = list(states)

    def invoke(self, _name: str, payload: Any) -> dict[str, Any]:
        self.asked.append(payload)
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return {"state": state, "run_id": "1"}


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "OLD_ENOUGH", 0.0)
    monkeypatch.setattr(runs, "LOOK_EVERY_SECONDS", 0.0)


def test_a_run_is_asked_after_by_its_id_until_it_has_ended() -> None:
    sandbox: Any = Scripted("listing", "settling", "done")
    shown = Runs(sandbox, lambda _: None, 10).run("reconcile", {"prefix": "a"}, {})
    assert sandbox.asked == [{"prefix": "a"}, {"run_id": "1"}, {"run_id": "1"}]
    assert (shown.answer["state"], shown.page) == ("done", "")


@pytest.mark.parametrize("state", ["failed", "refused", "stopped"])
def test_a_run_that_did_not_end_well_is_not_waited_for(state: str) -> None:
    sandbox: Any = Scripted(state)
    assert Runs(sandbox, lambda _: None, 10).run("reconcile", {}, {}).answer["state"] == state


def test_a_run_that_does_not_end_is_given_up() -> None:
    sandbox: Any = Scripted("settling")
    with pytest.raises(Stuck, match="The run 1 is still settling"):
        Runs(sandbox, lambda _: None, 0).run("reconcile", {}, {})


def test_the_command_that_is_shown_can_be_pasted_whatever_the_key() -> None:
    sandbox: Any = Scripted("done")
    told: list[str] = []
    payload = {"prefix": "it's $HOME/\u202e\n"}
    Runs(sandbox, told.append, 10).run("reconcile", payload, {})
    words = shlex.split(told[0])
    assert json.loads(words[words.index("--payload") + 1]) == payload
    assert told[0].isascii()
    assert "\n" not in told[0]


def test_what_was_found_and_done_is_one_line() -> None:
    answer = {
        "books": {"listed": 7, "copied": 2, "failed": {"archived": 1}},
        "extras": {"held": 3},
        "drift": {"missing": 3, "extra": 3},
    }
    assert found(RunShown("r", {}, answer, 1.6)) == "of 7 listed: missing 3, extra 3; copied 2, failed 1, held 3 (2 s)"
    assert found(RunShown("r", {}, {"drift": {}}, 1.6)) == "of 0 listed: nothing; nothing to do (2 s)"
