"""The invariants under real interleavings: two copiers, one key, every call a point where the turn may change.

After every step CLAIM and MONO, at quiescence COVER, after a reconcile's hint QUIET (see `schedule`).
"""

from itertools import pairwise

import pytest

from tests.consumer.rig import event
from tests.consumer.schedule import KEY, check

SCRIPTS: dict[str, list[str]] = {
    "put, overwrite": ["put", "put"],
    "put, overwrite, overwrite": ["put", "put", "put"],
    "put, delete": ["put", "delete"],
    "put, overwrite, delete": ["put", "put", "delete"],
    "put, delete, re-create": ["put", "delete", "put"],
    "put, overwrite, delete, re-create": ["put", "put", "delete", "put"],
    "put, delete, re-create, delete": ["put", "delete", "put", "delete"],
    "rollback": ["put", "put", "rollback"],
    "undelete": ["put", "delete", "rollback"],
}
SEEDS = range(60)


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_two_copiers_with_duplicates_and_reordering_keep_every_invariant(name: str, versioned: bool):
    for seed in SEEDS:
        check(seed, SCRIPTS[name], versioned=versioned, crashes=0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_crashes_and_lost_answers_at_any_call_keep_every_invariant(name: str):
    for seed in SEEDS:
        check(1000 + seed, SCRIPTS[name], versioned=True, crashes=2)


@pytest.mark.parametrize("name", SCRIPTS)
def test_lost_events_are_healed_by_the_hint_of_a_reconcile(name: str):
    """QUIET. The reconcile itself is another part; what it owes a copier is one plain hint per difference."""
    lost = 0
    for seed in SEEDS:
        schedule = check(2000 + seed, SCRIPTS[name], versioned=True, crashes=1, losses=2)
        lost += 2 - schedule.losses
        schedule.world.before = lambda _call: None
        schedule.rig.world.send(event(KEY))
        schedule.rig.drain()
        schedule.rig.assert_covered(KEY)
    assert lost, "no event was lost: the test shows nothing"


def test_the_schedules_really_interleave_and_really_crash():
    stories = [check(seed, SCRIPTS["put, overwrite, delete"], versioned=True, crashes=2).story for seed in range(40)]
    assert any(any("CRASH" in line for line in story) for story in stories)
    assert any(any("answer lost" in line for line in story) for story in stories)

    def turns(story: list[str]) -> int:
        names = [line.split(":")[0] for line in story if line.startswith("W")]
        return sum(1 for one, other in pairwise(names) if one != other)

    assert sum(turns(story) > 4 for story in stories) > 10
