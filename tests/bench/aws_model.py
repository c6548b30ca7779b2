"""Speed and cost on AWS, from named inputs: prints the tables of service-catalog/docs/performance.md.

    python -m tests.bench.aws_model                                   the tables
    python -m tests.bench.aws_model functions=200 memory_mb=512       with other inputs
    python -m tests.bench.aws_model --write                           into the page

A model, not a measurement: nothing here has talked to AWS. Prices and the bandwidth of a function are those of
`consumer_replicator.estimate`, the ranges of a large object those of `consumer_replicator.splitting`.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from consumer_replicator import estimate, figures
from consumer_replicator.estimate import Capacity, Load, cost_of
from consumer_replicator.parts import DEFAULT_PART_BYTES, part_size
from consumer_replicator.splitting import SURE_SHARE, Splitting, Time, Way

PAGE = Path(__file__).parents[2] / "service-catalog" / "docs" / "performance.md"
BEGIN, END = "<!-- aws model: begin -->", "<!-- aws model: end -->"

KB, MB, GB, TB = 1e3, 1e6, 1e9, 1e12
KIB, MIB = 1024, 1024**2
VCPU_MB = 1769
"""Memory that has one vCPU. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
MILLION = 1_000_000
SMALL = 4 * KIB
NOT_PUBLISHED = "not published"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Seconds, bytes a second, dollars. `get`, `put`, `row` and `batch` add up to `estimate.SECONDS_PER_OBJECT`."""

    round_trip: float = 0.001
    get_first_byte: float = 0.044
    put_answer: float = 0.079
    row_write: float = 0.009
    batch_share: float = 0.015
    connection_bytes: float = 85 * MB
    function_bytes: float = estimate.BYTES_PER_SECOND
    functions: int = 50
    keys_at_once: int = 10
    memory_mb: int = 1024
    timeout: float = 900.0
    cpu_object: float = 0.001
    cpu_object_botocore: float = 0.0035
    cpu_gigabyte: float = 1.8
    dollars_events: float = 2.0
    rtc_gigabyte: float = 0.015
    rtc_bytes: float = 125 * MB
    batch_job: float = 0.25
    batch_million: float = 1.0
    inventory_million: float = 0.0025
    datasync_gigabyte: float = 0.015
    datasync_execution: float = 0.55
    datasync_reads: float = 3.0
    hub_instance_hour: float = 0.0084
    hub_instance_bytes: float = 30 * MB
    hub_instance_objects: float = 50.0
    hub_row_writes: float = 2.0
    hub_messages: float = 3.0


ABOUT = {
    "round_trip": "function to endpoint and back, same region; assumed",
    "get_first_byte": "GetObject until its first byte; assumed. AWS speaks of [roughly 100 to 200 ms]"
    "(https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html)",
    "put_answer": "PutObject under KMS until its answer; assumed",
    "row_write": "PutItem with a condition; assumed",
    "batch_share": "an object's tenth of BatchGetItem, invocation and report; assumed",
    "connection_bytes": "of one connection to S3; [85 to 90 MB/s](https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
    "optimizing-performance-design-patterns.html)",
    "function_bytes": "of one function inside a VPC, [625 Mbps](https://docs.aws.amazon.com/lambda/latest/dg/"
    "gettingstarted-limits.html)",
    "functions": "`MaximumConcurrency`",
    "keys_at_once": "keys of a batch that are worked on side by side",
    "memory_mb": "`MemorySize`",
    "timeout": "`FunctionTimeoutSeconds`",
    "cpu_object": "CPU of one small object; half of it measured (w1), the rest for message, row and report assumed",
    "cpu_object_botocore": "the same with botocore for the bytes; measured (w1) likewise",
    "cpu_gigabyte": "CPU of a gigabyte; measured (w3)",
    "dollars_events": "EventBridge, both accounts, a million events; budget",
    "rtc_gigabyte": "S3 Replication Time Control, a gigabyte; list, not verified",
    "rtc_bytes": "what RTC's promise covers, [1 Gbps](https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
    "rtc-best-practices.html), more on request",
    "batch_job": "S3 Batch Operations, a job; list",
    "batch_million": "S3 Batch Operations, a million objects; list, not verified",
    "inventory_million": "S3 Inventory, a million objects listed; list, not verified",
    "datasync_gigabyte": "DataSync, Enhanced mode, a gigabyte; list (Basic: 0.0125), not verified for us-east-1",
    "datasync_execution": "DataSync, Enhanced mode, a task execution; list",
    "datasync_reads": "requests that read, for each object, besides one PUT; assumed",
    "hub_instance_hour": "Data Transfer Hub, a t4g.micro; list, not verified",
    "hub_instance_bytes": "of one instance; assumed",
    "hub_instance_objects": "small objects a second of one instance; assumed",
    "hub_row_writes": "DynamoDB writes an object; assumed",
    "hub_messages": "SQS requests an object; assumed",
}


WAITS = ("get_first_byte", "put_answer", "row_write")


def seconds_per_object(given: Inputs) -> float:
    """Of a small object: what its requests wait, one after the other, and its share of what its batch waits."""
    return sum(getattr(given, wait) + given.round_trip for wait in WAITS) + given.batch_share


def stretched(given: Inputs, seconds: float) -> Inputs:
    """The same, but an object waits so long in all."""
    factor = seconds / seconds_per_object(given)
    longer = {wait: getattr(given, wait) * factor for wait in (*WAITS, "round_trip", "batch_share")}
    return replace(given, **longer)


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` says what would have to change."""

    objects: float
    limit: str


