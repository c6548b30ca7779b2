"""`make publish`: this version into Service Catalog. Says what it would do, and with --apply what it did."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import console
from carry_out import executor
from clients import Clients
from look import action_of, to_publish
from publish_plan import plan
from release import release

if TYPE_CHECKING:
    import boto3

TARGET = r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|o-[a-z0-9]{10,32}|\d{12}"
BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
ARN = r"arn:aws[a-z-]*:iam::\d{12}:(role|user|group)/[\w+=,.@/-]+"  # one principal: no pattern has an account in it


def main(arguments: Sequence[str] | None = None, session: "boto3.Session | None" = None) -> int:
    return console.run(_publish, _parser().parse_args(arguments), session)


def _parser() -> argparse.ArgumentParser:
    parser = console.parser("publish", "Publishes this version of both products.")
    parser.add_argument(
        "--bucket",
        required=True,
        type=console.matching(BUCKET, "a bucket's name"),
        help="of this Region, for zips and templates; every account that uses the products must be able to read it",
    )
    parser.add_argument("--bucket-owner", metavar="ACCOUNT", help="whose bucket it is (default: this account's)")
    parser.add_argument("--prefix", default="s3-hydration", help="of the keys in it (default: s3-hydration)")
    parser.add_argument(
        "--share-with",
        action="append",
        default=[],
        metavar="TARGET",
        type=console.matching(TARGET, "ou-..., o-... or an account id"),
        help="organisational unit, organisation or account; may be repeated",
    )
    parser.add_argument(
        "--principal",
        action="append",
        default=[],
        metavar="ARN",
        type=console.matching(ARN, "the exact ARN of a role, user or group"),
        help="who may provision, in this account; may be repeated",
    )
    parser.add_argument(
        "--document",
        action="append",
        default=[],
        metavar="NAME",
        help="Systems Manager document to offer as a service action of the consumer's product; may be repeated",
    )
    return parser


def _publish(options: argparse.Namespace, aws: Clients) -> console.Job:
    foreign = [arn for arn in options.principal if arn.split(":")[4] != aws.account]
    if foreign:
        raise ValueError(
            f"Not of this account ({aws.account}): {', '.join(foreign)}. Share the portfolio with their account and "
            "associate them there: aws servicecatalog associate-principal-with-portfolio --principal-type IAM."
        )
    owner = options.bucket_owner or aws.account
    wanted = release(
        options.bucket,
        options.prefix,
        _endpoint(aws),
        portfolio=options.portfolio,
        provider=options.provider,
        principals=options.principal,
        targets=options.share_with,
        actions=[action_of(aws.ssm, document) for document in options.document],
    )
    found = to_publish(aws, wanted, bucket_owner=owner)
    accounts = [target for target in wanted.targets if target.isdigit()]
    notes = [f"When provisioning: {wanted.about}"]
    notes += [
        f"Account {account} has to accept the portfolio once: aws servicecatalog accept-portfolio-share"
        for account in accounts
    ]
    return console.Job(
        f"Version {wanted.version}", plan(wanted, found), executor(aws, found, bucket_owner=owner), tuple(notes)
    )


def _endpoint(aws: Clients) -> str:
    return f"https://s3.{aws.region}.amazonaws.com{'.cn' if aws.partition == 'aws-cn' else ''}"


if __name__ == "__main__":
    sys.exit(main())
