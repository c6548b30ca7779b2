"""A run's figures are its own: not its parent's, not another run's."""

import sys

import pytest

from tests.bench import measured
from tests.bench.measured import measure
from tests.bench.peers import BenchError

MIB = 1024**2


def run(folder, code, **accepted):
    return measure([sys.executable, "-S", "-c", code], {"PATH": ""}, folder, **accepted)


def test_peak_memory_is_the_command_s_own_though_its_parent_is_large(tmp_path):
    ballast = bytearray(200 * MIB)
    taken = run(tmp_path, "pass")
    assert len(ballast) > 10 * taken.peak_bytes / 2
    assert taken.peak_bytes < 100 * MIB


def test_peak_memory_counts_what_was_given_back(tmp_path):
    assert run(tmp_path, f"del (x := bytearray({150 * MIB}))[:]; x = None").peak_bytes > 150 * MIB


def test_waiting_takes_time_and_no_cpu(tmp_path):
    taken = run(tmp_path, "import time; time.sleep(0.5)")
    assert taken.seconds >= 0.5
    assert taken.cpu_seconds < 0.5


def test_what_it_printed_stays_beside_it(tmp_path):
    run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)")
    assert ((tmp_path / "stdout").read_text(), (tmp_path / "stderr").read_text()) == ("out\n", "err\n")


def test_a_failed_command_is_an_error_that_quotes_it(tmp_path):
    with pytest.raises(BenchError, match="no such bucket"):
        run(tmp_path, "import sys; sys.exit('no such bucket')")


def test_an_exit_code_that_means_an_answer_is_none(tmp_path):
    assert run(tmp_path, "raise SystemExit(1)", accepted=frozenset({0, 1})).seconds > 0


def test_a_command_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "LIMIT", 1)
    with pytest.raises(BenchError, match="more than 1 s"):
        run(tmp_path, "import time; time.sleep(60)")
