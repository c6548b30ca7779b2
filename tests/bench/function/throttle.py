"""Runs one command at a share of a core: `python -S tests/bench/function/throttle.py SHARE COMMAND...`

A function's memory buys it a share of a core, which Linux hands out in periods: a process that used up its period's
quota stands still until the next (CFS bandwidth control). Control groups do that exactly and need root, so this does
the same from outside: it reads the command's CPU clock, stops it (SIGSTOP) when the quota is used up, and lets it go on
(SIGCONT) when the next period brings more. What was used too much is owed to the next period, so that the share comes
out right over the run, which the caller can check by dividing CPU by time. It imports nothing of the project.
https://docs.kernel.org/scheduler/sched-bwc.html
"""

import os
import signal
import sys
import time

PERIOD = 0.02  # seconds
LOOK = 0.0005  # between two looks at the clock


class Quota:
    """What is left of the current period; all times in seconds, `cpu` and `now` from clocks that begin anywhere."""

    def __init__(self, share: float, cpu: float, now: float, period: float = PERIOD) -> None:
        self._each = share * period
        self._period = period
        self._left = self._each
        self._cpu = cpu
        self._ends = now + period

    def allows(self, cpu: float, now: float) -> bool:
        """May it run? Unused quota is not saved up; debts are kept."""
        self._left -= cpu - self._cpu
        self._cpu = cpu
        while now >= self._ends:
            self._left = min(self._each, self._left + self._each)
            self._ends += self._period
        return self._left > 0


def cpu_clock(pid: int) -> int:
    """The clock of another process's CPU time, all its threads together (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def main(share: float, command: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        os.execv(command[0], command)
    clock = cpu_clock(pid)
    quota = Quota(share, time.clock_gettime(clock), time.monotonic())
    runs = True
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        allowed = quota.allows(time.clock_gettime(clock), time.monotonic())
        if allowed != runs:
            os.kill(pid, signal.SIGCONT if allowed else signal.SIGSTOP)
            runs = allowed
        time.sleep(LOOK)


if __name__ == "__main__":
    code = main(float(sys.argv[1]), sys.argv[2:])
    sys.exit(code if code >= 0 else 128 - code)
