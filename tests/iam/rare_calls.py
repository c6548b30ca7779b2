"""Calls that the code makes and no run of the sandbox: each with what has to happen first, and where it is made."""

from dataclasses import dataclass

from tests.iam.shape import Shape


@dataclass(frozen=True)
class RareCall:
    """`module` of consumer_replicator makes it by the method `call`."""

    shape: Shape
    when: str
    module: str
    call: str


RARE = [
    RareCall(
        Shape("replicator", "s3:AbortMultipartUpload", "replica object"),
        "an upload in parts fails half-way",
        "replica",
        "abort_multipart_upload",
    ),
    RareCall(
        Shape("transfer", "s3:AbortMultipartUpload", "replica object"),
        "an upload is older than SweepHours and no row names it",
        "replica",
        "abort_multipart_upload",
    ),
    RareCall(
        Shape("replicator", "s3:ListParts", "replica object"),
        "the last range of a large object is there",
        "replica",
        "list_parts",
    ),
    RareCall(
        Shape("replicator", "dynamodb:UpdateItem", "manifest", ("partition=rows",)),
        "a range of a large object is there",
        "manifest",
        "update_item",
    ),
    RareCall(
        Shape("replicator", "sqs:ChangeMessageVisibilityBatch", "objects queue"),
        "a message fails and is given back with a pause",
        "queue",
        "change_message_visibility_batch",
    ),
    RareCall(
        Shape("transfer", "dynamodb:DeleteItem", "manifest", ("partition=watermark",)),
        "a run finds none of the objects that had failed for good",
        "runs",
        "delete_item",
    ),
    RareCall(
        Shape("replicator", "s3:UploadPartCopy", "source object", ("version",)),
        "CopyMode is server-side, and the object large; the emulator lets no role read another account's bucket",
        "part_copies",
        "upload_part_copy",
    ),
    RareCall(
        Shape("replicator", "s3:UploadPartCopy", "source object", ("if-match",)),
        "the same of an object in an existing bucket that is not versioned",
        "part_copies",
        "upload_part_copy",
    ),
    RareCall(
        Shape("transfer", "s3:GetObject", "replica object", ("if-match",)),
        "a verify compares bytes",
        "stored_objects",
        "get_object",
    ),
    RareCall(
        Shape("read", "s3:HeadObject", "source object", ("if-match",)),
        "an object with a COMPOSITE checksum in an existing bucket that is not versioned: where its parts end",
        "source",
        "head_object",
    ),
    RareCall(
        Shape("read", "s3:GetObjectTagging", "source object"),
        "an object in an existing bucket that is not versioned",
        "source",
        "get_object_tagging",
    ),
]
