"""What the emulator records becomes a shape, and a call that nobody has reckoned with is noticed."""

import pytest

from tests.iam.rare_calls import RARE
from tests.iam.recorded import unproven
from tests.iam.shape import COMMITTED, Shape, read, shape_of, shapes_of
from tests.sandbox.calls import Call

SESSION = "arn:aws:sts::222222222222:assumed-role/s3-hydration-{role}/a-session"
SOURCE, REPLICA = "s3-hydration-source-111111111111-us-east-1", "s3-hydration-replica-222222222222-us-east-1"


def call(role, service, operation, status=200, **rest):
    return Call(1.0, 1.0, service, operation, "222222222222", SESSION.format(role=role), status, **rest)


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (
            call("read", "s3", "GetObject", 206, bucket=SOURCE, key="k", conditions={"version": "v1", "checksum": "E"}),
            Shape("read", "s3:GetObject", "source object", ("checksum", "version")),
        ),
        (
            call("replicator", "s3", "HeadObject", 404, bucket=REPLICA, key="k"),
            Shape("replicator", "s3:HeadObject", "replica object", ("missing",)),
        ),
        (
            call("transfer", "s3", "PutObject", bucket=REPLICA, key="_s3-hydration/runs/1/report.json"),
            Shape("transfer", "s3:PutObject", "report"),
        ),
        (
            call("transfer", "s3", "ListObjectsV2", bucket=REPLICA, conditions={"prefix": "_s3-hydration/runs/"}),
            Shape("transfer", "s3:ListObjectsV2", "replica bucket", ("prefix=reports",)),
        ),
        (
            call("replicator", "dynamodb", "PutItem", resource="Manifest-1", conditions={"partition": f"{SOURCE}#12"}),
            Shape("replicator", "dynamodb:PutItem", "manifest", ("partition=rows",)),
        ),
        (
            call("transfer", "dynamodb", "PutItem", resource="Manifest-1", conditions={"partition": f"{SOURCE}#run#1"}),
            Shape("transfer", "dynamodb:PutItem", "manifest", ("partition=run",)),
        ),
        (
            call("replicator", "sqs", "SendMessage", resource="s3-hydration-dead-letters"),
            Shape("replicator", "sqs:SendMessage", "dead-letters queue"),
        ),
        (
            call("replicator", "sts", "AssumeRole", resource="arn:aws:iam::111111111111:role/s3-hydration-read"),
            Shape("replicator", "sts:AssumeRole", "read role"),
        ),
    ],
    ids=lambda each: str(each) if isinstance(each, Shape) else "",
)
def test_a_call_is_told_apart_by_all_that_permissions_depend_on(made, shape):
    assert shape_of(made) == shape


def test_calls_of_others_and_calls_that_were_denied_need_no_permission():
    root = Call(
        1.0, 1.0, "s3", "GetObject", "111111111111", "arn:aws:iam::111111111111:root", 200, bucket=SOURCE, key="k"
    )
    assert shapes_of([root, call("read", "s3", "GetObject", 403, bucket=SOURCE, key="k")]) == set()


def test_what_is_committed_is_proven_and_in_order():
    shapes = read()
    assert len(shapes) > 30
    assert unproven(shapes) == []
    roles = [line.split('"')[3] for line in COMMITTED.read_text().splitlines() if "role" in line]
    assert roles == sorted(roles)


def test_what_is_called_rare_is_not_recorded():
    assert {each.shape for each in RARE} & read() == set()


@pytest.mark.parametrize(
    "shape",
    [
        Shape("replicator", "s3:GetObject", "source object"),
        Shape("replicator", "s3:DeleteObject", "replica object", ("version",)),
        Shape("transfer", "dynamodb:PutItem", "manifest", ("partition=rows",)),
        Shape("transfer", "s3:PutObject", "replica object", ("kms-key",)),
        Shape("read", "s3:PutObject", "source object"),
        Shape("transfer", "dynamodb:Scan", "manifest"),
        Shape("replicator", "sqs:SendMessage", "somebodys queue"),
        Shape("replicator", "sts:AssumeRole", "read role"),
        Shape("replicator", "kms:Decrypt", "kms key"),
    ],
    ids=str,
)
def test_a_call_that_nobody_has_reckoned_with_is_noticed(shape):
    assert unproven([shape]) == [str(shape)]
