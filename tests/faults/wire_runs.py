"""The real functions, with the real clients, meet every fault wherever it can hit, and go on when it is lifted."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.retries.bucket import TokenBucket
from botocore.retries.quota import RetryQuota

from consumer_replicator import transfer_wiring, wiring
from consumer_replicator.batch import Batch, Done
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import FAILURE_CODES, ErrorClass, HydrationError
from consumer_replicator.handlers.telemetry import facts
from consumer_replicator.outcome import Deleted, Failed, RangeCopied, Replicated, Skipped, TagsReplicated, UploadStarted
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.principals import ATTEMPTS, Principals
from consumer_replicator.ranges_queue import Step
from consumer_replicator.run import Phase
from consumer_replicator.settings import Settings
from consumer_replicator.transfer import Transfer
from consumer_replicator.transfer_settings import TransferSettings
from tests.consumer.fake_aws import DLQ, RANGES, Call, World, refuse
from tests.consumer.lean_rig import certificate
from tests.consumer.rig import event
from tests.consumer.transfer_rig import TransferRig
from tests.faults.aws_server import AwsServer, served
from tests.faults.functions import environment
from tests.faults.wire_faults import CLOSED, FAULTS, LOST, READ_TIMEOUT, RESET, SHORT_TIMEOUT, Fault
from tests.faults.wire_sites import RUN, SHARDS, SITES, SPLITTING, THRESHOLD, TRANSFER_KEYS, Site, Way, unreadable

BEGIN, END = "<!-- generated: wire faults -->", "<!-- end: wire faults -->"
"""Around the table in architecture.md."""
TRIES = 8
"""Invocations after which everything must be as if there had been no fault."""

ASKED_AGAIN = 60.0
"""Seconds after which Lambda makes an asynchronous invocation again."""


@dataclass(frozen=True)
class Result:
    """`code`: of the failure, or what the outcome was. `attempts`: requests that met the fault in one invocation, 0
    where nobody was there to count them.
    """

    fault: str
    site: str
    code: str
    error_class: str
    attempts: int
    then: str


@contextmanager
def quickly(read_timeout: float) -> Iterator[None]:
    """What would be waited for is not, no answer is waited for long, and no client tires of trying again."""
    with (
        mock.patch.object(time, "sleep", return_value=None),
        mock.patch.object(TokenBucket, "acquire", return_value=True),
        mock.patch.object(RetryQuota, "acquire", return_value=True),
        mock.patch.object(Principals._client, "__defaults__", (read_timeout,)),
        mock.patch.object(Principals, "copying", lambda who: who.own("s3")),
    ):
        yield


class Functions:
    """Both, as their handlers put them together, over one set of clients; `changes` of their environment.

    `failures`: what steps of runs were ended by. `log`: what was logged or answered.
    """

    def __init__(self, server: AwsServer, log: list[str], **changes: str) -> None:
        self.failures: list[HydrationError] = []
        self.log = log
        self._server = server
        self._environment = environment(server) | {"HYDRATION_MANIFEST_SHARDS": str(SHARDS)} | changes
        self._batches: dict[Way, Batch] = {}
        with mock.patch.dict(os.environ, self._environment):
            settings = Settings.from_environment(os.environ)
            self._who = wiring.principals(settings, region="us-east-1", function_name="s3-hydration-replicator")
            self._who._own.get_credentials()

    def close(self) -> None:
        for client in self._who._clients.values():
            client.close()

    def batch(self, way: Way) -> Batch:
        if way not in self._batches:
            mode = {"HYDRATION_COPY_MODE": "server-side"} if way == "server-side" else {}
            with mock.patch.dict(os.environ, self._environment | mode):
                settings = replace(Settings.from_environment(os.environ), multipart_threshold_bytes=THRESHOLD)
                self._batches[way] = batch = wiring.replicator(settings, self._who)
            converger = batch._converger
            converger._copier._tries._pause = lambda _seconds: None  # a default, bound before the patch
            if way == "server-side":
                converger._copier._carrier._tries._pause = lambda _seconds: None  # type: ignore[attr-defined]
            converger._rows.now = lambda: self._server.world.now
            if way == "split":
                converger._copier._part_bytes = THRESHOLD
                for each in (converger, converger._split, converger.ranges):
                    each._splitting = SPLITTING  # type: ignore[attr-defined]
        return self._batches[way]

    @cached_property
    def transfer(self) -> Transfer:
        with mock.patch.dict(os.environ, self._environment):
            made = transfer_wiring.transfer(TransferSettings.from_environment(os.environ), self._who, memory_mb=1024)
        parts = made._parts
        for each in (made, parts.worker, parts.reporting, parts.watermarking):
            each._now = lambda: self._server.world.now  # type: ignore[attr-defined]
        guarded = made._guarded
        made._guarded = lambda run, act: guarded(run, lambda: self._noted(act))  # type: ignore[method-assign]
        return made

    def _noted[T](self, act: Callable[[], T]) -> T:
        try:
            return act()
        except HydrationError as error:
            self.failures.append(error)
            raise


@contextmanager
def functions(server: AwsServer, log: list[str], **changes: str) -> Iterator[Functions]:
    made = Functions(server, log, **changes)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Hit:
    """A fault in place at one call of a world, until it is lifted. `met`: how often."""

    fault: Fault
    site: Site
    server: AwsServer
    met: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def attempts(self) -> int:
        """Without those of which a kept connection was replaced at once: whether there was one is chance."""
        replaced = self.fault.hits in (RESET, CLOSED) or self.fault.spoils is LOST
        return self.met - self.met % ATTEMPTS if replaced and self.met > ATTEMPTS else self.met

    def place(self) -> None:
        self.server.world.before = self._before

    def lift(self) -> None:
        self.server.world.before = lambda _call: None

    def _before(self, call: Call) -> None:
        if self.site.beside and call.operation == self.site.beside[0]:
            _, status, code = self.site.beside
            raise refuse(call.operation, code, status)
        if not self.site.is_it(call, self.server.world.calls):
            return
        with self.lock:
            self.met += 1
        if self.fault.hits:
            self.fault.hits(self.site)
        self.server.spoil.next = self.fault.spoils


class Wired(TransferRig):
    """Its world is prepared and looked at as ever; its functions are invoked over the wire, once they are."""

    def __init__(self, world: World, way: Way) -> None:
        tiny = {"part_bytes": THRESHOLD, "splitting": SPLITTING} if way == "split" else {}
        super().__init__(
            world,
            policy=DeletePolicy.MIRROR,
            threshold=THRESHOLD,
            server_side=way == "server-side",
            works=False,
            **tiny,
        )
        world.least_part_bytes = 1
        self.manifest._shards = self.scan._shards = SHARDS
        self.sweep = self.transfer._parts.sweep

    def go_over_the_wire(self, made: Functions, way: Way) -> None:
        self.batch = made.batch("stream" if way == "transfer" else way)
        if way == "transfer":
            self.transfer = made.transfer


@dataclass(frozen=True)
class Came:
    """What an invocation came to: a failure's code or what the outcome was, and how it goes on."""

    code: str
    error_class: str
    then: str


