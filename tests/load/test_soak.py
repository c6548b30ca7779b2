"""The soak itself, for some seconds and with all faults but killed functions, whose messages take a minute."""

import os

import pytest

from tests.load.soak import Plan, main, soak
from tests.load.soak_report import UNTOLD

SECONDS = 12.0


@pytest.mark.skipif("LOAD_BACKFILL" not in os.environ, reason="takes a minute: make soak runs it before the long one")
def test_a_short_soak_ends_equal_with_every_event_accounted_for():
    plan = Plan(minutes=SECONDS / 60, rate=5.0, faults=0.03, kills=False, nightly=5.0)
    report = soak(plan, lambda _: None)
    assert report.problems() == []
    assert report.faults
    assert report.compared
    assert UNTOLD not in report.account.sums()
    assert [run.state for run in report.nightly] == ["done"] * len(report.nightly)


@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--faults", "1"], ["--rate", "-1"], ["--seed", "x"]])
def test_what_is_not_understood_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert arguments[0] in capsys.readouterr().err
