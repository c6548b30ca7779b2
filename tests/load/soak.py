"""`make soak`: the whole product under a workload without end and with everything at fault, for as long as asked.

Two accounts in the sandbox, the real zip as the real functions. Between functions and AWS is a proxy that throttles,
fails, cuts, loses answers and flips bits; functions are killed; changes go unheard; messages are lost, doubled and
torn; reconciles go on beside it. Then all comes to rest, a reconcile repairs, and an independent check compares
everything.

    python -m tests.load [--minutes 30] [--rate 5] [--faults 0.02] [--nightly 120] [--seed N] [--json]

Exit codes: 0 everything is equal and accounted for; 1 something is not; 2 usage; 130 interrupted.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from consumer_replicator.manifest import Manifest
from consumer_replicator.replica import Replica
from consumer_replicator.sweep import Sweep
from tests.load.churn import Churn
from tests.load.flaky_proxy import FlakyProxy
from tests.load.mishaps import Mishaps
from tests.load.nightly import Nightly
from tests.load.processes import Workers
from tests.load.soak_report import Account, NightlyRun, SoakReport
from tests.load.tap import Tap, event_id
from tests.sandbox import check
from tests.sandbox.accounts import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, client
from tests.sandbox.books import REPLICATED, Books
from tests.sandbox.demo import watch_of
from tests.sandbox.emulator_process import SandboxError
from tests.sandbox.pair import wait_until
from tests.sandbox.sandbox import Sandbox
from tests.sandbox.watch import Watch, unsettled_rows
from tests.sandbox.workload import workload

PARAMETERS = {
    "DeletePolicy": "mirror",
    "TransferTimeoutSeconds": "10",  # a killed invocation's message comes back after a minute
    "SplitThresholdBytes": str(10_000_000),  # the largest objects of the workload take several functions
}
LOOK_EVERY_SECONDS = 2.0
SAY_EVERY_SECONDS = 30.0
REST_SECONDS = 300.0  # what was killed comes back after a minute, a delete is confirmed half a minute later
LAST_RECONCILES = 4
ROUSED = 8
DAY = 86_400.0
INTERRUPTED = "errorMessage=Worker process died"  # says MiniStack 1.5.33 of a batch
MIB = 1 << 20


@dataclass(frozen=True)
class Plan:
    """`rate`: changes a second. `faults`: share of the functions' calls that meet one, 0 to 1. `nightly`: seconds
    between two reconciles. `kills`: whether functions are killed.
    """

    minutes: float = 30.0
    rate: float = 5.0
    faults: float = 0.02
    kills: bool = True
    nightly: float = 120.0
    seed: int = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the soak and says what came of it; the answer is the exit code."""
    options = parser().parse_args(argv)
    console = Console(stderr=options.json, highlight=False, soft_wrap=True)
    plan = Plan(options.minutes, options.rate, options.faults, nightly=options.nightly, seed=options.seed)
    try:
        report = soak(plan, lambda line: console.print(Text(line, "dim")))
    except KeyboardInterrupt:
        console.print("Interrupted; both accounts are gone.")
        return 130
    except (SandboxError, ClientError, BotoCoreError, OSError) as error:
        console.print(Text(f"The soak failed: {error}", "bold red"))
        document: Mapping[str, object] = {"ok": False, "problems": [str(error)]}
    else:
        document = report.document()
        for line in report.lines():
            console.print(Text(line))
        for problem in report.problems():
            console.print(Text(f"NOT RIGHT  {problem}", "bold red"))
        if not report.problems():
            console.print(Text(f"Equal, and all accounted for ({report.seconds:.0f} s).", "bold green"))
    if options.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0 if document["ok"] else 1


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.load", description="Replicates for long, with faults on.")
    found.add_argument("--minutes", type=above_zero, default=Plan.minutes, help="of changes and faults; 30 by default")
    found.add_argument("--rate", type=above_zero, default=Plan.rate, help="changes a second; 5 by default")
    found.add_argument("--faults", type=share, default=Plan.faults, help="share of calls that fail; 0.02 by default")
    found.add_argument("--nightly", type=above_zero, default=Plan.nightly, help="seconds between reconciles; 120")
    found.add_argument("--seed", type=int, default=Plan.seed, help="of the changes and the faults")
    found.add_argument("--json", action="store_true", help="one document on stdout, everything else on stderr")
    return found


