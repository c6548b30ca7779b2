"""The real replicator, with the real clients, meets every fault of the table, and goes on when it is lifted."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.retries.bucket import TokenBucket

from consumer_replicator import wiring
from consumer_replicator.batch import Batch, Done
from consumer_replicator.errors import FAILURE_CODES, ErrorClass
from consumer_replicator.outcome import Deleted, Failed, Replicated, Skipped, TagsReplicated
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.principals import Principals
from consumer_replicator.settings import Settings
from tests.consumer.fake_aws import DLQ, QUEUE, World
from tests.consumer.lean_rig import certificate
from tests.consumer.rig import Rig, event
from tests.faults.aws_server import AwsServer, served
from tests.faults.functions import environment
from tests.faults.wire_faults import FAULTS, READ_TIMEOUT, UPLOAD, Fault, Hit, Result

BEGIN, END = "<!-- generated: wire faults -->", "<!-- end: wire faults -->"
"""Around the table in architecture.md."""
THRESHOLD = 4
"""Bytes: what is larger goes as an upload, of one part."""


@contextmanager
def quickly() -> Iterator[None]:
    """What would be waited for is not, and no answer is waited for long."""
    with (
        mock.patch.object(time, "sleep", return_value=None),
        mock.patch.object(TokenBucket, "acquire", return_value=True),
        mock.patch.object(Principals._client, "__defaults__", (READ_TIMEOUT,)),
    ):
        yield


@contextmanager
def replicator(server: AwsServer, **changes: str) -> Iterator[Batch]:
    """As the handler puts it together; `changes` of its environment."""
    with mock.patch.dict(os.environ, environment(server) | {"HYDRATION_MANIFEST_SHARDS": "16"} | changes):
        settings = replace(Settings.from_environment(os.environ), multipart_threshold_bytes=THRESHOLD)
        who = wiring.principals(settings, region="us-east-1", function_name="s3-hydration-replicator")
        batch = wiring.replicator(settings, who)
        who._own.get_credentials()
    batch._converger._copier._tries._pause = lambda _seconds: None  # a default, bound before the patch
    batch._converger._rows.now = lambda: server.world.now
    try:
        yield batch
    finally:
        for client in who._clients.values():
            client.close()


class WireRig(Rig):
    """Its world is looked at as ever; its batches are worked off over the wire."""

    def __init__(self, world: World, batch: Batch) -> None:
        super().__init__(world, policy=DeletePolicy.MIRROR)
        self.over_the_wire = batch

    def go_over_the_wire(self) -> None:
        self.batch = self.over_the_wire


def small(rig: Rig) -> None:
    rig.upload("k", b"one", tags={"a": "b"})


def upload(rig: Rig) -> None:
    rig.upload("k", b"aaaabbbb")


def known(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.world.send(event("k"))


def retagged(rig: Rig) -> None:
    known(rig)
    rig.world.source.current("k").tags = {"a": "b"}  # type: ignore[union-attr]


def deleted(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")


def delete_confirmed(rig: Rig) -> None:
    deleted(rig)
    rig.run()
    rig.world.now = max(message.visible_at for message in rig.world.queues[QUEUE]) + 1


PREPARED: dict[str, Callable[[Rig], None]] = {
    **dict.fromkeys(UPLOAD, upload),
    "HeadObject": known,
    "PutObjectTagging": retagged,
    "DeleteObject": delete_confirmed,
    "SendMessage": deleted,
}
"""Where a call is made; the others when a small object is copied."""


def meet(fault: Fault, operation: str, server: AwsServer, batch: Batch) -> Result:
    """One invocation under the fault, and the next without it: everything must be as if there had been none."""
    server.world = World()
    rig = WireRig(server.world, batch)
    PREPARED.get(operation, small)(rig)
    rig.go_over_the_wire()
    hit = Hit(fault, operation, server)
    hit.place()
    (done,) = rig.run()
    hit.lift()
    assert hit.met, f"{operation} was not called"
    assert not server.defects, server.defects
    code, error_class = told(done)
    then = goes_on(rig, done)
    return Result(fault.name, operation, code, error_class, hit.attempts, then)


OUTCOMES: dict[type, str] = {
    Replicated: "replicated",
    TagsReplicated: "tags replicated",
    Deleted: "deleted",
    Skipped: "skipped",
}


def told(done: Done) -> tuple[str, str]:
    if isinstance(done.outcome, Failed):
        return done.outcome.code, FAILURE_CODES[done.outcome.code].error_class.value
    return OUTCOMES[type(done.outcome)], ""


def goes_on(rig: Rig, done: Done) -> str:
    """Whether the message comes back by itself or a reconcile's hint is needed; nothing is lost either way."""
    comes_back = done.comes_back
    if isinstance(done.outcome, Failed) and not comes_back:
        assert FAILURE_CODES[done.outcome.code].error_class is ErrorClass.PERMANENT
        assert rig.row("k") is not None
        rig.world.send(event("k"))
    rig.drain()
    assert not rig.world.queues[DLQ]
    rig.assert_covered("k")
    rig.assert_claims()
    rig.assert_monotonic("k")
    if comes_back:
        return "comes back"
    return "reconcile" if isinstance(done.outcome, Failed) else "done"


