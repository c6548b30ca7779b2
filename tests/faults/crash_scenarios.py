"""What the functions are killed in: how the world is before, what they then have to do, and when all of it is well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consumer_replicator.plan import DeletePolicy
from consumer_replicator.replica import Replica
from consumer_replicator.row import upload_of
from consumer_replicator.run import Phase
from consumer_replicator.splitting import Splitting
from consumer_replicator.sweep import Sweep
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, QUEUE, RANGES, REPLICA, World
from tests.consumer.rig import MIB, event
from tests.consumer.transfer_rig import LAG_OBJECTIVE, TransferRig
from tests.faults.functions import PART_BYTES, SHARDS

DAY = 86_400.0
RUN = "20270115T080000Z-crash"


@dataclass(frozen=True)
class Scenario:
    """`prepare` brings the world to where it begins. `payload`: the transfer function is asked this, first of all."""

    prepare: Callable[[TransferRig], None]
    payload: dict[str, Any] | None = None
    small: bool = True  # parts of a few bytes

    @property
    def killed(self) -> str:
        """The function that is killed, "" for either: what the replicator does within a run, it does elsewhere too."""
        return "transfer" if self.payload else ""

    @property
    def name(self) -> str:
        return self.prepare.__name__.replace("_", " ")

    def prepared(self) -> TransferRig:
        world = World()
        sizes: dict[str, Any] = {}
        if self.small:
            world.least_part_bytes = 1
            splitting = Splitting(2 * PART_BYTES, bandwidth=1e12, small=0, least_range=PART_BYTES)
            sizes = {"threshold": PART_BYTES, "part_bytes": PART_BYTES, "splitting": splitting}
        rig = TransferRig(world, policy=DeletePolicy.MIRROR, **sizes)
        rig.manifest._shards = SHARDS  # a scan of few: each is a call to be killed at
        self.prepare(rig)
        world.calls.clear()
        return rig


def one_small_object(rig: TransferRig) -> None:
    rig.upload("k", b"one", tags={"a": "b"})


def an_overwrite(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.upload("k", b"two")


def two_parts(rig: TransferRig) -> None:
    rig.upload("k", b"aaaabbbb", tags={"a": "b"})


def two_parts_mirrored(rig: TransferRig) -> None:
    sequencer = rig.world.upload_in_parts("k", [b"aaaa", b"bbbb"])
    rig.world.send(event("k", sequencer))


def several_invocations_over_a_small_object(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.upload("k", b"aaaabbbbcc", tags={"a": "b"})


def a_delete(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")


def a_delete_and_then_an_upload(rig: TransferRig) -> None:
    a_delete(rig)
    rig.run()
    rig.upload("k", b"two")


def new_tags(rig: TransferRig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.world.source.current("k").tags = {"a": "b"}  # type: ignore[union-attr]
    rig.world.send(event("k", kind="Object Tags Added"))


def a_reconcile_of_what_events_did_not_bring(rig: TransferRig) -> None:
    for key in ("current", "stale", "extra"):
        rig.upload(key, b"one")
    rig.settle_down()
    rig.world.upload("missing", b"new")
    rig.world.upload("stale", b"two")
    rig.world.remove("extra")
    rig.world.now += 10 * LAG_OBJECTIVE


def a_verify(rig: TransferRig) -> None:
    rig.upload("a", b"one")
    rig.upload("b", b"aaaabbbb")
    rig.settle_down()


def parts_of_real_size(rig: TransferRig) -> None:
    rig.upload("k", b"x" * (8 * MIB + 1))


def a_stream_of_real_size(rig: TransferRig) -> None:
    rig.upload("k", b"x" * (4 * MIB + 1))


SCENARIOS = [
    Scenario(one_small_object),
    Scenario(an_overwrite),
    Scenario(two_parts),
    Scenario(two_parts_mirrored),
    Scenario(several_invocations_over_a_small_object),
    Scenario(a_delete),
    Scenario(a_delete_and_then_an_upload),
    Scenario(new_tags),
    Scenario(a_reconcile_of_what_events_did_not_bring, {"run_id": RUN}),
    Scenario(a_verify, {"run_id": RUN, "mode": "verify"}),
    Scenario(parts_of_real_size, small=False),
    Scenario(a_stream_of_real_size, small=False),
]


def assert_all_is_well(rig: TransferRig, scenario: Scenario) -> None:
    """Source = replica = row for every key, no open upload once the sweep ran, nothing waiting, the books closed."""
    world = rig.world
    assert not world.queues[QUEUE]
    assert not world.queues[RANGES]
    for key in world.history:
        rig.assert_covered(key)
        rig.assert_monotonic(key)
    rig.assert_claims()
    replica = Replica(world.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve")
    Sweep(replica, rig.manifest, DAY).run(world.now + 2 * DAY)
    assert not world.replica.uploads
    assert all(upload_of(rig.row(key)) is None for key in world.history)
    if scenario.payload:
        assert_books_close(rig)


def assert_books_close(rig: TransferRig) -> None:
    run = rig.runs.read(RUN)
    assert run is not None
    assert run.phase is Phase.DONE
    report = rig.report(RUN)
    assert report["books"]["closes"], report["books"]
