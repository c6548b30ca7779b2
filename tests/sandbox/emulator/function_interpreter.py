"""MiniStack 1.5.33 runs Python functions on its own interpreter with its own packages in reach; Lambda does not.

A function would find packages there that its zip lacks, and botocore takes other paths where it finds awscrt. Here it
gets the standard library and its zip: Python's `-I` (isolated) and `-S` (no site-packages), in a script because
MiniStack starts one program with one argument.
"""

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

from tests.sandbox.emulator.gap import Function, around

INTERPRETER = Path(tempfile.gettempdir()) / "function-python"
INTERPRETER.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S "$@"\n')
INTERPRETER.chmod(0o700)


@around(lambda_runtime, "_detect_runtime_binary")
def python_functions_have_their_zip_and_nothing_else(original: Function, runtime: str) -> Any:
    binary, worker = original(runtime)
    return (str(INTERPRETER) if binary == sys.executable else binary), worker
