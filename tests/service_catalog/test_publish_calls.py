"""The calls of publishing and unpublishing, one by one, on botocore's Stubber: what is asked, and in which order."""

import json
from pathlib import Path

import boto3
import pytest
from botocore.stub import ANY, Stubber
from carry_out import Executor, NotDone, recipient
from clients import Clients
from look import action_of, to_publish, to_unpublish
from release import Action, Product, Release, Upload, sha256_of
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
    DeleteAction,
    DeletePortfolio,
    DeleteProduct,
    Deprecate,
    Dismiss,
    Recommend,
    Refused,
    RemoveAction,
    RemoveConstraint,
    RemoveProduct,
    ShareWith,
    Unshare,
    UploadFile,
)

OWNER = "333333333333"
URL = "https://s3.eu-west-1.amazonaws.com/acme/s3-hydration/1.0.0/consumer.yaml"
VERSION = {
    "Name": "1.0.0",
    "Description": "about it",
    "Info": {"LoadTemplateFromURL": URL},
    "Type": "CLOUD_FORMATION_TEMPLATE",
}
HERE = {"PortfolioId": "port-1", "ProductId": "prod-1"}
OFFER = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1", "ServiceActionId": "act-1"}
MADE = {"Id": "pa-1", "Name": "1.0.0"}
ROLE = "arn:aws:iam::333333333333:role/data-team"


class Calls:
    """Stubbed clients; `expect` in order, and every one has to come."""

    def __init__(self):
        session = boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")
        self.clients = {name: session.client(name) for name in ("servicecatalog", "s3", "iam", "ssm")}
        self.stubbers = {name: Stubber(client) for name, client in self.clients.items()}
        for stubber in self.stubbers.values():
            stubber.activate()
        self.aws = Clients(
            self.clients["servicecatalog"],
            self.clients["s3"],
            self.clients["iam"],
            self.clients["ssm"],
            OWNER,
            "eu-west-1",
            "aws",
        )
        self.pauses = []

    def expect(self, operation, request, answer=None, service="servicecatalog"):
        self.stubbers[service].add_response(operation, answer or {}, request)

    def refuse(self, operation, code, request, service):
        self.stubbers[service].add_client_error(operation, code, expected_params=request)

    def executor(self):
        return Executor(
            self.aws,
            "port-1",
            {"Consumer": "prod-1"},
            {("Consumer", "1.0.0"): "pa-1"},
            {"backfill": "act-1"},
            OWNER,
            self.pauses.append,
        )

    def all_came(self):
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()


@pytest.fixture(scope="module")
def stubbed():
    return Calls()


@pytest.fixture
def calls(stubbed):
    stubbed.pauses.clear()
    for stubber in stubbed.stubbers.values():
        stubber._queue.clear()  # of a test that failed before
    yield stubbed
    stubbed.all_came()


