"""What `make publish` and `make unpublish` have in common: options, the plan in words, the steps as they are done.

Exit status: 0 done or nothing to do (or, without --apply, shown), 1 refused or broken off, 2 wrong usage.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from carry_out import Executor, NotDone, in_words
from clients import Clients, clients
from steps import Refused, Step

if TYPE_CHECKING:
    import boto3

NAME = "S3 Hydration"


@dataclass(frozen=True)
class Job:
    what: str
    steps: tuple[Step, ...]
    executor: Executor
    notes: tuple[str, ...] = ()


@dataclass
class Outcome:
    """`done` has the ids of the first steps; `failed` the sentence of the one after them."""

    done: list[str]
    failed: str | None = None


def parser(name: str, description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"make {name}", description=description)
    made.add_argument("--apply", action="store_true", help="do it; without this, only show what would be done")
    made.add_argument("--profile", help="AWS profile of the account whose portfolio it is")
    made.add_argument("--region", help="AWS Region")
    made.add_argument(
        "--portfolio", default=NAME, help=f"name of the portfolio, and of the products before their noun ({NAME})"
    )
    made.add_argument("--provider", default=NAME, help=f"who stands for them ({NAME})")
    made.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return made


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """A type for argparse: text that matches as a whole, or wrong usage."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return check


def run(
    prepare: Callable[[argparse.Namespace, Clients], Job],
    options: argparse.Namespace,
    session: "boto3.Session | None" = None,
) -> int:
    try:
        aws = clients(session or _session(options))
        job = prepare(options, aws)
    except (Refused, ValueError, RuntimeError, OSError, BotoCoreError, ClientError) as error:
        reasons = error.reasons if isinstance(error, Refused) else (in_words(error),)
        if options.json:
            _print_json({"refused": list(reasons)})
        print(*reasons, sep="\n", file=sys.stderr)
        return 1
    tell = _silent if options.json else print
    tell(f"{job.what}, account {aws.account}, {aws.region}")
    _show(job, tell)
    outcome = _do(job, tell) if options.apply else Outcome([])
    if job.steps and not options.apply:
        tell("Nothing was done. With --apply, it is done.")
    if options.json:
        _print_json(_document(job, aws, outcome, applied=options.apply))
    return 1 if outcome.failed else 0


def _session(options: argparse.Namespace) -> "boto3.Session":
    import boto3  # noqa: PLC0415 a second that --help need not wait

    return boto3.Session(profile_name=options.profile, region_name=options.region)


def _show(job: Job, tell: Callable[[str], None]) -> None:
    for number, step in enumerate(job.steps, 1):
        tell(f"  {number}. {step}")
    if not job.steps:
        tell("Nothing to do: all is as it should be.")


def _do(job: Job, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome([])
    for number, step in enumerate(job.steps, 1):
        try:
            outcome.done.append(job.executor.do(step))
        except (ClientError, BotoCoreError, NotDone, OSError) as error:
            outcome.failed = in_words(error)
            rest = len(job.steps) - number
            print(f"Could not {step}. {outcome.failed}", file=sys.stderr)
            print(f"{number - 1} done, {rest} not tried. Run it again: it goes on from what is there.", file=sys.stderr)
            return outcome
        tell(f"  done {number}: {outcome.done[-1]}")
    for note in job.notes:
        tell(note)
    return outcome


def _document(job: Job, aws: Clients, outcome: Outcome, *, applied: bool) -> dict[str, Any]:
    ids = [*outcome.done, *[None] * (len(job.steps) - len(outcome.done))]
    return {
        "account": aws.account,
        "region": aws.region,
        "applied": applied,
        "failed": outcome.failed,
        "steps": [
            {"step": type(step).__name__, **_plain(step), "id": id_} for step, id_ in zip(job.steps, ids, strict=True)
        ],
        "notes": list(job.notes),
    }


def _plain(step: Step) -> dict[str, Any]:
    assert is_dataclass(step)
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(step).items()}


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))


def _silent(_: str) -> None:
    """--json prints one document and nothing else."""
