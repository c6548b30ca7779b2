"""Finds what is published: only reading calls. ClientError as AWS raises it; Refused where names are ambiguous."""

from collections.abc import Iterator, Sequence
from typing import Any

import catalogue
from botocore.exceptions import ClientError
from clients import Clients
from found import Found
from release import Action, Release, about_actions
from steps import Refused

SHARE_KINDS = ("ACCOUNT", "ORGANIZATION_MEMBER_ACCOUNT", "ORGANIZATIONAL_UNIT", "ORGANIZATION")
ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchEntity"})
GIVEN_BY_THE_LAUNCH = "AutomationAssumeRole"


def to_publish(aws: Clients, wanted: Release, *, bucket_owner: str) -> Found:
    """What there is of the wanted release. Refused when the bucket is in another Region."""
    region = aws.s3.head_bucket(Bucket=wanted.bucket, ExpectedBucketOwner=bucket_owner).get("BucketRegion")
    if region != aws.region:
        raise Refused(f"Bucket {wanted.bucket} is in {region}, but Lambda takes code of its own Region: {aws.region}.")
    names = [product.name for product in wanted.products]
    has_actions = any(product.actions for product in wanted.products)
    portfolio = catalogue.portfolio(aws.catalog, wanted.portfolio, wanted.provider)
    products = catalogue.products(aws.catalog, names, wanted.provider, portfolio)
    return Found(
        portfolio=portfolio,
        products={
            name: catalogue.with_state(aws.catalog, product, wanted.version) for name, product in products.items()
        },
        files=dict(_files(aws.s3, wanted, bucket_owner)),
        roles=frozenset(_roles(aws.iam, sorted({product.launch_role for product in wanted.products}))),
        principals=dict(catalogue.principals(aws.catalog, portfolio)),
        shares=dict(catalogue.shares(aws.catalog, portfolio, _kinds(wanted.targets))),
        actions={name: id_ for name, id_, _ in catalogue.actions(aws.catalog)} if has_actions else {},
    )


def to_unpublish(aws: Clients, portfolio: str, provider: str, names: Sequence[str]) -> Found:
    """What there is of ours, all versions."""
    portfolio_id = catalogue.portfolio(aws.catalog, portfolio, provider)
    products = catalogue.products(aws.catalog, names, provider, portfolio_id)
    products = {name: catalogue.with_actions(aws.catalog, product) for name, product in products.items()}
    ids = {product.id for product in products.values()}
    actions = catalogue.actions(aws.catalog)
    ours = {name: id_ for name, id_, about in actions if about == about_actions(portfolio)}
    return Found(
        portfolio=portfolio_id,
        products=products,
        principals=dict(catalogue.principals(aws.catalog, portfolio_id)),
        shares=dict(catalogue.shares(aws.catalog, portfolio_id, SHARE_KINDS)),
        actions={name: id_ for name, id_, _ in actions},
        own_actions=frozenset(ours.keys() - catalogue.used_by_others(aws.catalog, ours, ids)),
        other_products=tuple(catalogue.others(aws.catalog, portfolio_id, ids)),
        provisioned=tuple(catalogue.provisioned(aws.catalog, products)),
    )


def action_of(ssm: Any, document: str) -> Action:
    """The service action of an Automation document, by its name or (of another account) its ARN."""
    try:
        about = ssm.describe_document(Name=document)["Document"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidDocument":
            raise
        raise Refused(f"This account knows no Systems Manager document {document}.") from error
    if about["DocumentType"] != "Automation":
        raise Refused(
            f"Document {document} is of type {about['DocumentType']}; service actions are Automation documents."
        )
    return Action(
        name=document.rpartition("/")[2],
        document=document,
        document_version=about["DefaultVersion"],
        parameters=tuple(each["Name"] for each in about.get("Parameters", []) if each["Name"] != GIVEN_BY_THE_LAUNCH),
    )


def _files(s3: Any, wanted: Release, owner: str) -> Iterator[tuple[str, str]]:
    for upload in wanted.uploads:
        request = {"Bucket": wanted.bucket, "Key": upload.key, "ExpectedBucketOwner": owner}
        try:
            answer = s3.head_object(**request, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                continue
            raise
        yield upload.key, answer.get("ChecksumSHA256", "")


def _roles(iam: Any, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        try:
            iam.get_role(RoleName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                continue
            raise
        yield name


def _kinds(targets: Sequence[str]) -> list[str]:
    """The kinds of share that these targets can have: one call for each, no more."""
    kinds: set[str] = set()
    for target in targets:
        if target.startswith("ou-"):
            kinds.add("ORGANIZATIONAL_UNIT")
        elif target.startswith("o-"):
            kinds.add("ORGANIZATION")
        else:
            kinds |= {"ACCOUNT", "ORGANIZATION_MEMBER_ACCOUNT"}
    return [kind for kind in SHARE_KINDS if kind in kinds]