def meet(fault: Fault, site: Site, server: AwsServer, made: Functions) -> Result:
    """One invocation under the fault, and others without it: everything must be as if there had been none."""
    server.world = World()
    rig = prepared(site, server.world)
    rig.go_over_the_wire(made, site.way)
    hit = Hit(fault, site, server)
    hit.place()
    came = invoked(rig, site, made, hit.lift)
    assert hit.met, f"{fault.name} at {site.name}: was not called"
    assert not server.defects, server.defects
    return Result(fault.name, site.name, came.code, came.error_class, hit.attempts, came.then)


def prepared(site: Site, world: World) -> Wired:
    rig = Wired(world, site.way)
    site.prepare(rig)
    if site.steps:
        rig.ask(run_id=RUN)
        rig.drain()
    world.calls.clear()
    return rig


def invoked(rig: Wired, site: Site, made: Functions, lift: Callable[[], None]) -> Came:
    """The invocation that meets the fault; when it is lifted, whatever it takes until all is well."""
    if site.way == "transfer":
        return _transferred(rig, site, made, lift)
    (done,) = rig.run()
    made.log.append(json.dumps(facts(done), default=str))
    lift()
    then = _goes_on(rig, site, done)
    if isinstance(done.outcome, Failed):
        return Came(done.outcome.code, FAILURE_CODES[done.outcome.code].error_class.value, then)
    return Came(OUTCOMES[type(done.outcome)], "", then)


