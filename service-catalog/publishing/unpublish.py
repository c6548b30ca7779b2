"""`make unpublish`: takes both products out of Service Catalog. Says what it would do; with --apply it does it."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import console
from carry_out import executor
from clients import Clients
from look import to_unpublish
from release import TEMPLATES
from unpublish_plan import plan

if TYPE_CHECKING:
    import boto3


def main(arguments: Sequence[str] | None = None, session: "boto3.Session | None" = None) -> int:
    parser = console.parser("unpublish", "Removes both products, all versions. The uploaded files stay.")
    parser.add_argument(
        "--unshare", action="store_true", help="although what other accounts have provisioned cannot be seen from here"
    )
    return console.run(_unpublish, parser.parse_args(arguments), session)


def _unpublish(options: argparse.Namespace, aws: Clients) -> console.Job:
    names = [f"{options.portfolio} {noun}" for noun in TEMPLATES.values()]
    found = to_unpublish(aws, options.portfolio, options.provider, names)
    steps = plan(options.portfolio, found, unshare=options.unshare)
    others = found.other_products
    notes = (f"The portfolio stays, with its principals and shares: {', '.join(others)}.",) if others else ()
    return console.Job("Both products", steps, executor(aws, found, bucket_owner=aws.account), notes)


if __name__ == "__main__":
    sys.exit(main())
