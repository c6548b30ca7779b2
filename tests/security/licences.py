"""Under which licence each package is that ships in the functions' zip, as a page of the documentation.

python -m tests.security.licences writes it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

SHIPPED = Path("consumer_replicator/requirements.txt")
PAGE = Path("service-catalog/docs/licences.md")
PERMISSIVE = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Zlib"})
"""They ask for no more than that their text is passed on: it is in the zip, below `licenses/`."""
NAMES: Mapping[str, str] = {
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
}
READ = {"jinja2": "BSD-3-Clause", "python-dateutil": "Apache-2.0 OR BSD-3-Clause"}
"""Of packages whose metadata name a family only: as their licence files say."""
HEAD = """# Licences of what ships

The functions' zip holds these packages beside S3 Hydration itself (Apache-2.0), each with its licence's text below
`licenses/`. All are permissive. A test keeps this page, and refuses any other licence.

| package | version | licence |
|---|---|---|
"""


@dataclass(frozen=True)
class Package:
    """`licence` as an SPDX expression; None where the package names none."""

    name: str
    version: str
    licence: str | None

    @property
    def is_permissive(self) -> bool:
        """Whether one that it may be taken under is, or all that must be kept are."""
        licence = self.licence or ""
        return any(all(name in PERMISSIVE for name in choice.split(" AND ")) for choice in licence.split(" OR "))


def shipped() -> list[Package]:
    pinned = re.findall(r"^([a-z0-9_.-]+)==(\S+)", SHIPPED.read_text(), re.MULTILINE)
    return [Package(name, version, licence_of(name, metadata(name))) for name, version in pinned]


def licence_of(name: str, told: PackageMetadata) -> str | None:
    if name in READ:
        return READ[name]
    if expression := told.get("License-Expression"):
        return str(expression)
    named = list(_classified(told))
    if named:
        return " AND ".join(sorted(named))
    return told.get("License")


def _classified(told: PackageMetadata) -> Iterator[str]:
    for classifier in told.get_all("Classifier") or []:
        if classifier.startswith("License :: "):
            licence = classifier.removeprefix("License :: ")
            yield NAMES.get(licence, licence)


def page(packages: list[Package]) -> str:
    return HEAD + "".join(f"| {each.name} | {each.version} | {each.licence} |\n" for each in packages)


if __name__ == "__main__":
    PAGE.write_text(page(shipped()))
