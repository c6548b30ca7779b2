"""What reading costs in calls, which does not depend on the machine: full pages, and nothing for each key."""

from collections import Counter

import pytest

from consumer_replicator.drift import Drift, DriftKind, Rules, findings
from consumer_replicator.key_ranges import EVERYTHING, KeyRange
from consumer_replicator.listing import PAGE_KEYS, Listing
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.plan import DeletePolicy
from producer_events.scope import Scope
from tests.bench.synthetic import BUCKET, NOW, OWNER, PAGE_BYTES, TABLE, Synthetic, key_of

OBJECTS, SHARDS = 12_000, 2
RULES = Rules(now=NOW, lag_objective=900, policy=DeletePolicy.MIRROR, scope=Scope())


class Reading:
    """One reader of the synthetic bucket and its manifest, on real clients."""

    def __init__(self, aws, synthetic):
        s3, dynamodb = aws("s3"), aws("dynamodb")
        synthetic.attach(s3, dynamodb)
        self.listing = Listing(s3, BUCKET, OWNER)
        self.scan = ManifestScan(dynamodb, TABLE, BUCKET, SHARDS)

    def drift(self, some=EVERYTHING):
        found = findings(self.listing.objects(some.after, some.until), self.scan.rows(some.after, some.until), RULES)
        return [each for each in found if isinstance(each, Drift)]


@pytest.fixture(scope="module")
def population():
    return Synthetic(OBJECTS, SHARDS)


@pytest.fixture
def reading(aws, population):
    population.calls.clear()
    return Reading(aws, population)


def test_a_reconcile_reads_full_pages_of_both_sides_and_makes_no_call_for_a_key(reading, population):
    found = reading.drift()
    assert Counter(each.kind for each in found) == population.drift
    assert set(population.drift) == set(DriftKind)
    queries = sum(-(-size // PAGE_BYTES) for size in population.shard_bytes())
    assert population.calls == {"ListObjectsV2": -(-population.listed // PAGE_KEYS), "Query": queries}
    assert queries > SHARDS, "so small that the size of a page did not matter"
    assert (reading.listing.pages, reading.scan.pages) == (population.calls["ListObjectsV2"], queries)


def test_a_page_of_rows_is_rounded_up_once_so_that_a_row_costs_its_bytes(reading, population):
    reading.drift()
    by_bytes = sum(population.shard_bytes()) / 4096 / 2
    assert by_bytes <= reading.scan.read_units <= by_bytes + reading.scan.pages / 2
    one_by_one = sum(map(len, population.shards)) / 2  # BatchGetItem rounds every item up to half a unit
    assert reading.scan.read_units < one_by_one / 10


def test_ranges_cost_at_most_a_page_more_each_on_either_side(reading, population):
    cuts = [key_of(OBJECTS * part // 5) for part in range(1, 5)]
    found = [each.key for some in EVERYTHING.cut(cuts) for each in reading.drift(some)]
    assert len(found) == len(set(found)) == sum(population.drift.values())
    assert population.calls["ListObjectsV2"] <= -(-population.listed // PAGE_KEYS) + 5
    assert population.calls["Query"] <= sum(-(-size // PAGE_BYTES) for size in population.shard_bytes()) + 5 * SHARDS


def test_a_reading_that_goes_on_from_a_cursor_finds_the_rest_and_reads_no_more_than_that(reading, population):
    whole = reading.drift()
    pages = population.calls["ListObjectsV2"]
    middle = key_of(OBJECTS // 2)
    assert reading.drift(KeyRange(middle)) == [each for each in whole if each.key > middle]
    assert population.calls["ListObjectsV2"] - pages <= pages // 2 + 1
