"""A Python of the function's version on this machine: it compiles what ships and measures the cold start."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Interpreter:
    path: str
    release: str  # "3.13.0"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Isolated (-I) and without site-packages (-S): it sees the standard library and what it is told."""
        return subprocess.run([self.path, "-I", "-S", *arguments], capture_output=True, text=True, check=False)


@cache
def interpreter(python_version: str) -> Interpreter | None:
    """The first CPython of that version ("3.13") that really runs; None when there is none."""
    for path in _candidates(python_version):
        found = _probe(path)
        if found and found.release.startswith(f"{python_version}."):
            return found
    return None


def _candidates(python_version: str) -> Iterator[str]:
    yield sys.executable
    if named := shutil.which(f"python{python_version}"):
        yield named
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(map(str, pyenv.glob(f"versions/{python_version}*/bin/python3")))


def _probe(path: str) -> Interpreter | None:
    question = "import platform as p; print(p.python_implementation(), p.python_version())"
    try:
        answer = Interpreter(path, "").run("-c", question)
    except OSError:
        return None
    implementation, _, release = answer.stdout.strip().partition(" ")
    return Interpreter(path, release) if answer.returncode == 0 and implementation == "CPython" else None


def compile_tree(
    python: Interpreter, folder: Path, *, docstrings: bool = True, deferred: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Writes the bytecode of every module below `folder` into its `__pycache__`, the same bytes every time.

    The function's folder is read-only, so an environment without bytecode compiles every module again at each cold
    start: three quarters of the import time. Bytecode depends on the Python version only, not on the processor, and
    another version ignores it. `docstrings`: of no use to a function, and read at every start. `deferred`: by module,
    the names whose imports are put off.
    """
    script = Path(__file__).with_name("compile_modules.py")
    options = [] if docstrings else ["--without-docstrings"]
    result = python.run(str(script), str(folder), *options, "--deferred", json.dumps(dict(deferred or {})))
    if result.returncode:
        raise RuntimeError(f"Python {python.release} could not compile {folder}: {result.stdout}{result.stderr}")
