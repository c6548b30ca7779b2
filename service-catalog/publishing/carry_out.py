"""Does the steps of a plan, one after the other, and says what each one made.

Each step is one writing call; a plan that broke off is finished by the next one, which is made anew from what is found.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import sleep
from typing import Any

import steps
from botocore.exceptions import ClientError
from clients import Clients
from found import Found
from release import Action

TRIES = 30
SECONDS = 4.0
"""Between two looks at something that Service Catalog does in its own time; with TRIES two minutes."""


class NotDone(Exception):
    """A step that Service Catalog took, but did not bring to its end. The text says what is the matter."""


@dataclass
class Executor:
    aws: Clients
    portfolio: str | None
    products: dict[str, str]
    versions: dict[tuple[str, str], str]
    actions: dict[str, str]
    bucket_owner: str
    pause: Callable[[float], None] = sleep

    def do(self, step: steps.Step) -> str:  # noqa: C901, PLR0911, PLR0912 the table of what each step is
        """Does it and returns the id of what it made or changed. ClientError as AWS raises it, NotDone."""
        catalog = self.aws.catalog
        match step:
            case steps.UploadFile():
                return self._upload(step)
            case steps.CreatePortfolio(name, provider):
                detail = catalog.create_portfolio(DisplayName=name, ProviderName=provider)["PortfolioDetail"]
                self.portfolio = str(detail["Id"])
                return self.portfolio
            case steps.CreateProduct():
                return self._create_product(step)
            case steps.AddVersion(product, version, about, url):
                answer = catalog.create_provisioning_artifact(
                    ProductId=self.products[product], Parameters=_artifact(version, about, url)
                )
                return self._made(product, version, answer["ProvisioningArtifactDetail"])
            case steps.AwaitVersion(product, version):
                return self._await_version(product, version)
            case steps.AddProduct(product):
                catalog.associate_product_with_portfolio(**self._membership(product))
                return self.products[product]
            case steps.AddLaunchRole(product, role):
                answer = catalog.create_constraint(
                    **self._membership(product), Type="LAUNCH", Parameters=json.dumps({"LocalRoleName": role})
                )
                return str(answer["ConstraintDetail"]["ConstraintId"])
            case steps.ChangeLaunchRole(_, role, constraint):
                catalog.update_constraint(Id=constraint, Parameters=json.dumps({"LocalRoleName": role}))
                return constraint
            case steps.Admit(principal):
                # The exact ARN, never IAM_PATTERN, which whoever may create roles could match:
                # https://docs.aws.amazon.com/servicecatalog/latest/dg/API_AssociatePrincipalWithPortfolio.html
                catalog.associate_principal_with_portfolio(**self._access(principal, "IAM"))
                return principal
            case steps.ShareWith(target):
                self._await_share(catalog.create_portfolio_share(PortfolioId=self.portfolio, **recipient(target)))
                return target
            case steps.CreateAction(action, about):
                return self._create_action(action, about)
            case steps.AddAction(product, version, action):
                catalog.associate_service_action_with_provisioning_artifact(**self._offer(product, version, action))
                return self.actions[action]
            case steps.Recommend(product, version):
                return self._guide(product, version, Active=True, Guidance="DEFAULT")
            case steps.Deprecate(product, version):
                return self._guide(product, version, Guidance="DEPRECATED")
            case steps.RemoveAction(product, version, action):
                catalog.disassociate_service_action_from_provisioning_artifact(**self._offer(product, version, action))
                return self.actions[action]
            case steps.DeleteAction(action):
                catalog.delete_service_action(Id=self.actions[action])
                return self.actions[action]
            case steps.RemoveConstraint(_, constraint):
                catalog.delete_constraint(Id=constraint)
                return constraint
            case steps.Dismiss(principal, kind):
                catalog.disassociate_principal_from_portfolio(**self._access(principal, kind))
                return principal
            case steps.Unshare(target, kind):
                self._await_share(catalog.delete_portfolio_share(PortfolioId=self.portfolio, **recipient(target, kind)))
                return target
            case steps.RemoveProduct(product):
                catalog.disassociate_product_from_portfolio(**self._membership(product))
                return self.products[product]
            case steps.DeleteProduct(product):
                catalog.delete_product(Id=self.products[product])
                return self.products[product]
            case steps.DeletePortfolio():
                catalog.delete_portfolio(Id=self.portfolio)
                return str(self.portfolio)

    def _upload(self, step: steps.UploadFile) -> str:
        request = {"Bucket": step.bucket, "Key": step.key, "ExpectedBucketOwner": self.bucket_owner}
        content = step.path.read_bytes()
        # Only where nothing is: of two who publish one version at once, the second fails.
        answer = self.aws.s3.put_object(**request, Body=content, ChecksumSHA256=step.sha256, IfNoneMatch="*")
        return str(answer.get("VersionId") or step.key)

    def _create_product(self, step: steps.CreateProduct) -> str:
        answer = self.aws.catalog.create_product(
            Name=step.product,
            Owner=step.owner,
            Description=step.description,
            ProductType="CLOUD_FORMATION_TEMPLATE",
            ProvisioningArtifactParameters=_artifact(step.version, step.about, step.url),
        )
        self.products[step.product] = answer["ProductViewDetail"]["ProductViewSummary"]["ProductId"]
        self._made(step.product, step.version, answer["ProvisioningArtifactDetail"])
        return self.products[step.product]

    def _made(self, product: str, version: str, detail: dict[str, Any]) -> str:
        self.versions[product, version] = str(detail["Id"])
        return self.versions[product, version]

    def _create_action(self, action: Action, about: str) -> str:
        parameters = [{"Name": name, "Type": "TEXT_VALUE"} for name in action.parameters]
        answer = self.aws.catalog.create_service_action(
            Name=action.name,
            Description=about,
            DefinitionType="SSM_AUTOMATION",
            Definition={
                "Name": action.document,
                "Version": action.document_version,
                "AssumeRole": "LAUNCH_ROLE",
                "Parameters": json.dumps(parameters),
            },
        )
        self.actions[action.name] = str(answer["ServiceActionDetail"]["ServiceActionSummary"]["Id"])
        return self.actions[action.name]

    def _guide(self, product: str, version: str, **guidance: Any) -> str:
        id_ = self.versions[product, version]
        self.aws.catalog.update_provisioning_artifact(
            ProductId=self.products[product], ProvisioningArtifactId=id_, **guidance
        )
        return id_

    def _await_version(self, product: str, version: str) -> str:
        id_ = self.versions[product, version]
        request = {"ProductId": self.products[product], "ProvisioningArtifactId": id_}
        for _ in self._looks():
            status = self.aws.catalog.describe_provisioning_artifact(**request)["Status"]
            if status == "AVAILABLE":
                return id_
            if status == "FAILED":
                raise NotDone(f"Service Catalog could not take version {version} of {product!r} ({id_}).")
        raise NotDone(f"Version {version} of {product!r} ({id_}) is still being created. Run this again.")

    def _await_share(self, answer: dict[str, Any]) -> None:
        """A share with a unit or an organisation takes its time; with an account it gives no token."""
        if not (token := answer.get("PortfolioShareToken")):
            return
        for _ in self._looks():
            state = self.aws.catalog.describe_portfolio_share_status(PortfolioShareToken=token)
            if state["Status"] == "COMPLETED":
                return
            if state["Status"] in {"COMPLETED_WITH_ERRORS", "ERROR"}:
                errors = state.get("ShareDetails", {}).get("ShareErrors", [])
                texts = [f"{', '.join(each.get('Accounts', []))}: {each.get('Message')}" for each in errors]
                raise NotDone(f"The share did not reach every account: {'; '.join(texts) or state['Status']}")
        raise NotDone("The share is still under way. Run this again.")

    def _looks(self) -> Iterator[None]:
        for look in range(TRIES):
            if look:
                self.pause(SECONDS)
            yield

    def _membership(self, product: str) -> dict[str, Any]:
        return {"PortfolioId": self.portfolio, "ProductId": self.products[product]}

    def _access(self, principal: str, kind: str) -> dict[str, Any]:
        return {"PortfolioId": self.portfolio, "PrincipalARN": principal, "PrincipalType": kind}

    def _offer(self, product: str, version: str, action: str) -> dict[str, Any]:
        return {
            "ProductId": self.products[product],
            "ProvisioningArtifactId": self.versions[product, version],
            "ServiceActionId": self.actions[action],
        }


def executor(aws: Clients, found: Found, *, bucket_owner: str, pause: Callable[[float], None] = sleep) -> Executor:
    return Executor(
        aws,
        found.portfolio,
        {name: product.id for name, product in found.products.items()},
        {(name, each.name): each.id for name, product in found.products.items() for each in product.versions},
        dict(found.actions),
        bucket_owner,
        pause,
    )


def recipient(target: str, kind: str = "") -> dict[str, Any]:
    """Whom a share is with, as the API takes it.

    An account by its number, which any account may do and the other must accept; else a node of the organisation:
    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_CreatePortfolioShare.html
    """
    if target.startswith("ou-"):
        return {"OrganizationNode": {"Type": "ORGANIZATIONAL_UNIT", "Value": target}}
    if target.startswith("o-"):
        return {"OrganizationNode": {"Type": "ORGANIZATION", "Value": target}}
    if kind == "ORGANIZATION_MEMBER_ACCOUNT":
        return {"OrganizationNode": {"Type": "ACCOUNT", "Value": target}}
    return {"AccountId": target}


def in_words(error: Exception) -> str:
    """An error of a step as a sentence: what AWS said, without the request's noise."""
    if isinstance(error, ClientError):
        about = error.response["Error"]
        return f"{error.operation_name}: {about.get('Message') or about['Code']} ({about['Code']})"
    return str(error) or type(error).__name__


def _artifact(version: str, about: str, url: str) -> dict[str, Any]:
    return {
        "Name": version,
        "Description": about,
        "Info": {"LoadTemplateFromURL": url},
        "Type": "CLOUD_FORMATION_TEMPLATE",
    }