def above_zero(text: str) -> float:
    if not (value := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def share(text: str) -> float:
    if not 0 <= (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to below 1")
    return value


def soak(plan: Plan, tell: Any) -> SoakReport:
    """The whole soak. Raises what stops it: SandboxError, boto3's errors, OSError."""
    with Sandbox({"consumer": PARAMETERS}, progress=tell) as sandbox:
        return Soak(plan, sandbox, tell).run()


@dataclass
class Soak:
    """`tell` is called with a line now and then."""

    plan: Plan
    sandbox: Sandbox
    tell: Any
    books: Books = field(default_factory=Books)
    lags: list[float] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def run(self) -> SoakReport:
        began, plan = time.monotonic(), self.plan
        sandbox = self.sandbox
        watch, tap, nightly = watch_of(sandbox), Tap(sandbox), Nightly(sandbox)
        workers = Workers(sandbox.emulator.pid)
        s3, bucket = sandbox.client("s3", PRODUCER_ACCOUNT), sandbox.producer.bucket
        churn = Churn(s3, bucket, workload().uploads, plan.rate, plan.seed)
        tap.open()
        with FlakyProxy(sandbox.endpoint_url, plan.faults, plan.seed) as proxy:
            mishaps = Mishaps(sandbox, workers, tap, plan.seed, lambda: proxy.under_way > 0, kills=plan.kills)
            limit = min(point_at(sandbox, name, proxy.endpoint_url) for name in functions(sandbox))
            with nightly.going_on(plan.nightly), mishaps.going_on(), churn.going_on():
                self._follow(watch, churn, proxy)
            proxy.share = 0.0
            self.tell("changes and faults are over; what is on its way comes to its end")
            self._rest(watch, tap)
            last = self._last_reconciles(nightly, watch, tap)
            nightly.look_again()
            if still := self._rest(watch, tap):
                self.stuck.append(still)
            self.stuck += rows_left(watch)
            for name in functions(sandbox):
                self._rouse(name)
            self._enter(watch)
            self._enter_whole_log()
            workers.look()
            undelivered = frozenset(map(event_id, bodies(sandbox, sandbox.consumer.undelivered_events_url)))
            left, unswept = self._sweep()
            self.tell("an independent check reads both buckets and compares everything")
            verdict = self._check()
            delivered = Counter(key for id_, key in tap.heard.items() if id_ not in mishaps.stolen | undelivered)
            unheard = frozenset(key for key, made in churn.by_key.items() if delivered[key] < made)
            differences, tags_lost = sorted_out(verdict.differences, unheard)
            if tags_lost:
                self.tell(
                    f"{len(tags_lost)} keys whose events were lost have other tags: a forced backfill copies them"
                )
                last.append(nightly.reconcile(mode="backfill", force=True))
                self._rest(watch, tap)
                differences += self._check().differences
        letters = {(letter.body, letter.code or "given up by the queue") for letter in watch.dead_letters()}
        return SoakReport(
            seed=plan.seed,
            minutes=plan.minutes,
            seconds=time.monotonic() - began,
            changes=churn.made,
            injected=mishaps.injected,
            calls=proxy.calls,
            faults={fault.value: number for fault, number in proxy.faults.items()},
            account=Account(frozenset(tap.heard), frozenset(mishaps.stolen), undelivered, self.books.ends),
            lags=self.lags,
            nightly=nightly.runs,
            last=last,
            dead_letters=Counter(code for _, code in letters),
            poison=mishaps.injected["poison"],
            ranges_dead_letters=sandbox.queue_depth(sandbox.consumer.ranges_dead_letter_queue_url),
            kills=workers.killed,
            interrupted=sandbox.emulator.log.read_text(errors="replace").count(INTERRUPTED),
            function_memory=workers.highest,
            function_memory_limit=limit,
            emulator_memory=workers.emulator_highest,
            compared=verdict.compared,
            bytes_compared=verdict.bytes,
            differences=tuple(map(str, differences)),
            tags_lost=len(tags_lost),
            unfinished=left,
            unswept=unswept,
            stuck=self.stuck,
        )

    def _follow(self, watch: Watch, churn: Churn, proxy: FlakyProxy) -> None:
        """For as long as planned; a line now and then."""
        began, said = time.monotonic(), 0.0
        while (elapsed := time.monotonic() - began) < 60 * self.plan.minutes:
            self._enter(watch)
            if elapsed - said >= SAY_EVERY_SECONDS:
                said = elapsed
                depths = watch.depths()
                self.tell(
                    f"{elapsed:5.0f} s  {sum(churn.made.values())} changes, {self.books.settled} ends, "
                    f"{depths.waiting} waiting, {depths.in_flight} in flight, {depths.delayed} delayed, "
                    f"{depths.dead_letters} dead letters, {sum(proxy.faults.values())} faults in {proxy.calls} calls"
                )
            time.sleep(LOOK_EVERY_SECONDS)

    def _enter(self, watch: Watch) -> None:
        for end in self.books.enter(watch.new_lines()):
            if end.kind == REPLICATED and end.lag is not None:
                self.lags.append(end.lag)

    def _enter_whole_log(self) -> None:
        """Lines that came so late that nobody looked for them any more."""
        self.books.enter(self.sandbox.function_log(1 << 30).splitlines())

    def _rest(self, watch: Watch, tap: Tap) -> str:
        """Waits until both queues are empty; says what is left, if anything is after a while.

        Of the ranges queue what is delayed does not count: those are looks at runs, which may have ended by now.
        """
        ranges = replace(watch, queue_url=self.sandbox.consumer.ranges_queue_url)

        def at_rest() -> bool:
            self._enter(watch)
            tap.drain(Random(0), 0.0)
            return watch.depths().drained and not (ranges.depths().waiting or ranges.depths().in_flight)

        if wait_until(at_rest, REST_SECONDS):
            return ""
        return f"after {REST_SECONDS:.0f} s there are {watch.depths()} messages, and of ranges {ranges.depths()}"

    def _last_reconciles(self, nightly: Nightly, watch: Watch, tap: Tap) -> list[NightlyRun]:
        """Until one finds nothing."""
        last: list[NightlyRun] = []
        while len(last) < LAST_RECONCILES and not (last and last[-1].state == "done" and not last[-1].drift):
            last.append(nightly.reconcile())
            self.tell(f"a reconcile at rest: {last[-1].state}, found {dict(last[-1].drift) or 'nothing'}")
            self._rest(watch, tap)
        return last

    def _rouse(self, function: str) -> None:
        """What a process printed may come to the log only when it runs again (see `settle.Follower`)."""
        with ThreadPoolExecutor(ROUSED) as pool:
            list(pool.map(lambda _: self.sandbox.invoke(function, {"Records": []}), range(ROUSED)))

    def _sweep(self) -> tuple[int, int]:
        """The product's own sweep, as if two days had gone by: uploads left open before it, and after."""
        sandbox, variables = self.sandbox, environment(self.sandbox, self.sandbox.consumer.function_name)
        consumer = sandbox.consumer
        s3, dynamodb = (client(sandbox.endpoint_url, name, CONSUMER_ACCOUNT) for name in ("s3", "dynamodb"))
        replica = Replica(s3, consumer.bucket, CONSUMER_ACCOUNT, consumer.kms_key_arn, "preserve")
        shards = int(variables["HYDRATION_MANIFEST_SHARDS"])
        manifest = Manifest(dynamodb, consumer.table, sandbox.producer.bucket, shards, tombstone_days=1)
        bucket = check.Bucket(s3, consumer.bucket)
        before = len(list(check.unfinished_uploads(bucket)))
        Sweep(replica, manifest, DAY).run(time.time() + 2 * DAY)
        after = len(list(check.unfinished_uploads(bucket)))
        for each in (s3, dynamodb):
            each.close()
        return before, after

    def _check(self) -> check.Verdict:
        producer, consumer = self.sandbox.producer, self.sandbox.consumer
        return check.compare(
            check.Bucket(self.sandbox.client("s3", producer.account_id), producer.bucket),
            check.Bucket(self.sandbox.client("s3", consumer.account_id), consumer.bucket),
            replica_key=consumer.kms_key_arn,
        )


def rows_left(watch: Watch) -> list[str]:
    """That some rows say that something is to be done, in a sentence; nothing where none does."""
    left = unsettled_rows(watch.rows())
    return [f"{len(left)} rows still say that something is to be done, one of them {left.popitem()}"] if left else []


def sorted_out(
    differences: Sequence[check.Difference], unheard: Collection[str]
) -> tuple[list[check.Difference], set[str]]:
    """Those that must not be, and the keys whose tags alone differ because an event was lost: no listing tells of tags.

    `unheard`: the keys of which not every event was delivered.
    """
    lost = [each for each in differences if each.aspect.startswith("tag ") and each.key in unheard]
    return [each for each in differences if each not in lost], {each.key for each in lost}


def functions(sandbox: Sandbox) -> tuple[str, str]:
    return sandbox.consumer.function_name, sandbox.consumer.transfer_name


def environment(sandbox: Sandbox, function: str) -> dict[str, str]:
    found = sandbox.client("lambda", CONSUMER_ACCOUNT).get_function_configuration(FunctionName=function)
    variables: dict[str, str] = found["Environment"]["Variables"]
    return variables


def point_at(sandbox: Sandbox, function: str, endpoint_url: str) -> int:
    """The function makes its calls there from now on. Its memory, in bytes."""
    variables = environment(sandbox, function) | {"AWS_ENDPOINT_URL": endpoint_url}
    updated = sandbox.client("lambda", CONSUMER_ACCOUNT).update_function_configuration(
        FunctionName=function, Environment={"Variables": variables}
    )
    return int(updated["MemorySize"]) * MIB


def bodies(sandbox: Sandbox, url: str) -> Iterator[str]:
    """Takes everything out of a queue."""
    sqs = sandbox.client("sqs", CONSUMER_ACCOUNT)
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
        for message in found:
            yield message["Body"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
