"""A scenario: what the producer does, and how much may go wrong while it does. All of it follows from a seed."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from random import Random

from consumer_replicator.breaker import Limits
from consumer_replicator.plan import DeletePolicy


class Act(StrEnum):
    """What may happen at the source. `undo`: the newest version, or delete marker, is permanently deleted."""

    PUT = "put"
    BIG = "big"  # so big that it goes in parts
    HUGE = "huge"  # so big that it goes in ranges of parts, over several invocations
    COMPOSITE = "composite"  # uploaded in parts, with a checksum of their checksums; small, big or huge
    DELETE = "delete"
    UNDO = "undo"
    TAG = "tag"

    def body(self, number: int) -> bytes:
        """Of every part of a large one it can be told from which it is."""
        match self:
            case Act.BIG:
                return f"big {number}; ".encode() * 2
            case Act.HUGE:
                return f"huge {number}; ".encode() * 4
            case Act.COMPOSITE:
                return b"".join(self.parts(number))
            case _:
                return f"body {number}".encode()

    @staticmethod
    def parts(number: int) -> list[bytes]:
        """The parts of a composite: of one size, and that of the replica's or not; or of sizes that no size tells."""
        sizes = COMPOSITES[number % len(COMPOSITES)]
        body = (f"c{number};" * sum(sizes)).encode()
        ends = list(accumulate(sizes))
        return [body[end - size : end] for size, end in zip(sizes, ends, strict=True)]


COMPOSITES = (
    (8, 8),
    (6, 5, 6),
    (4, 3),
    (8, 7, 8, 8),
    (5, 5, 2),
    (9, 3, 4),
    (8, 8, 8, 8),
    (10, 10, 10, 5),
    (6, 6, 9, 8),
    (7,),
    (20,),
)
"""Bytes of the parts of objects that were uploaded in parts."""
ALGORITHMS = ("CRC32", "SHA256", "CRC32C", "SHA1")


@dataclass(frozen=True, slots=True)
class Operation:
    act: Act
    key: str


@dataclass(frozen=True, slots=True)
class Budgets:
    """How often each thing may go wrong in one schedule.

    `crashes`: a process dies before a call, after its last one, or at its time limit. `lost_answers`: a call takes
    effect, and its answer is lost. `refusals`: throttled, expired credentials, an internal error, no connection.
    `damaged`: a body is cut or changed on its way. `denied`: 403, which ends in a row FAILED. `duplicates`: the same
    event twice. `twice`: one message worked on twice at once. `late`: an event arrives later. `lost`: never.
    `spurious`: hints without a cause. `reconciles`: real ones, in the middle of everything. `wrong_listings`: a page of
    the source's listing is empty, or lacks a key. `late_parts`: a part that S3 copies is given up, and lands later.
    """

    crashes: int = 0
    lost_answers: int = 0
    refusals: int = 0
    damaged: int = 0
    denied: int = 0
    duplicates: int = 0
    twice: int = 0
    late: int = 0
    lost: int = 0
    spurious: int = 0
    foreign: int = 0
    reconciles: int = 0
    wrong_listings: int = 0
    late_parts: int = 0


@dataclass(frozen=True)
class Runs:
    """What is asked of the transfer function, in this order, as JSON, and what it is made of: `limits` of its breaker,
    its lag objective, how long it waits for its hints, the findings of a chunk, the entries of a page, and the seconds
    of an invocation. What is younger than the objective must be older than any invocation that still runs.
    """

    asks: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    lag_objective: float = 20.0
    patience: float = 0.0
    chunk: int = 10
    page_keys: int = 1_000
    seconds: float = 900.0

    def __str__(self) -> str:
        return (
            f"runs {', '.join(self.asks)}; breaker {self.limits.number} or {self.limits.share:.0%} above "
            f"{self.limits.few}, objective {self.lag_objective:g} s, patience {self.patience:g} s, "
            f"{self.chunk} findings a chunk, {self.page_keys} keys a page, {self.seconds:g} s an invocation"
        )


