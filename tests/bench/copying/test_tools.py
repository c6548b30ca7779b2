"""Each tool is sent from the source's endpoint to the replica's, with credentials in its environment only."""

from pathlib import Path

import pytest

from tests.bench.copying import tools
from tests.bench.copying.contest import total
from tests.bench.copying.ours import Plan, StoredChecksums
from tests.bench.copying.tools import COPIERS, Route, environment
from tests.bench.copying.workload import Workload
from tests.bench.measured import Taken
from tests.bench.peers import chosen
from tests.bench.s3_server import SECRET_ACCESS_KEY


@pytest.fixture
def route(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "program", lambda name: Path("/peers") / name)
    return Route(
        source_url="https://127.0.0.1:1",
        replica_url="https://127.0.0.1:2",
        source="bench-w1",
        replica="replica",
        workload=Workload("w1", 2, 4),
        folder=tmp_path,
        authority=tmp_path / "authority.pem",
        checksums=tmp_path / "w1.json",
    )


@pytest.mark.parametrize("copier", COPIERS, ids=lambda copier: copier.name)
def test_a_tool_is_told_both_ends_and_no_secret(copier, route):
    commands = copier.commands(route)
    said = "\n".join(word for command in commands for word in command)
    said += "".join(path.read_text() for path in route.folder.glob("plan.json"))
    assert all(word in said for word in (route.source_url, route.replica_url, route.source, route.replica))
    assert SECRET_ACCESS_KEY not in said


def test_the_bench_s_authority_is_trusted_and_nothing_of_this_machine_is_known(route, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    known = environment(route)
    assert known["AWS_CA_BUNDLE"] == known["SSL_CERT_FILE"] == str(route.authority)
    assert known["HOME"] == str(route.folder)
    assert "AWS_PROFILE" not in known


def test_tools_are_asked_for_by_the_beginnings_of_their_names():
    assert [each.name for each in chosen(["rclone", "s3-hydration"], COPIERS)] == [
        "rclone copy",
        "rclone copy tuned",
        "rclone copy tuned, by one PUT",
        "s3-hydration",
        "s3-hydration without source checksum",
        "s3-hydration over botocore",
    ]
    assert chosen(["scp"], COPIERS) == []


def test_commands_one_after_the_other_add_up_but_for_memory():
    assert total([Taken(1.0, 0.5, 30), Taken(2.0, 1.5, 20)]) == Taken(3.0, 2.0, 30)


def test_a_plan_is_read_as_it_was_saved(tmp_path):
    plan = Plan("a", "b", "c", "d", ["e"], None, threads=3)
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


class Client:
    meta = "of the client"

    def get_object(self, **request):
        return {"asked": request}


def test_a_whole_object_s_answer_carries_its_stored_checksum_and_a_range_s_does_not():
    client = StoredChecksums(Client(), {"key": "AAAAAAAAAAA="})
    whole = client.get_object(Key="key", ChecksumMode="ENABLED")
    assert (whole["ChecksumCRC64NVME"], whole["ChecksumType"]) == ("AAAAAAAAAAA=", "FULL_OBJECT")
    assert client.get_object(Key="key", Range="bytes=0-1") == {"asked": {"Key": "key", "Range": "bytes=0-1"}}
    assert client.get_object(Key="key") == {"asked": {"Key": "key"}}
    assert client.meta == "of the client"
