"""The emulated S3 behaves as the AWS documentation says where the product leans on it. No product is deployed here."""

import base64
import hashlib
import urllib.request
import zlib
from collections.abc import Callable
from typing import Any

import anycrc
import pytest
from botocore.exceptions import ClientError

from tests.odd_keys import ODD_KEYS
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT
from tests.sandbox.bare_accounts import BareAccounts

MIB = 1024 * 1024
PART = b"a" * (5 * MIB)
CRC64NVME_OF_HELLO = "M3eFcAZSQlc="


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """HTTP status and code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def upload(s3: Any, bucket: str, key: str, parts: list[bytes], completion: Any = None, **creation: Any) -> Any:
    """A multipart upload, with the arguments of its creation and of its completion."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **creation)["UploadId"]
    place = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    done = [
        {"PartNumber": number, "ETag": s3.upload_part(**place, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(parts, 1)
    ]
    return s3.complete_multipart_upload(**place, MultipartUpload={"Parts": done}, **(completion or {}))


def raw_put(s3: Any, key: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
    """A put into `plain` that boto3 would not make: no checksum, headers as they are. The answer's headers."""
    address = s3.generate_presigned_url("put_object", Params={"Bucket": "plain", "Key": key})
    request = urllib.request.Request(address, data=body, method="PUT", headers={"Content-Type": "", **(headers or {})})
    with urllib.request.urlopen(request) as answer:
        return answer.headers


@pytest.fixture(scope="module")
def encrypted(aws: BareAccounts) -> Any:
    """S3, with a bucket `encrypted` under SSE-KMS and a bucket key, versioned."""
    return aws.bucket("encrypted", versioned=True, key=aws.key())


@pytest.fixture(scope="module")
def plain(aws: BareAccounts) -> Any:
    """S3, with a bucket `plain` without versions and without a key."""
    return aws.bucket("plain")


class TestETags:
    def test_under_kms_an_etag_is_no_md5(self, encrypted: Any) -> None:
        etag = encrypted.put_object(Bucket="encrypted", Key="md5", Body=b"hello")["ETag"]
        assert etag != f'"{hashlib.md5(b"hello").hexdigest()}"'
        assert encrypted.head_object(Bucket="encrypted", Key="md5")["ETag"] == etag

    def test_the_same_bytes_written_twice_have_two_etags(self, encrypted: Any) -> None:
        etags = {encrypted.put_object(Bucket="encrypted", Key="twice", Body=b"hello")["ETag"] for _ in range(2)}
        assert len(etags) == 2

    def test_a_completed_upload_has_an_etag_of_its_own_that_counts_the_parts(self, encrypted: Any) -> None:
        answers = [upload(encrypted, "encrypted", "parts", [PART, b"b"]) for _ in range(2)]
        assert len({answer["ETag"] for answer in answers}) == 2
        assert answers[1]["ETag"].endswith('-2"')
        assert encrypted.head_object(Bucket="encrypted", Key="parts")["ETag"] == answers[1]["ETag"]

    def test_a_copy_has_the_etag_that_its_answer_says(self, encrypted: Any) -> None:
        encrypted.put_object(Bucket="encrypted", Key="from", Body=b"hello")
        answer = encrypted.copy_object(Bucket="encrypted", Key="to", CopySource="encrypted/from")
        assert encrypted.head_object(Bucket="encrypted", Key="to")["ETag"] == answer["CopyObjectResult"]["ETag"]

    def test_a_version_keeps_its_etag(self, encrypted: Any) -> None:
        first = encrypted.put_object(Bucket="encrypted", Key="kept", Body=b"1")
        encrypted.put_object(Bucket="encrypted", Key="kept", Body=b"2")
        found = encrypted.head_object(Bucket="encrypted", Key="kept", VersionId=first["VersionId"])
        assert found["ETag"] == first["ETag"]

    def test_without_kms_an_etag_is_the_md5(self, plain: Any) -> None:
        etag = plain.put_object(Bucket="plain", Key="md5", Body=b"hello")["ETag"]
        assert etag == f'"{hashlib.md5(b"hello").hexdigest()}"'


class TestConditions:
    @pytest.fixture(params=["put", "upload", "delete"])
    def change(self, request: pytest.FixtureRequest, encrypted: Any) -> Callable[..., Any]:
        if request.param == "put":
            return lambda key, **ifs: encrypted.put_object(Bucket="encrypted", Key=key, Body=b"x", **ifs)
        if request.param == "upload":
            return lambda key, **ifs: upload(encrypted, "encrypted", key, [b"x"], ifs)
        return lambda key, **ifs: encrypted.delete_object(Bucket="encrypted", Key=key, **ifs)

    def test_if_match_lets_the_current_etag_pass(self, encrypted: Any, change: Callable[..., Any]) -> None:
        etag = encrypted.put_object(Bucket="encrypted", Key="current", Body=b"1")["ETag"]
        change("current", IfMatch=etag)

    def test_if_match_refuses_an_etag_of_the_past(self, encrypted: Any, change: Callable[..., Any]) -> None:
        past = encrypted.put_object(Bucket="encrypted", Key="past", Body=b"1")["ETag"]
        encrypted.put_object(Bucket="encrypted", Key="past", Body=b"1")
        assert refusal(change, key="past", IfMatch=past) == (412, "PreconditionFailed")

    def test_if_match_finds_nothing_where_nothing_is(self, change: Callable[..., Any]) -> None:
        assert refusal(change, key="nothing", IfMatch='"0123"')[0] == 404

    def test_if_none_match_refuses_where_something_is(self, encrypted: Any) -> None:
        encrypted.put_object(Bucket="encrypted", Key="there", Body=b"1")
        asked = {"Bucket": "encrypted", "Key": "there", "Body": b"2", "IfNoneMatch": "*"}
        assert refusal(encrypted.put_object, **asked) == (412, "PreconditionFailed")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            upload(encrypted, "encrypted", "there", [b"2"], {"IfNoneMatch": "*"})


class TestChecksums:
    def test_crc64nvme_is_there_though_nobody_asked_for_it(self, plain: Any) -> None:
        assert raw_put(plain, "unasked", b"hello")["x-amz-checksum-crc64nvme"] == CRC64NVME_OF_HELLO
        found = plain.get_object(Bucket="plain", Key="unasked", ChecksumMode="ENABLED")
        assert (found["ChecksumCRC64NVME"], found["ChecksumType"]) == (CRC64NVME_OF_HELLO, "FULL_OBJECT")

    def test_a_put_answers_with_its_checksum(self, plain: Any) -> None:
        answer = plain.put_object(Bucket="plain", Key="answer", Body=b"hello", ChecksumAlgorithm="CRC32")
        assert answer["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
        assert answer["ChecksumType"] == "FULL_OBJECT"

    @pytest.mark.parametrize("name", ["ChecksumCRC64NVME", "ChecksumCRC32", "ChecksumSHA256"])
    def test_a_put_with_another_bodys_checksum_is_refused(self, plain: Any, name: str) -> None:
        wrong = {"ChecksumCRC64NVME": CRC64NVME_OF_HELLO, "ChecksumCRC32": "NhCmhg=="}
        value = wrong.get(name, base64.b64encode(hashlib.sha256(b"hello").digest()).decode())
        asked = {"Bucket": "plain", "Key": "wrong", "Body": b"HELLO", name: value}
        assert refusal(plain.put_object, **asked) == (400, "BadDigest")

    @pytest.mark.parametrize(
        ("algorithm", "model", "width"),
        [("CRC64NVME", "CRC64-NVME", 8), ("CRC32", "CRC32", 4), ("CRC32C", "CRC32-ISCSI", 4)],
    )
    def test_an_upload_has_the_checksum_of_the_full_object(
        self, encrypted: Any, algorithm: str, model: str, width: int
    ) -> None:
        whole, name = PART + b"b", f"Checksum{algorithm}"
        expected = base64.b64encode(anycrc.Model(model).calc(whole).to_bytes(width, "big")).decode()
        creation = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"}
        completion = {name: expected, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": len(whole)}
        done = upload(encrypted, "encrypted", "full", [PART, b"b"], completion, **creation)
        assert (done[name], done["ChecksumType"]) == (expected, "FULL_OBJECT")
        for version in ({}, {"VersionId": done["VersionId"]}):
            found = encrypted.head_object(Bucket="encrypted", Key="full", ChecksumMode="ENABLED", **version)
            assert (found[name], found["ChecksumType"]) == (expected, "FULL_OBJECT")

    def test_an_upload_whose_full_object_differs_is_refused_and_not_there(self, encrypted: Any) -> None:
        creation = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        with pytest.raises(ClientError, match="BadDigest"):
            upload(encrypted, "encrypted", "bad", [PART], {"ChecksumCRC64NVME": CRC64NVME_OF_HELLO}, **creation)
        assert refusal(encrypted.head_object, Bucket="encrypted", Key="bad")[0] == 404

    def test_an_upload_of_another_size_than_promised_is_refused(self, encrypted: Any) -> None:
        with pytest.raises(ClientError, match="InvalidRequest"):
            upload(encrypted, "encrypted", "size", [PART], {"MpuObjectSize": 5})

    def test_composite_checksums_stay_what_they_are(self, encrypted: Any) -> None:
        done = upload(encrypted, "encrypted", "composite", [PART, b"b"], ChecksumAlgorithm="CRC32")
        assert done["ChecksumCRC32"].endswith("-2")
        version = encrypted.head_object(
            Bucket="encrypted", Key="composite", VersionId=done["VersionId"], ChecksumMode="ENABLED"
        )
        assert version["ChecksumType"] == "COMPOSITE"

    def test_a_part_that_is_too_small_is_refused(self, encrypted: Any) -> None:
        with pytest.raises(ClientError, match="EntityTooSmall"):
            upload(encrypted, "encrypted", "small", [b"a", b"b"])


class TestRequests:
    def test_another_bucket_owner_than_expected_is_refused(self, plain: Any) -> None:
        asked = {"Bucket": "plain", "Key": "owned", "Body": b"x", "ExpectedBucketOwner": CONSUMER_ACCOUNT}
        assert refusal(plain.put_object, **asked) == (403, "AccessDenied")
        plain.put_object(**asked | {"ExpectedBucketOwner": PRODUCER_ACCOUNT})

    def test_head_and_get_count_the_tags(self, encrypted: Any) -> None:
        put = encrypted.put_object(Bucket="encrypted", Key="tags", Body=b"x", Tagging="a=1&b=%2B%20%26")
        for found in (encrypted.head_object, encrypted.get_object):
            assert found(Bucket="encrypted", Key="tags")["TagCount"] == 2
            assert found(Bucket="encrypted", Key="tags", VersionId=put["VersionId"])["TagCount"] == 2
        tags = encrypted.get_object_tagging(Bucket="encrypted", Key="tags")["TagSet"]
        assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "+ &"}]

    def test_an_upload_brings_its_tags(self, encrypted: Any) -> None:
        upload(encrypted, "encrypted", "tagged", [b"x"], Tagging="a=1")
        assert encrypted.head_object(Bucket="encrypted", Key="tagged")["TagCount"] == 1

    def test_an_overwrite_has_no_tags_of_what_it_overwrites(self, plain: Any) -> None:
        plain.put_object(Bucket="plain", Key="tags", Body=b"x", Tagging="a=1")
        plain.put_object(Bucket="plain", Key="tags", Body=b"x")
        assert plain.get_object_tagging(Bucket="plain", Key="tags")["TagSet"] == []

    def test_a_range_of_a_version_is_that_range(self, encrypted: Any) -> None:
        version = encrypted.put_object(Bucket="encrypted", Key="range", Body=b"0123456789")["VersionId"]
        encrypted.put_object(Bucket="encrypted", Key="range", Body=b"another")
        asked = {"Bucket": "encrypted", "Key": "range", "VersionId": version}
        found = encrypted.get_object(**asked, Range="bytes=2-4")
        assert (found["Body"].read(), found["ContentRange"]) == (b"234", "bytes 2-4/10")
        assert refusal(encrypted.get_object, **asked, Range="bytes=10-") == (416, "InvalidRange")

    def test_the_bucket_key_shows_on_objects_and_uploads(self, encrypted: Any) -> None:
        assert encrypted.put_object(Bucket="encrypted", Key="key", Body=b"x")["BucketKeyEnabled"]
        assert encrypted.head_object(Bucket="encrypted", Key="key")["BucketKeyEnabled"]
        assert upload(encrypted, "encrypted", "key", [b"x"])["BucketKeyEnabled"]

    def test_headers_and_metadata_come_back_as_they_went(self, encrypted: Any) -> None:
        sent = {
            "CacheControl": "no-cache",
            "ContentDisposition": 'attachment; filename="a.txt"',
            "ContentEncoding": "gzip",
            "ContentLanguage": "de-AT",
            "ContentType": "text/plain; charset=utf-8",
            "WebsiteRedirectLocation": "/elsewhere",
            "Metadata": {"plain": "a  b", "encoded": "=?UTF-8?B?w6TDtsO8?=", "empty": ""},
        }
        encrypted.put_object(Bucket="encrypted", Key="headers", Body=b"x", **sent)
        found = encrypted.head_object(Bucket="encrypted", Key="headers")
        assert {name: found[name] for name in sent} == sent

    def test_expires_is_any_text(self, plain: Any) -> None:
        raw_put(plain, "expires", b"", {"Expires": "in a while"})
        assert plain.head_object(Bucket="plain", Key="expires")["ExpiresString"] == "in a while"

    def test_metadata_outside_ascii_comes_back_as_an_encoded_word(self, plain: Any) -> None:
        raw_put(plain, "umlaut", b"", {"x-amz-meta-name": "äöü".encode().decode("latin-1")})
        assert plain.head_object(Bucket="plain", Key="umlaut")["Metadata"] == {"name": "=?utf-8?b?w6TDtsO8?="}

    @pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
    def test_a_key_is_any_text(self, plain: Any, key: str) -> None:
        plain.put_object(Bucket="plain", Key=key, Body=key.encode())
        assert plain.get_object(Bucket="plain", Key=key)["Body"].read() == key.encode()
        listed = plain.list_objects_v2(Bucket="plain", Prefix=key)["Contents"]
        assert key in [entry["Key"] for entry in listed]
