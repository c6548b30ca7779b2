"""The AWS clients of one account and Region."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class Clients:
    catalog: Any
    s3: Any
    iam: Any
    ssm: Any
    account: str
    region: str
    partition: str


def clients(session: "boto3.Session") -> Clients:
    """One client per service, and whose they are. ValueError without a Region."""
    if not session.region_name:
        raise ValueError("No Region is set: give --region, or set AWS_DEFAULT_REGION.")
    caller = session.client("sts").get_caller_identity()
    return Clients(
        catalog=session.client("servicecatalog"),
        s3=session.client("s3"),
        iam=session.client("iam"),
        ssm=session.client("ssm"),
        account=caller["Account"],
        region=session.region_name,
        partition=caller["Arn"].split(":")[1],
    )
