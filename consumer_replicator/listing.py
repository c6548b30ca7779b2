"""A bucket's listing, page by page in key order: the source's with the assumed role, the replica's with the own (edge).

An answer that is refused, broken off, or does not say whether it is complete raises: only a listing that S3 itself
says is complete may be taken for "there is nothing more".
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from consumer_replicator.aws_errors import Whose, answered, translated
from consumer_replicator.bulk_answers import parse_listings_in_bulk
from consumer_replicator.discovery import Glimpse, discover
from consumer_replicator.drift import Listed
from consumer_replicator.drift_record import FIRST_SECOND, LAST_SECOND
from consumer_replicator.errors import HydrationError
from consumer_replicator.key_ranges import EVERYTHING, KeyRange
from consumer_replicator.pages import Onward

PAGE_KEYS = 1_000
"""The most that a page can hold, and what S3 gives anyway; said aloud because servers differ."""


class Listing:
    """`s3` signs with the role that `whose` bucket asks for; `owner` is its account id. `pages` counts the requests.

    One thread each: ranges that are listed side by side have a Listing of their own.
    """

    def __init__(self, s3: Any, bucket: str, owner: str, whose: Whose = "source") -> None:
        parse_listings_in_bulk(s3)
        self._s3 = s3
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._whose = whose
        self.pages = 0

    def objects(self, after: str = "", until: str | None = None, prefix: str = "") -> Iterator[Listed]:
        """The entries after `after`, up to and with `until`, that begin with `prefix`, in key order.

        :raises HydrationError: the listing cannot be read, or not to its end.
        """
        within = {"Prefix": prefix} if prefix else {}
        start = {"StartAfter": after} if after else {}
        page: Mapping[str, Any] = {"IsTruncated": True}
        onward = Onward(f"the {self._whose}'s listing")
        while page["IsTruncated"]:
            page = self._page(**within, **start)
            for listed in _entries(page):
                if until is not None and listed.key > until:
                    return
                yield listed
            start = {"ContinuationToken": page.get("NextContinuationToken", "")}
            if page["IsTruncated"]:
                onward.to(page["NextContinuationToken"])

    def discover(self, parts: int, whole: KeyRange = EVERYTHING) -> list[KeyRange]:
        """`whole` in at most `parts` ranges that tile it, found by probing. A bucket of one page is one range.

        :raises HydrationError: as `objects`.
        """
        return discover(self._glimpse, parts, whole)

    def _glimpse(self, after: str) -> Glimpse:
        page = self._page(**({"StartAfter": after} if after else {}))
        contents = page.get("Contents", ())
        first, last = (contents[0]["Key"], contents[-1]["Key"]) if contents else (None, None)
        return Glimpse(first, last, more=page["IsTruncated"])

    def _page(self, **start: Any) -> Mapping[str, Any]:
        self.pages += 1
        with translated(self._whose), answered():
            page: Mapping[str, Any] = self._s3.list_objects_v2(MaxKeys=PAGE_KEYS, **start, **self._where)
        truncated = page.get("IsTruncated")
        if truncated is None or (truncated and not page.get("NextContinuationToken")):
            raise HydrationError(
                "truncated", f"A page of the {self._whose}'s listing does not say where it goes on or ends."
            )
        return page


def _entries(page: Mapping[str, Any]) -> list[Listed]:
    with answered():
        return [_listed(entry) for entry in page.get("Contents", ())]


def _listed(entry: Mapping[str, Any]) -> Listed:
    if entry["Size"] < 0:
        raise ValueError("a size below nothing")
    last_modified = int(entry["LastModified"].timestamp())
    if not FIRST_SECOND <= last_modified <= LAST_SECOND:
        raise ValueError("a moment that no report can tell")
    return Listed(
        key=entry["Key"],
        etag=entry["ETag"].strip('"'),
        last_modified=last_modified,
        size=entry["Size"],
        storage_class=entry.get("StorageClass", "STANDARD"),
    )