ONE_CALL = {
    "a portfolio is created under its name": (
        CreatePortfolio("S3 Hydration", "storage"),
        "create_portfolio",
        {"DisplayName": "S3 Hydration", "ProviderName": "storage"},
        {"PortfolioDetail": {"Id": "port-9"}},
        "port-9",
    ),
    "a product is created with its first version": (
        CreateProduct("New", "storage", "what it is", "1.0.0", "about it", URL),
        "create_product",
        {
            "Name": "New",
            "Owner": "storage",
            "Description": "what it is",
            "ProductType": "CLOUD_FORMATION_TEMPLATE",
            "ProvisioningArtifactParameters": VERSION,
        },
        {"ProductViewDetail": {"ProductViewSummary": {"ProductId": "prod-9"}}, "ProvisioningArtifactDetail": MADE},
        "prod-9",
    ),
    "a version is added to its product": (
        AddVersion("Consumer", "1.0.0", "about it", URL),
        "create_provisioning_artifact",
        {"ProductId": "prod-1", "Parameters": VERSION},
        {"ProvisioningArtifactDetail": MADE},
        "pa-1",
    ),
    "a product is put into the portfolio": (
        AddProduct("Consumer"),
        "associate_product_with_portfolio",
        HERE,
        {},
        "prod-1",
    ),
    "the launch role is named, so that every account uses its own": (
        AddLaunchRole("Consumer", "launch"),
        "create_constraint",
        {**HERE, "Type": "LAUNCH", "Parameters": '{"LocalRoleName": "launch"}'},
        {"ConstraintDetail": {"ConstraintId": "cons-9"}},
        "cons-9",
    ),
    "another launch role takes the place of the one there": (
        ChangeLaunchRole("Consumer", "launch", "cons-1", "old"),
        "update_constraint",
        {"Id": "cons-1", "Parameters": '{"LocalRoleName": "launch"}'},
        {},
        "cons-1",
    ),
    "a principal is admitted by its exact ARN": (
        Admit(ROLE),
        "associate_principal_with_portfolio",
        {"PortfolioId": "port-1", "PrincipalARN": ROLE, "PrincipalType": "IAM"},
        {},
        ROLE,
    ),
    "an account is shared with by its number": (
        ShareWith("444444444444"),
        "create_portfolio_share",
        {"PortfolioId": "port-1", "AccountId": "444444444444"},
        {},
        "444444444444",
    ),
    "a service action runs with the launch role": (
        CreateAction(Action("redrive", "doc", "2", ("Prefix",)), "Offered with S3 Hydration"),
        "create_service_action",
        {
            "Name": "redrive",
            "Description": "Offered with S3 Hydration",
            "DefinitionType": "SSM_AUTOMATION",
            "Definition": {
                "Name": "doc",
                "Version": "2",
                "AssumeRole": "LAUNCH_ROLE",
                "Parameters": '[{"Name": "Prefix", "Type": "TEXT_VALUE"}]',
            },
        },
        {"ServiceActionDetail": {"ServiceActionSummary": {"Id": "act-9"}}},
        "act-9",
    ),
    "a service action is offered with a version": (
        AddAction("Consumer", "1.0.0", "backfill"),
        "associate_service_action_with_provisioning_artifact",
        {**OFFER},
        {},
        "act-1",
    ),
    "an old version is deprecated, not switched off: what is provisioned can go on": (
        Deprecate("Consumer", "1.0.0"),
        "update_provisioning_artifact",
        {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1", "Guidance": "DEPRECATED"},
        {},
        "pa-1",
    ),
    "a version is offered again": (
        Recommend("Consumer", "1.0.0"),
        "update_provisioning_artifact",
        {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1", "Active": True, "Guidance": "DEFAULT"},
        {},
        "pa-1",
    ),
    "a service action is taken from a version": (
        RemoveAction("Consumer", "1.0.0", "backfill"),
        "disassociate_service_action_from_provisioning_artifact",
        {**OFFER},
        {},
        "act-1",
    ),
    "a service action is deleted": (
        DeleteAction("backfill"),
        "delete_service_action",
        {"Id": "act-1"},
        {},
        "act-1",
    ),
    "a constraint is deleted": (
        RemoveConstraint("Consumer", "cons-1"),
        "delete_constraint",
        {"Id": "cons-1"},
        {},
        "cons-1",
    ),
    "a principal is dismissed as the kind it was": (
        Dismiss(ROLE, "IAM_PATTERN"),
        "disassociate_principal_from_portfolio",
        {"PortfolioId": "port-1", "PrincipalARN": ROLE, "PrincipalType": "IAM_PATTERN"},
        {},
        ROLE,
    ),
    "a share with an account of the organisation ends as that": (
        Unshare("444444444444", "ORGANIZATION_MEMBER_ACCOUNT"),
        "delete_portfolio_share",
        {"PortfolioId": "port-1", "OrganizationNode": {"Type": "ACCOUNT", "Value": "444444444444"}},
        {},
        "444444444444",
    ),
    "a product is taken out of the portfolio": (
        RemoveProduct("Consumer"),
        "disassociate_product_from_portfolio",
        HERE,
        {},
        "prod-1",
    ),
    "a product is deleted": (DeleteProduct("Consumer"), "delete_product", {"Id": "prod-1"}, {}, "prod-1"),
    "a portfolio is deleted": (DeletePortfolio("S3 Hydration"), "delete_portfolio", {"Id": "port-1"}, {}, "port-1"),
}


@pytest.mark.parametrize(("step", "operation", "request_", "answer", "id_"), ONE_CALL.values(), ids=ONE_CALL)
def test_one_step_is_one_call(calls, step, operation, request_, answer, id_):
    calls.expect(operation, request_, answer)
    assert calls.executor().do(step) == id_


def test_a_file_is_uploaded_with_its_checksum_and_never_over_another(calls, tmp_path):
    path = tmp_path / "consumer.yaml"
    path.write_bytes(b"Resources: {}")
    calls.expect(
        "put_object",
        {
            "Bucket": "acme",
            "Key": "1.0.0/consumer.yaml",
            "ExpectedBucketOwner": OWNER,
            "Body": b"Resources: {}",
            "ChecksumSHA256": sha256_of(b"Resources: {}"),
            "IfNoneMatch": "*",
        },
        {"VersionId": "v1"},
        service="s3",
    )
    step = UploadFile("acme", "1.0.0/consumer.yaml", path, sha256_of(b"Resources: {}"))
    assert calls.executor().do(step) == "v1"


def test_what_a_step_made_is_known_to_the_next(calls):
    executor = calls.executor()
    calls.expect("create_portfolio", {"DisplayName": "P", "ProviderName": "p"}, {"PortfolioDetail": {"Id": "port-9"}})
    calls.expect("associate_product_with_portfolio", {"PortfolioId": "port-9", "ProductId": "prod-1"})
    executor.do(CreatePortfolio("P", "p"))
    executor.do(AddProduct("Consumer"))


def test_a_version_is_waited_for(calls):
    for status in ("CREATING", "CREATING", "AVAILABLE"):
        request = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1"}
        calls.expect("describe_provisioning_artifact", request, {"Status": status})
    assert calls.executor().do(AwaitVersion("Consumer", "1.0.0")) == "pa-1"
    assert calls.pauses == [4.0, 4.0]


def test_a_share_with_a_unit_is_waited_for(calls):
    node = {"Type": "ORGANIZATIONAL_UNIT", "Value": "ou-ab12-cdefghij"}
    calls.expect(
        "create_portfolio_share", {"PortfolioId": "port-1", "OrganizationNode": node}, {"PortfolioShareToken": "t"}
    )
    for status in ("NOT_STARTED", "IN_PROGRESS", "COMPLETED"):
        calls.expect("describe_portfolio_share_status", {"PortfolioShareToken": "t"}, {"Status": status})
    calls.executor().do(ShareWith("ou-ab12-cdefghij"))
    assert len(calls.pauses) == 2


def test_a_share_that_fails_is_not_done(calls):
    calls.expect(
        "create_portfolio_share", {"PortfolioId": "port-1", "OrganizationNode": ANY}, {"PortfolioShareToken": "t"}
    )
    calls.expect("describe_portfolio_share_status", {"PortfolioShareToken": "t"}, {"Status": "ERROR"})
    with pytest.raises(NotDone):
        calls.executor().do(ShareWith("o-a1b2c3d4e5"))


def test_an_organisation_is_a_node_of_its_own_kind():
    assert recipient("o-a1b2c3d4e5") == {"OrganizationNode": {"Type": "ORGANIZATION", "Value": "o-a1b2c3d4e5"}}


RELEASE = Release(
    version="1.0.0",
    bucket="acme",
    portfolio="S3 Hydration",
    provider="storage",
    about="about it",
    uploads=(Upload("k/a", Path("a"), "sum"), Upload("k/b", Path("b"), "sum")),
    products=(Product("Consumer", "what it is", URL, "launch"),),
    targets=("ou-ab12-cdefghij",),
)


def expect_the_listing_of_products(calls):
    listed = [
        {"ProductViewSummary": {"ProductId": "prod-0", "Name": "Consumer", "Owner": "another team"}},
        {"ProductViewSummary": {"ProductId": "prod-1", "Name": "Consumer", "Owner": "storage"}},
    ]
    first, second = ({"ProductViewDetails": [one]} for one in listed)
    calls.expect("search_products_as_admin", {"ProductSource": "ACCOUNT"}, {**first, "NextPageToken": "2"})
    calls.expect("search_products_as_admin", {"ProductSource": "ACCOUNT", "PageToken": "2"}, second)


def expect_the_portfolio(calls):
    portfolio = {"Id": "port-1", "DisplayName": "S3 Hydration", "ProviderName": "storage"}
    calls.expect("list_portfolios", {}, {"PortfolioDetails": [portfolio]})


def expect_the_product(calls):
    calls.expect("list_portfolios_for_product", {"ProductId": "prod-1"}, {"PortfolioDetails": [{"Id": "port-1"}]})
    versions = [{"Id": "pa-0", "Name": "0.9.0", "Active": True}, {"Id": "pa-1", "Name": "1.0.0", "Active": True}]
    calls.expect("list_provisioning_artifacts", {"ProductId": "prod-1"}, {"ProvisioningArtifactDetails": versions})
    constraint = {"ConstraintId": "cons-1", "Type": "LAUNCH"}
    calls.expect("list_constraints_for_portfolio", HERE, {"ConstraintDetails": [constraint]})
    calls.expect(
        "describe_constraint", {"Id": "cons-1"}, {"ConstraintParameters": json.dumps({"LocalRoleName": "launch"})}
    )


def test_looking_before_publishing_asks_only_what_the_plan_needs(calls):
    calls.expect("head_bucket", {"Bucket": "acme", "ExpectedBucketOwner": OWNER}, {"BucketRegion": "eu-west-1"}, "s3")
    expect_the_portfolio(calls)
    expect_the_listing_of_products(calls)
    expect_the_product(calls)
    wanted = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1"}
    calls.expect("describe_provisioning_artifact", wanted, {"Status": "AVAILABLE"})
    calls.expect(
        "list_service_actions_for_provisioning_artifact", wanted, {"ServiceActionSummaries": [{"Name": "backfill"}]}
    )
    head = {"Bucket": "acme", "ExpectedBucketOwner": OWNER, "ChecksumMode": "ENABLED"}
    calls.expect("head_object", {**head, "Key": "k/a"}, {"ChecksumSHA256": "sum"}, "s3")
    calls.refuse("head_object", "404", {**head, "Key": "k/b"}, "s3")
    calls.expect(
        "get_role",
        {"RoleName": "launch"},
        {
            "Role": {
                "Path": "/",
                "RoleName": "launch",
                "RoleId": "AROAEXAMPLEEXAMPLE",
                "Arn": "arn:aws:iam::333333333333:role/launch",
                "CreateDate": 0,
            }
        },
        "iam",
    )
    calls.expect(
        "list_principals_for_portfolio",
        {"PortfolioId": "port-1"},
        {"Principals": [{"PrincipalARN": ROLE, "PrincipalType": "IAM"}]},
    )
    share = {"PrincipalId": "arn:aws:organizations::1:ou/o-a1b2c3d4e5/ou-ab12-cdefghij", "Type": "ORGANIZATIONAL_UNIT"}
    request = {"PortfolioId": "port-1", "Type": "ORGANIZATIONAL_UNIT"}
    calls.expect("describe_portfolio_shares", request, {"PortfolioShareDetails": [share]})

    found = to_publish(calls.aws, RELEASE, bucket_owner=OWNER)

    product = found.products["Consumer"]
    assert found.portfolio == "port-1"
    assert product.in_portfolio
    assert [constraint.role for constraint in product.constraints] == ["launch"]
    assert [(version.name, version.actions) for version in product.versions] == [
        ("0.9.0", ()),
        ("1.0.0", ("backfill",)),
    ]
    assert found.files == {"k/a": "sum"}
    assert found.roles == {"launch"}
    assert found.principals == {ROLE: "IAM"}
    assert found.shares == {"ou-ab12-cdefghij": "ORGANIZATIONAL_UNIT"}


def test_a_refusal_to_say_whether_a_file_is_there_is_not_its_absence(calls):
    calls.expect("head_bucket", {"Bucket": "acme", "ExpectedBucketOwner": OWNER}, {"BucketRegion": "eu-west-1"}, "s3")
    calls.expect("list_portfolios", {}, {"PortfolioDetails": []})
    calls.expect("search_products_as_admin", {"ProductSource": "ACCOUNT"}, {"ProductViewDetails": []})
    calls.refuse(
        "head_object",
        "403",
        {"Bucket": "acme", "Key": "k/a", "ExpectedBucketOwner": OWNER, "ChecksumMode": "ENABLED"},
        "s3",
    )
    with pytest.raises(calls.clients["s3"].exceptions.ClientError):
        to_publish(calls.aws, RELEASE, bucket_owner=OWNER)


def test_looking_before_unpublishing_asks_for_all_versions_shares_and_what_is_provisioned(calls):
    expect_the_portfolio(calls)
    expect_the_listing_of_products(calls)
    expect_the_product(calls)
    for version, actions in (("pa-0", []), ("pa-1", [{"Name": "backfill"}])):
        calls.expect(
            "list_service_actions_for_provisioning_artifact",
            {"ProductId": "prod-1", "ProvisioningArtifactId": version},
            {"ServiceActionSummaries": actions},
        )
    listed = [
        {"Name": "backfill", "Id": "act-1", "Description": "Offered with S3 Hydration"},
        {"Name": "theirs", "Id": "act-2", "Description": "of another team"},
    ]
    calls.expect("list_service_actions", {}, {"ServiceActionSummaries": listed})
    calls.expect("list_principals_for_portfolio", {"PortfolioId": "port-1"}, {"Principals": []})
    for kind in ("ACCOUNT", "ORGANIZATION_MEMBER_ACCOUNT", "ORGANIZATIONAL_UNIT", "ORGANIZATION"):
        calls.expect(
            "describe_portfolio_shares", {"PortfolioId": "port-1", "Type": kind}, {"PortfolioShareDetails": []}
        )
    calls.expect(
        "list_provisioning_artifacts_for_service_action",
        {"ServiceActionId": "act-1"},
        {"ProvisioningArtifactViews": [{"ProductViewSummary": {"ProductId": "prod-1"}}]},
    )
    calls.expect("search_products_as_admin", {"PortfolioId": "port-1"}, {"ProductViewDetails": []})
    calls.expect(
        "search_provisioned_products",
        {
            "AccessLevelFilter": {"Key": "Account", "Value": "self"},
            "Filters": {"SearchQuery": ["productId:prod-1"]},
        },
        {"ProvisionedProducts": [{"Name": "replica", "Id": "pp-1"}]},
    )

    found = to_unpublish(calls.aws, "S3 Hydration", "storage", ["Consumer"])

    assert found.own_actions == {"backfill"}
    assert found.provisioned == ("'replica' (pp-1) of 'Consumer'",)


def test_a_document_becomes_a_service_action_of_its_default_version(calls):
    document = {
        "DocumentType": "Automation",
        "DefaultVersion": "4",
        "Parameters": [{"Name": "Prefix"}, {"Name": "AutomationAssumeRole"}],
    }
    arn = "arn:aws:ssm:eu-west-1:222222222222:document/s3-hydration-backfill"
    calls.expect("describe_document", {"Name": arn}, {"Document": document}, "ssm")
    assert action_of(calls.aws.ssm, arn) == Action("s3-hydration-backfill", arn, "4", ("Prefix",))


def test_a_document_of_another_type_is_refused(calls):
    calls.expect("describe_document", {"Name": "d"}, {"Document": {"DocumentType": "Command"}}, "ssm")
    with pytest.raises(Refused, match="Automation"):
        action_of(calls.aws.ssm, "d")
