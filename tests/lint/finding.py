"""What a linter says about a resource of a template."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """One rule and one resource: what a suppression is about, whatever the template's parameters are."""

    rule: str
    """`CT.S3.PR.8` of AWS Control Tower's, `CKV_AWS_18` of checkov's."""
    resource: str
    """`producer/SourceBucket`: the template (`rendered.name_of`) and the logical id."""


@dataclass(frozen=True, order=True)
class Finding:
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place.resource}: {self.place.rule} {self.message}"


class LinterFailed(Exception):
    """A linter did not run to its end; what it said instead."""
