"""`make demo`: two accounts, real files replicated from one to the other as one watches, and the proof that they are.

Then the source's events are lost, and a reconcile finds and repairs what nobody told of.

    python -m tests.sandbox demo [--dir DIR] [--json]

Exit codes: 0 everything is equal and the books close; 1 something is not, or got stuck; 2 usage; 130 interrupted.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from tests.sandbox import check
from tests.sandbox.books import Books, calls_per_object
from tests.sandbox.demo_report import Lag, Report
from tests.sandbox.emulator_process import SandboxError
from tests.sandbox.live_view import amount, shown_key
from tests.sandbox.runs import Runs, RunShown, found
from tests.sandbox.sandbox import Sandbox
from tests.sandbox.settle import Follower, Stage, Stuck
from tests.sandbox.unheard import ARCHIVE, Unheard, unheard
from tests.sandbox.uploader import MULTIPART_FROM, Uploader
from tests.sandbox.watch import Watch
from tests.sandbox.workload import BURST, Upload, Workload, workload

LEFT_OUT_SHOWN = 5
PIPE_WIDTH = 120
PAUSE_SECONDS = 0.3
PATIENCE_SECONDS = 90.0  # longer than a confirmed delete's delay and a failed message's way back
STRANGER = "333333333333"
TORN_EVENT = '{"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": "to'
EXPECTED_DEAD_LETTERS = {"not-json": 1}
NEXT_STEPS = """\
Next:
  make demo DIR=~/Pictures    the same with files of your own
  make sandbox                the two accounts stay up for any S3 client: put a file in one, find it in the other
  make test                   every promise, as a test"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo and says what came of it; the answer is the exit code."""
    options = parser().parse_args(argv)
    console = Console(stderr=options.json, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH  # rich takes 80 where it cannot know
    try:
        report = Demo(console).run(options.dir)
    except KeyboardInterrupt:
        console.print("Interrupted; both accounts are gone.")
        return 130
    except (SandboxError, Stuck, ClientError, BotoCoreError, OSError, ValueError) as error:
        console.print(Text(f"The demo failed: {error}", "bold red"), soft_wrap=True)
        document: Mapping[str, object] = {"ok": False, "problems": [str(error)]}
    else:
        document = report.document()
    if options.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0 if document["ok"] else 1


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.sandbox demo", description="Replicates files and proves it.")
    found.add_argument("--dir", type=Path, help="replicate the files of this folder, instead of what is at hand")
    found.add_argument("--json", action="store_true", help="one document on stdout, everything else on stderr")
    return found


class Demo:
    """The steps, in their order; each says what it is about to do."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._books = Books()
        self._steps = 0

    def run(self, folder: Path | None) -> Report:
        """The whole demo. Raises what stops it: SandboxError, Stuck, boto3's errors, OSError and ValueError."""
        began = time.monotonic()
        plan = workload(folder)
        self._announce("Two AWS accounts start on this machine; both products are deployed into them")
        with Sandbox({"consumer": {"DeletePolicy": "mirror"}}, progress=self._tell) as sandbox:
            self._tell(f"producer {sandbox.producer.account_id}: bucket {sandbox.producer.bucket}")
            self._tell(f"consumer {sandbox.consumer.account_id}: bucket {sandbox.consumer.bucket}")
            report = self._replicate(sandbox, plan, began)
        self._conclude(report)
        return report

    def _replicate(self, sandbox: Sandbox, plan: Workload, began: float) -> Report:
        watch = watch_of(sandbox)
        function = sandbox.consumer.function_name

        def rouse() -> None:
            sandbox.invoke(function, {"Records": []})

        rouse()  # its cold start is nobody's lag
        follower = Follower(watch, self._books, self._console, PATIENCE_SECONDS, rouse)
        small = [upload for upload in plan.uploads if upload.size < MULTIPART_FROM]
        large = [upload for upload in plan.uploads if upload.size >= MULTIPART_FROM]
        for left_out in plan.left_out[:LEFT_OUT_SHOWN]:
            self._tell(f"left out: {left_out}")

        self._announce(f"Objects of one PUT each: {len(small)}, {amount(sum(each.size for each in small))}")
        stage = self._upload(sandbox, follower, "small objects", small)
        calls = calls_per_object(sandbox.calls(stage.began), len(small))
        lags = {"all at once": lag(stage, watch)}
        if large:
            self._announce(f"Objects in parts: {len(large)}, {amount(sum(each.size for each in large))}")
            self._upload(sandbox, follower, "large objects", large)
        self._announce(f"Overwrites, each on its own: {len(plan.changes.overwritten)}")
        stage = self._overwrite(sandbox, follower, plan)
        lags["in turn"] = lag(stage, watch)
        self._announce(f"{BURST} writes of one key, tags, deletes (each confirmed after a delay), a torn message")
        forged = self._change(sandbox, follower, plan)
        dead_letters = watch.dead_letters()
        for letter in dead_letters:
            self._tell(f"dead letter {letter.code}: {letter.reason}")
        self._tell(f"an event forged by a stranger: {forged or 'taken!'}")
        lost = unheard(plan)
        runs = self._reconcile(sandbox, lost)
        self._announce("An independent check reads both buckets and compares everything")
        verdict = self._check(sandbox)
        return Report(
            books=self._books,
            runs=runs,
            keys=len(plan.uploads) + len(lost.uploaded) + len(lost.archived),
            rows=Counter(row.state.name for row in watch.rows().values()),
            lags=lags,
            calls=calls,
            small_objects=len(small),
            tagged_objects=sum("Tagging" in upload.arguments for upload in small),
            dead_letters=dead_letters,
            expected_dead_letters=EXPECTED_DEAD_LETTERS,
            forged=forged,
            verdict=verdict,
            seconds=time.monotonic() - began,
        )

    def _upload(self, sandbox: Sandbox, follower: Follower, name: str, uploads: Sequence[Upload]) -> Stage:
        stage = Stage(name, len(uploads))
        uploader = uploader_of(sandbox, stage)
        return follower.run(stage, lambda: uploader.put_all(uploads))

    def _overwrite(self, sandbox: Sandbox, follower: Follower, plan: Workload) -> Stage:
        stage = Stage("overwrites in turn", len(plan.changes.overwritten))
        uploader = uploader_of(sandbox, stage)
        return follower.run(stage, lambda: uploader.put_in_turn(plan.changes.overwritten, PAUSE_SECONDS))

    def _change(self, sandbox: Sandbox, follower: Follower, plan: Workload) -> str | None:
        """All changes, and the torn message; answers with how the bus refused the stranger's event."""
        stage = Stage("changes", plan.changes.count + 1)
        uploader = uploader_of(sandbox, stage)

        def work() -> None:
            sqs = sandbox.client("sqs", sandbox.consumer.account_id)
            sqs.send_message(QueueUrl=sandbox.consumer.queue_url, MessageBody=TORN_EVENT)
            stage.changed("", 0)
            uploader.change(plan.changes)

        forged = forge(sandbox, plan.uploads[0].key)
        follower.run(stage, work)
        return forged

    def _reconcile(self, sandbox: Sandbox, lost: Unheard) -> list[RunShown]:
        """Everything that the events do not tell of, and what brings it over all the same."""
        s3, bucket = sandbox.client("s3", sandbox.producer.account_id), sandbox.producer.bucket
        uploader = Uploader(s3, bucket)
        runs = Runs(sandbox, self._tell, PATIENCE_SECONDS)
        self._announce("Events are switched off at the source; uploads, overwrites and deletes go on unheard")
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        uploader.put_all((*lost.uploaded, *lost.overwritten))
        for key in lost.deleted:
            s3.delete_object(Bucket=bucket, Key=key)
        self._tell(f"uploaded {len(lost.uploaded)}, overwritten {len(lost.overwritten)}, deleted {len(lost.deleted)}")
        replica = sandbox.client("s3", sandbox.consumer.account_id)
        replica.delete_object(Bucket=sandbox.consumer.bucket, Key=lost.removed)
        self._tell(f"and behind the manifest's back the replica of {shown_key(lost.removed)} is removed")

        self._announce("A reconcile compares source, manifest and replicas, and repairs what differs")
        shown = [self._run(runs, "reconcile", {}, lost.drift)]
        if (proven := runs.watermark()) is not None:
            moment = time.strftime("%H:%M:%S", time.gmtime(proven))
            self._tell(f"watermark: everything that the source had at {moment} UTC is here")
        self._announce(f"{len(lost.archived)} objects older than the subscription: first what a backfill would do")
        uploader.put_all(lost.archived)
        missing = {"missing": len(lost.archived)}
        shown.append(self._run(runs, "dry-run", {"prefix": ARCHIVE, "dry_run": True}, missing))
        plan = shown[-1].answer["plan"]
        self._tell(
            f"estimate: {plan['objects']} objects, {amount(plan['bytes'])}, {plan['seconds']:.1f} s "
            f"(limited by {plan['limited_by']}), ${plan['dollars']:.4f}"
        )
        shown.append(self._run(runs, "backfill", {"prefix": ARCHIVE}, missing))
        return shown

    def _run(self, runs: Runs, name: str, payload: Mapping[str, object], expected: Mapping[str, int]) -> RunShown:
        with self._console.status("   it runs, and waits for what it has found to be copied"):
            run = runs.run(name, payload, expected)
        self._tell(found(run))
        if run.page:
            self._tell(f"report: {run.page}")
        return run

    def _check(self, sandbox: Sandbox) -> check.Verdict:
        producer, consumer = sandbox.producer, sandbox.consumer
        with Progress(console=self._console, transient=True, disable=not self._console.is_terminal) as progress:
            task = progress.add_task("compared", total=None)
            return check.compare(
                check.Bucket(sandbox.client("s3", producer.account_id), producer.bucket),
                check.Bucket(sandbox.client("s3", consumer.account_id), consumer.bucket),
                replica_key=consumer.kms_key_arn,
                checked=lambda done, of: progress.update(task, completed=done, total=of),
            )

    def _conclude(self, report: Report) -> None:
        self._console.print()
        for line in report.lines():
            self._console.print(line)
        self._console.print()
        for problem in report.problems():
            self._console.print(Text(f"NOT RIGHT  {problem}", "bold red"), soft_wrap=True)
        if not report.problems():
            self._console.print(Text(f"Equal, and the books close ({report.seconds:.0f} s).", "bold green"))
            self._console.print(Text(NEXT_STEPS), soft_wrap=True)

    def _announce(self, step: str) -> None:
        self._steps += 1
        self._console.print(Text.assemble((f"{self._steps}. ", "bold cyan"), (step, "bold")), soft_wrap=True)

    def _tell(self, detail: str) -> None:
        self._console.print(Text(f"   {detail}", "dim"), soft_wrap=True)


def watch_of(sandbox: Sandbox) -> Watch:
    consumer = sandbox.consumer
    sqs, logs, dynamodb = (sandbox.client(name, consumer.account_id) for name in ("sqs", "logs", "dynamodb"))
    return Watch(
        sqs=sqs,
        logs=logs,
        dynamodb=dynamodb,
        queue_url=consumer.queue_url,
        dead_letter_queue_url=consumer.dead_letter_queue_url,
        table=consumer.table,
        logs_of=f"/aws/lambda/{consumer.function_name}",
    )


def uploader_of(sandbox: Sandbox, stage: Stage) -> Uploader:
    producer = sandbox.producer
    return Uploader(sandbox.client("s3", producer.account_id), producer.bucket, stage.changed)


def forge(sandbox: Sandbox, key: str) -> str | None:
    """A stranger's account puts an event on the consumer's bus that claims to be the producer's. How it was refused."""
    detail = {"version": "0", "bucket": {"name": sandbox.producer.bucket}, "object": {"key": key, "sequencer": "FF"}}
    entry = {
        "EventBusName": sandbox.consumer.event_bus_arn,
        "Source": "aws.s3",
        "DetailType": "Object Created",
        "Detail": json.dumps(detail),
    }
    try:
        answer = sandbox.client("events", STRANGER).put_events(Entries=[entry])
    except ClientError as refused:
        return str(refused.response["Error"]["Message"])
    return next((str(each["ErrorMessage"]) for each in answer["Entries"] if "ErrorCode" in each), None)


def lag(stage: Stage, watch: Watch) -> Lag:
    """Of a stage that has just settled and that wrote every key once. A row may precede the client's answer: 0."""
    rows = watch.rows()
    from_put = [max(0.0, rows[key].written_at - at) for key, at in stage.finished_at.items() if key in rows]
    return Lag(from_put, stage.event_lags)
