# ruff: noqa: N802, N803 the API's own names
"""An account's Service Catalog, bucket and roles, small and in memory, behind real boto3 clients.

botocore checks every request against the API's model before it gets here. Refuses what Service Catalog refuses: a
second launch constraint, deleting what is in use, removing what is not there. Pages hold two entries, so that paging is
used.
"""

import itertools
import json
from functools import cached_property
from types import SimpleNamespace

import boto3
import botocore.session

ACCOUNT = "333333333333"
REGION = "eu-west-1"
PAGED = {
    "ListPortfolios": "PortfolioDetails",
    "SearchProductsAsAdmin": "ProductViewDetails",
    "ListPortfoliosForProduct": "PortfolioDetails",
    "ListConstraintsForPortfolio": "ConstraintDetails",
    "ListPrincipalsForPortfolio": "Principals",
    "DescribePortfolioShares": "PortfolioShareDetails",
    "ListServiceActions": "ServiceActionSummaries",
    "ListServiceActionsForProvisioningArtifact": "ServiceActionSummaries",
    "ListProvisioningArtifactsForServiceAction": "ProvisioningArtifactViews",
    "SearchProvisionedProducts": "ProvisionedProducts",
}
MODELS = botocore.session.Session().get_component("data_loader")  # read once for all
READING = ("List", "Describe", "Search", "Get", "Head")


class Fault(Exception):
    def __init__(self, code, message="no"):
        super().__init__(code)
        self.code, self.message = code, message


