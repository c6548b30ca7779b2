"""What must be refused, each a sentence: what the products do themselves, with one thing about it changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from tests.iam.needs import KEY
from tests.iam.shape import REPORTS
from tests.iam.variants import requests, world
from tests.iam.world import EVERYBODYS, EXTERNAL_ID, NEXT_EXTERNAL_ID, Principal, Request, World, through_s3
from tests.service_catalog.template import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, REGION

ANOTHER_ACCOUNT, FOREIGN_ORGANISATION = "333333333333", "o-zzzzzzzzzz"
FUNCTIONS = {"s3-hydration-replicator": "Replicator", "s3-hydration-transfer": "Transfer"}
OVER_TLS = ("s3", "sqs", "sns")
"""Services whose resources here refuse plain HTTP."""
ENCRYPTION, KMS_KEY = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"


@dataclass(frozen=True)
class Refused:
    """`admin`: the principal's own account would let it."""

    why: str
    request: Request
    admin: bool = False


def refused(variant: str) -> list[Refused]:
    """Of one variant. What is refused everywhere comes with every variant."""
    here, asked = world(variant), requests(variant)
    found = [*over_http(asked), *by_others(here, asked), *for_services(asked), *of_keys(here, asked)]
    found += [
        *of_the_functions(here, asked),
        *of_writes(here),
        *across(here),
        *through_endpoints(here),
        *of_anybody(here),
    ]
    found += [*of_direct_reads(here, asked)] if here.has_s3_copy else []
    found += of_readers(here)
    return list({each.why: each for each in found if not allowed_by_its_owner(here, each)}.values())


def allowed_by_its_owner(here: World, each: Refused) -> bool:
    """Where the key is shared with the consumer's account, its administrators may let whom they like decrypt."""
    asked = each.request
    decrypting = (asked.action, asked.resource) == ("kms:Decrypt", here.source[1])
    return here.key_is_shared and each.admin and decrypting and asked.principal.account == CONSUMER_ACCOUNT


def over_http(asked: Iterable[Request]) -> Iterator[Refused]:
    for each in asked:
        policed = each.action.partition(":")[0] in OVER_TLS
        if policed and "acme-exports" not in each.resource:  # its owner's policy is not the product's
            plain = each.in_context(aws__SecureTransport="false")
            yield Refused(f"plain HTTP: {each}", plain)
            yield Refused(f"plain HTTP, by an account's administrator: {each}", plain, admin=True)


def by_others(here: World, asked: Iterable[Request]) -> Iterator[Refused]:
    """Assuming the read role, and putting events on the bus: each is allowed to exact roles."""
    for each in asked:
        if each.resource not in (here.producer.arn("ReadRole"), here.consumer.arn("ObjectBus")):
            continue
        yield from instead_of(here, each)
        if each.action == "sts:AssumeRole":
            yield Refused(f"no ExternalId: {each}", each.in_context(sts__ExternalId=None), admin=True)
            for said in {"a-guess", EXTERNAL_ID, NEXT_EXTERNAL_ID, EXTERNAL_ID.upper()} - {*here.external_ids}:
                wrong = each.in_context(sts__ExternalId=said)
                yield Refused(f"wrong ExternalId {said}: {each}", wrong, admin=True)
        else:
            context = {"events:source": ["aws.s3", "acme.app"]}
            yield Refused(f"events of another source: {each}", each.but(context=context), admin=True)


def instead_of(here: World, each: Request) -> Iterator[Refused]:
    who = each.principal
    others = {
        "another role of the account": Principal("s3-hydration-other", who.account),
        "another account's role of that name": Principal(who.name, ANOTHER_ACCOUNT),
        "the other product's account": Principal(who.name, other_account(who.account)),
        "the role in another organisation": Principal(who.name, who.account, FOREIGN_ORGANISATION),
    }
    for words, other in others.items():
        if other.account != here.owner(each.resource) or who.account == other.account:  # its own administrators may
            yield Refused(f"{words} instead of {each}", each.but(principal=other), admin=True)


def other_account(account: str) -> str:
    return CONSUMER_ACCOUNT if account == PRODUCER_ACCOUNT else PRODUCER_ACCOUNT