def rate(given: Inputs, size: float, cpu_object: float | None = None) -> Rate:
    """Objects a second of one function, of `size` bytes each: the least of what waiting, bandwidth and CPU allow."""
    cpu = (given.cpu_object if cpu_object is None else cpu_object) + size / GB * given.cpu_gigabyte
    waiting = seconds_per_object(given) + size / given.connection_bytes
    return min(
        Rate(given.keys_at_once / waiting, "waiting"),
        Rate(given.function_bytes / size, "bandwidth"),
        Rate(given.memory_mb / VCPU_MB / cpu, "CPU"),
        key=lambda each: each.objects,
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """One object. `functions` that carry it at once; seconds at full bandwidth, and at the third that is planned on."""

    functions: int
    ranges: int
    parts: int
    seconds: float
    planned: float


def carried(given: Inputs, size: int) -> Carried:
    """One object of `size` bytes, alone."""
    splitting = Splitting(bandwidth=given.function_bytes)
    time = Time(given.timeout, given.timeout)
    cut = splitting.cut(size, part_size(size), time)
    split = splitting.way(size, time, again=False) is Way.SPLIT
    functions = min(given.functions, cut.ranges) if split else 1
    waits = seconds_per_object(given) * (3 if split else 1)  # begun, carried and completed, each under a message
    seconds = size / (functions * given.function_bytes)
    parts = cut.parts if size > DEFAULT_PART_BYTES else 0
    return Carried(functions, cut.ranges if split else 0, parts, seconds + waits, seconds / SURE_SHARE + waits)


# -- dollars ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is paid for: so many objects of a size each."""

    count: int
    size: int

    @property
    def bytes(self) -> float:
        return float(self.count * self.size)

    @property
    def writes(self) -> int:
        """Requests that write: PUTs, or parts with their begin and end."""
        load = Load.of(self.size)
        return self.count * (1 + load.parts + load.large)


SMALL_ONES, LARGE_ONES = Bulk(MILLION, SMALL), Bulk(1_000, int(GB))
S3_WRITE, S3_READ = estimate.PRICES["s3 writes and lists"], estimate.PRICES["s3 reads"]


def ours(given: Inputs, bulk: Bulk) -> float:
    """As the product's own estimate has it; and the events, and the ranges of what is split."""
    one = Load.of(bulk.size)
    load = Load(bulk.count, int(bulk.bytes), bulk.count * one.large, bulk.count * one.parts)
    capacity = Capacity(given.functions, given.keys_at_once, given.memory_mb, source_bucket_keys=True)
    ranges = bulk.count * carried(given, bulk.size).ranges
    messages = dict.fromkeys(("SendMessage", "ReceiveMessage", "DeleteMessage"), ranges)
    of_ranges = cost_of(messages, write_units=ranges, read_units=ranges)
    events = bulk.count / MILLION * given.dollars_events
    return estimate.estimate(load, capacity).dollars + of_ranges.dollars + events


def replication(given: Inputs, bulk: Bulk) -> float:
    return bulk.bytes / GB * given.rtc_gigabyte + bulk.writes * S3_WRITE


def batch_operations(given: Inputs, bulk: Bulk) -> float:
    each = (given.batch_million + given.inventory_million) / MILLION + S3_WRITE
    return given.batch_job + bulk.count * each


def datasync(given: Inputs, bulk: Bulk) -> float:
    requests = bulk.writes * S3_WRITE + bulk.count * given.datasync_reads * S3_READ
    return given.datasync_execution + bulk.bytes / GB * given.datasync_gigabyte + requests


def transfer_hub(given: Inputs, bulk: Bulk) -> float:
    busy = max(bulk.count / given.hub_instance_objects, bulk.bytes / given.hub_instance_bytes)
    rows = given.hub_row_writes * estimate.PRICES["dynamodb writes"]
    each = rows + given.hub_messages * estimate.PRICES["sqs"] + S3_READ
    return busy / 3600 * given.hub_instance_hour + bulk.count * each + bulk.writes * S3_WRITE


# -- tables ------------------------------------------------------------------------------------------------------------

SIZES = ((SMALL, "4 KiB"), (MIB, "1 MiB"), (64 * MIB, "64 MiB"))
MEMORIES = (512, 1024, VCPU_MB)
OBJECT_SECONDS = (0.03, 0.15, 0.3)
"""The bench's emulated function; the inputs below; and what AWS speaks of for a small object's requests."""
ONE_OBJECTS = ((int(GB), "1 GB"), (int(100 * GB), "100 GB"), (int(50 * TB), "50 TB"))
FLEETS = (10, 50, 200)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(each)} |" for each in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def rates_table(given: Inputs) -> str:
    rows = []
    for size, name in SIZES:
        found = [rate(replace(given, memory_mb=memory), size) for memory in MEMORIES]
        fleet = rate(given, size).objects * given.functions
        cells = [f"{number(each.objects)} ({each.limit})" for each in found]
        rows.append([name, *cells, f"{number(fleet)} objects/s, {number(fleet * size / MB)} MB/s"])
    return table(["objects of", *(f"{each:,} MB" for each in MEMORIES), f"{given.functions} functions"], rows)


