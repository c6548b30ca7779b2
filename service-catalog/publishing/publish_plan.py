"""What publishing has to do: a pure function from the release that is wanted and what is there to the steps between.

A version is published once. Its files never change afterwards; what is missing is added, so that a run that broke off
is finished by the next, and a run with nothing to do plans nothing.
"""

from collections.abc import Iterator

from found import DEPRECATED, LAUNCH, Found, FoundProduct, Version
from release import Product, Release, about_actions
from steps import (
    AddAction,
    AddLaunchRole,
    AddProduct,
    AddVersion,
    Admit,
    AwaitVersion,
    ChangeLaunchRole,
    CreateAction,
    CreatePortfolio,
    CreateProduct,
    Deprecate,
    Recommend,
    Refused,
    ShareWith,
    Step,
    UploadFile,
)


def plan(wanted: Release, found: Found) -> tuple[Step, ...]:
    """The steps in their order, none when everything is as wanted. Refused with every reason there is."""
    reasons = tuple(_reasons(wanted, found))
    if reasons:
        raise Refused(*reasons)
    return tuple(_steps(wanted, found))


def _reasons(wanted: Release, found: Found) -> Iterator[str]:
    for upload in wanted.uploads:
        if found.files.get(upload.key, upload.sha256) != upload.sha256:
            yield (
                f"s3://{wanted.bucket}/{upload.key} is there with other bytes, or without a SHA-256 to tell by. "
                f"Version {wanted.version} has been published: give this one another version in pyproject.toml."
            )
    for product in wanted.products:
        if product.launch_role not in found.roles:
            # Needed here and in every account that launches:
            # https://docs.aws.amazon.com/servicecatalog/latest/dg/API_CreateConstraint.html
            yield (
                f"This account has no role {product.launch_role}. Deploy its template of service-catalog/launch-roles "
                "first, here and in every account that shall use the product."
            )
        version = _version(found, product.name, wanted.version)
        if version and version.status == "FAILED":
            yield (
                f"Service Catalog could not take version {wanted.version} of {product.name!r} ({version.id}). "
                "Delete that version there; the next run adds it again."
            )


def _steps(wanted: Release, found: Found) -> Iterator[Step]:
    for upload in wanted.uploads:
        if upload.key not in found.files:
            yield UploadFile(wanted.bucket, upload.key, upload.path, upload.sha256)
    if not found.portfolio:
        yield CreatePortfolio(wanted.portfolio, wanted.provider)
    for product in wanted.products:
        yield from _product_steps(wanted, product, found)
    for principal in wanted.principals:
        if principal not in found.principals:
            yield Admit(principal)
    for target in wanted.targets:  # last: what others see is whole
        if target not in found.shares:
            yield ShareWith(target)


def _product_steps(wanted: Release, product: Product, found: Found) -> Iterator[Step]:
    there = found.products.get(product.name)
    version = _version(found, product.name, wanted.version)
    if not there:
        yield CreateProduct(
            product.name, wanted.provider, product.description, wanted.version, wanted.about, product.url
        )
    elif not version:
        yield AddVersion(product.name, wanted.version, wanted.about, product.url)
    if not version or version.status != "AVAILABLE":
        yield AwaitVersion(product.name, wanted.version)
    yield from _launch_steps(product, there)
    for action in product.actions:
        if action.name not in found.actions:
            yield CreateAction(action, about_actions(wanted.portfolio))
        if not version or action.name not in version.actions:
            yield AddAction(product.name, wanted.version, action.name)
    yield from _guidance_steps(wanted.version, product.name, there)


def _launch_steps(product: Product, there: FoundProduct | None) -> Iterator[Step]:
    """A product in the portfolio, and with which role it is launched: nobody can see it with their own permissions."""
    if not there or not there.in_portfolio:
        yield AddProduct(product.name)
    launch = next((each for each in there.constraints if each.kind == LAUNCH), None) if there else None
    if not launch:
        yield AddLaunchRole(product.name, product.launch_role)
    elif launch.role != product.launch_role:
        yield ChangeLaunchRole(product.name, product.launch_role, launch.id, launch.role)


def _guidance_steps(wanted: str, product: str, there: FoundProduct | None) -> Iterator[Step]:
    for version in there.versions if there else ():
        if version.name == wanted and not version.is_offered:
            yield Recommend(product, version.name)
        elif version.active and version.guidance != DEPRECATED and _is_older(version.name, wanted):
            yield Deprecate(product, version.name)


def _is_older(name: str, wanted: str) -> bool:
    """Whether `name` is a version before `wanted`; what is no number of ours is somebody else's, and left alone."""
    parts = name.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return False
    return [int(part) for part in parts] < [int(part) for part in wanted.split(".")]


def _version(found: Found, product: str, name: str) -> Version | None:
    there = found.products.get(product)
    return there.version(name) if there else None