def for_services(asked: Iterable[Request]) -> Iterator[Refused]:
    """A service on behalf of somebody else: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"""
    for each in asked:
        if "aws:SourceArn" in each.context:
            foreign = each.context["aws:SourceArn"].replace("s3-hydration", "other").replace("/default", "/other")
            if foreign != each.context["aws:SourceArn"]:
                yield Refused(f"on behalf of another resource: {each}", each.in_context(aws__SourceArn=foreign))
            yield Refused(f"on behalf of nothing: {each}", each.in_context(aws__SourceArn=None))
        if "aws:SourceAccount" in each.context and each.principal.name != "lambda.amazonaws.com":
            foreign_account = each.in_context(aws__SourceAccount=ANOTHER_ACCOUNT)
            yield Refused(f"on behalf of another account: {each}", foreign_account)


def of_keys(here: World, asked: Iterable[Request]) -> Iterator[Refused]:
    for each in asked:
        if "kms:ViaService" in each.context:
            yield Refused(f"not through S3: {each}", each.in_context(kms__ViaService=None))
            elsewhere = each.in_context(kms__ViaService="sqs.eu-west-1.amazonaws.com")
            yield Refused(f"through another service: {each}", elsewhere)
            if bounded_by_the_key(here, each):
                yield Refused(f"through another service, whatever its own account says: {each}", elsewhere, admin=True)
    source, key = here.source
    for reader in readers(here):
        decrypting = Request(reader, "kms:Decrypt", key)
        for bucket in ("arn:aws:s3:::somebodys-bucket", f"{source}-2"):
            other = decrypting.but(context=through_s3(bucket))
            yield Refused(f"{reader.name} decrypting what is in {bucket}", other)
            if bounded_by_the_key(here, other):
                yield Refused(f"{reader.name}, whatever its account says, decrypting in {bucket}", other, admin=True)
    replica, replica_key = here.replica
    others = {"the producer's read role": here.role("read"), "the producer": Principal("an-admin", PRODUCER_ACCOUNT)}
    for words, who in others.items():
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            request = Request(who, action, replica_key, through_s3(replica))
            yield Refused(f"{words} using the replica's key: {action}", request, admin=True)
    logs = Principal(f"logs.{REGION}.amazonaws.com", CONSUMER_ACCOUNT)
    group = f"arn:aws:logs:{REGION}:{CONSUMER_ACCOUNT}:log-group:/aws/lambda/somebodys"
    for account in (here.producer, here.consumer):
        context = {"kms:EncryptionContext:aws:logs:arn": group}
        request = Request(logs, "kms:Decrypt", account.arn("WatchingKey"), context)
        yield Refused(f"logs of another group: {request}", request)


def bounded_by_the_key(here: World, asked: Request) -> bool:
    """Whether the key's own policy decides, whatever an account's administrators have let the reader do."""
    existing = asked.resource == here.source[1] and "SourceKey" not in here.producer.stack.resources
    return existing or asked.principal.account != here.owner(asked.resource)


def of_anybody(here: World) -> Iterator[Refused]:
    """What policies of other resources allow to everybody of the producer's account, the read role is of it."""
    for policy in here.policies.values():
        if policy.kind == EVERYBODYS:
            (statement,) = policy.document["Statement"]
            request = Request(here.role("read"), statement["Action"], policy.on[0])
            yield Refused(f"as everybody of its account: {request}", request)


def readers(here: World) -> list[Principal]:
    """Who reads at the source."""
    return [here.role("read"), *([here.role("replicator")] if here.has_s3_copy else [])]


def of_direct_reads(here: World, asked: Iterable[Request]) -> Iterator[Refused]:
    """Of the replicator, for server-side copies: nobody instead of it, and nothing beyond the objects themselves."""
    source, key = here.source
    replicator = here.role("replicator")
    for each in asked:
        if each.principal == replicator and here.owner(each.resource) == PRODUCER_ACCOUNT and "sts" not in each.action:
            yield from instead_of(here, each)
            transfer = each.but(principal=here.role("transfer"))
            yield Refused(f"the transfer function instead of {each}", transfer, admin=True)
    for action in ("s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:GetObjectAcl", "s3:DeleteObjectVersion"):
        request = Request(replicator, action, f"{source}/{KEY}", {}, "s3")
        yield Refused(f"beyond reading: {request}", request, admin=True)
    for action in ("kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"):
        request = Request(replicator, action, key, through_s3(source))
        yield Refused(f"beyond decrypting: {request}", request, admin=True)


