"""Facts of a run as its report needs them, with the least that a test has to say."""

from typing import Any

from hypothesis import strategies as st

from consumer_replicator.drift import DriftKind
from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.run_facts import BookCounts, ExtraCounts, RunFacts

STARTED = 1795489200.0  # 2026-11-24T03:00:00Z
DAY = 86_400.0


def facts(**changes: Any) -> RunFacts:
    """A reconcile in which there was nothing to do."""
    plain: dict[str, Any] = {
        "run_id": "20261124-030000-1a2b3c",
        "mode": "reconcile",
        "state": "done",
        "started": STARTED,
        "finished": STARTED + 60,
        "source_bucket": "source-bucket",
        "replica_bucket": "replica-bucket",
        "lag_objective": 300.0,
        "books": BookCounts(),
    }
    return RunFacts(**plain | changes)


KINDS = st.sampled_from(DriftKind)
COUNTS = st.integers(0, 10**9)
CODES = st.dictionaries(st.sampled_from(sorted(FAILURE_CODES)), COUNTS, max_size=4)
REASONS = st.dictionaries(st.sampled_from(["young", "in-flight", "prefix", "window"]), COUNTS, max_size=3)


@st.composite
def closed_books(draw) -> BookCounts:
    """Random outcomes of listed objects, each in one place, none waiting."""
    parts = {name: draw(COUNTS) for name in ("copied", "uploading", "current", "planned")}
    named = {"skipped": draw(REASONS), "failed": draw(CODES), "filtered": draw(REASONS)}
    named |= {"same": draw(REASONS), "different": draw(REASONS), "cannot_tell": draw(REASONS)}
    listed = sum(parts.values()) + sum(sum(counts.values()) for counts in named.values())
    return BookCounts(listed=listed, **parts, **named)


@st.composite
def closed_extras(draw) -> ExtraCounts:
    parts = {"deleted": draw(COUNTS), "kept": draw(COUNTS), "planned": draw(COUNTS), "held": draw(COUNTS)}
    failed = draw(CODES)
    return ExtraCounts(found=sum(parts.values()) + sum(failed.values()), failed=failed, **parts)
