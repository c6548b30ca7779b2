"""What the runbook gives to type, found by the section it stands in: a drill has no command of its own."""

import json
import shlex
from pathlib import Path
from typing import Any

from tests.runbook.doc_commands import Command, commands

RUNBOOK = Path(__file__).parents[2] / "service-catalog" / "docs" / "runbook.md"
COMMANDS = list(commands(RUNBOOK.read_text()))


def of_section(section: str) -> list[Command]:
    """Its commands, in order; fails where it has none."""
    found = [command for command in COMMANDS if command.section == section]
    assert found, f"The runbook has no command in {section!r}."
    return found


def command(section: str, *words: str) -> Command:
    """The first command of a section that has all the words in it."""
    for found in of_section(section):
        if all(word in found.text for word in words):
            return found
    raise AssertionError(f"The runbook's section {section!r} has no command with {words}.")


def text(section: str) -> str:
    """What stands under a heading, up to the next one."""
    return RUNBOOK.read_text().split(f"\n### {section}\n")[1].split("\n#")[0]


def payload(command: Command) -> dict[str, Any]:
    """What a command gives to the transfer function."""
    words = shlex.split(command.text)
    assert words[:3] == ["aws", "lambda", "invoke"]
    assert words[words.index("--function-name") + 1] == "s3-hydration-transfer"
    given: dict[str, Any] = json.loads(words[words.index("--payload") + 1])
    return given