def of_the_functions(here: World, asked: Iterable[Request]) -> Iterator[Refused]:
    manifest, replica = here.consumer.arn("Manifest"), here.replica[0]
    rows = {"dynamodb:LeadingKeys": [f"{here.source[0].removeprefix('arn:aws:s3:::')}#3"]}
    for action in ("dynamodb:PutItem", "dynamodb:DeleteItem"):
        request = Request(here.role("transfer"), action, manifest, rows, "dynamodb")
        yield Refused(f"the transfer function writing a row: {action}", request)
    for action in ("s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"):
        request = Request(here.role("transfer"), action, f"{replica}/{KEY}", {}, "s3")
        yield Refused(f"the transfer function at a replica: {action}", request)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        request = Request(here.role("replicator"), action, f"{replica}/{REPORTS}runs/1/report.json", {}, "s3")
        yield Refused(f"the replicator at a report: {action}", request)
    for each in asked:
        if each.action.startswith("ec2:"):
            function = here.consumer.arn(FUNCTIONS[each.principal.name])
            code = each.in_context(lambda__SourceFunctionArn=function)
            yield Refused(f"the function's own code: {each}", code)


def of_writes(here: World) -> Iterator[Refused]:
    """Anything in either bucket that is not under its own key, whoever of the account writes it."""
    buckets = [(here.replica, CONSUMER_ACCOUNT)]
    if "SourceBucket" in here.producer.stack.resources:
        buckets.append((here.source, PRODUCER_ACCOUNT))
    for (bucket, _), account in buckets:
        other = {ENCRYPTION: "aws:kms", KMS_KEY: f"arn:aws:kms:{REGION}:{account}:key/another"}
        write = Request(Principal("an-admin", account), "s3:PutObject", f"{bucket}/{KEY}")
        yield Refused(f"under another key: {write}", write.but(context=other), admin=True)
        for layers in ("aws:kms", "aws:kms:dsse"):
            of_the_account = write.but(context={ENCRYPTION: layers})
            yield Refused(f"under the account's key, {layers}: {write}", of_the_account, admin=True)
        moved = write.but(action="s3:UpdateObjectEncryption", context=other)
        yield Refused(f"moved to another key in place: {moved}", moved, admin=True)
        foreign = Principal("an-admin", account, FOREIGN_ORGANISATION)
        yield Refused(f"from outside the organisation: {write}", write.but(principal=foreign), admin=True)
    write = Request(Principal("an-admin", CONSUMER_ACCOUNT), "s3:PutObject", f"{here.replica[0]}/{KEY}")
    yield Refused("a replica under no KMS key", write.but(context={ENCRYPTION: "AES256"}), admin=True)


def across(here: World) -> Iterator[Refused]:
    """Each account at the other's, and a third at both, whatever its own administrators allow it."""
    strangers = {
        "the producer": Principal("an-admin", PRODUCER_ACCOUNT),
        "the read role": here.role("read"),
        "the forwarder": here.role("forwarder"),
        "the consumer": Principal("an-admin", CONSUMER_ACCOUNT),
        "the replicator": here.role("replicator"),
        "the transfer function": here.role("transfer"),
        "an account of the organisation": Principal("an-admin", ANOTHER_ACCOUNT),
        "an account outside the organisation": Principal("an-admin", ANOTHER_ACCOUNT, FOREIGN_ORGANISATION),
    }
    for words, who in strangers.items():
        for action, resource in trespasses(here):
            reads = action == "s3:GetObject" and resource.startswith(here.source[0]) and who in readers(here)
            if here.owner(resource) != who.account and not reads:
                yield Refused(f"{words}: {action} {resource}", Request(who, action, resource), admin=True)


