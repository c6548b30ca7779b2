"""What is cut off or flipped in transit never becomes a replica, and what was only damaged once arrives all the same.

Real clients, real sockets, and between them a proxy that cuts and flips; behind it a strict S3. Over plain HTTP, so
that nothing but the checksums stands between a flipped bit and a replica.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session

from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.hint import Hint
from consumer_replicator.lean.s3 import LeanS3
from consumer_replicator.outcome import Outcome, Replicated
from consumer_replicator.proof import Proof
from tests.consumer.damaging_proxy import Damage, Kind, proxied
from tests.consumer.fake_aws import World
from tests.consumer.rig import MIB, Rig
from tests.consumer.strict_s3 import served

GIB = 1024 * MIB
BYTES = random.Random(7).randbytes(12 * MIB + 1)
SMALL = 64 * 1024
"""Damage is done to bodies of at least this: not to an upload's XML."""


@dataclass
class Way:
    """How a body goes: its size, and what of it is held in memory."""

    size: int
    held_bytes: int
    stream_from: int
    checksum: str = "FULL_OBJECT"  # that the source has; "" for none


HELD = {"held_bytes": GIB, "stream_from": GIB}
WAYS = {
    "one PUT, held": Way(2 * MIB, **HELD),
    "one PUT, streamed": Way(2 * MIB, 16 * MIB, 256 * 1024),
    "one PUT, streamed, checksum behind it": Way(2 * MIB, MIB, MIB, checksum=""),
    "parts, held": Way(12 * MIB + 1, **HELD),
    "parts, streamed": Way(12 * MIB + 1, MIB, MIB),
    "mirrored parts, held": Way(12 * MIB + 1, **HELD, checksum="COMPOSITE"),
    "mirrored parts, streamed": Way(12 * MIB + 1, MIB, MIB, checksum="COMPOSITE"),
}
CLIENTS = {
    **{f"botocore, {name}": (name, lambda client: client) for name in ("one PUT, held", "parts, held")},
    **{f"lean, {name}": (name, LeanS3) for name in WAYS},
}


@pytest.fixture(scope="session")
def session() -> Session:
    return Session()


class Damaged:
    """The rig on clients that reach the world through proxies, one a side."""

    def __init__(self, stack: ExitStack, session: Session, way: Way, lean: Callable[[Any], Any]) -> None:
        self.world = World()
        self.damages: dict[str, list[Damage]] = {"source": [], "own": []}
        port = stack.enter_context(served(self.world))
        keys = {"source": "AKIDSOURCE", "own": "AKIDOWN"}

        def client(principal: str) -> Any:
            through = stack.enter_context(proxied(port, self.damages[principal]))
            made = session.create_client(
                "s3",
                aws_access_key_id=keys[principal],
                aws_secret_access_key="secret",
                endpoint_url=f"http://127.0.0.1:{through}",
                config=Config(
                    region_name="us-east-1",
                    connect_timeout=2,
                    read_timeout=5,
                    retries={"mode": "standard", "total_max_attempts": 1},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path"},
                ),
            )
            s3 = lean(made)
            stack.callback(s3.close)
            return s3

        self.rig = Rig(self.world, held_bytes=way.held_bytes, stream_from=way.stream_from, s3=client)

    def fill(self, way: Way) -> None:
        body = BYTES[: way.size]
        if way.checksum == "COMPOSITE":
            self.world.upload_in_parts("k", [body[first : first + 5 * MIB] for first in range(0, len(body), 5 * MIB)])
        else:
            self.world.upload("k", body)
        if not way.checksum:
            self.world.source.keys["k"][-1].checksum = None

    def converge(self) -> Outcome | str:
        """What became of it, or the code of what makes the message come back."""
        hint = Hint("k", "event", receive_count=2)
        try:
            return self.rig.converger.converge(hint, self.rig.row("k"), Deadline(60))[0]
        except HydrationError as error:
            return error.code


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS.keys())
def damaged(request: pytest.FixtureRequest, session: Session) -> Iterator[Damaged]:
    name, lean = request.param
    with ExitStack() as stack:
        made = Damaged(stack, session, WAYS[name], lean)
        made.fill(WAYS[name])
        yield made


def test_undamaged_it_arrives(damaged: Damaged):
    outcome = damaged.converge()
    assert isinstance(outcome, Replicated)
    assert outcome.retries == 0
    damaged.rig.assert_covered("k")


FLIPS = [0, 12_345, -1]
CUTS = [None, 0, 100_000, -1]


@pytest.mark.parametrize("at", FLIPS)
@pytest.mark.parametrize(("side", "where"), [("source", "answer"), ("own", "request")])
def test_a_flipped_bit_never_becomes_a_replica(damaged: Damaged, side: str, where: str, at: int):
    damaged.damages[side].append(Damage(where, Kind.FLIP, at, times=10_000, least=SMALL))
    outcome = damaged.converge()
    source = damaged.world.source.current("k")
    assert source is not None
    if source.checksum is None and side == "source" and isinstance(outcome, Replicated):
        assert outcome.proof is Proof.COMPUTED, "nothing at the source to hold its bytes against"
        return
    assert outcome in ("truncated", "connection")
    assert damaged.world.mutations == []
    assert damaged.world.replica.uploads == {}
    damaged.damages[side].clear()
    assert isinstance(damaged.converge(), Replicated)
    damaged.rig.assert_covered("k")


@pytest.mark.parametrize("at", CUTS)
@pytest.mark.parametrize(("side", "where"), [("source", "answer"), ("own", "request")])
def test_a_body_that_is_cut_off_never_becomes_a_replica(damaged: Damaged, side: str, where: str, at: int | None):
    damaged.damages[side].append(Damage(where, Kind.CUT, at, times=10_000, least=SMALL))
    assert damaged.converge() in ("truncated", "connection")
    assert damaged.world.mutations == []
    damaged.damages[side].clear()
    assert isinstance(damaged.converge(), Replicated)
    damaged.rig.assert_covered("k")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("side", "where"), [("source", "answer"), ("own", "request")])
def test_a_piece_that_was_damaged_once_is_read_or_sent_again_by_itself(
    damaged: Damaged, side: str, where: str, kind: Kind
):
    """Of one PUT that is held, the message comes back; a part, or a stream, is tried again at once."""
    damage = Damage(where, kind, 1000, least=SMALL)
    damaged.damages[side].append(damage)
    outcome = damaged.converge()
    if isinstance(outcome, str):
        assert outcome in ("truncated", "connection")
        outcome = damaged.converge()
    assert isinstance(outcome, Replicated)
    assert damage.done == 1
    source = damaged.world.source.current("k")
    assert source is not None
    if source.checksum is None and side == "source" and kind is Kind.FLIP:
        return
    damaged.rig.assert_covered("k")


LOST = [
    ((name, lean), after)
    for name, lean in CLIENTS.values()
    for after in range(5 if WAYS[name].size > 8 * MIB else 1)  # opened, three parts, completed; or put
]


@pytest.mark.parametrize(("damaged", "after"), LOST, indirect=["damaged"], ids=lambda way: str(way)[:12])
def test_an_answer_that_is_lost_costs_a_second_try_and_nothing_else(damaged: Damaged, after: int):
    """The write was done and nobody told us: the next try is refused, looks, and adopts what it made itself."""
    damaged.damages["own"].append(Damage("answer", Kind.CUT, None, least=0, after=after))
    outcomes = [damaged.converge() for _ in range(3)]
    assert any(isinstance(outcome, Replicated) for outcome in outcomes)
    damaged.rig.assert_covered("k")
    assert len(damaged.world.mutations) == 1
