"""Ends the emulator and its function workers when the process that started it is gone, however that ended.

MiniStack 1.5.33 leaves its function workers running when it gets a SIGTERM; here the whole process group gets it.
"""

import os
import shutil
import signal
import sys
import threading


def wait_for_the_end() -> None:
    """The starter holds the other end of standard input, so that it closes with the starter."""
    sys.stdin.buffer.read()
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)  # the folder that the starter would have removed
    os.killpg(0, signal.SIGTERM)


if os.environ["SANDBOX_LIFELINE"] == "stdin":
    threading.Thread(target=wait_for_the_end, name="lifeline", daemon=True).start()
