"""The scenarios that are explored: small ones in every test run, larger ones in `make simulate ARGS=--explore`.

Two processes and a key, as on the models; `begin` leads past what another scenario has explored already.
"""

from dataclasses import replace
from typing import Any

from tests.simulation.scenario import Act, Budgets, Operation, Scenario

REPLICATED = ("source 1 put, its event sent", "all event1")
PENDING_DELETE = (*REPLICATED, "source 2 delete, its event sent", "all event2")
DUE = ("tick", "tick")
UNHEARD_OF = ("source 1 put, its event sent", "source 2 delete, its event sent", "all event1", "all event2")
"""Deleted before anybody looked: a delete is pending, and the row knows no replica."""
UPLOADING = ("source 1 huge, its event sent", "all event1")
WHOLE = (*UPLOADING, "all range1", "all range2")


def script(acts: str, **more: Any) -> Scenario:
    """A scenario of one key: acts by name, then budgets and what else a scenario has."""
    operations = tuple(Operation(Act(act), "k") for act in acts.split())
    kind = {name: more.pop(name) for name in ("versioned", "replica_versioned", "policy") if name in more}
    return Scenario(operations, budgets=Budgets(**more), **kind)


SMALL: dict[str, tuple[Scenario, tuple[str, ...]]] = {
    "put, overwrite": (script("put put"), ()),
    "put, overwrite; one crash": (script("put put", crashes=1), ()),
    "put, overwrite; one lost answer": (script("put put", lost_answers=1), ()),
    "put, overwrite; one duplicate, one hint of a reconcile": (script("put put", duplicates=1, spurious=1), REPLICATED),
    "put, overwrite; worked on twice, one crash": (script("put put", twice=1, crashes=1), REPLICATED),
    "put, delete": (script("put delete"), ()),
    "put, delete; one crash": (script("put delete", crashes=1), REPLICATED),
    "put, rollback": (script("put put undo"), ()),
    "put, rollback; one crash": (script("put put undo", crashes=1), REPLICATED),
    "put, delete, re-create": (script("put delete put"), PENDING_DELETE),
    "put, delete, re-create; one crash": (script("put delete put", crashes=1), (*PENDING_DELETE, *DUE)),
    "put, delete, re-create; unversioned": (script("put delete put", versioned=False), PENDING_DELETE),
    "put, delete, undelete": (script("put delete undo"), PENDING_DELETE),
    "put, delete, undelete; one crash": (script("put delete undo", crashes=1), (*PENDING_DELETE, *DUE)),
    "put, delete, undelete; worked on twice": (script("put delete undo", twice=1), (*PENDING_DELETE, *DUE)),
    "deleted unheard of, re-created": (script("put delete put"), UNHEARD_OF),
    "put, overwrite; an event lost, then a reconcile": (script("put put", lost=1), ()),
    "put, delete; an event lost, then a reconcile": (script("put delete", lost=1), REPLICATED),
    "tags, tags": (script("put tag tag"), ()),
    "in parts, overwritten": (script("big big"), ()),
    "split": (script("huge"), ()),
    "split; one crash when it is whole": (script("huge", crashes=1), WHOLE),
    "split; a lost answer when it is whole": (script("huge", lost_answers=1), WHOLE),
    "split, then deleted": (script("huge delete"), WHOLE),
    "split, then small": (script("huge put"), WHOLE),
}

_LARGER_ACTS = {
    "put, overwrite, delete": "put put delete",
    "put, delete, re-create": "put delete put",
    "put, overwrite, rollback": "put put undo",
    "put, delete, undelete": "put delete undo",
    "put, overwrite, overwrite": "put put put",
    "put, rollback, delete": "put put undo delete",
    "put, delete, re-create, delete": "put delete put delete",
    "split, overwritten": "huge huge",
    "split, deleted": "huge delete",
    "split, small, rolled back": "huge put undo",
}
LARGER: dict[str, Scenario] = {
    **{name: script(acts) for name, acts in _LARGER_ACTS.items()},
    **{f"{name}; one crash": script(acts, crashes=1) for name, acts in _LARGER_ACTS.items()},
    **{f"{name}; one lost answer": script(acts, lost_answers=1) for name, acts in _LARGER_ACTS.items()},
    "put, delete, undelete; one crash, worked on twice": script("put delete undo", crashes=1, twice=1),
    "put, overwrite, delete; three processes": replace(script("put put delete"), processes=3),
    "split, overwritten; unversioned replica": script("huge huge", replica_versioned=False),
}
