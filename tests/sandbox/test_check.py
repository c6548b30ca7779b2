"""The check finds every kind of difference. moto stands for both buckets: what is compared is what S3 answers."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from producer_events.scope import RESERVED_PREFIXES
from tests.odd_keys import ODD_KEYS
from tests.sandbox import check

type S3 = Any  # a boto3 client
KEY = "arn:aws:kms:us-east-1:222222222222:key/replica"
HEADERS = {
    "CacheControl": "no-cache",
    "ContentDisposition": "attachment",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "text/plain",
    "Expires": "Thu, 01 Dec 2044 16:00:00 GMT",
    "WebsiteRedirectLocation": "/elsewhere",
}
UNDER_KEY: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
MOTO_CHANGES = {".", ".."}  # it reads a key as a URL path
PROVENANCE = {"hydration-source": "v1", "hydration-generation": "7"}


@pytest.fixture(scope="module")
def moto_s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(moto_s3: S3) -> Iterator[S3]:
    for bucket in ("source", "replica"):
        moto_s3.create_bucket(Bucket=bucket)
    yield moto_s3
    for bucket in ("source", "replica"):
        for listed in moto_s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            moto_s3.delete_object(Bucket=bucket, Key=listed["Key"])
        for upload in moto_s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            moto_s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        moto_s3.delete_bucket(Bucket=bucket)


def put_pair(s3: S3, key: str = "k", replica_key: str | None = None, **of_replica: Any) -> None:
    """An object that uses all that a copy carries, and its replica, alike but for what `of_replica` says."""
    content: dict[str, Any] = {
        "Body": b"body",
        "Metadata": {"a": "1"},
        "Tagging": "t=1",
        "StorageClass": "STANDARD_IA",
        **HEADERS,
    }
    s3.put_object(Bucket="source", Key=key, **content)
    copy = {**content, **UNDER_KEY, "Metadata": {"a": "1", **PROVENANCE}, **of_replica}
    s3.put_object(Bucket="replica", Key=replica_key or key, **copy)


def verdict(s3: S3, **rules: Any) -> check.Verdict:
    return check.compare(check.Bucket(s3, "source"), check.Bucket(s3, "replica"), replica_key=KEY, **rules)


def found(s3: S3, **rules: Any) -> list[tuple[str, str]]:
    return [(difference.key, difference.aspect) for difference in verdict(s3, **rules).differences]


def test_equal_buckets_have_no_difference_and_say_how_much_was_compared(s3: S3) -> None:
    put_pair(s3)
    put_pair(s3, "empty/")
    assert verdict(s3) == check.Verdict(compared=2, bytes=8, differences=())


def test_empty_buckets_are_equal(s3: S3) -> None:
    assert verdict(s3) == check.Verdict(0, 0, ())


def test_keys_are_compared_as_they_are(s3: S3) -> None:
    kept = [key for key in ODD_KEYS.values() if not MOTO_CHANGES & set(key.split("/")) and "\x00" not in key]
    for key in kept:
        put_pair(s3, key)
    assert verdict(s3) == check.Verdict(len(kept), 4 * len(kept), ())


def test_a_missing_replica_is_found(s3: S3) -> None:
    s3.put_object(Bucket="source", Key="k", Body=b"")
    assert found(s3) == [("k", "missing")]


def test_a_replica_without_a_source_is_found(s3: S3) -> None:
    s3.put_object(Bucket="replica", Key="k", Body=b"")
    assert found(s3) == [("k", "extra")]


def test_a_replica_under_another_key_is_one_missing_and_one_extra(s3: S3) -> None:
    put_pair(s3, "a b", replica_key="a+b")
    assert found(s3) == [("a b", "missing"), ("a+b", "extra")]


def test_other_bytes_of_the_same_length_are_found(s3: S3) -> None:
    put_pair(s3, Body=b"bodY")
    assert found(s3) == [("k", "bytes")]


@pytest.mark.parametrize("header", HEADERS)
def test_each_header_that_differs_is_found(s3: S3, header: str) -> None:
    other = "Fri, 02 Dec 2044 16:00:00 GMT" if header == "Expires" else "/other"
    put_pair(s3, **{header: other})
    assert found(s3) == [("k", f"header {'ExpiresString' if header == 'Expires' else header}")]


def test_a_header_that_the_replica_lost_or_invented_is_found(s3: S3) -> None:
    s3.put_object(Bucket="source", Key="lost", CacheControl="no-cache")
    s3.put_object(Bucket="replica", Key="lost", **UNDER_KEY)
    s3.put_object(Bucket="source", Key="invented")
    s3.put_object(Bucket="replica", Key="invented", CacheControl="no-cache", **UNDER_KEY)
    assert found(s3) == [("invented", "header CacheControl"), ("lost", "header CacheControl")]


@pytest.mark.parametrize("metadata", [{}, {"a": "2"}, {"a": "1", "b": "1"}])
def test_metadata_that_was_lost_changed_or_added_is_found(s3: S3, metadata: dict[str, str]) -> None:
    put_pair(s3, Metadata=metadata)
    assert [aspect.split()[0] for _, aspect in found(s3)] == ["metadata"]


def test_provenance_is_the_replicas_own_and_no_difference(s3: S3) -> None:
    put_pair(s3, Metadata={"a": "1", **PROVENANCE})
    assert found(s3) == []


@pytest.mark.parametrize("tags", ["", "t=2", "t=1&u=1"])
def test_tags_that_were_lost_changed_or_added_are_found(s3: S3, tags: str) -> None:
    put_pair(s3, Tagging=tags)
    assert [aspect.split()[0] for _, aspect in found(s3)] == ["tag"]


def test_another_storage_class_is_found(s3: S3) -> None:
    put_pair(s3, StorageClass="STANDARD")
    assert found(s3) == [("k", "storage class")]


def test_a_fixed_storage_class_is_what_every_replica_must_have(s3: S3) -> None:
    put_pair(s3, StorageClass="GLACIER_IR")
    assert found(s3, storage_class="GLACIER_IR") == []
    assert found(s3, storage_class="STANDARD") == [("k", "storage class")]


@pytest.mark.parametrize("encryption", [{"SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/other"}, {"SSEKMSKeyId": ""}])
def test_a_replica_that_is_not_under_the_consumers_key_is_found(s3: S3, encryption: dict[str, str]) -> None:
    put_pair(s3, **encryption)
    assert found(s3) == [("k", "encryption")]


def test_a_replica_that_is_not_encrypted_with_kms_is_found(s3: S3) -> None:
    s3.put_object(Bucket="source", Key="k")
    s3.put_object(Bucket="replica", Key="k", ServerSideEncryption="AES256")
    assert found(s3) == [("k", "encryption")]


def test_an_unfinished_upload_in_the_replica_is_found(s3: S3) -> None:
    s3.create_multipart_upload(Bucket="replica", Key="k")
    assert found(s3) == [("k", "unfinished upload")]


def test_an_object_that_cannot_be_read_is_a_finding_and_its_neighbours_are_still_compared(s3: S3) -> None:
    put_pair(s3, "a")
    put_pair(s3, "b", StorageClass="GLACIER")  # archived: S3 refuses to read it
    put_pair(s3, "c", Body=b"other")
    assert found(s3) == [("b", "unreadable"), ("c", "bytes")]


def test_keys_that_are_not_wanted_are_wrong_only_where_they_were_replicated(s3: S3) -> None:
    s3.put_object(Bucket="source", Key="out/1")
    s3.put_object(Bucket="source", Key="out/2")
    s3.put_object(Bucket="replica", Key="out/2")
    assert found(s3, wanted=lambda key: not key.startswith("out/")) == [("out/2", "extra")]


def test_what_the_product_keeps_for_itself_is_no_replica(s3: S3) -> None:
    s3.put_object(Bucket="replica", Key=f"{check.RESERVED}reports/1/report.html", Body=b"x")
    s3.put_object(Bucket="source", Key=f"{check.RESERVED}a", Body=b"x")
    assert verdict(s3).differences == ()
    assert (check.RESERVED,) == RESERVED_PREFIXES


def test_every_object_is_reported_as_it_is_checked(s3: S3) -> None:
    for key in "abc":
        put_pair(s3, key)
    seen = []
    verdict(s3, checked=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_default_storage_class_is_what_s3_leaves_out() -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        answer = {"Body": StreamingBody(BytesIO(b"x"), 1), "Metadata": {}}
        stub.add_response("get_object", answer, {"Bucket": "b", "Key": "k"})
        stub.add_response("get_object_tagging", {"TagSet": []}, {"Bucket": "b", "Key": "k"})
        assert check.read(check.Bucket(client, "b"), "k").storage_class == "STANDARD"


def test_a_difference_is_a_sentence_without_control_characters_and_of_bounded_length() -> None:
    text = str(check.Difference("\x1b[31m\n\u202e" + "k" * 1000, "header X", "a\x00", None))
    assert text.isprintable()
    assert len(text) < 300
    assert text.endswith("header X: source 'a\\x00', replica absent")
