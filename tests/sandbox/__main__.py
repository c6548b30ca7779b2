"""Two AWS accounts on this machine: `python -m tests.sandbox up|down|demo` (`make sandbox`, `make demo`).

Exit codes: 0 as asked, 1 could not, 2 not understood. Facts go to stdout, progress and complaints to stderr.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from tests.sandbox import running
from tests.sandbox.emulator_process import SandboxError
from tests.sandbox.instructions import instructions
from tests.sandbox.sandbox import Sandbox


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["demo"]:
        from tests.sandbox import demo  # its imports are no business of `up`

        return int(demo.main(arguments[1:]))
    asked = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return down() if asked.stop else up(asked)
    except SandboxError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted, nothing is left running")
        return 1


def parser() -> argparse.ArgumentParser:
    command_line = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    commands = command_line.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start the two accounts and stay until Ctrl-C")
    start.add_argument("--detach", action="store_true", help="leave them running and return")
    start.add_argument("--stop", action="store_true", help="the same as `down`")
    start.add_argument("--json", action="store_true", help="print the facts as in .build/sandbox/sandbox.json")
    for product, example in {"consumer": "DeletePolicy=mirror", "producer": "NoncurrentVersionDays=1"}.items():
        what = f"a parameter of the {product}'s template, for example {example}"
        start.add_argument(f"--{product}", action="append", default=[], type=pair, metavar="NAME=VALUE", help=what)
    commands.add_parser("down", help="stop what was left running").set_defaults(stop=True)
    commands.add_parser("demo", help="replicate real files and prove it", add_help=False)
    return command_line


def up(asked: argparse.Namespace) -> int:
    if found := running.running():
        say(f"already running at {found['endpoint_url']} (process {found['pid']}, .build/sandbox/sandbox.json)")
        say('stop it with: make sandbox ARGS="--stop"')
        return 1
    parameters = {"consumer": dict(asked.consumer), "producer": dict(asked.producer)}
    with_progress = Sandbox(parameters, detached=asked.detach, progress=timed(say))
    with_progress.start()
    found = running.facts(with_progress)
    running.write(found)
    print(json.dumps(found, indent=2) if asked.json else instructions(found, detached=asked.detach), flush=True)
    return 0 if asked.detach else stay(with_progress)


def stay(sandbox: Sandbox) -> int:
    """Until Ctrl-C or SIGTERM; 1 when the emulator ends of itself."""
    try:
        while sandbox.emulator.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave half of it behind
        return 0
    else:
        say(f"the emulator ended by itself:\n{sandbox.emulator.log_tail()}")
        return 1
    finally:
        running.FACTS.unlink(missing_ok=True)
        sandbox.stop()
        say("stopped")


def down() -> int:
    say("stopped" if running.stop() else "none is running")
    return 0


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def say(sentence: str) -> None:
    print(f"sandbox: {sentence}", file=sys.stderr, flush=True)


def timed(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Each step with the seconds since the first."""
    began = time.monotonic()
    return lambda step: tell(f"{time.monotonic() - began:4.1f} s  {step}")


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