OUTCOMES: dict[type, str] = {
    Replicated: "replicated",
    TagsReplicated: "tags replicated",
    Deleted: "deleted",
    Skipped: "skipped",
    UploadStarted: "upload started",
    RangeCopied: "range copied",
}


def _goes_on(rig: Wired, site: Site, done: Done) -> str:
    """Whether the message comes back by itself or a reconcile's hint is needed; nothing is lost either way."""
    comes_back = done.comes_back
    if isinstance(done.outcome, Failed) and not comes_back:
        assert FAILURE_CODES[done.outcome.code].error_class is ErrorClass.PERMANENT
        assert rig.row("k") is not None
        rig.world.send(event("k"))
    rig.drain()
    reasons = {each.attributes["hydration-error-code"]["StringValue"] for each in rig.world.queues[DLQ]}
    assert reasons == ({"not-json"} if site.prepare is unreadable else set())
    _assert_equal(rig, rig.world.history)
    if comes_back:
        return "comes back"
    return "reconcile" if isinstance(done.outcome, Failed) else "done"


def _assert_equal(rig: Wired, keys: Iterable[str]) -> None:
    """Source, replica and row of each key, and no upload is left once the sweep has run."""
    for key in keys:
        rig.assert_covered(key)
        rig.assert_monotonic(key)
    rig.assert_claims()
    rig.sweep.run(rig.world.now + 200_000)
    assert not rig.world.replica.uploads


def _transferred(rig: Wired, site: Site, made: Functions, lift: Callable[[], None]) -> Came:
    made.failures.clear()
    raised, answer = False, None
    try:
        answer = _a_step(rig) if site.steps else rig.ask(run_id=RUN)
    except HydrationError as error:
        raised = True
        made.failures.append(error)
    made.log.append(json.dumps(answer))
    lift()
    run = rig.runs.read(RUN)
    if run and run.phase is Phase.DONE:
        _assert_equal(rig, TRANSFER_KEYS)
    failed = run is not None and run.phase is Phase.FAILED
    _ends(rig)
    if not made.failures:
        return Came("run goes on", "", "done")
    error = made.failures[-1]
    then = "step comes back" if site.steps else "asked again"
    return Came(error.code, error.error_class.value, then if raised else "run failed" if failed else "goes on")


def _a_step(rig: Wired) -> Any:
    """As the function's queue hands it over: a message whose step raises comes back."""
    rig.world.now = max(rig.world.now, min(each.visible_at for each in rig.world.queues[RANGES]))
    (record,) = rig.world.receive(1, RANGES)
    answer = rig.transfer.step(Step.from_body(record["body"]), Deadline(60.0))
    rig.world.acknowledge({record["messageId"]}, RANGES)
    return answer


def _ends(rig: Wired) -> None:
    rig.works = True
    for _ in range(TRIES):
        rig.steps()
        run = rig.runs.read(RUN)
        if run and run.phase is Phase.DONE:
            break
        rig.world.now += ASKED_AGAIN
        rig.ask(run_id=RUN)
    rig.drain()
    report = rig.report(RUN)
    assert report["books"]["closes"], report["books"]
    assert not rig.world.queues[DLQ]
    _assert_equal(rig, TRANSFER_KEYS)


# -- somebody else at the other end, or nobody ---------------------------------------------------------------------

BY_NAME = {site.name: site for site in SITES}
SERVICES = {
    "STS": "AssumeRole",
    "DYNAMODB": "BatchGetItem",
    "S3": "GetObject",
    "SQS": "SendMessage (confirm)",
}
"""By the name in AWS_ENDPOINT_URL_..., with a call that is made of it."""


def meet_elsewhere(fault: str, service: str, server: AwsServer, log: list[str], **changes: str) -> Result:
    """An invocation whose clients of one service find somebody else, or nobody, and another that finds AWS."""
    site = BY_NAME[SERVICES[service]]
    server.world = World()
    with functions(server, log, **changes) as lost, functions(server, log) as found:
        rig = prepared(site, server.world)
        rig.go_over_the_wire(lost, site.way)
        came = invoked(rig, site, lost, lambda: rig.go_over_the_wire(found, site.way))
        return Result(fault, site.name, came.code, came.error_class, 0, came.then)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass
