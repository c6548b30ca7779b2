"""The real transfer function's inside on the fake AWS, beside the real replicator: runs asked for, steps worked off."""

import itertools
import json
from collections import Counter
from typing import Any

from consumer_replicator.breaker import Limits
from consumer_replicator.deadline import Deadline
from consumer_replicator.drift import Rules
from consumer_replicator.estimate import Capacity
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.payload import Payload
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.queue import Queue
from consumer_replicator.range_worker import RangeWorker
from consumer_replicator.ranges_queue import RangesQueue, Step
from consumer_replicator.replica import Replica
from consumer_replicator.reporting import Reporting, Surroundings
from consumer_replicator.run import Run
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.stored_objects import StoredObjects
from consumer_replicator.sweep import Sweep
from consumer_replicator.transfer import Parts, Transfer
from consumer_replicator.verifier import Verifier
from consumer_replicator.watermarking import Watermarking
from producer_events.scope import Scope
from tests.consumer.fake_aws import CONSUMER, DLQ, KEY_ARN, PRODUCER, QUEUE, RANGES, REPLICA, SOURCE, TABLE, World
from tests.consumer.rig import CONFIRM_DELAY, Rig

LAG_OBJECTIVE = 60.0
SHARDS = 16


class TransferRig(Rig):
    """`works`: whether the replicator works off its queue while the transfer waits. `chunk`: findings a checkpoint."""

    def __init__(
        self,
        world: World,
        *,
        policy: DeletePolicy = DeletePolicy.RETAIN,
        scope: Scope | None = None,
        limits: Limits | None = None,
        works: bool = True,
        chunk: int = 10_000,
        patience: float = 120.0,
        lag_objective: float = LAG_OBJECTIVE,
        shards: int = SHARDS,
        **more: Any,
    ) -> None:
        super().__init__(world, policy=policy, scope=scope, shards=shards, **more)
        self.works = works
        self.lag_objective = lag_objective
        self._policy = policy
        s3, dynamodb, sqs = world.s3("own"), world.dynamodb(), world.sqs()
        self.runs = Runs(dynamodb, TABLE, SOURCE)
        self.files = RunFiles(s3, REPLICA, CONSUMER, KEY_ARN)
        self.listing = Listing(world.s3("source"), SOURCE, PRODUCER)
        self.scan = ManifestScan(dynamodb, TABLE, SOURCE, shards)
        queue = Queue(sqs, QUEUE, DLQ, SOURCE)
        capacity = Capacity(functions=10)
        surroundings = Surroundings(SOURCE, REPLICA, lag_objective, capacity, memory_gb=1.0)
        self.verifier = Verifier(
            StoredObjects(world.s3("source"), SOURCE, PRODUCER, "source"),
            StoredObjects(s3, REPLICA, CONSUMER, "replica"),
            self.manifest,
            threads=4,
        )
        self.worker = RangeWorker(
            self.listing,
            Listing(s3, REPLICA, CONSUMER, whose="replica"),
            self.scan,
            queue,
            self.files,
            self.runs,
            self.verifier,
            bucket=SOURCE,
            rules=self.rules,
            usage=lambda: Counter(world.operations()),
            unique=lambda: f"{next(world.numbers):08x}",
            now=lambda: world.now,
            chunk=chunk,
        )
        parts = Parts(
            listing=self.listing,
            worker=self.worker,
            manifest=self.manifest,
            queue=queue,
            ranges_queue=RangesQueue(sqs, RANGES),
            runs=self.runs,
            files=self.files,
            reporting=Reporting(self.runs, self.files, surroundings, now=lambda: world.now),
            sweep=Sweep(Replica(s3, REPLICA, CONSUMER, KEY_ARN, "preserve"), self.manifest, older_than=86_400),
            watermarking=Watermarking(self.runs, queue, lag_objective=lag_objective, now=lambda: world.now),
        )
        unique = (f"{n:06x}" for n in itertools.count(1))
        self.transfer = Transfer(
            parts,
            bucket=SOURCE,
            prefixes=self.scope.prefixes,
            limits=limits or Limits(),
            unique=lambda: next(unique),
            now=lambda: world.now,
            sleep=self._pass_time,
            patience=patience,
        )

    def rules(self, run: Run, now: float) -> Rules:
        return Rules(
            now=now,
            lag_objective=self.lag_objective,
            policy=self._policy,
            scope=self.scope,
            since=run.payload.since_epoch,
            until=run.payload.until_epoch,
            force=run.payload.force,
            retry=run.payload.retry,
            confirm_delay=CONFIRM_DELAY,
        )

    def ask(self, *, seconds: float = 1e6, **payload: Any) -> dict[str, Any]:
        """What the function answers; JSON goes there and back, as on AWS."""
        answer = self.transfer.ask(Payload.parse(json.loads(json.dumps(payload))), Deadline(seconds))
        return json.loads(json.dumps(answer))

    def steps(self, *, seconds: float = 1e6, most: int = 200) -> list[dict[str, Any]]:
        """Works off the ranges queue, the replicator beside it, until it is empty."""
        answers = []
        for _ in range(most):
            waiting = self.world.queues[RANGES]
            if not waiting:
                return answers
            self.world.now = max(self.world.now, min(message.visible_at for message in waiting))
            for record in self.world.receive(1, RANGES):
                answers.append(self.transfer.step(Step.from_body(record["body"]), Deadline(seconds)))
                self.world.acknowledge({record["messageId"]}, RANGES)
            if self.works:
                self.run()
        raise AssertionError(f"not worked off: {[message.body for message in self.world.queues[RANGES]]}")

    def settle_down(self) -> None:
        """Events worked off, and old enough for a run to look at them."""
        self.drain()
        self.world.now += 10 * LAG_OBJECTIVE

    def lose_events(self) -> None:
        self.world.queues[QUEUE].clear()
        self.world.now += 10 * LAG_OBJECTIVE

    def report(self, run_id: str) -> dict[str, Any]:
        return self.files.read_report(run_id)

    def page(self, run_id: str) -> str:
        return self.world.replica.current(f"_s3-hydration/reports/{run_id}/report.html").body.decode()

    def _pass_time(self, seconds: float) -> None:
        self.world.now += max(seconds, 1.0)
        if self.works:
            self.run()
