"""The functions' processes, as the emulator runs them: listed, measured, killed. By `ps`, which every machine has."""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

ISOLATED = " -I -S "
"""How `tests.sandbox.emulator.function_interpreter` starts each of them."""


@dataclass(frozen=True)
class Process:
    """`resident` in bytes."""

    pid: int
    parent: int
    resident: int
    command: str


@dataclass
class Workers:
    """The function processes below an emulator. `highest`: the most memory that one of them had, in bytes."""

    emulator: int
    highest: int = 0
    emulator_highest: int = 0
    killed: int = 0
    seen: set[int] = field(default_factory=set)

    def look(self) -> list[int]:
        """Their ids; takes note of their memory."""
        listed = processes()
        ours = workers_of(self.emulator, listed)
        self.seen |= {process.pid for process in ours}
        self.highest = max([self.highest, *(process.resident for process in ours)])
        own = [process.resident for process in listed if process.pid == self.emulator]
        self.emulator_highest = max([self.emulator_highest, *own])
        return [process.pid for process in ours]

    def kill_one(self, random: Random) -> bool:
        """SIGKILL, whatever it is doing; whether there was one."""
        if not (pids := self.look()):
            return False
        with suppress(ProcessLookupError):
            os.kill(random.choice(pids), signal.SIGKILL)
            self.killed += 1
            return True
        return False


def workers_of(emulator: int, listed: list[Process]) -> list[Process]:
    return [process for process in listed if process.parent == emulator and ISOLATED in process.command]


def processes() -> list[Process]:
    """All of this machine."""
    asked = ["ps", "-A", "-o", "pid=,ppid=,rss=,args="]
    return parsed(subprocess.run(asked, capture_output=True, text=True, errors="replace", check=True).stdout)


def parsed(table: str) -> list[Process]:
    """Of lines `pid ppid kibibytes command`."""
    found = []
    for line in table.splitlines():
        pid, parent, kibibytes, command = line.split(None, 3) if line.count(" ") > 2 else (*line.split(), "")
        found.append(Process(int(pid), int(parent), int(kibibytes) * 1024, command))
    return found
