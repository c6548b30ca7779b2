"""What the merge-join takes, from ten thousand to a million objects: `python -m tests.bench.join`.

Two figures a size: the join alone, over entries and rows that are there already, and everything of a run's reading,
from botocore's clients to findings, over pages made up as bytes (`synthetic`). Only CPU counts, and none of it that
went into making up. Each size runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from itertools import batched

from botocore.config import Config
from botocore.session import Session
from rich.console import Console
from rich.table import Table

from consumer_replicator.drift import Drift, Listed, Rules, findings
from consumer_replicator.listing import PAGE_KEYS, Listing
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.plan import DeletePolicy
from producer_events.scope import Scope
from tests.bench.synthetic import (
    BUCKET,
    NOW,
    OWNER,
    PAGE_BYTES,
    SHARDS,
    TABLE,
    Clock,
    Synthetic,
    has_row,
    identity_of,
    is_listed,
    key_of,
    row_of,
)

SIZES = (10_000, 100_000, 1_000_000)
READY = 5_000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDBENCH", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
READ_UNIT, LIST, HEAD = 0.125e-6, 0.005e-3, 0.0004e-3
"""Dollars a piece in us-east-1: https://aws.amazon.com/dynamodb/pricing/on-demand/, https://aws.amazon.com/s3/pricing/"""


def rules():
    return Rules(now=NOW, lag_objective=900, policy=DeletePolicy.MIRROR, scope=Scope(), confirm_delay=915)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def join_alone(objects):
    """CPU seconds of `findings` over entries and rows that are made while the clock stands still."""
    clock = Clock()

    def ready(values):
        for some in batched(range(objects), READY):
            with clock.paused():
                made = list(values(some))
            yield from made

    entries = ready(
        lambda some: (
            Listed(key_of(n), identity.etag, identity.last_modified, identity.size)
            for n in some
            if is_listed(n)
            for identity in [identity_of(n)]
        )
    )
    rows = ready(lambda some: ((key_of(n), row_of(n)) for n in some if has_row(n)))
    found = sum(1 for finding in findings(entries, rows, rules()) if isinstance(finding, Drift))
    return clock.seconds, found


def read_and_join(synthetic):
    """CPU seconds from the clients to the findings, with what was counted on the way."""
    session = Session()
    clients = [session.create_client(service, config=Config(region_name="us-east-1")) for service in ("s3", "dynamodb")]
    synthetic.attach(*clients)
    listing, scan = Listing(clients[0], BUCKET, OWNER), ManifestScan(clients[1], TABLE, BUCKET, SHARDS)
    synthetic.clock = Clock()
    found = sum(1 for each in findings(listing.objects(), scan.rows(), rules()) if isinstance(each, Drift))
    return synthetic.clock.seconds, found, listing.pages, scan


def measure(objects):
    """All facts of one size, in this process."""
    os.environ.update(CREDENTIALS)
    synthetic = Synthetic(objects)
    before = peak_bytes()
    alone, found = join_alone(objects)
    joined = peak_bytes()
    seconds, found_too, list_pages, scan = read_and_join(synthetic)
    planted = sum(synthetic.drift.values())
    assert found == found_too == planted, "the join does not find what was planted"
    shard_bytes = synthetic.shard_bytes()
    return {
        "objects": objects,
        "drift": planted,
        "join_rows_per_second": round(2 * objects / alone),
        "read_rows_per_second": round(2 * objects / seconds),
        "join_peak_bytes": joined,
        "read_peak_bytes": peak_bytes(),
        "start_peak_bytes": before,
        "list_pages": list_pages,
        "list_pages_in_theory": -(-synthetic.listed // PAGE_KEYS),
        "query_pages": scan.pages,
        "query_pages_in_theory": sum(max(-(-size // PAGE_BYTES), 1) for size in shard_bytes),
        "read_units": scan.read_units,
        "read_units_of_batch_get": sum(map(len, synthetic.shards)) / 2,
        "dollars": scan.read_units * READ_UNIT + list_pages * LIST,
        "dollars_by_batch_get": sum(map(len, synthetic.shards)) / 2 * READ_UNIT + list_pages * LIST,
        "dollars_by_head": synthetic.listed * HEAD + list_pages * LIST,
    }


def table(measured):
    drawn = Table(title="The merge-join of listing and manifest, on one core")
    for name in ("objects", "join rows/s", "read + join rows/s", "peak MB (start, join, read)", "LIST (theory)"):
        drawn.add_column(name, justify="right")
    for name in ("Query (theory)", "read units (by BatchGetItem)", "$ (by BatchGetItem, by HEAD)"):
        drawn.add_column(name, justify="right")
    for facts in measured:
        peaks = (facts[f"{name}_peak_bytes"] / 1e6 for name in ("start", "join", "read"))
        drawn.add_row(
            f"{facts['objects']:,}",
            f"{facts['join_rows_per_second']:,}",
            f"{facts['read_rows_per_second']:,}",
            ", ".join(f"{peak:.0f}" for peak in peaks),
            f"{facts['list_pages']:,} ({facts['list_pages_in_theory']:,})",
            f"{facts['query_pages']:,} ({facts['query_pages_in_theory']:,})",
            f"{facts['read_units']:,.0f} ({facts['read_units_of_batch_get']:,.0f})",
            f"{facts['dollars']:.4f} ({facts['dollars_by_batch_get']:.4f}, {facts['dollars_by_head']:.4f})",
        )
    return drawn


def main(arguments):
    command_line = argparse.ArgumentParser(prog="python -m tests.bench.join", description=__doc__)
    what = "how many, several with commas between (default 10000,100000,1000000)"
    command_line.add_argument("--objects", default=",".join(map(str, SIZES)), metavar="N,N", help=what)
    command_line.add_argument("--json", action="store_true", help="everything measured, for a program")
    command_line.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = command_line.parse_args(arguments)
    sizes = [int(size) for size in asked.objects.split(",")]
    if asked.here:
        print(json.dumps(measure(sizes[0])))
        return
    say, measured, started = Console(stderr=True, highlight=False), [], time.monotonic()
    for size in sizes:
        say.print(f"{time.monotonic() - started:6.1f} s  {size:,} objects")
        child = [sys.executable, "-m", "tests.bench.join", "--here", "--objects", str(size)]
        measured.append(json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout))
    if asked.json:
        print(json.dumps(measured, indent=2))
    else:
        out = Console(width=max(say.width, 150), highlight=False)
        out.print(table(measured))
        out.print(
            "A row is an entry of the listing or of the manifest. Every size found exactly the drift planted in it."
        )


if __name__ == "__main__":
    main(sys.argv[1:])
