"""ORPHAN: no multipart upload stays open that no row names; and none that may be under way is aborted."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.manifest import Manifest
from consumer_replicator.parts import Cut
from consumer_replicator.replica import Replica
from consumer_replicator.row import Row, State, Upload
from consumer_replicator.row_item import address, to_item
from consumer_replicator.sweep import EVERYTHING, Sweep
from producer_events.scope import Scope
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA, SOURCE, TABLE, World, refuse

DAY = 86_400.0
WHERE = {"Bucket": REPLICA, "ExpectedBucketOwner": CONSUMER}


@pytest.fixture
def world():
    return World()


def sweep_of(s3, dynamodb, scope=EVERYTHING):
    replica = Replica(s3, REPLICA, CONSUMER, KEY_ARN, "preserve")
    return Sweep(replica, Manifest(dynamodb, TABLE, SOURCE, 16, 30), DAY, scope)


@pytest.fixture
def sweep(world):
    return sweep_of(world.s3("own"), world.dynamodb())


def open_upload(world, key, age, upload_id=None):
    name = upload_id or f"upload of {key}"
    world.replica.uploads[name] = {"parameters": {"Key": key}, "parts": {}, "initiated": world.now - age}
    return name


def put_row(world, key, state, **more):
    where = address(SOURCE, key, 16)
    world.rows[where["pk"]["S"], key] = {**where, **to_item(Row(3, state, world.now - 9 * DAY, **more), None)}


def test_an_orphaned_upload_is_aborted_and_counted(sweep, world):
    for key in ("a", "b"):
        open_upload(world, key, DAY + 1)
    assert sweep.run(world.now) == 2
    assert not world.replica.uploads
    assert sweep.run(world.now) == 0


@pytest.mark.parametrize(("age", "aborted"), [(0, 0), (DAY - 1, 0), (DAY, 0), (DAY + 1, 1), (-60, 0)])
def test_an_upload_young_enough_to_be_under_way_is_left_alone(sweep, world, age, aborted):
    open_upload(world, "k", age)
    assert sweep.run(world.now) == aborted
    assert len(world.replica.uploads) == 1 - aborted


def test_a_young_upload_costs_no_look_at_its_row(sweep, world):
    open_upload(world, "k", 5)
    sweep.run(world.now)
    assert world.operations() == ["ListMultipartUploads"]


UPLOAD = Upload("named", SourceIdentity("v1", "e1", 1, 10), None, 0, Cut(10, 5, 1), "CRC64NVME", "FULL_OBJECT")


def test_an_upload_is_left_alone_while_its_key_s_row_names_it(sweep, world):
    open_upload(world, "k", 9 * DAY, "named")
    put_row(world, "k", State.UPLOADING, upload=UPLOAD)
    assert sweep.run(world.now) == 0
    assert list(world.replica.uploads) == ["named"]


def test_the_upload_that_a_row_names_does_not_protect_another_of_its_key(sweep, world):
    open_upload(world, "k", 9 * DAY, "named")
    open_upload(world, "k", 9 * DAY, "left behind")
    put_row(world, "k", State.UPLOADING, upload=UPLOAD)
    assert sweep.run(world.now) == 1
    assert list(world.replica.uploads) == ["named"]


@pytest.mark.parametrize("state", State)
def test_an_upload_that_its_key_s_row_does_not_name_is_aborted_whatever_the_row_says(sweep, world, state):
    open_upload(world, "k", 9 * DAY)
    put_row(world, "k", state)
    assert sweep.run(world.now) == 1


def test_an_upload_of_a_key_that_left_the_scope_is_aborted_since_nobody_carries_it_on(world):
    for key in ("in/k", "out/k"):
        open_upload(world, key, 9 * DAY, f"upload of {key}")
        put_row(world, key, State.UPLOADING, upload=replace(UPLOAD, id=f"upload of {key}"))
    narrowed = sweep_of(world.s3("own"), world.dynamodb(), Scope(prefixes=("in/",)))
    assert narrowed.run(world.now) == 1
    assert list(world.replica.uploads) == ["upload of in/k"]


def test_an_upload_whose_row_cannot_be_read_is_left_alone_and_holds_up_no_other(sweep, world):
    """The row may name it: it is of a newer release, or damaged."""
    for key in ("a", "b", "c"):
        open_upload(world, key, 2 * DAY)
    put_row(world, "b", State.LIVE)
    world.rows[address(SOURCE, "b", 16)["pk"]["S"], "b"]["s"] = {"S": "?"}
    assert sweep.run(world.now) == 2
    assert list(world.replica.uploads) == ["upload of b"]


def test_several_uploads_of_one_key_are_each_judged_by_their_own_age(sweep, world):
    open_upload(world, "k", 2 * DAY, "old")
    open_upload(world, "k", 5, "new")
    assert sweep.run(world.now) == 1
    assert list(world.replica.uploads) == ["new"]


def test_an_upload_that_ends_while_it_is_swept_is_no_error(sweep, world):
    def complete(call):
        if call.operation == "AbortMultipartUpload":
            world.replica.uploads.clear()

    open_upload(world, "k", 2 * DAY)
    world.before = complete
    sweep.run(world.now)
    assert not world.replica.uploads


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "BatchGetItem", "AbortMultipartUpload"])
def test_what_cannot_be_read_or_aborted_is_an_error_and_never_an_absence(sweep, world, operation):
    def deny(call):
        if call.operation == operation:
            raise refuse(operation, "AccessDenied", 403)

    open_upload(world, "k", 2 * DAY)
    world.before = deny
    with pytest.raises(HydrationError):
        sweep.run(world.now)
    assert list(world.replica.uploads) == ["upload of k"]


def test_many_uploads_cost_one_look_at_their_rows_a_hundred(sweep, world):
    for number in range(201):
        open_upload(world, f"k{number}", 2 * DAY)
    assert sweep.run(world.now) == 201
    assert world.operations().count("BatchGetItem") == 3


def test_all_pages_of_uploads_are_swept(stubbed):
    s3, stubber = stubbed("s3")
    world = World()
    initiated = datetime.fromtimestamp(world.now - 2 * DAY, UTC)
    pages = [[{"Key": key, "UploadId": f"u-{key}", "Initiated": initiated}] for key in ("a", "b")]
    asked = []
    s3.meta.events.register(
        "provide-client-params.s3.ListMultipartUploads", lambda params, **_: asked.append({**params})
    )
    markers = {"NextKeyMarker": "a", "NextUploadIdMarker": "u-a"}
    stubber.add_response("list_multipart_uploads", {"Uploads": pages[0], "IsTruncated": True, **markers})
    stubber.add_response("list_multipart_uploads", {"Uploads": pages[1], "IsTruncated": False})
    for key in ("a", "b"):
        stubber.add_response("abort_multipart_upload", {}, {**WHERE, "Key": key, "UploadId": f"u-{key}"})
    assert sweep_of(s3, world.dynamodb()).run(world.now) == 2
    assert [(params.get("KeyMarker"), params.get("UploadIdMarker")) for params in asked] == [(None, None), ("a", "u-a")]