def waiting_table(given: Inputs) -> str:
    """In the smallest function, where CPU is scarce."""
    rows = []
    for seconds in OBJECT_SECONDS:
        for times in (1, 2, 4):
            keys = times * given.keys_at_once
            one = replace(stretched(given, seconds), memory_mb=MEMORIES[0], keys_at_once=keys)
            found = rate(one, SMALL), rate(one, SMALL, given.cpu_object_botocore)
            cells = [f"{number(each.objects)} ({each.limit})" for each in found]
            rows.append([f"{seconds * 1000:.0f} ms", str(keys), *cells])
    return table(["an object waits", "keys at once", "lean client, objects/s", "botocore, objects/s"], rows)


def objects_table(given: Inputs) -> str:
    rows = []
    for size, name in ONE_OBJECTS:
        times = []
        for functions in FLEETS:
            one = carried(replace(given, functions=functions), size)
            times.append(f"{figures.duration(one.seconds)} to {figures.duration(one.planned)}")
        one = carried(given, size)
        how = f"{one.ranges:,} ranges, {one.parts:,} parts" if one.ranges else f"one function, {one.parts:,} parts"
        rows.append([name, how, *times])
    return table(["one object of", "carried as", *(f"{each} functions" for each in FLEETS)], rows)


type Dollars = Callable[[Inputs, Bulk], float]


def peers_table(given: Inputs) -> str:
    alone = [figures.duration(carried(given, size).seconds) for size, _ in ONE_OBJECTS]
    within = ["15 min", *(figures.duration(size / given.rtc_bytes) for size, _ in ONE_OBJECTS[1:])]
    too_large = "no: 5 GB at most"
    rows: list[tuple[str, Dollars, str, list[str]]] = [
        (f"S3 Hydration, {given.functions} functions", ours, "seconds", alone),
        ("S3 Replication with RTC", replication, "99.9 % in 15 min", within),
        ("S3 Batch Operations, copy", batch_operations, "at the next job", [NOT_PUBLISHED, too_large, too_large]),
        ("DataSync, Enhanced mode", datasync, "at the next run", [NOT_PUBLISHED] * 3),
        ("Data Transfer Hub", transfer_hub, "minutes, by its instances", [NOT_PUBLISHED] * 3),
    ]
    head = ["", "behind an upload", "million of 4 KiB, dollars", "TB of 1 GB each, dollars"]
    return table(
        [*head, *(f"one object of {name}" for _, name in ONE_OBJECTS)],
        [
            [name, behind, f"{dollars(given, SMALL_ONES):.2f}", f"{dollars(given, LARGE_ONES):.2f}", *times]
            for name, dollars, behind, times in rows
        ],
    )


def inputs_table(given: Inputs) -> str:
    rows = [[f"`{each.name}`", f"{getattr(given, each.name):,.10g}", ABOUT[each.name]] for each in fields(given)]
    return table(["input", "value", "what it is, and where from"], rows)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def tables(given: Inputs) -> Iterator[str]:
    yield f"### Objects a second of one function, by its memory\n\n{rates_table(given)}"
    yield f"### What CPU is worth: 4 KiB objects in a function of {MEMORIES[0]} MB\n\n{waiting_table(given)}"
    yield f"### One object alone\n\n{objects_table(given)}"
    yield f"### Side by side\n\n{peers_table(given)}"
    yield f"### Inputs\n\n{inputs_table(given)}"


def printed(given: Inputs) -> str:
    return "\n\n".join(tables(given))


def with_values(given: Inputs, assignments: Sequence[str]) -> Inputs:
    """:raises SystemExit: no such input."""
    types = {each.name: type(getattr(given, each.name)) for each in fields(given)}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if name not in types:
            raise SystemExit(f"{name} is no input. The inputs are: {', '.join(types)}.")
        given = replace(given, **{name: types[name](value)})
    return given


def main(arguments: list[str]) -> None:
    given = with_values(Inputs(), [each for each in arguments if each != "--write"])
    if "--write" not in arguments:
        print(printed(given))
        return
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{printed(given)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
