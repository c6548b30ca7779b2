"""Every action of every service that the policies name, asked of everything that the products make, by everybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.iam.account import ALIASES
from tests.iam.needs import KEY
from tests.iam.refused import ANOTHER_ACCOUNT, FOREIGN_ORGANISATION
from tests.iam.service_calls import service_requests
from tests.iam.shape import REPORTS
from tests.iam.simulator import simulate
from tests.iam.variants import world
from tests.iam.world import EXTERNAL_ID, Principal, Request, World, through_s3
from tests.service_catalog.policies import listed
from tests.service_catalog.template import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, REGION

COMMITTED = Path(__file__).with_name("allowed.txt")
ANYBODYS = "sts:GetCallerIdentity"  # needs no permission
SWEPT = ("a new bucket, deletes mirrored", "an existing bucket, deletes mirrored", "S3 copies")
STRANGERS = [
    Principal("an-administrator", PRODUCER_ACCOUNT),
    Principal("an-administrator", CONSUMER_ACCOUNT),
    Principal("s3-hydration-replicator", ANOTHER_ACCOUNT),
    Principal("s3-hydration-replicator", ANOTHER_ACCOUNT, FOREIGN_ORGANISATION),
]
"""Whose own account lets them do everything."""


def everything() -> list[str]:
    """Of a new bucket; and of an existing one, and with server-side copies, what is different."""
    first, *others = (allowed(world(variant)) for variant in SWEPT)
    lines = list(first)
    for variant, other in zip(SWEPT[1:], others, strict=True):
        lines += ["", f"# {variant}:", *(f"+ {line}" for line in other if line not in first)]
        lines += [f"- {line}" for line in first if line not in other]
    return lines


def allowed(here: World) -> list[str]:
    """`who action resource` for all that is allowed, sorted. Administrators' own accounts are theirs to rule."""
    asked, names = [], []
    for name, principal, context, admin in askers(here):
        asked.append(sweep(here, principal, context, admin=admin))
        names.append(name)
    found = simulate(here.policies, [], asked).sweeps
    lines = {f"{name} {what} {arn}" for name, sweep in zip(names, found, strict=True) for what, arn in sweep}
    return sorted(line for line in lines if ANYBODYS not in line)


def askers(here: World) -> Iterator[tuple[str, Principal, dict[str, Any], bool]]:
    """Each with everything about the request as favourable as it can be."""
    for principal in here.roles:
        for bucket in buckets(here, principal):
            yield principal.name, principal, favourable(here, bucket), False
    for principal in STRANGERS:
        name = f"{principal.name}@{principal.account}@{principal.organisation}"
        for bucket in buckets(here, principal):
            yield name, principal, favourable(here, bucket), True
    services = {(each.principal, tuple(sorted(each.context.items()))) for each in of_services(here)}
    for principal, context in services:
        yield principal.name, principal, dict(context), False


def of_services(here: World) -> list[Request]:
    return [each for each in service_requests(here) if each.principal.is_service]


def buckets(here: World, principal: Principal) -> list[str]:
    """For which S3 may ask KMS on somebody's behalf: their own account's, and for server-side copies the source."""
    own, foreign = here.source[0], here.replica[0]
    if principal.account != PRODUCER_ACCOUNT:
        own, foreign = foreign, own
    return [own, foreign] if here.has_s3_copy else [own]


def favourable(here: World, bucket: str) -> dict[str, Any]:
    source = here.source[0]
    return {
        **through_s3(bucket),
        "aws:VpceAccount": CONSUMER_ACCOUNT,
        "dynamodb:LeadingKeys": [f"{source.removeprefix('arn:aws:s3:::')}#run#20261124-030000-1a2b3c"],
        "events:source": ["aws.s3"],
        "s3:prefix": f"{REPORTS}runs/",
        "sts:ExternalId": EXTERNAL_ID,
    }


def sweep(here: World, principal: Principal, context: dict[str, Any], *, admin: bool) -> dict[str, Any]:
    asked = {"aws:SecureTransport": "true", **principal.context, **context}
    own = principal.account if admin else ""
    return {
        "principal": principal.arn,
        "context": {ALIASES.get(key, key): value for key, value in asked.items()},
        "identity": ["everything"] if admin else here.identity_policies(principal),
        "endpoints": [],
        "services": services(here),
        "resources": [
            {"resource": arn, "account": here.owner(arn), "on": here.policy_on(arn)}
            for arn in resources(here)
            if here.owner(arn) != own and not (admin and arn in foreign())
        ],
    }


def services(here: World) -> list[str]:
    """Prefixes of all actions in the policies."""
    statements = [each for policy in here.policies.values() for each in policy.document["Statement"]]
    return sorted({action.partition(":")[0] for each in statements for action in listed(each.get("Action", []))})


def resources(here: World) -> list[str]:
    """What the products make, what is in it, and one of each kind that is not theirs."""
    made = {*here.source, *here.producer.arns(), *here.consumer.arns()}
    objects = {f"{arn}/{key}" for arn in made if arn.startswith("arn:aws:s3:::") for key in keys_in(arn)}
    streams = {f"{arn.removesuffix('*')}log-stream:a-stream" for arn in made if ":log-group:" in arn}
    return sorted(made | objects | streams | set(foreign()))


def keys_in(bucket: str) -> tuple[str, ...]:
    return ("s3-hydration-source/log", "s3-hydration-replica/log") if "-logs-" in bucket else (KEY, REPORTS + KEY)


def foreign() -> list[str]:
    here = f"{REGION}:{CONSUMER_ACCOUNT}"
    return [
        "*",
        "arn:aws:s3:::somebodys-bucket",
        f"arn:aws:s3:::somebodys-bucket/{KEY}",
        f"arn:aws:dynamodb:{here}:table/somebodys",
        f"arn:aws:ec2:{here}:instance/i-0123456789abcdef0",
        f"arn:aws:ec2:{here}:network-interface/eni-0123456789abcdef0",
        f"arn:aws:ec2:{here}:security-group/sg-0123456789abcdef0",
        f"arn:aws:ec2:{here}:subnet/subnet-0123456789abcdef0",
        f"arn:aws:events:{here}:event-bus/default",
        f"arn:aws:iam::{CONSUMER_ACCOUNT}:role/somebodys",
        f"arn:aws:kms:{here}:key/somebodys",
        f"arn:aws:lambda:{here}:function:somebodys",
        f"arn:aws:logs:{here}:log-group:somebodys:*",
        f"arn:aws:sns:{here}:somebodys",
        f"arn:aws:sqs:{here}:somebodys",
    ]