@dataclass(frozen=True)
class Scenario:
    """`server_side`: S3 itself copies parts. `threads`: those of an invocation take turns at every call, as invocations
    do; else what an invocation would do side by side is done in order.
    """

    operations: tuple[Operation, ...]
    versioned: bool = True
    replica_versioned: bool = True
    policy: DeletePolicy = DeletePolicy.MIRROR
    budgets: Budgets = field(default_factory=Budgets)
    processes: int = 2
    server_side: bool = False
    threads: bool = False
    runs: Runs | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(sorted({operation.key for operation in self.operations}))

    @property
    def known_edge(self) -> bool:
        """Whether COVER is only owed after the next reconcile, as the design says.

        A source version that is rolled back, while one message is worked on twice, by a worker that stops halfway and
        by another that acknowledges, is the one case that the protocol leaves to the reconcile.
        """
        stops = self.budgets.crashes or self.budgets.refusals or self.budgets.lost_answers or self.budgets.damaged
        return bool(self.budgets.twice and stops) and any(map(self._rolls_back, self.keys))

    def _rolls_back(self, key: str) -> bool:
        """Whether a version, and not a delete marker, is ever taken away from above another one."""
        versions: list[Act] = []
        for operation in self.operations:
            if operation.key == key and operation.act is Act.UNDO and versions:
                if versions.pop() is not Act.DELETE and versions:
                    return True
            elif operation.key == key and operation.act is not Act.TAG:
                versions.append(operation.act)
        return False

    def __str__(self) -> str:
        acts = ", ".join(f"{operation.act} {operation.key}" for operation in self.operations)
        allowed = {name: getattr(self.budgets, name) for name in Budgets.__slots__ if getattr(self.budgets, name)}
        kinds = [f"{'' if each else 'un'}versioned" for each in (self.versioned, self.replica_versioned)]
        kind = f"{kinds[0]} source, {kinds[1]} replica"
        more = ("; S3 copies parts" if self.server_side else "") + ("; threads take turns" if self.threads else "")
        more += f"; {self.runs}" if self.runs else ""
        return f"{acts}; {kind}, policy {self.policy.value}, {self.processes} processes{more}; may happen: {allowed}"


SHAPES = (
    (Act.PUT, Act.PUT),
    (Act.PUT, Act.DELETE),
    (Act.PUT, Act.PUT, Act.DELETE),
    (Act.PUT, Act.DELETE, Act.PUT),
    (Act.PUT, Act.PUT, Act.UNDO),
    (Act.PUT, Act.DELETE, Act.UNDO),
    (Act.PUT, Act.DELETE, Act.PUT, Act.DELETE),
    (Act.PUT, Act.PUT, Act.UNDO, Act.DELETE),
    (Act.PUT, Act.TAG, Act.TAG),
    (Act.BIG, Act.BIG),
    (Act.BIG, Act.PUT, Act.UNDO),
    (Act.PUT, Act.BIG, Act.DELETE),
    (Act.BIG, Act.DELETE, Act.UNDO),
    (Act.HUGE, Act.HUGE),
    (Act.HUGE, Act.DELETE),
    (Act.HUGE, Act.PUT, Act.UNDO),
    (Act.HUGE, Act.DELETE, Act.UNDO),
    (Act.PUT, Act.HUGE, Act.UNDO),
)
"""Histories that are known to be hard; half of the scenarios begin with one of them, the others are free."""
PARTLY = (
    (Act.BIG, Act.BIG),
    (Act.COMPOSITE, Act.COMPOSITE),
    (Act.COMPOSITE, Act.PUT, Act.UNDO),
    (Act.BIG, Act.PUT, Act.UNDO),
    (Act.COMPOSITE, Act.DELETE, Act.UNDO),
    (Act.COMPOSITE, Act.DELETE),
    (Act.HUGE, Act.COMPOSITE),
    (Act.COMPOSITE, Act.COMPOSITE, Act.UNDO),
    (Act.HUGE, Act.DELETE, Act.UNDO),
    (Act.PUT, Act.COMPOSITE, Act.DELETE),
)
"""The same of what goes in parts."""
DRIFTING = (
    (Act.PUT, Act.DELETE),
    (Act.PUT, Act.PUT, Act.DELETE),
    (Act.PUT, Act.DELETE, Act.PUT, Act.DELETE),
    (Act.PUT, Act.PUT),
    (Act.BIG, Act.DELETE),
    (Act.PUT, Act.DELETE, Act.UNDO),
)
"""The same of what a run finds, and what its breaker is for."""
MOST_FREE_ACTS = 5
KEYS = ("k", "k+ %2F", "l")
ASKS = (
    "{}",
    '{"run_id": "r1"}',
    '{"run_id": "r1"}',
    '{"run_id": "r1", "retry": true}',
    '{"run_id": "r2"}',
    '{"run_id": "r2", "prefix": "k"}',
    '{"run_id": "r2", "force": true}',
    '{"run_id": "r1", "stop": true}',
    '{"run_id": "r3", "dry_run": true}',
    '{"run_id": "r4", "max_objects": 1}',
    '{"run_id": "r5", "mode": "verify"}',
    '{"run_id": "r5", "mode": "verify", "read_bytes": true, "repair": true}',
    '{"run_id": "r6", "objects_per_second": 0.02}',
    '{"mode": "watermark"}',
)
LIMITS = (Limits(), Limits(few=0, share=0.4), Limits(number=1), Limits(number=0), Limits(few=0, share=0.0))