def trespasses(here: World) -> Iterator[tuple[str, str]]:
    for bucket, key in (here.source, here.replica):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutObjectTagging"):
            yield action, f"{bucket}/{KEY}"
        for action in ("s3:ListBucket", "s3:PutBucketPolicy", "s3:DeleteBucket", "s3:PutBucketNotification"):
            yield action, bucket
        for action in ("kms:Decrypt", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"):
            yield action, key
    for queue in ("ObjectsQueue", "DeadLetterQueue", "RangesQueue", "UndeliveredEvents"):
        for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:PurgeQueue"):
            yield action, here.consumer.arn(queue)
    for action in ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteTable"):
        yield action, here.consumer.arn("Manifest")
    yield "events:PutRule", here.consumer.arn("ObjectEvents")
    yield "lambda:InvokeFunction", here.consumer.arn("Transfer")
    yield "sns:Publish", here.consumer.arn("AlarmTopic")
    for role in ("ReplicatorRole", "TransferRole", "ScheduleRole", "ActionsRole"):
        yield "sts:AssumeRole", here.consumer.arn(role)


def through_endpoints(here: World) -> Iterator[Refused]:
    """Whoever is behind the endpoints, with whatever credentials, finds nothing else there: not even their own."""
    admin, stranger = Principal("an-admin", CONSUMER_ACCOUNT), Principal("an-admin", PRODUCER_ACCOUNT)
    table = f"arn:aws:dynamodb:{REGION}:{CONSUMER_ACCOUNT}:table/somebodys"
    source, replica = here.source[0], here.replica[0]
    asked = [
        Request(stranger, "s3:GetObject", f"arn:aws:s3:::somebodys-bucket/{KEY}", {}, "s3"),
        Request(stranger, "s3:PutObject", f"arn:aws:s3:::somebodys-bucket/{KEY}", {}, "s3"),
        Request(stranger, "s3:ListBucket", "arn:aws:s3:::somebodys-bucket", {}, "s3"),
        Request(admin, "s3:DeleteObjectVersion", f"{replica}/{KEY}", {}, "s3"),
        Request(admin, "s3:PutBucketPolicy", replica, {}, "s3"),
        Request(stranger, "s3:PutObject", f"{source}/{KEY}", {}, "s3"),
        Request(admin, "dynamodb:PutItem", table, {}, "dynamodb"),
        Request(admin, "dynamodb:DeleteTable", here.consumer.arn("Manifest"), {}, "dynamodb"),
        Request(admin, "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{CONSUMER_ACCOUNT}:somebodys", {}, "sqs"),
        Request(admin, "sqs:ReceiveMessage", here.consumer.arn("ObjectsQueue"), {}, "sqs"),
        Request(stranger, "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{PRODUCER_ACCOUNT}:somebodys", {}, "sqs"),
        Request(stranger, "sts:AssumeRole", f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/somebodys", {}, "sts"),
    ]
    # The bucket was deleted, and somebody has made one of its name.
    taken = {"aws:ResourceAccount": ANOTHER_ACCOUNT}
    asked += [
        Request(stranger, "s3:GetObject", f"{source}/{KEY}", taken, "s3"),
        Request(admin, "s3:PutObject", f"{replica}/{KEY}", taken, "s3"),
    ]
    for each in asked:
        yield Refused(f"through the endpoint: {each}", each, admin=True)


def of_readers(here: World) -> Iterator[Refused]:
    """Where the parameters limit prefixes, or the account whose endpoints are read through."""
    given = here.producer.stack.parameters
    read = Request(here.role("read"), "s3:GetObject", f"{here.source[0]}/{KEY}", {}, "s3")
    listing = read.but(action="s3:ListBucket", resource=here.source[0], context={"s3:prefix": KEY})
    if given["AllowedVpceAccountId"]:
        for each in (*(read.but(principal=reader) for reader in readers(here)), listing):
            elsewhere = each.in_context(aws__VpceAccount=ANOTHER_ACCOUNT)
            yield Refused(f"through another account's endpoint: {each}", elsewhere)
            yield Refused(f"over the internet: {each}", each.but(endpoint=""))
    if here.prefixes:
        actions = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
        for reader, action in product(readers(here), actions):
            other = read.but(principal=reader, action=action, resource=f"{here.source[0]}/private/key")
            yield Refused(f"outside the prefixes: {other}", other)
        yield Refused("listing outside the prefixes", listing.but(context={"s3:prefix": "private/"}))
