"""What is put to the test: the real replicator and the real reconcile on a cloud, sized for tiny objects."""

from dataclasses import replace

from consumer_replicator.deadline import Deadline
from consumer_replicator.drift import Rules
from consumer_replicator.key_ranges import EVERYTHING
from consumer_replicator.outcome import Failed
from consumer_replicator.payload import Payload
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.queue import Message
from consumer_replicator.range_worker import hint_of
from consumer_replicator.replica import Replica
from consumer_replicator.row import Row, State
from consumer_replicator.run import Phase, RangeState, Run
from consumer_replicator.splitting import SURE_SHARE, Splitting
from consumer_replicator.sweep import Sweep
from producer_events.scope import Scope
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, REPLICA, SOURCE, Version, Waiting
from tests.consumer.transfer_rig import TransferRig
from tests.simulation.cloud import Cloud

CONFIRM_DELAY = 30.0
INVOCATION_SECONDS = 15.0
"""The longest invocation: within the confirm delay, with the clock's margin."""
ONE_PUT, PART, ONE_INVOCATION = 8, 8, 16
"""Bytes: what goes in one PUT, the parts of what does not, and what is split into ranges, of two parts each."""
MOST_TRIES = 10
"""The product's default. Less trouble than that is ever allowed to one message."""
OUT_OF_TIME = "out-of-time"
SWEEP_AFTER = 86_400.0
NO_HURRY = 1e9


class Subject(TransferRig):
    """One configuration of the product, bound to one cloud. `seconds`: of an invocation, without what is kept back."""

    def __init__(
        self,
        cloud: Cloud,
        policy: DeletePolicy,
        scope: Scope | None = None,
        *,
        seconds: float = INVOCATION_SECONDS - 3,
        server_side: bool = False,
    ) -> None:
        super().__init__(
            cloud,
            policy=policy,
            scope=scope,
            works=False,
            patience=0,
            threshold=ONE_PUT,
            part_bytes=PART,
            server_side=server_side,
            shards=cloud.shards,
            max_receive_count=MOST_TRIES,
            splitting=Splitting(
                bandwidth=ONE_INVOCATION / SURE_SHARE / seconds + 0.1, small=ONE_INVOCATION, least_range=2 * PART
            ),
        )
        cloud.least_part_bytes = 1
        self.cloud = cloud
        self.policy = policy
        self.seconds = seconds
        self.lag_objective = 0.0
        self.out_of_time = 0

    def invoke(self, messages: list[Message]) -> set[str]:
        """One invocation of the replicator: the ids of the messages that are done with. `out_of_time` counts those that
        had to be given back because time had passed, which uses up a try as trouble does.
        """
        deadline = Deadline(self.seconds, clock=lambda: self.cloud.now)
        ended = self.batch.run(messages, deadline)
        self.out_of_time += sum(isinstance(each.outcome, Failed) and each.outcome.code == OUT_OF_TIME for each in ended)
        return {each.message.id for each in ended if not each.comes_back}

    def rules(self, run: Run, now: float) -> Rules:
        return replace(super().rules(run, now), lag_objective=self.lag_objective, confirm_delay=CONFIRM_DELAY)

    def reconcile(self, run_id: str, lag_objective: float) -> int:
        """Lists, compares, hints; the extras' hints too, as if a person had let them pass the breaker. How many."""
        self.lag_objective = lag_objective
        run = self.runs.write(Run(run_id, Payload.parse({}), self.cloud.now, Phase.LISTING, ranges=1, first_range=1))
        fresh = RangeState(1, EVERYTHING)
        self.runs.checkpoint(run, fresh)
        state = self.worker.work(run, fresh, Deadline(NO_HURRY))
        extras = [hint_of(SOURCE, run, record.key) for record in self.transfer._records(run) if not record.hinted]
        self.transfer._parts.queue.send_hints(extras, group=run_id)
        return int(state.tally["hinted"]) + len(extras)

    def sweep(self) -> int:
        replica = Replica(self.cloud.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve")
        return Sweep(replica, self.manifest, older_than=SWEEP_AFTER).run(self.cloud.now)

    # -- looking -----------------------------------------------------------------------------------------------------

    def difference(self, key: str, *, tags: bool = True) -> str | None:
        """COVER, for one key: what is not as it must be when nothing is under way; None: nothing."""
        source, replica, row = self.cloud.source.current(key), self.cloud.replica.current(key), self.row(key)
        if source is None:
            return self._difference_of_the_absent(key, replica, row)
        if replica is None or replica.body != source.body:
            return f"{key}: the source is {_body(source)}, the replica {_body(replica)}"
        if row is None or row.state is not State.LIVE or row.replica is None or row.source is None:
            return f"{key}: replica and source are equal, and the row is {row}"
        if row.replica.etag != replica.etag or row.source.etag != source.etag:
            return f"{key}: the row is of another replica or source: {row}"
        if tags and source.tags != replica.tags:
            return f"{key}: the source's tags are {source.tags}, the replica's {replica.tags}"
        return None

    def _difference_of_the_absent(self, key: str, replica: Version | None, row: Row | None) -> str | None:
        ended = State.GONE if self.policy is DeletePolicy.RETAIN else State.DELETED
        if replica is not None and self.policy is DeletePolicy.MIRROR:
            return f"{key}: the source is gone, the replica is not"
        return None if row is None or row.state is ended else f"{key}: the source is gone, and the row is {row}"


def _body(version: Version | None) -> str:
    return "absent" if version is None else repr(version.body)


def handed_over(message: Waiting) -> Message:
    return Message(message.id, message.id, message.body, message.receive_count)
