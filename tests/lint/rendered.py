"""Templates as the linters are given them: as CloudFormation would resolve them, under several sets of parameters.

The rules of Control Tower and of checkov look at literal values. On templates as they are written, with conditions and
short forms of intrinsic functions, they call faults what they merely cannot read, and pass over what they should see.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.lint.finding import LinterFailed
from tests.service_catalog.template import BOTH, CONSUMER, PRODUCER, SERVICE_CATALOG, Stack, Template

SAMPLES = {
    "ExistingBucketName": "acme-existing",
    "ExistingKmsKeyArn": "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AlarmEmail": "on-call@example.org",
    "ScopePrefixes": "raw/,curated/",
    "LambdaS3Bucket": "acme-artifacts",
    "LambdaS3Key": "s3-hydration/0.1.0/s3-hydration-arm64.zip",
    "AllowServerSideCopies": "true",
    "CopyMode": "server-side",
}
"""By parameter: values of those that switch something on, or that have no default."""

VARIANTS: Mapping[str, list[list[str]]] = {
    "producer": [
        ["AlarmEmail", "ScopePrefixes"],
        ["AllowServerSideCopies"],
        ["ExistingBucketName", "ExistingKmsKeyArn", "LambdaS3Bucket", "LambdaS3Key"],
    ],
    "consumer": [["AlarmEmail", "ScopePrefixes"], ["CopyMode"]],
}
"""By template: which of the samples are given, beside what has no default. Together they have every resource."""


def name_of(template: Template) -> str:
    """`producer`, `consumer`; `launch-producer`, `launch-consumer` of the launch roles."""
    return template.path.parent.name if template in BOTH else f"launch-{template.path.stem}"


def templates() -> Iterator[Template]:
    """The two products', and those of the launch roles."""
    yield from BOTH
    known = {**PRODUCER.needed, **CONSUMER.needed, **SAMPLES}
    for path in sorted((SERVICE_CATALOG / "launch-roles").glob("*.yaml")):
        template = Template(path, PRODUCER.account, {})
        needed = {name for name, each in template.body.get("Parameters", {}).items() if "Default" not in each}
        yield Template(path, PRODUCER.account, {name: known.get(name, f"some-{name}") for name in needed})


def write(folder: Path) -> list[Path]:
    """A file for every template and variant. LinterFailed where a resource is in none of its template's variants."""
    return [path for template in templates() for path in _write(template, folder)]


def _write(template: Template, folder: Path) -> Iterator[Path]:
    name = name_of(template)
    unseen = set(template.body["Resources"])
    for number, given in enumerate(VARIANTS.get(name, [[]]), 1):
        declared = template.body.get("Parameters", {})
        stack = template.resolve(**{each: SAMPLES[each] for each in given if each in declared})
        unseen -= set(stack.resources)
        path = folder / f"{name}.{number}.json"
        path.write_text(json.dumps(document(stack), indent=1))
        yield path
    if unseen:
        raise LinterFailed(f"{name}: no variant in {__name__} has {', '.join(sorted(unseen))}; add one that does.")


def document(stack: Stack) -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {
                **{key: each for key, each in resource.items() if key.endswith("Policy")},
                "Type": str(resource["Type"]),
                "Properties": _as_policies_have_it(stack.properties(name)),
            }
            for name, resource in stack.resources.items()
        },
    }


def _as_policies_have_it(node: Any, *, in_condition: bool = False) -> Any:
    """Truth values in the conditions of policies as text: IAM takes both forms, a rule asks for one of them."""
    match node:
        case Mapping():
            return {
                key: _as_policies_have_it(each, in_condition=in_condition or key == "Condition")
                for key, each in node.items()
            }
        case list():
            return [_as_policies_have_it(each, in_condition=in_condition) for each in node]
        case bool() if in_condition:
            return str(node).lower()
    return node
