"""Checksums: fast, present when nobody asked, and of the full object after a multipart upload.

MiniStack 1.5.33 computes CRC64NVME and CRC32C in Python (2 MiB/s), stores no checksum where the client sent none, does
not answer a put with it, and makes every multipart checksum COMPOSITE. S3 stores CRC64NVME by default, and CRC64NVME is
always FULL_OBJECT; CRC32 and CRC32C are where the upload says so
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
"""

import base64
import re
import zlib
from collections.abc import Callable
from typing import Any

from awscrt import checksums
from ministack.services import s3

from tests.sandbox.emulator.gap import Function, around

MIB = 1024 * 1024
DEFAULT = "CRC64NVME"
CRCS: dict[str, tuple[Callable[[bytes, int], int], int]] = {  # name -> (function of bytes and what came before, bytes)
    "CRC32": (zlib.crc32, 4),
    "CRC32C": (checksums.crc32c, 4),
    "CRC64NVME": (checksums.crc64nvme, 8),
}
CHECKSUM_HEADER = re.compile(r"x-amz-(sdk-checksum-algorithm|checksum-(crc32|crc32c|crc64nvme|sha1|sha256))")


@around(s3, "_crc64nvme")
def crc64nvme_in_native_code(_original: Function, body: bytes) -> int:
    return int(checksums.crc64nvme(bytes(body)))


@around(s3, "_crc32c")
def crc32c_in_native_code(_original: Function, body: bytes) -> int:
    return int(checksums.crc32c(bytes(body)))


@around(s3, "_put_object")
def a_put_always_has_a_checksum(original: Function, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
    if not any(CHECKSUM_HEADER.fullmatch(name) for name in headers):
        headers = {**headers, "x-amz-sdk-checksum-algorithm": DEFAULT}
    status, answer, text = original(bucket, key, body, headers)
    if status == 200:
        stored = s3._buckets[bucket]["objects"][key]["checksums"]
        answer |= {f"x-amz-checksum-{name.lower()}": value for name, value in stored.items()}
        answer["x-amz-checksum-type"] = "FULL_OBJECT"
    return status, answer, text


@around(s3, "_create_multipart_upload")
def an_upload_chooses_its_checksum(original: Function, bucket: str, key: str, headers: dict[str, str]) -> Any:
    algorithm = headers.get("x-amz-checksum-algorithm", "").upper() or DEFAULT
    kind = headers.get("x-amz-checksum-type") or ("FULL_OBJECT" if algorithm == DEFAULT else "COMPOSITE")
    if (kind == "FULL_OBJECT" and algorithm not in CRCS) or (kind == "COMPOSITE" and algorithm == DEFAULT):
        return s3._error("InvalidRequest", f"The {kind} checksum type cannot be used with {algorithm}.", 400)
    status, answer, body = original(bucket, key, {**headers, "x-amz-checksum-algorithm": algorithm})
    if status == 200:
        upload_id = re.search(rb"<UploadId>(.+?)</UploadId>", body)[1].decode()  # type: ignore[index]
        s3._multipart_uploads[upload_id]["checksum_type"] = answer["x-amz-checksum-type"] = kind
    return status, answer, body


@around(s3, "_complete_multipart_upload")
def a_full_object_checksum_is_of_the_full_object(
    original: Function, bucket: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None
) -> Any:
    upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    if upload is None or upload["key"] != key or upload["bucket"] != bucket:
        return original(bucket, key, body, query, headers)
    numbers = sorted(int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body))
    if any(len(upload["parts"][n]["body"]) < 5 * MIB for n in numbers[:-1] if n in upload["parts"]):
        return s3._error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400)
    if upload["checksum_type"] == "COMPOSITE":
        return original(bucket, key, body, query, headers)
    algorithm = upload["checksum_algorithm"]
    value = full_object(algorithm, [upload["parts"][n]["body"] for n in numbers if n in upload["parts"]])
    asked = (headers or {}).get(f"x-amz-checksum-{algorithm.lower()}", value)
    if asked != value:
        return s3._error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.", 400)
    return completed(original, upload, value, bucket, key, body, query, headers)


def completed(original: Function, upload: dict[str, Any], value: str, bucket: str, key: str, *rest: Any) -> Any:
    """Completes without MiniStack's composite, then stores and answers with the full object's checksum."""
    algorithm, upload["checksum_algorithm"] = upload["checksum_algorithm"], None
    status, answer, text = original(bucket, key, *rest)
    upload["checksum_algorithm"] = algorithm
    if status != 200:
        return status, answer, text
    versions = s3._object_versions.get((bucket, key), [])[-1:]
    for record in [s3._buckets[bucket]["objects"][key], *versions]:
        record |= {"checksums": {algorithm: value}, "checksum_type": "FULL_OBJECT"}
    told = f"<Checksum{algorithm}>{value}</Checksum{algorithm}><ChecksumType>FULL_OBJECT</ChecksumType>".encode()
    end = b"</CompleteMultipartUploadResult>"
    return status, answer, text.replace(end, told + end)


def full_object(algorithm: str, parts: list[bytes]) -> str:
    """Base64 of the checksum of the parts' bytes, one after the other."""
    function, width = CRCS[algorithm]
    crc = 0
    for part in parts:
        crc = function(part, crc)
    return base64.b64encode(crc.to_bytes(width, "big")).decode()


@around(s3, "_version_entry_from_record")
def versions_keep_the_checksum_type(original: Function, record: dict[str, Any], *args: Any) -> Any:
    return {**original(record, *args), "checksum_type": record.get("checksum_type")}


@around(s3, "_object_record_from_version")
def versions_tell_the_checksum_type(original: Function, version: dict[str, Any]) -> Any:
    return {**original(version), "checksum_type": version.get("checksum_type")}
