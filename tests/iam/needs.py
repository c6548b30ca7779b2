"""Which permissions a call needs: those it is named after, and those that AWS asks for besides.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from tests.iam.shape import REPORTS, Shape
from tests.iam.world import Request, World, through_s3

KEY = "raw/2026/a key.csv"
PREFIXES = {"prefix=reports": REPORTS + "runs/", "prefix=keys": KEY}

ON_OBJECTS = {
    "s3:GetObject": "s3:GetObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:GetObjectTagging": "s3:GetObjectTagging",
    "s3:PutObjectTagging": "s3:PutObjectTagging",
    "s3:DeleteObjectTagging": "s3:DeleteObjectTagging",
    "s3:DeleteObject": "s3:DeleteObject",
    "s3:PutObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:AbortMultipartUpload": "s3:AbortMultipartUpload",
    "s3:ListParts": "s3:ListMultipartUploadParts",
}
# When the call names a version. Instead of the other: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
# Of tags the pages say "also": https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html and
# API_GetObjectTagging.html; API_DeleteObjectTagging.html is not clear, and taken for the same.
OF_A_VERSION = {
    "s3:GetObject": ["s3:GetObjectVersion"],
    "s3:HeadObject": ["s3:GetObjectVersion"],
    "s3:GetObjectTagging": ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
    "s3:PutObjectTagging": ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"],
    "s3:DeleteObjectTagging": ["s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"],
    "s3:DeleteObject": ["s3:DeleteObjectVersion"],
}
COPIED_PART = "s3:UploadPartCopy"
"""Read at the source and written at the replica, by one role: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
ON_BUCKETS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
# Of an object under SSE-KMS. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuAndPermissions.html
OF_THE_KEY = {
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "s3:CreateMultipartUpload": ("kms:Decrypt", "kms:GenerateDataKey"),
    "s3:UploadPart": ("kms:Decrypt", "kms:GenerateDataKey"),
    "s3:CompleteMultipartUpload": ("kms:Decrypt",),
    "s3:ListParts": ("kms:Decrypt",),
}
ON_QUEUES = {
    "sqs:SendMessage": "sqs:SendMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes": "sqs:GetQueueAttributes",
}
QUEUES = {
    "objects": "ObjectsQueue",
    "dead-letters": "DeadLetterQueue",
    "ranges": "RangesQueue",
}
ON_THE_MANIFEST = {
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:DeleteItem",
    "dynamodb:UpdateItem",
}


def permissions(shape: Shape, world: World) -> list[Request]:
    """KeyError for an operation that has no mapping here."""
    match shape.operation.partition(":")[0]:
        case "s3":
            return of_s3(shape, world)
        case "sqs":
            queue = world.consumer.arn(QUEUES[shape.target.removesuffix(" queue")])
            return [Request(world.role(shape.role), ON_QUEUES[shape.operation], queue, {}, "sqs")]
        case "dynamodb":
            return of_dynamodb(shape, world)
        case "sts" if (shape.operation, shape.target) == ("sts:AssumeRole", "read role"):
            asked = Request(world.role(shape.role), "sts:AssumeRole", world.producer.arn("ReadRole"), {}, "sts")
            said = world.external_ids if "external-id" in shape.conditions else []
            return [asked.in_context(sts__ExternalId=each) for each in said] or [asked]
    raise KeyError(shape.operation, shape.target)


def of_s3(shape: Shape, world: World) -> list[Request]:
    if not shape.target.endswith(" bucket"):
        needed_by = of_a_copied_part if shape.operation == COPIED_PART else of_an_object
        return [each for key in keys(shape, world) for each in needed_by(shape, world, key)]
    bucket, _ = world.source if shape.target == "source bucket" else world.replica
    prefix = [text for word, text in PREFIXES.items() if word in shape.conditions]
    context = {"s3:prefix": prefix[0]} if prefix else {}
    return [Request(world.role(shape.role), ON_BUCKETS[shape.operation], bucket, context, "s3")]


def keys(shape: Shape, world: World) -> list[str]:
    """One below each prefix that is read, or one where the call's kind of objects is."""
    match shape.target:
        case "report":
            return [f"{REPORTS}runs/20261124-030000-1a2b3c/report.json"]
        case "source object" if world.prefixes:
            return [f"{prefix}2026/a key.csv" for prefix in world.prefixes]
    return [KEY]


def of_a_copied_part(shape: Shape, world: World, key: str) -> list[Request]:
    (source, source_key), (replica, replica_key) = world.source, world.replica
    role = world.role(shape.role)
    read = "s3:GetObjectVersion" if "version" in shape.conditions else "s3:GetObject"
    return [
        Request(role, read, f"{source}/{key}", {}, "s3"),
        Request(role, "kms:Decrypt", source_key, through_s3(source)),
        Request(role, "s3:PutObject", f"{replica}/{key}", {}, "s3"),
        *(Request(role, each, replica_key, through_s3(replica)) for each in OF_THE_KEY["s3:UploadPart"]),
    ]


def of_an_object(shape: Shape, world: World, key: str) -> list[Request]:
    bucket, key_arn = world.source if shape.target == "source object" else world.replica
    role, asked = world.role(shape.role), set(shape.conditions)
    needed = Request(role, "", f"{bucket}/{key}", {}, "s3")
    encryption = {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn,
    }
    actions = OF_A_VERSION[shape.operation] if "version" in asked else [ON_OBJECTS[shape.operation]]
    found = [needed.but(action=action, context=encryption if "kms-key" in asked else {}) for action in actions]
    if "tags" in asked:
        found.append(needed.but(action="s3:PutObjectTagging"))
    if "if-match" in asked:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, conditional-delete-enforce.html
        found.append(needed.but(action="s3:GetObject"))
    if "missing" in asked:
        return [*found, needed.but(action="s3:ListBucket", resource=bucket)]  # else the answer is a 403
    return found + [Request(role, each, key_arn, through_s3(bucket)) for each in of_the_key(shape)]


def of_the_key(shape: Shape) -> tuple[str, ...]:
    if shape.operation == "s3:HeadObject" and "checksum" in shape.conditions:
        return ("kms:Decrypt",)  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    return OF_THE_KEY.get(shape.operation, ())


def of_dynamodb(shape: Shape, world: World) -> list[Request]:
    if shape.operation not in ON_THE_MANIFEST:
        raise KeyError(shape.operation)
    bucket = world.source[0].removeprefix("arn:aws:s3:::")
    partitions = [each.removeprefix("partition=") for each in shape.conditions if each.startswith("partition=")]
    names = {"rows": "3", "run": "run#20261124-030000-1a2b3c"}
    leading = [f"{bucket}#{names.get(each, each)}" for each in partitions]
    context = {"dynamodb:LeadingKeys": leading} if leading else {}
    return [Request(world.role(shape.role), shape.operation, world.consumer.arn("Manifest"), context, "dynamodb")]
