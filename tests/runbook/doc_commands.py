"""The commands that a document gives to type, as they stand in its indented blocks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BEGINNINGS = ("aws ", "python ", "make ", "echo ", "openssl ")
WORD = re.compile(r"(?<![\w.])[A-Z]{2,}(?:_[A-Z]+)*(?![\w=])")
LITERAL = frozenset({"CAPABILITY_NAMED_IAM", "ENABLED", "SYSTEM"})


@dataclass(frozen=True)
class Command:
    """`section` is the heading that it stands under; `text` is one line, without the backslashes that broke it."""

    section: str
    text: str

    def filled(self, words: Mapping[str, str]) -> str:
        """With the document's words in capitals replaced; KeyError for one that is not known."""
        return WORD.sub(lambda match: match[0] if match[0] in LITERAL else words[match[0]], self.text)


def commands(document: str) -> Iterator[Command]:
    section, lines = "", iter(document.splitlines())
    for line in lines:
        if heading := re.match(r"#+ (.+)", line):
            section = heading[1]
        indented = re.match(r" {4,}(\S.*)", line)
        if indented and indented[1].startswith(BEGINNINGS):
            text = indented[1]
            while text.endswith("\\"):
                text = f"{text[:-1].rstrip()} {next(lines).strip()}"
            yield Command(section, text)
