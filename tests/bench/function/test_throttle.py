"""A quota hands out CPU by periods: unused CPU is lost, too much is owed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.function import throttle
from tests.bench.function.throttle import Quota

SHARE, PERIOD = 0.25, 0.02
EACH = SHARE * PERIOD


@pytest.fixture
def quota():
    return Quota(SHARE, cpu=100.0, now=50.0, period=PERIOD)


def test_it_runs_until_the_period_s_quota_is_used_up(quota):
    assert quota.allows(100.0 + EACH / 2, 50.001)
    assert not quota.allows(100.0 + 1.01 * EACH, 50.002)


def test_it_goes_on_in_the_next_period(quota):
    assert not quota.allows(100.0 + 1.01 * EACH, 50.002)
    assert not quota.allows(100.0 + 1.01 * EACH, 50.0199)
    assert quota.allows(100.0 + 1.01 * EACH, 50.0201)


def test_what_was_used_too_much_is_owed(quota):
    assert not quota.allows(100.0 + 2.5 * EACH, 50.001)
    assert not quota.allows(100.0 + 2.5 * EACH, 50.021)
    assert quota.allows(100.0 + 2.5 * EACH, 50.041)


def test_what_was_not_used_is_not_saved_up(quota):
    assert quota.allows(100.0, 50.51)
    assert not quota.allows(100.0 + 1.01 * EACH, 50.511)


def test_over_a_run_it_has_its_share_and_no_more(quota):
    """A process that always wants to run, looked at every half millisecond."""
    cpu = now = 0.0
    for _ in range(40_000):
        now += 0.0005
        if quota.allows(100.0 + cpu, 50.0 + now):
            cpu += 0.0005
    assert cpu / now == pytest.approx(SHARE, rel=0.02)


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_s_exit_code_is_its_own(code):
    command = [sys.executable, "-S", throttle.__file__, "0.9", sys.executable, "-S", "-c", f"raise SystemExit({code})"]
    assert subprocess.run(command, check=False, timeout=60).returncode == code


def test_it_reads_the_clock_of_another_process():
    if not Path("/proc").is_dir():
        pytest.skip("another process's CPU clock is read on Linux")
    busy = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        clock = throttle.cpu_clock(busy.pid)
        before = throttle.time.clock_gettime(clock)
        while (now := throttle.time.clock_gettime(clock)) == before:
            assert busy.poll() is None
        assert now > before
    finally:
        busy.kill()
        busy.wait()