class Account:
    """`calls` are the operations asked for; `fail_at(n)` makes the n-th writing call from now fail, before or after it
    has had its effect."""

    def __init__(self):
        self.calls, self.writes = [], []
        self.portfolios, self.products, self.versions, self.constraints, self.actions = {}, {}, {}, {}, {}
        self.members, self.offers = [], []
        self.principals, self.shares = {}, {}
        self.objects = {}
        self.roles = {"s3-hydration-launch-producer", "s3-hydration-launch-consumer"}
        self.documents = {"s3-hydration-backfill": ["Prefix", "DryRun", "AutomationAssumeRole"]}
        self.provisioned = []
        self.bucket_region = REGION
        self.becomes = ["CREATING", "AVAILABLE"]
        self.share_states = ["IN_PROGRESS", "COMPLETED"]
        self._ids = itertools.count(1)
        self._failing = None

    @cached_property
    def session(self):
        core = botocore.session.Session()
        core.register_component("data_loader", MODELS)
        session = boto3.Session("AKIDEXAMPLE", "secret", region_name=REGION, botocore_session=core)
        session.events.register("before-parameter-build", self._remember)
        session.events.register("before-call", self._answer)
        return session

    def fail_at(self, number, *, after=False):
        self._failing = [number, after]

    def _remember(self, params, context, **_):
        context["asked"] = dict(params)

    def _answer(self, model, context, **_):
        self.calls.append(model.name)
        writes = not model.name.startswith(READING)
        try:
            if writes:
                self.writes.append(model.name)
                self._count(after=False)
            asked = context["asked"]
            page = asked.pop("PageToken", None) if model.name in PAGED else None
            answer = getattr(self, model.name)(**asked)
            if writes:
                self._count(after=True)
            if model.name in PAGED:
                start = int(page or 0)
                answer = {PAGED[model.name]: answer[start : start + 2]} | (
                    {"NextPageToken": str(start + 2)} if len(answer) > start + 2 else {}
                )
            return SimpleNamespace(status_code=200), answer or {}
        except Fault as fault:
            error = {"Error": {"Code": fault.code, "Message": fault.message}, "ResponseMetadata": {}}
            return SimpleNamespace(status_code=400), error

    def _count(self, *, after):
        if self._failing and self._failing[1] is after:
            self._failing[0] -= 1
            if self._failing[0] == 0:
                self._failing = None
                raise Fault("InternalFailure", "broken off")

    def _id(self, prefix):
        return f"{prefix}-{next(self._ids):04}"

    # --- around it

    def GetCallerIdentity(self):
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/publisher", "UserId": "AID"}

    def HeadBucket(self, Bucket, ExpectedBucketOwner):
        return {"BucketRegion": self.bucket_region}

    def HeadObject(self, Bucket, Key, ExpectedBucketOwner, ChecksumMode):
        if Key not in self.objects:
            raise Fault("404")
        return {"ChecksumSHA256": self.objects[Key]} if self.objects[Key] else {}

    def PutObject(self, Bucket, Key, ExpectedBucketOwner, Body, ChecksumSHA256, IfNoneMatch):
        if IfNoneMatch == "*" and Key in self.objects:
            raise Fault("PreconditionFailed")
        self.objects[Key] = ChecksumSHA256
        return {"VersionId": self._id("version")}

    def GetRole(self, RoleName):
        if RoleName not in self.roles:
            raise Fault("NoSuchEntity")
        return {"Role": {"RoleName": RoleName}}

    def DescribeDocument(self, Name):
        if Name not in self.documents:
            raise Fault("InvalidDocument")
        parameters = [{"Name": name, "Type": "String"} for name in self.documents[Name]]
        return {
            "Document": {"Name": Name, "DocumentType": "Automation", "DefaultVersion": "3", "Parameters": parameters}
        }

    # --- Service Catalog, reading

    def ListPortfolios(self):
        return [{"Id": id_, "DisplayName": name, "ProviderName": by} for id_, (name, by) in self.portfolios.items()]

    def SearchProductsAsAdmin(self, ProductSource=None, PortfolioId=None):
        return [
            {"ProductViewSummary": {"ProductId": id_, "Name": name, "Owner": owner}}
            for id_, (name, owner) in self.products.items()
            if PortfolioId is None or (PortfolioId, id_) in self.members
        ]

    def ListPortfoliosForProduct(self, ProductId):
        return [{"Id": portfolio} for portfolio, product in self.members if product == ProductId]

    def ListProvisioningArtifacts(self, ProductId):
        listed = [
            {k: v for k, v in each.items() if k not in ("Product", "Left")} for each in self._versions_of(ProductId)
        ]
        return {"ProvisioningArtifactDetails": listed}

    def _versions_of(self, product):
        return [each for each in self.versions.values() if each["Product"] == product]

    def DescribeProvisioningArtifact(self, ProductId, ProvisioningArtifactId):
        left = self.versions[ProvisioningArtifactId]["Left"]
        return {"Status": left.pop(0) if len(left) > 1 else left[0]}

    def ListConstraintsForPortfolio(self, PortfolioId, ProductId):
        return [
            {"ConstraintId": id_, "Type": each["Type"]}
            for id_, each in self.constraints.items()
            if (each["PortfolioId"], each["ProductId"]) == (PortfolioId, ProductId)
        ]

    def DescribeConstraint(self, Id):
        return {"ConstraintParameters": self.constraints[Id]["Parameters"]}

    def ListPrincipalsForPortfolio(self, PortfolioId):
        return [
            {"PrincipalARN": arn, "PrincipalType": kind}
            for (portfolio, arn), kind in self.principals.items()
            if portfolio == PortfolioId
        ]

    def DescribePortfolioShares(self, PortfolioId, Type):
        return [
            {"PrincipalId": who, "Type": kind}
            for (portfolio, who), kind in self.shares.items()
            if (portfolio, kind) == (PortfolioId, Type)
        ]

    def DescribePortfolioShareStatus(self, PortfolioShareToken):
        state = self.share_states.pop(0) if len(self.share_states) > 1 else self.share_states[0]
        errors = [{"Accounts": ["444444444444"], "Message": "no such account", "Error": "NotFound"}]
        return {"Status": state, "ShareDetails": {"ShareErrors": errors if "ERROR" in state else []}}

    def ListServiceActions(self):
        return [
            {"Id": id_, "Name": each["Name"], "Description": each["Description"]} for id_, each in self.actions.items()
        ]

    def ListServiceActionsForProvisioningArtifact(self, ProductId, ProvisioningArtifactId):
        ids = [action for product, version, action in self.offers if version == ProvisioningArtifactId]
        return [{"Id": id_, "Name": self.actions[id_]["Name"]} for id_ in ids]

    def ListProvisioningArtifactsForServiceAction(self, ServiceActionId):
        return [
            {"ProductViewSummary": {"ProductId": product}}
            for product, _, action in self.offers
            if action == ServiceActionId
        ]

    def SearchProvisionedProducts(self, AccessLevelFilter, Filters):
        (query,) = Filters["SearchQuery"]
        return [each for each in self.provisioned if query == f"productId:{each['ProductId']}"]

    # --- Service Catalog, writing

    def CreatePortfolio(self, DisplayName, ProviderName, IdempotencyToken=None):
        id_ = self._id("port")
        self.portfolios[id_] = (DisplayName, ProviderName)
        return {"PortfolioDetail": {"Id": id_}}

    def CreateProduct(
        self, Name, Owner, Description, ProductType, ProvisioningArtifactParameters, IdempotencyToken=None
    ):
        id_ = self._id("prod")
        self.products[id_] = (Name, Owner)
        made = self.CreateProvisioningArtifact(id_, ProvisioningArtifactParameters)
        return {"ProductViewDetail": {"ProductViewSummary": {"ProductId": id_}}, **made}

    def CreateProvisioningArtifact(self, ProductId, Parameters, IdempotencyToken=None):
        id_ = self._id("pa")
        about = {"Id": id_, "Name": Parameters["Name"], "Active": True, "Guidance": "DEFAULT"}
        self.versions[id_] = {**about, "Product": ProductId, "Left": list(self.becomes)}
        return {"ProvisioningArtifactDetail": about}

    def UpdateProvisioningArtifact(self, ProductId, ProvisioningArtifactId, **changes):
        self.versions[ProvisioningArtifactId].update(changes)

    def AssociateProductWithPortfolio(self, ProductId, PortfolioId):
        self.members.append((PortfolioId, ProductId))

    def CreateConstraint(self, **constraint):
        if (constraint["PortfolioId"], constraint["ProductId"]) not in self.members:
            raise Fault("ResourceNotFoundException")
        if self.ListConstraintsForPortfolio(constraint["PortfolioId"], constraint["ProductId"]):
            raise Fault("DuplicateResourceException")
        id_ = self._id("cons")
        self.constraints[id_] = constraint
        return {"ConstraintDetail": {"ConstraintId": id_}}

    def UpdateConstraint(self, Id, Parameters):
        self.constraints[Id]["Parameters"] = Parameters

    def AssociatePrincipalWithPortfolio(self, PortfolioId, PrincipalARN, PrincipalType):
        self.principals[PortfolioId, PrincipalARN] = PrincipalType

    def CreatePortfolioShare(self, PortfolioId, AccountId=None, OrganizationNode=None):
        if AccountId:
            self.shares[PortfolioId, AccountId] = "ACCOUNT"
            return {}
        self.shares[PortfolioId, OrganizationNode["Value"]] = OrganizationNode["Type"]
        return {"PortfolioShareToken": "share-token"}

    def CreateServiceAction(self, **action):
        id_ = self._id("act")
        self.actions[id_] = action
        return {"ServiceActionDetail": {"ServiceActionSummary": {"Id": id_}}}

    def AssociateServiceActionWithProvisioningArtifact(
        self,
        ProductId,
        ProvisioningArtifactId,
        ServiceActionId,
        IdempotencyToken=None,
    ):
        if (ProductId, ProvisioningArtifactId, ServiceActionId) in self.offers:
            raise Fault("DuplicateResourceException")
        self.offers.append((ProductId, ProvisioningArtifactId, ServiceActionId))

    # --- Service Catalog, removing

    def DisassociateServiceActionFromProvisioningArtifact(
        self,
        ProductId,
        ProvisioningArtifactId,
        ServiceActionId,
        IdempotencyToken=None,
    ):
        self.offers.remove((ProductId, ProvisioningArtifactId, ServiceActionId))

    def DeleteServiceAction(self, Id, IdempotencyToken=None):
        if any(action == Id for _, _, action in self.offers):
            raise Fault("ResourceInUseException")
        del self.actions[Id]

    def DeleteConstraint(self, Id):
        del self.constraints[Id]

    def DisassociatePrincipalFromPortfolio(self, PortfolioId, PrincipalARN, PrincipalType):
        assert self.principals.pop((PortfolioId, PrincipalARN)) == PrincipalType

    def DeletePortfolioShare(self, PortfolioId, AccountId=None, OrganizationNode=None):
        del self.shares[PortfolioId, AccountId or OrganizationNode["Value"]]
        return {} if AccountId else {"PortfolioShareToken": "share-token"}

    def DisassociateProductFromPortfolio(self, ProductId, PortfolioId):
        if self.ListConstraintsForPortfolio(PortfolioId, ProductId):
            raise Fault("ResourceInUseException")
        self.members.remove((PortfolioId, ProductId))

    def DeleteProduct(self, Id):
        if self.ListPortfoliosForProduct(Id) or any(product == Id for product, _, _ in self.offers):
            raise Fault("ResourceInUseException")
        del self.products[Id]
        self.versions = {id_: each for id_, each in self.versions.items() if each["Product"] != Id}

    def DeletePortfolio(self, Id):
        held = [*self.members, *self.principals, *self.shares]
        if any(portfolio == Id for portfolio, _ in held):
            raise Fault("ResourceInUseException")
        del self.portfolios[Id]

    def summary(self):
        """What is there, without ids: the same after one run and after many that broke off."""
        names = {id_: name for id_, (name, _) in {**self.portfolios, **self.products}.items()}
        versions = {id_: (names[each["Product"]], each["Name"]) for id_, each in self.versions.items()}
        return {
            "portfolios": sorted(self.portfolios.values()),
            "members": sorted((names[portfolio], names[product]) for portfolio, product in self.members),
            "versions": sorted((*versions[id_], each["Guidance"]) for id_, each in self.versions.items()),
            "constraints": sorted(
                (names[each["ProductId"]], json.loads(each["Parameters"])["LocalRoleName"])
                for each in self.constraints.values()
            ),
            "principals": sorted((arn, kind) for (_, arn), kind in self.principals.items()),
            "shares": sorted((who, kind) for (_, who), kind in self.shares.items()),
            "actions": sorted(each["Name"] for each in self.actions.values()),
            "offers": sorted((*versions[version], self.actions[action]["Name"]) for _, version, action in self.offers),
            "objects": sorted(self.objects),
        }
