"""The workload is a plan made from files; what it makes of them is shown on small folders and on what is at hand."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from tests.odd_keys import ODD_KEYS
from tests.sandbox import workload as plan
from tests.sandbox.uploader import Uploader
from tests.sandbox.workload import MIB, Upload, dressed, workload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a/deep/er.html", "a/page.json.gz", "a/__pycache__/no.pyc", "z.txt"):
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "given"


def content(upload: Upload) -> bytes:
    with upload.open() as body:
        return body.read()


def keys(uploads: Iterable[Upload]) -> list[str]:
    return [upload.key for upload in uploads]


def test_the_same_files_make_the_same_workload(folder: Path) -> None:
    assert workload(folder) == workload(folder)
    assert workload() == workload()


def test_a_folders_files_become_objects_under_their_own_paths_in_order(folder: Path) -> None:
    assert keys(workload(folder).uploads)[:4] == ["b.txt", "z.txt", "a/page.json.gz", "a/deep/er.html"]


def test_no_key_is_uploaded_twice_even_where_a_file_has_an_odd_keys_name(folder: Path) -> None:
    (folder / "plain.txt").write_bytes(b"a file of the user's")
    uploads = workload(folder).uploads
    assert Counter(keys(uploads)).most_common(1)[0][1] == 1
    assert [content(upload) for upload in uploads if upload.key == "plain.txt"] == [b"a file of the user's"]


def test_every_odd_key_is_in_every_workload_beside_empty_objects_and_folder_markers(folder: Path) -> None:
    uploads = workload(folder).uploads
    assert set(ODD_KEYS.values()) <= set(keys(uploads))
    empty = {upload.key for upload in uploads if upload.size == 0}
    assert {"empty/zero-bytes", "empty/folder-marker/"} <= empty


def test_what_is_at_hand_is_a_few_hundred_nested_files_with_one_of_several_parts() -> None:
    uploads = workload().uploads
    assert 200 < len(uploads) < 800
    assert max(upload.size for upload in uploads) > 16 * MIB
    assert sum(upload.size for upload in uploads) < 300 * MIB
    assert sum(upload.size > MIB for upload in uploads) >= 3
    assert max(upload.key.count("/") for upload in uploads if upload.key.startswith("packages/")) >= 4


def test_files_one_after_the_other_make_up_for_a_large_one_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"12345")
    upload = Upload("k", plan._at_least(12, [path]))
    assert upload.size == 15
    assert content(upload) == b"123451234512345"


def test_each_thing_that_a_copy_carries_is_on_some_object_and_missing_from_another() -> None:
    uploads = workload().uploads
    carried = Counter(name for upload in uploads for name in upload.arguments)
    assert carried.pop("ContentType") == len(uploads)
    assert set(carried) == {
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "Expires",
        "Metadata",
        "StorageClass",
        "Tagging",
        "WebsiteRedirectLocation",
    }
    assert all(0 < count < len(uploads) for count in carried.values())


def test_metadata_beyond_ascii_is_sent_as_s3_shows_it() -> None:
    metadata = dressed(5, "k", ()).arguments["Metadata"]
    assert isinstance(metadata, dict)
    assert metadata["title"].isascii()
    assert metadata["title"].startswith("=?UTF-8?B?")


def test_a_compressed_file_is_typed_by_what_it_holds() -> None:
    arguments = dressed(1, "a/page.json.gz", ()).arguments
    assert (arguments["ContentType"], arguments["ContentEncoding"]) == ("application/json", "gzip")


def test_no_key_is_changed_in_two_ways_and_only_the_burst_writes_one_again() -> None:
    changes = workload().changes
    groups = [
        keys(changes.overwritten),
        [changes.burst[0].key],
        list(changes.tagged),
        list(changes.untagged),
        list(changes.deleted),
        [changes.recreated.key],
    ]
    assert all(groups)
    assert Counter(key for group in groups for key in group).most_common(1)[0][1] == 1
    assert len(changes.burst) == plan.BURST
    assert len({write.key for write in changes.burst}) == 1
    assert len({write.pieces for write in changes.burst}) == plan.BURST


def test_every_change_is_to_an_object_that_was_uploaded_and_really_changes_it(folder: Path) -> None:
    planned = workload(folder)
    before = {upload.key: upload for upload in planned.uploads}
    changes = planned.changes
    for after in (*changes.overwritten, *changes.burst, changes.recreated):
        assert content(after) != content(before[after.key])
    assert all("Tagging" in before[key].arguments for key in changes.untagged)
    assert {*changes.tagged, *changes.deleted} <= before.keys()


def test_a_folder_without_files_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no file that can be read"):
        workload(tmp_path)


def test_a_file_that_cannot_be_an_object_is_left_out_and_named(folder: Path) -> None:
    deep = folder
    for _ in range(5):
        deep /= "d" * 240
    deep.mkdir(parents=True)
    (deep / "too-long").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"")
    planned = workload(folder)
    assert [why.split(": ")[1] for why in planned.left_out] == [
        "its name is not UTF-8",
        "its path is longer than a key may be, 1024 bytes",
    ]
    assert len(planned.uploads) == len(workload(folder).uploads)


def test_a_file_that_may_not_be_read_is_left_out_and_named(folder: Path) -> None:
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "fifo").touch()
    (folder / "fifo").unlink()
    os.mkfifo(folder / "fifo")
    assert not {"dangling", "fifo"} & set(keys(workload(folder).uploads))


def test_a_folder_beyond_the_bound_is_cut_and_the_rest_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "FILES_AT_MOST", 3)
    planned = workload(folder)
    assert planned.left_out == ("1 more files: the demo takes 3 files and 2 GiB at most",)
    assert sum(isinstance(upload.pieces[0], Path) for upload in planned.uploads if upload.pieces) == 3


@mock_aws
def test_uploading_and_changing_leaves_what_the_plan_says_and_counts_one_event_a_change() -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="source")
    uploads = [dressed(n, f"k{n}", (b"x" * n,)) for n in range(1, 40)]
    changes = plan._changes(uploads)
    done: list[tuple[str, int]] = []
    uploader = Uploader(s3, "source", lambda key, size: done.append((key, size)))

    assert uploader.put_all(uploads) == 39
    assert sorted(done, key=lambda each: each[1]) == [(f"k{n}", n) for n in range(1, 40)]
    assert uploader.put_in_turn(changes.overwritten, pause=0) == 11
    assert uploader.change(changes) == changes.count == 2 + 30 + 2 * 11 + 3
    assert len(done) == 39 + 11 + changes.count
    left = {listed["Key"] for listed in s3.list_objects_v2(Bucket="source")["Contents"]}
    assert left == {upload.key for upload in uploads} - set(changes.deleted)
    for last in (*changes.overwritten, changes.burst[-1], changes.recreated):
        assert s3.get_object(Bucket="source", Key=last.key)["Body"].read() == content(last)
    tags = {
        key: s3.get_object_tagging(Bucket="source", Key=key)["TagSet"] for key in (*changes.tagged, *changes.untagged)
    }
    assert {key: {tag["Key"]: tag["Value"] for tag in tag_set} for key, tag_set in tags.items()} == {
        **changes.tagged,
        **{key: {} for key in changes.untagged},
    }


@mock_aws
def test_a_file_of_several_parts_goes_up_as_multipart_with_all_it_carries(tmp_path: Path) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="source")
    path = tmp_path / "large"
    path.write_bytes(os.urandom(17 * MIB))
    every = 3 * 4 * 5 * 7 * 9 * 11 * 13  # a number that all dresses divide
    Uploader(s3, "source").put(dressed(every, "large", (path,)))
    head = s3.head_object(Bucket="source", Key="large")
    assert head["ETag"].endswith('-3"')
    assert head["WebsiteRedirectLocation"] == "/moved/here.html"
    assert head["StorageClass"] == "STANDARD_IA"
    assert len(s3.get_object_tagging(Bucket="source", Key="large")["TagSet"]) == 2