class Kind(StrEnum):
    """What a scenario is mainly about."""

    COPIES = "copies"
    RUNS = "runs"
    PARTS = "parts"  # copies within S3, and sources uploaded in parts


HARD = {Kind.COPIES: SHAPES, Kind.RUNS: DRIFTING, Kind.PARTS: PARTLY}
SHARES = {Kind.COPIES: 0.87, Kind.RUNS: 0.03, Kind.PARTS: 0.1}


def of_seed(random: Random, kind: Kind | None = None) -> Scenario:
    kind = kind or random.choices(list(SHARES), list(SHARES.values()))[0]
    versioned = random.random() < 0.75
    keys = KEYS[: random.choice((1, 2, 3, 3) if kind is Kind.RUNS else (1, 1, 1, 2, 3))]
    operations = [operation for key in keys for operation in _history(random, key, versioned, len(keys), kind)]
    if len(keys) > 1:
        operations = _merged(random, operations, keys)
    return Scenario(
        tuple(operations),
        versioned=versioned,
        replica_versioned=random.random() < 0.85,
        policy=DeletePolicy.RETAIN if random.random() < 0.2 else DeletePolicy.MIRROR,
        budgets=_budgets(random, kind),
        processes=random.choice((2, 2, 2, 3)),
        server_side=kind is Kind.PARTS and random.random() < 0.7,
        threads=random.random() < (0.4 if kind is Kind.PARTS else 0.1),
        runs=_runs(random) if kind is Kind.RUNS else None,
    )


def _history(random: Random, key: str, versioned: bool, keys: int, kind: Kind) -> list[Operation]:
    if random.random() < 0.5:
        acts = list(random.choice(HARD[kind]))
    else:
        weighted = (Act.PUT,) * 4 + (Act.DELETE,) * 3 + (Act.BIG, Act.HUGE, Act.UNDO, Act.UNDO, Act.TAG)
        weighted += (Act.COMPOSITE, Act.BIG) * 3 if kind is Kind.PARTS else ()
        acts = [Act.PUT, *random.choices(weighted, k=random.randint(1, max(1, MOST_FREE_ACTS - keys)))]
    return [Operation(act, key) for act in acts if versioned or act is not Act.UNDO]


def _runs(random: Random) -> Runs:
    first = random.choice(("{}", '{"run_id": "r1"}', '{"run_id": "r1"}'))
    return Runs(
        asks=(first, *random.choices(ASKS, k=random.choice((0, 1, 1, 2, 3)))),
        limits=random.choice(LIMITS),
        lag_objective=random.choice((20.0, 60.0)),
        patience=random.choice((0.0, 2.0)),
        chunk=random.choice((1, 2, 10)),
        page_keys=random.choice((1, 1, 2, 1_000)),
        seconds=random.choice((12.0, 900.0, 900.0)),
    )


def _merged(random: Random, operations: list[Operation], keys: tuple[str, ...]) -> list[Operation]:
    """In any order, but each key's own."""
    queues = {key: [operation for operation in operations if operation.key == key] for key in keys}
    merged = []
    while any(queues.values()):
        merged.append(random.choice([queue for queue in queues.values() if queue]).pop(0))
    return merged


def _budgets(random: Random, kind: Kind) -> Budgets:
    """Mostly a few kinds of trouble at once: all of them in every schedule would drown each other."""

    def some(share: float, most: int) -> int:
        return random.randint(1, most) if random.random() < share else 0

    return Budgets(
        crashes=some(0.5, 3),
        lost_answers=some(0.4, 2),
        refusals=some(0.3, 3),
        damaged=some(0.1, 2),
        denied=some(0.05, 1),
        duplicates=some(0.3, 2),
        twice=some(0.2, 2),
        late=some(0.2, 2),
        lost=some(0.6 if kind is Kind.RUNS else 0.15, 4 if kind is Kind.RUNS else 2),
        spurious=some(0.1, 1),
        foreign=some(0.05, 2),
        reconciles=some(0.15, 1) if kind is not Kind.RUNS else 0,
        wrong_listings=some(0.15, 2) if kind is Kind.RUNS else 0,
        late_parts=some(0.3, 1) if kind is Kind.PARTS else 0,
    )
