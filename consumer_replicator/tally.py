"""The books of a run, as counters with names. Pure: tallies add up, over chunks, ranges and invocations.

    listed             entries of the source's listing; `changed`: of these, since the last whole run started
    current            of the listed, the same as their row
    skipped:<reason>   of the listed, left alone: young, in-flight, retry-not-due
    filtered:<reason>  of the listed, not asked for: out of scope or out of the window
    hinted             of the listed, drift: a hint was sent (in a dry run: would have been)
    bytes large parts  of the hinted: sizes added up, how many are cut into parts, and into how many
    large-bytes        the sizes of those that are cut into parts, added up
    overdue            of the hinted, missing or stale although older than the lag objective: an event was lost
    extra              keys with a row and no source; hinted only after the breaker has seen their total
    rows               rows of the manifest that were compared
    left:<reason>      rows without a source that are left alone: kept, tombstone, young, in-flight
    unclaimed          replicas in scope that have neither a source nor a row: left alone, they may be anybody's
    unproven           keys left alone although they are old: the run proves nothing about them
    lag:<class>        copies since the last whole run, by class of lag
    calls:<operation>  API calls;  read-half-units: the manifest's read units, times two

Every listed entry is in exactly one of current, skipped, filtered and hinted.
"""

from collections import Counter
from collections.abc import Mapping

Tally = Counter[str]


def total(tally: Mapping[str, int], name: str) -> int:
    """The sum of a counter and all its kinds: `skipped` is skipped:young + skipped:in-flight + ..."""
    return sum(count for key, count in tally.items() if key == name or key.startswith(f"{name}:"))


def kinds(tally: Mapping[str, int], name: str) -> dict[str, int]:
    """The kinds of a counter: {"young": 3, ...}, the largest first."""
    found = {key.partition(":")[2]: count for key, count in tally.items() if key.startswith(f"{name}:") and count}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
