"""The tables of parameters and outputs in the deployment guide, made from the templates.

    python -m tests.service_catalog.parameter_tables      writes them into the guide, between their markers

A test holds the guide against them.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.service_catalog.template import CONSUMER, PRODUCER, SERVICE_CATALOG, Template

GUIDE = SERVICE_CATALOG / "docs" / "deployment-guide.md"
TABLES = {
    f"{name} {what}": (template, what)
    for name, template in (("producer", PRODUCER), ("consumer", CONSUMER))
    for what in ("parameters", "outputs")
}


def written(guide: str) -> str:
    """The guide with all its tables as the templates say. ValueError where a table has no place in it."""
    for name, (template, what) in TABLES.items():
        table = "\n".join(parameters(template) if what == "parameters" else outputs(template))
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        guide, places = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, text=f"{begin}{table}\n{end}": text,
            guide,
            flags=re.DOTALL,
        )
        if places != 1:
            raise ValueError(f"The guide has {places} places for the table of {name}, not one.")
    return guide


def parameters(template: Template) -> Iterator[str]:
    """One table for each group of the console's form, in its order."""
    declared = template.body["Parameters"]
    for group in template.body["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        yield f"\n**{group['Label']['default']}**\n"
        yield from _table("parameter", "what it is", "default")
        for name in group["Parameters"]:
            yield _row(f"`{name}`", _meaning(declared[name]), _default(declared[name]))
    yield ""


def outputs(template: Template) -> Iterator[str]:
    yield ""
    yield from _table("output", "what it is")
    for name, output in template.body["Outputs"].items():
        yield _row(f"`{name}`", str(output["Description"]))
    yield ""


def _meaning(declaration: Mapping[str, Any]) -> str:
    text = str(declaration["Description"])
    if allowed := declaration.get("AllowedValues"):
        return f"{text} One of {', '.join(f'`{value}`' for value in allowed)}."
    return text


def _default(declaration: Mapping[str, Any]) -> str:
    match declaration.get("Default"):
        case None:
            return "**needed**"
        case "":
            return "empty"
        case value:
            return f"`{value}`"


def _table(*columns: str) -> Iterator[str]:
    yield _row(*columns)
    yield "|---" * len(columns) + "|"


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    # A pipe would end the cell; angle brackets would be taken for HTML, asterisks for emphasis.
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()).replace("|", r"\|"))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    bold = re.fullmatch(r"\*\*\w+\*\*", text)
    return text if bold else re.sub(r"([<*])", r"\\\1", text)


def main(guide: Path = GUIDE) -> None:
    guide.write_text(written(guide.read_text()))


if __name__ == "__main__":
    main()