class Met:
    """All results; `log`: every text that the functions would have logged or answered; `asked`: names of hosts."""

    results: list[Result] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def resolve(self, host: Any, *arguments: Any, **named: Any) -> Any:
        if str(host) == "127.0.0.1":
            return RESOLVE(host, *arguments, **named)
        self.asked.add(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


RESOLVE = socket.getaddrinfo


class _Kept(logging.Handler):
    """What is logged anywhere, at the level that the functions have."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(self.format(record))


def meet_all(folder: Path) -> Met:
    """Clients of their own for each fault: those of another have had their failures. `folder`: for certificates."""
    met = Met()
    kept = _Kept(met.log)
    logging.getLogger().addHandler(kept)
    try:
        with served(World()) as server, mock.patch.object(socket, "getaddrinfo", met.resolve):
            for fault in FAULTS:
                with quickly(SHORT_TIMEOUT if fault.waits else READ_TIMEOUT), functions(server, met.log) as made:
                    met.results += [meet(fault, site, server, made) for site in fault.sites]
            assert not met.asked, f"somebody was sent to {met.asked}"
            with quickly(READ_TIMEOUT):
                met.results += _elsewhere(server, folder, met.log)
    finally:
        logging.getLogger().removeHandler(kept)
    return met


def _elsewhere(server: AwsServer, folder: Path, log: list[str]) -> Iterator[Result]:
    ours, others = certificate(folder), certificate(folder, host="127.0.0.2")
    with served(World(), certificate=ours) as stranger, served(World(), certificate=others) as namesake:
        for service in SERVICES:
            place = f"AWS_ENDPOINT_URL_{service}"
            trusting = {place: namesake.url, "AWS_CA_BUNDLE": str(others)}
            nobody = f"http://127.0.0.1:{closed_port()}"
            yield meet_elsewhere("connection refused", service, server, log, **{place: nobody})
            yield meet_elsewhere("host name not found (DNS)", service, server, log, **{place: "http://nowhere.invalid"})
            yield meet_elsewhere("certificate that is not trusted", service, server, log, **{place: stranger.url})
            yield meet_elsewhere("certificate of another host", service, server, log, **trusting)
            yield meet_elsewhere(
                "no TLS where TLS is expected", service, server, log, **{place: server.url.replace("http", "https")}
            )


# -- the table -----------------------------------------------------------------------------------------------------


def table(results: list[Result]) -> str:
    """Markdown: a row for each thing that a fault came to, with the calls that it came to it at.

    Faults that came to the same everywhere share their rows. Of a fault that hits every call, those with the commonest
    outcome are not named.
    """
    shared: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for fault in dict.fromkeys(each.fault for each in results):
        shared.setdefault(_rows([each for each in results if each.fault == fault]), []).append(fault)
    calls = f"The {len(SITES)} calls: {', '.join(site.name for site in SITES)}."
    lines = [calls, "", "| fault | at | becomes | requests | then |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(('; '.join(faults), *row))} |" for rows, faults in shared.items() for row in rows]
    return "\n".join(lines)


def _rows(results: list[Result]) -> tuple[tuple[str, ...], ...]:
    """Of one fault: the fewest calls first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in results:
        attempts = str(each.attempts) if each.attempts else ""
        what = f"`{each.code}` ({each.error_class})" if each.error_class else each.code
        found.setdefault((what, attempts, AFTERWARDS[each.then]), []).append(each.site)
    rows = sorted(found.items(), key=lambda row: len(row[1]))
    named = [(", ".join(sites), *outcome) for outcome, sites in rows]
    if len(results) == len(SITES):
        outcome, sites = rows[-1]
        named[-1] = (f"the other {len(sites)}", *outcome)
    return tuple(named)


AFTERWARDS = {
    "comes back": "the message comes back",
    "reconcile": "row FAILED; the next hint or reconcile copies it",
    "done": "done",
    "goes on": "the run goes on by itself",
    "step comes back": "the run's message comes back",
    "asked again": "whoever asked asks again",
    "run failed": "the run says FAILED; asked again it goes on",
}
