"""What happens at the demo's source while it sends no events: a plan, made the same from the same workload."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from tests.sandbox.uploader import MULTIPART_FROM
from tests.sandbox.workload import Upload, Workload

UPLOADED, OVERWRITTEN, DELETED, ARCHIVED = 30, 8, 5, 40
ARCHIVE = "archive/"


@dataclass(frozen=True)
class Unheard:
    """`removed`: the key whose replica is removed, its object left alone. `archived`: uploaded later than the others,
    all under `ARCHIVE`. No key is in two of the groups.
    """

    uploaded: tuple[Upload, ...]
    overwritten: tuple[Upload, ...]
    deleted: tuple[str, ...]
    removed: str
    archived: tuple[Upload, ...]

    @property
    def drift(self) -> Mapping[str, int]:
        """What a reconcile must find, by kind. The row of a replica that was removed vouches for nothing: stale."""
        return {"missing": len(self.uploaded), "stale": len(self.overwritten) + 1, "extra": len(self.deleted)}


def unheard(plan: Workload) -> Unheard:
    """Of objects that are there when the workload has been carried out."""
    gone = set(plan.changes.deleted)
    there = [upload for upload in plan.uploads if upload.key not in gone and 0 < upload.size < MULTIPART_FROM]
    removed, *rest = there
    share = len(rest) // 2
    overwritten, deleted = rest[: min(OVERWRITTEN, share)], rest[share : share + min(DELETED, share)]
    return Unheard(
        uploaded=tuple(_renamed(there, "unheard/", UPLOADED)),
        overwritten=tuple(replace(each, pieces=(*each.pieces, b"\nchanged, unheard\n")) for each in overwritten),
        deleted=tuple(upload.key for upload in deleted),
        removed=removed.key,
        archived=tuple(_renamed(reversed(there), ARCHIVE, ARCHIVED)),
    )


def _renamed(uploads: Iterable[Upload], folder: str, count: int) -> Iterator[Upload]:
    for number, upload in enumerate(islice(uploads, count)):
        yield replace(upload, key=f"{folder}{number:03}")
