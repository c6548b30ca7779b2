"""The products as they are proven: with the parameters that decide about policies."""

from functools import cache

from tests.iam.needs import COPIED_PART, permissions
from tests.iam.rare_calls import RARE
from tests.iam.service_calls import service_requests
from tests.iam.shape import Shape, read
from tests.iam.world import NEXT_EXTERNAL_ID, Request, World
from tests.service_catalog.template import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, REGION

EXISTING = {
    "ExistingBucketName": "acme-exports",
    "ExistingKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "SwitchEventsOn": "true",
    "LambdaS3Bucket": "acme-artifacts",
    "LambdaS3Key": "s3-hydration.zip",
}
VARIANTS = {
    "a new bucket, deletes mirrored": ({}, {"DeletePolicy": "mirror", "TracingMode": "Active"}),
    "an existing bucket, deletes mirrored": (EXISTING, {"DeletePolicy": "mirror"}),
    "deletes not mirrored": ({}, {"DeletePolicy": "retain"}),
    "prefixes and one VPC account": (
        {"ScopePrefixes": "raw/,curated/", "AllowedVpceAccountId": CONSUMER_ACCOUNT},
        {"DeletePolicy": "mirror", "ScopePrefixes": "raw/,curated/"},
    ),
    "an ExternalId while it changes": ({"NextExternalId": NEXT_EXTERNAL_ID}, {"DeletePolicy": "mirror"}),
    "an ExternalId that has changed": (
        {"ExternalId": NEXT_EXTERNAL_ID},
        {"ExternalId": NEXT_EXTERNAL_ID, "DeletePolicy": "mirror"},
    ),
    "S3 copies": (
        {"AllowServerSideCopies": "true"},
        {"DeletePolicy": "mirror", "CopyMode": "server-side", "TracingMode": "Active"},
    ),
    "S3 copies within prefixes for one VPC account": (
        {"AllowServerSideCopies": "true", "ScopePrefixes": "raw/,curated/", "AllowedVpceAccountId": CONSUMER_ACCOUNT},
        {"DeletePolicy": "retain", "CopyMode": "server-side"},
    ),
    "S3 copies from an existing bucket": (
        EXISTING | {"AllowServerSideCopies": "true"},
        {"DeletePolicy": "retain", "CopyMode": "server-side"},
    ),
    "S3 copies from an existing bucket within prefixes for one VPC account": (
        EXISTING
        | {"AllowServerSideCopies": "true", "ScopePrefixes": "raw/,curated/", "AllowedVpceAccountId": CONSUMER_ACCOUNT},
        {"DeletePolicy": "retain", "CopyMode": "server-side"},
    ),
}
SHARED_KEY = "S3 copies from an existing bucket under a key that is shared with the consumer's account"
VARIANTS[SHARED_KEY] = VARIANTS["S3 copies from an existing bucket"]
DELETES = "s3:DeleteObject"


@cache
def world(variant: str) -> World:
    producer, consumer = VARIANTS[variant]
    if "ExistingBucketName" in producer:
        consumer = consumer | {
            "ProducerBucketName": producer["ExistingBucketName"],
            "ProducerBucketArn": f"arn:aws:s3:::{producer['ExistingBucketName']}",
        }
    return World(producer, consumer, key_is_shared=variant == SHARED_KEY)


def shapes() -> list[Shape]:
    """Of every call: recorded, and rare."""
    return sorted(read() | {each.shape for each in RARE})


@cache
def requests(variant: str) -> list[Request]:
    """Every permission that is asked for, once."""
    here = world(variant)
    never = set() if VARIANTS[variant][1]["DeletePolicy"] == "mirror" else {DELETES}
    never |= set() if here.has_s3_copy else {COPIED_PART}
    made = [shape for shape in shapes() if shape.operation not in never]
    asked = [request for shape in made for request in permissions(shape, here)]
    found = {str(request) + str(sorted(request.context.items())): request for request in asked + service_requests(here)}
    return list(found.values())
