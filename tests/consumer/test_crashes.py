"""The process dies before and after every single call of every scenario; the message comes back; nothing shows.

Each scenario is run once to count its calls, then once for each call and each side of it. After the crash no further
call gets through, as from a dead process; then the message is visible again, and everything must end as if nothing had
happened: replica = source, row = replica, nothing older was ever shown, no upload is left open once the sweep ran.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from consumer_replicator.plan import DeletePolicy
from consumer_replicator.replica import Replica
from consumer_replicator.row import upload_of
from consumer_replicator.sweep import Sweep
from tests.consumer.fake_aws import CONSUMER, KEY_ARN, QUEUE, REPLICA, Call, World
from tests.consumer.interleaver import Crash
from tests.consumer.rig import MIB, Rig, event
from tests.consumer.schedule import PART, SPLITTING

BIG = 12 * MIB
LARGE = b"aaaabbbbcc"
"""For `split`: three ranges of a part each."""
DAY = 86_400.0


def small(rig: Rig) -> None:
    rig.upload("k", b"one", tags={"a": "b"})


def overwrite(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.upload("k", b"two")


def in_parts(rig: Rig) -> None:
    rig.upload("k", b"x" * BIG)


def in_parts_over_small(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.upload("k", b"x" * BIG)


def in_parts_that_s3_copies(rig: Rig) -> None:
    in_parts(rig)


def in_parts_that_s3_copies_over_small(rig: Rig) -> None:
    in_parts_over_small(rig)


def delete(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.remove("k")


def delete_and_re_create(rig: Rig) -> None:
    delete(rig)
    rig.run()
    rig.upload("k", b"two")


def retag(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.world.source.current("k").tags = {"a": "b"}
    rig.world.send(event("k", kind="Object Tags Added"))


def duplicate_without_sequencer(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    rig.world.send(event("k"))


def split(rig: Rig) -> None:
    rig.upload("k", LARGE, tags={"a": "b"})


def split_that_s3_copies(rig: Rig) -> None:
    split(rig)


def split_over_small(rig: Rig) -> None:
    rig.upload("k", b"one")
    rig.drain()
    split(rig)


def split_and_overwritten(rig: Rig) -> None:
    split(rig)
    rig.run()
    rig.upload("k", LARGE.upper())


def split_and_deleted(rig: Rig) -> None:
    split(rig)
    rig.run()
    rig.remove("k")


def split_whose_upload_vanished(rig: Rig) -> None:
    split(rig)
    rig.run()
    rig.world.replica.uploads.clear()


SCENARIOS: list[Callable[[Rig], None]] = [
    small,
    overwrite,
    in_parts,
    in_parts_over_small,
    in_parts_that_s3_copies,
    in_parts_that_s3_copies_over_small,
    delete,
    delete_and_re_create,
    retag,
    duplicate_without_sequencer,
    split,
    split_that_s3_copies,
    split_over_small,
    split_and_overwritten,
    split_and_deleted,
    split_whose_upload_vanished,
]


class Death:
    """Dies at call number `at`, `before` it or after it took effect; `revive` is the next invocation.

    Parts are carried by several threads, so the number of a call is kept by the thread that makes it.
    """

    def __init__(self, world: World, at: int, *, before: bool) -> None:
        self._seen, self._dead = 0, False
        self._at, self._before = at, before
        self._world = world
        self._number = threading.local()
        world.before, world.after = self._on_before, self._on_after

    def _on_before(self, _call: Call) -> None:
        with self._world.lock:
            self._number.here = self._seen
            self._seen += 1
            self._dead |= self._before and self._number.here == self._at
            if self._dead:
                raise Crash

    def _on_after(self, _call: Call) -> None:
        with self._world.lock:
            self._dead |= self._number.here == self._at
            if self._dead:
                raise Crash

    def revive(self) -> None:
        self._world.before = self._world.after = lambda _call: None


def prepared(scenario: Callable[[Rig], None], versioned: bool) -> Rig:
    by_s3, is_split = "s3_copies" in scenario.__name__, scenario.__name__.startswith("split")
    world = World(versioned=versioned)
    sizes: dict[str, Any] = {}
    if is_split:
        world.least_part_bytes = 1
        sizes = {"splitting": SPLITTING, "part_bytes": PART}
    rig = Rig(world, policy=DeletePolicy.MIRROR, server_side=by_s3, **sizes)
    scenario(rig)
    return rig


def calls_of(scenario: Callable[[Rig], None], versioned: bool) -> int:
    rig = prepared(scenario, versioned)
    before = len(rig.world.calls)
    rig.drain()
    return len(rig.world.calls) - before


def crash_and_recover(scenario: Callable[[Rig], None], versioned: bool, at: int, *, before: bool) -> None:
    rig = prepared(scenario, versioned)
    world = rig.world
    death = Death(world, at, before=before)
    with pytest.raises(Crash):
        rig.drain()
    death.revive()
    for message in world.queues[QUEUE]:
        message.visible_at = min(message.visible_at, world.now) if message.receive_count else message.visible_at
    rig.drain()
    rig.assert_covered("k")
    rig.assert_claims()
    rig.assert_monotonic("k")
    # An upload that a killed process left open is the sweep's; one that any living copier left open is a defect.
    assert len(world.replica.uploads) <= scenario.__name__.startswith(("in_parts", "split"))
    Sweep(Replica(world.s3("own"), REPLICA, CONSUMER, KEY_ARN, "preserve"), rig.manifest, DAY).run(world.now + 2 * DAY)
    assert not world.replica.uploads
    assert upload_of(rig.row("k")) is None


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.replace("_", " "))
def test_a_crash_at_any_call_leaves_no_trace_once_the_message_came_back(
    scenario: Callable[[Rig], None], versioned: bool
):
    for at in range(calls_of(scenario, versioned)):
        for before in (True, False):
            crash_and_recover(scenario, versioned, at, before=before)


def test_there_are_at_least_nine_hundred_crash_points():
    points = sum(2 * calls_of(scenario, versioned) for scenario in SCENARIOS for versioned in (True, False))
    assert points >= 900
