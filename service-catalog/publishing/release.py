"""What a version is made of and where it goes: the wish that `publish_plan.plan` compares with what it finds."""

import base64
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from function_zip import ROOT, build
from wheels import ARCHITECTURES

TEMPLATES = {"producer": "Producer", "consumer": "Consumer"}
LAUNCH_ROLE = "s3-hydration-launch-{}"  # as service-catalog/launch-roles/*.yaml name it


@dataclass(frozen=True, slots=True)
class Upload:
    """A file under a key of the version: never overwritten, since stacks of that version name it."""

    key: str
    path: Path
    sha256: str
    """Base64, as S3 gives and takes it."""


@dataclass(frozen=True, slots=True)
class Action:
    """A service action: an SSM Automation document and those of its parameters that the user fills in."""

    name: str
    document: str
    document_version: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    name: str
    description: str
    url: str
    """Of its template."""
    launch_role: str
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    version: str
    bucket: str
    portfolio: str
    provider: str
    about: str
    """Description of the version, which users see when they provision it."""
    uploads: tuple[Upload, ...]
    products: tuple[Product, ...]
    principals: tuple[str, ...] = ()
    """ARNs of roles, users or groups of this account."""
    targets: tuple[str, ...] = ()
    """Organisations, their units or accounts to share with."""


def release(
    bucket: str,
    prefix: str,
    s3_endpoint: str,
    *,
    portfolio: str,
    provider: str,
    principals: Sequence[str] = (),
    targets: Sequence[str] = (),
    actions: Sequence[Action] = (),
    root: Path = ROOT,
) -> Release:
    """This source tree's version. Builds both zips; RuntimeError when that fails."""
    version = version_of(root)
    folder = f"{prefix.strip('/')}/{version}".lstrip("/")
    templates = {name: root / "service-catalog" / name / "template.yaml" for name in TEMPLATES}
    files = {f"{folder}/{name}.yaml": path for name, path in templates.items()}
    files |= {f"{folder}/{path.name}": path for path in (build(arch, root=root) for arch in ARCHITECTURES)}
    return Release(
        version=version,
        bucket=bucket,
        portfolio=portfolio,
        provider=provider,
        about=f"LambdaS3Bucket: {bucket}, LambdaS3Key: {folder}/s3-hydration-arm64.zip (or -x86_64.zip)",
        uploads=tuple(Upload(key, path, sha256_of(path.read_bytes())) for key, path in sorted(files.items())),
        products=tuple(
            Product(
                name=f"{portfolio} {noun}",
                description=_description(noun),
                # Path style: the only one that Service Catalog's own example shows, and it takes every bucket name
                # https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisioningArtifactProperties.html
                url=f"{s3_endpoint}/{bucket}/{folder}/{name}.yaml",
                launch_role=LAUNCH_ROLE.format(name),
                actions=tuple(actions) if name == "consumer" else (),
            )
            for name, noun in TEMPLATES.items()
        ),
        principals=tuple(principals),
        targets=tuple(targets),
    )


def about_actions(portfolio: str) -> str:
    """Description of the service actions that publishing makes, by which unpublishing knows them again."""
    return f"Offered with {portfolio}"


def version_of(root: Path = ROOT) -> str:
    project: Mapping[str, str] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["version"]


def sha256_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _description(noun: str) -> str:
    if noun == "Producer":
        return "A bucket whose objects one consumer account may read, and the events that tell it of every change."
    return "Keeps a bucket of this account equal to a producer's bucket. Provision the producer first."
