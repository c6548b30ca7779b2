"""What happens unheard is a plan, too: made from what is there, and right about what must be found."""

from pathlib import Path

import pytest

from tests.sandbox.unheard import ARCHIVE, Unheard, unheard
from tests.sandbox.uploader import MULTIPART_FROM
from tests.sandbox.workload import Workload, workload


@pytest.fixture(params=["at hand", "one file"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> Workload:
    (tmp_path / "file").write_bytes(b"x")
    return workload(None if request.param == "at hand" else tmp_path)


def keys(lost: Unheard) -> list[str]:
    groups = (lost.uploaded, lost.overwritten, lost.archived)
    return [upload.key for group in groups for upload in group] + [*lost.deleted, lost.removed]


def test_no_key_is_in_two_of_the_groups(plan: Workload) -> None:
    found = keys(unheard(plan))
    assert len(set(found)) == len(found)


def test_what_changes_is_there_before_and_what_is_uploaded_is_not(plan: Workload) -> None:
    lost = unheard(plan)
    there = {upload.key: upload for upload in plan.uploads if upload.key not in plan.changes.deleted}
    assert {upload.key for upload in lost.overwritten} | {*lost.deleted, lost.removed} <= set(there)
    assert not {upload.key for upload in (*lost.uploaded, *lost.archived)} & {upload.key for upload in plan.uploads}
    assert all(upload.size > there[upload.key].size for upload in lost.overwritten)
    assert there[lost.removed].size < MULTIPART_FROM


def test_the_archive_is_under_a_prefix_of_its_own(plan: Workload) -> None:
    lost = unheard(plan)
    archived = {upload.key for upload in lost.archived}
    assert {key for key in keys(lost) if key.startswith(ARCHIVE)} == archived
    assert not [upload for upload in plan.uploads if upload.key.startswith(ARCHIVE)]


def test_what_must_be_found_is_every_change_and_the_removed_replica(plan: Workload) -> None:
    lost = unheard(plan)
    assert sum(lost.drift.values()) + len(lost.archived) == len(keys(lost))
    assert all(lost.drift.values())
    assert lost.overwritten


def test_the_same_workload_makes_the_same_plan(plan: Workload) -> None:
    assert unheard(plan) == unheard(plan)