SERVICES = {"STS": "AssumeRole", "DYNAMODB": "BatchGetItem", "S3": "GetObject", "SQS": "SendMessage"}
"""By the name in AWS_ENDPOINT_URL_..., with the first call that is made of it."""


def meet_elsewhere(fault: str, service: str, server: AwsServer, **changes: str) -> Result:
    """An invocation whose clients of one service find somebody else, or nobody, and another that finds AWS."""
    server.world = World()
    operation = SERVICES[service]
    with replicator(server, **changes) as lost, replicator(server) as found:
        rig = WireRig(server.world, lost)
        PREPARED.get(operation, small)(rig)
        rig.go_over_the_wire()
        (done,) = rig.run()
        code, error_class = told(done)
        rig.batch = found
        return Result(fault, operation, code, error_class, 0, goes_on(rig, done))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _unknown(host: Any, *arguments: Any, **named: Any) -> Any:
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return RESOLVE(host, *arguments, **named)


RESOLVE = socket.getaddrinfo


def all_results(folder: Path) -> list[Result]:
    """A replicator of its own for each fault: a client gives up trying again after too many failures.

    `folder`: for certificates.
    """
    found = []
    with served(World()) as server, quickly():
        for fault in FAULTS:
            with replicator(server) as batch:
                found += [meet(fault, operation, server, batch) for operation in fault.operations]
        for service in SERVICES:
            place = f"AWS_ENDPOINT_URL_{service}"
            nobody = f"http://127.0.0.1:{closed_port()}"
            found.append(meet_elsewhere("connection refused", service, server, **{place: nobody}))
            with mock.patch.object(socket, "getaddrinfo", _unknown):
                nowhere = "http://nowhere.invalid"
                found.append(meet_elsewhere("host name not found (DNS)", service, server, **{place: nowhere}))
            found += over_tls(service, server, folder)
    return found


def over_tls(service: str, server: AwsServer, folder: Path) -> list[Result]:
    place = f"AWS_ENDPOINT_URL_{service}"
    ours, others = certificate(folder), certificate(folder, host="127.0.0.2")
    with served(World(), certificate=ours) as stranger, served(World(), certificate=others) as namesake:
        return [
            meet_elsewhere("certificate that is not trusted", service, server, **{place: stranger.url}),
            meet_elsewhere(
                "certificate of another host",
                service,
                server,
                **{place: namesake.url, "AWS_CA_BUNDLE": str(others)},
            ),
        ]


def table(results: Iterable[Result]) -> str:
    """Markdown: a row for each fault and what it came to, with the calls that it came to it at."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for each in results:
        attempts = str(each.attempts) if each.attempts else ""
        what = f"`{each.code}` ({each.error_class})" if each.error_class else each.code
        rows.setdefault((each.fault, what, attempts, AFTERWARDS[each.then]), []).append(each.operation)
    lines = ["| fault | at | becomes | requests | then |", "|---|---|---|---|---|"]
    for (fault, what, attempts, then), operations in sorted(rows.items(), key=lambda row: _order(row[0][0])):
        lines.append(f"| {fault} | {', '.join(operations)} | {what} | {attempts} | {then} |")
    return "\n".join(lines)


AFTERWARDS = {
    "comes back": "the message comes back",
    "reconcile": "row FAILED; the next hint or reconcile copies it",
    "done": "done",
}


def _order(fault: str) -> int:
    names = [each.name for each in FAULTS]
    return names.index(fault) if fault in names else len(names) + ELSEWHERE.index(fault)


ELSEWHERE = [
    "connection refused",
    "host name not found (DNS)",
    "certificate that is not trusted",
    "certificate of another host",
]
