"""Service Catalog read: one function per kind of thing. `None` for a portfolio's id means that there is none yet."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from found import LAUNCH, Constraint, FoundProduct, Version
from steps import Refused


def portfolio(catalog: Any, name: str, provider: str) -> str | None:
    found = [
        each["Id"]
        for each in pages(catalog.list_portfolios, "PortfolioDetails")
        if (each["DisplayName"], each["ProviderName"]) == (name, provider)
    ]
    return _one(found, f"portfolios {name!r} of {provider!r}")


def products(catalog: Any, names: Sequence[str], owner: str, portfolio: str | None) -> dict[str, FoundProduct]:
    listed = [
        each["ProductViewSummary"]
        for each in pages(catalog.search_products_as_admin, "ProductViewDetails", ProductSource="ACCOUNT")
    ]
    products = {}
    for name in names:
        ids = [each["ProductId"] for each in listed if (each["Name"], each.get("Owner")) == (name, owner)]
        if id_ := _one(ids, f"products {name!r} of {owner!r}"):
            products[name] = _product(catalog, id_, portfolio)
    return products


def with_state(catalog: Any, product: FoundProduct, wanted: str) -> FoundProduct:
    """The listing says nothing of a version's status and service actions; of the wanted one they are asked for."""
    versions = [_stated(catalog, product.id, each) if each.name == wanted else each for each in product.versions]
    return replace(product, versions=tuple(versions))


def with_actions(catalog: Any, product: FoundProduct) -> FoundProduct:
    return replace(product, versions=tuple(_acting(catalog, product.id, each) for each in product.versions))


def principals(catalog: Any, portfolio: str | None) -> Iterator[tuple[str, str]]:
    if portfolio:
        for each in pages(catalog.list_principals_for_portfolio, "Principals", PortfolioId=portfolio):
            yield each["PrincipalARN"], each["PrincipalType"]


def shares(catalog: Any, portfolio: str | None, kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    for kind in kinds if portfolio else ():
        request = {"PortfolioId": portfolio, "Type": kind}
        for each in pages(catalog.describe_portfolio_shares, "PortfolioShareDetails", **request):
            yield share_id(each["PrincipalId"]), each["Type"]


def actions(catalog: Any) -> list[tuple[str, str, str]]:
    """Name, id and description of each service action of the account."""
    listed = pages(catalog.list_service_actions, "ServiceActionSummaries")
    return [(each["Name"], each["Id"], each.get("Description", "")) for each in listed]


def used_by_others(catalog: Any, actions: dict[str, str], ours: set[str]) -> set[str]:
    """Those of the actions that products other than ours offer, too."""
    used = set()
    for name, id_ in actions.items():
        listed = pages(
            catalog.list_provisioning_artifacts_for_service_action, "ProvisioningArtifactViews", ServiceActionId=id_
        )
        if any(each["ProductViewSummary"]["ProductId"] not in ours for each in listed):
            used.add(name)
    return used


def others(catalog: Any, portfolio: str | None, ours: set[str]) -> Iterator[str]:
    if portfolio:
        for each in pages(catalog.search_products_as_admin, "ProductViewDetails", PortfolioId=portfolio):
            if each["ProductViewSummary"]["ProductId"] not in ours:
                yield each["ProductViewSummary"]["Name"]


def provisioned(catalog: Any, products: dict[str, FoundProduct]) -> Iterator[str]:
    for name, product in products.items():
        request = {
            "AccessLevelFilter": {"Key": "Account", "Value": "self"},
            "Filters": {"SearchQuery": [f"productId:{product.id}"]},
        }
        for each in pages(catalog.search_provisioned_products, "ProvisionedProducts", **request):
            yield f"{each['Name']!r} ({each['Id']}) of {name!r}"


def pages(operation: Any, key: str, **request: Any) -> Iterator[Any]:
    """All entries of a paged answer; not all of these operations have a paginator in botocore."""
    answer = operation(**request)
    yield from answer.get(key, [])
    while answer.get("NextPageToken"):
        answer = operation(**request, PageToken=answer["NextPageToken"])
        yield from answer.get(key, [])


def share_id(target: str) -> str:
    """A unit's, organisation's or account's id; of an ARN its last part."""
    return target.rpartition("/")[2]


def _one(found: Sequence[str], what: str) -> str | None:
    if len(found) > 1:
        raise Refused(f"There are {len(found)} {what}: {', '.join(found)}. Rename or delete all but one.")
    return found[0] if found else None


def _product(catalog: Any, id_: str, portfolio: str | None) -> FoundProduct:
    portfolios = {each["Id"] for each in pages(catalog.list_portfolios_for_product, "PortfolioDetails", ProductId=id_)}
    # Its answer has a token for the next page, its request has no place for one: there is one page.
    versions = catalog.list_provisioning_artifacts(ProductId=id_)["ProvisioningArtifactDetails"]
    return FoundProduct(
        id=id_,
        versions=tuple(
            Version(each["Id"], each["Name"], each.get("Guidance", "DEFAULT"), each.get("Active", True))
            for each in versions
        ),
        constraints=tuple(_constraints(catalog, portfolio, id_)) if portfolio in portfolios else (),
        in_portfolio=portfolio in portfolios,
        in_others=bool(portfolios - {portfolio}),
    )


def _constraints(catalog: Any, portfolio: str | None, product: str) -> Iterator[Constraint]:
    request = {"PortfolioId": portfolio, "ProductId": product}
    for each in pages(catalog.list_constraints_for_portfolio, "ConstraintDetails", **request):
        role = ""
        if each["Type"] == LAUNCH:
            text = catalog.describe_constraint(Id=each["ConstraintId"])["ConstraintParameters"]
            parameters = json.loads(text)
            role = parameters.get("LocalRoleName") or parameters.get("RoleArn", "")
        yield Constraint(each["ConstraintId"], each["Type"], role)


def _stated(catalog: Any, product: str, version: Version) -> Version:
    status = catalog.describe_provisioning_artifact(ProductId=product, ProvisioningArtifactId=version.id)["Status"]
    return replace(_acting(catalog, product, version), status=status)


def _acting(catalog: Any, product: str, version: Version) -> Version:
    request = {"ProductId": product, "ProvisioningArtifactId": version.id}
    listed = pages(catalog.list_service_actions_for_provisioning_artifact, "ServiceActionSummaries", **request)
    return replace(version, actions=tuple(each["Name"] for each in listed))
