"""The protocol with one rule taken out, each in the real code: what the explorer and the simulation must notice.

A mutant changes the product (`mutations`) for as long as it is `alive`. `needs` are scenarios in which the rule
matters; `breaks` what may then break first.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from consumer_replicator import converge, errors, plan, source, split
from consumer_replicator.batch import Batch
from consumer_replicator.converge import Converger
from consumer_replicator.manifest import Manifest
from consumer_replicator.part_ranges import PartRanges
from consumer_replicator.rows import Rows
from consumer_replicator.source import Source
from consumer_replicator.split import Split
from consumer_replicator.sweep import Sweep
from tests.consumer import fake_aws
from tests.simulation.cloud import CloudDynamoDB, CloudS3
from tests.simulation.explorer import OUTSIDE
from tests.simulation.mutations import (
    Change,
    acknowledges_failures,
    adds_ranges_to_whatever_row,
    adopts_anything,
    adopts_whatever_names_the_source,
    an_upload_is_no_doubt,
    cancels_without_a_plain_hint,
    completes_over_whatever_is_there,
    completes_under_a_range_message,
    confirm_after_tombstone,
    confirm_copies,
    copies_over_a_pending_delete,
    deciding,
    delete_at_once,
    delete_whatever_is_there,
    deletes_at_once_having_looked,
    deletes_what_the_row_does_not_name,
    denied_is_absent,
    drops_without_aborting,
    gives_up_in_silence,
    no_head_after_complete,
    no_look_before_complete,
    no_replica_condition,
    no_row_condition,
    no_scope,
    no_second_row_read,
    no_second_source_read,
    no_sweep,
    no_touch,
    no_verify,
    parts_are_not_counted,
    pinned_by_etag_alone,
    ranges_raise_the_generation,
    resumes_without_a_look,
    resumes_without_a_touch,
    ripe_at_once,
    superseded_in_any_pass,
    superseded_on_any_delivery,
    tags_set_once,
    tombstone_after_delete,
    tombstone_known_by_generation_only,
    touches_leave_the_generation,
    touches_write_the_whole_row,
    trusts_a_row_without_replica,
    unchecked_completions,
    unchecked_wholes,
    unpinned_ranges,
    uploads_recorded_without_condition,
    without_conditions,
)
from tests.simulation.scenario import Scenario
from tests.simulation.scenarios import DUE, PENDING_DELETE, REPLICATED, UNHEARD_OF, UPLOADING, WHOLE, script

LEFT_BEHIND = (
    "source 1 put, its event sent",
    "receive event1",
    "step event1#1",
    "source 2 delete, its event sent",
    "all event2",
    *["step event1#1"] * 6,
    *DUE,
)
"""A delete is due, and there is a replica that its row does not know: it was put after the tombstone."""
CANCELLED = (
    *WHOLE,
    "all plain1",
    "source 2 delete, its event sent",
    "all event2",
    *DUE,
    "receive confirm1",
    "step confirm1#1",
    "source 3 undo, its event sent",
    "all event3",
    OUTSIDE,
)
"""A delete was cancelled and its DELETE is still on its way; the upload that was begun then is gone."""
COMING_BACK = (*UPLOADING, "source 2 huge, its event sent", "all range1", "source 3 undo, its event sent")


@dataclass(frozen=True)
class Defended:
    """A rule that others make good for. `without`: what takes out the rule, then each of the others, by name.

    All of them out: `breaks`. All but one: nothing, in the same scenario.
    """

    name: str
    without: dict[str, Change]
    needs: Scenario
    breaks: frozenset[str]
    begin: tuple[str, ...] = ()

    @contextmanager
    def alive(self, *, but: str = "") -> Iterator[None]:
        with ExitStack() as stack:
            for name, change in self.without.items():
                if name != but:
                    change(stack)
            yield


@dataclass(frozen=True)
class Mutant:
    """`begin`: what happens first, to where the rule matters. `seeds`: how many schedules of chance may be needed where
    the scenario is too large to be explored; 0: explore."""

    name: str
    change: Change
    needs: Scenario
    breaks: frozenset[str]
    begin: tuple[str, ...] = ()
    seeds: int = 0

    @contextmanager
    def alive(self) -> Iterator[None]:
        with ExitStack() as stack:
            self.change(stack)
            yield


SAFETY = frozenset({"MONO", "CLAIM", "MIX"})
COVER = frozenset({"COVER"})

MUTANTS: tuple[Mutant, ...] = (
    Mutant("no condition on the replica", no_replica_condition, script("put put"), SAFETY | COVER),
    Mutant(
        "no condition on DELETE",
        delete_whatever_is_there,
        script("put delete put"),
        SAFETY | COVER,
        begin=(*PENDING_DELETE, *DUE),
    ),
    Mutant("no condition on the row", no_row_condition, script("put put undo"), SAFETY | COVER, begin=REPLICATED),
    Mutant(
        "uploads recorded without a condition",
        uploads_recorded_without_condition,
        replace(script("put huge put", duplicates=1, spurious=1), processes=3),
        COVER,
        begin=(
            "source 1 put, its event sent",
            "duplicate event1",
            "receive event1-again",
            "all event1",
            "reconcile's hint",
            "receive hint-of-run",
            *["step hint-of-run#1"] * 2,
            "source 2 huge, its event sent",
            *["step event1-again#1"] * 2,
            "source 3 put, its event sent",
            "all event2",
            "all event3",
        ),
    ),
    Mutant("touches leave the generation", touches_leave_the_generation, script("put put undo"), COVER, REPLICATED),
    Mutant("no touch", no_touch, script("put put undo"), SAFETY | COVER, begin=REPLICATED),
    Mutant(
        "no HEAD before nothing to do",
        no_verify,
        script("put put undo", crashes=1),
        SAFETY | COVER,
        begin=REPLICATED,
    ),
    Mutant("no second source read", no_second_source_read, script("put put"), SAFETY | COVER),
    Mutant(
        "superseded on any delivery",
        superseded_on_any_delivery,
        script("put put undo", crashes=1),
        COVER,
        begin=REPLICATED,
    ),
    Mutant("superseded in any pass", superseded_in_any_pass, script("put put undo"), COVER, begin=REPLICATED),
    Mutant("delete at once, after the tombstone", delete_at_once, script("put delete", crashes=1), SAFETY | COVER),
    Mutant("tombstone after the delete", tombstone_after_delete, script("put delete"), SAFETY | COVER),
    Mutant("no grace", ripe_at_once, script("put delete", crashes=1), SAFETY | COVER),
    Mutant("confirm hint after the tombstone", confirm_after_tombstone, script("put delete", crashes=1), COVER),
    Mutant(
        "adopts after a cancelled delete",
        adopts_whatever_names_the_source,
        script("huge delete undo"),
        SAFETY,
        begin=CANCELLED,
    ),
    Mutant(
        "deletes what the row does not name",
        deletes_what_the_row_does_not_name,
        script("put delete put delete"),
        SAFETY,
        begin=(*LEFT_BEHIND, "receive confirm1", *["step confirm1#1"] * 4, "source 3 put, its event sent"),
    ),
    Mutant(
        "a confirm hint copies",
        deciding(confirm_copies),
        script("put delete put", twice=1),
        COVER,
        begin=(*PENDING_DELETE, *DUE),
    ),
    Mutant("adopts anything", adopts_anything, script("put put", crashes=1), SAFETY | COVER),
    Mutant(
        "row without replica: deleted unseen",
        deciding(trusts_a_row_without_replica),
        script("put delete", crashes=1),
        SAFETY | COVER,
        begin=(
            "source 1 put, its event sent",
            "receive event1",
            *["step event1#1"] * 2,
            "crash event1#1",
            "source 2 delete, its event sent",
        ),
    ),
    Mutant(
        "unpinned ranges",
        unpinned_ranges,
        script("huge huge undo"),
        COVER,
        begin=(*COMING_BACK, "receive range2", *["step range2#1"] * 3),
    ),
    Mutant(
        "unpinned ranges, unchecked wholes",
        lambda stack: (unpinned_ranges(stack), unchecked_wholes(stack)),
        script("huge huge undo"),
        SAFETY,
        begin=(*COMING_BACK, "all range2"),
    ),
    Mutant(
        "unconditional complete",
        without_conditions("complete_multipart_upload"),
        script("huge put", replica_versioned=False),
        SAFETY,
        begin=(*WHOLE, "receive plain1"),
    ),
    Mutant(
        "completes over whatever is there",
        completes_over_whatever_is_there,
        script("huge put", replica_versioned=False),
        SAFETY,
        begin=(*WHOLE, "receive plain1"),
    ),
    Mutant("ranges raise the generation", ranges_raise_the_generation, script("huge"), COVER, UPLOADING),
    Mutant("touches write the whole row", touches_write_the_whole_row, script("huge tag"), COVER, UPLOADING),
    Mutant(
        "resumes without a look",
        resumes_without_a_look,
        script("huge"),
        frozenset({"TERM"}),
        begin=(*UPLOADING, "all range1", OUTSIDE),
    ),
    Mutant(
        "an upload is no doubt",
        an_upload_is_no_doubt,
        script("huge delete undo"),
        SAFETY,
        begin=CANCELLED,
    ),
    Mutant("drops without aborting", drops_without_aborting, script("huge put"), frozenset({"ORPHAN"}), UPLOADING),
    Mutant("resumes without a touch", resumes_without_a_touch, script("huge put undo"), COVER, begin=UPLOADING),
    Mutant("tags are set once", tags_set_once, script("put tag tag"), COVER, begin=REPLICATED),
)

BY_CHANCE: tuple[Mutant, ...] = (
    Mutant("no sweep", no_sweep, script("big big", crashes=2), frozenset({"ORPHAN"}), seeds=500),
    Mutant("failures are acknowledged", acknowledges_failures, script("put put", refusals=2), COVER, seeds=500),
    Mutant(
        "denied is absent",
        denied_is_absent,
        script("put put", denied=6),
        SAFETY,
        seeds=500,
    ),
    Mutant(
        "the scope is not looked at",
        no_scope,
        script("put", foreign=6),
        frozenset({"FENCE", "BOOKS", "QUIET"}),
        seeds=500,
    ),
)
"""Those whose rule is of the end of a run, or of trouble that is not explored."""

CHANGED = {
    "converge": converge,
    "plan": plan,
    "source": source,
    "split": split,
    "errors": errors,
    "fake_aws": fake_aws,
    "Batch": Batch,
    "Converger": Converger,
    "Manifest": Manifest,
    "PartRanges": PartRanges,
    "Rows": Rows,
    "Source": Source,
    "Split": Split,
    "Sweep": Sweep,
    "CloudS3": CloudS3,
    "CloudDynamoDB": CloudDynamoDB,
}
"""What mutants change, and must leave as it was."""

DEFENDED: tuple[Defended, ...] = (
    Defended(
        "the row is read again after HEAD",
        {
            "no second row read": no_second_row_read,
            "deletes what the row does not name": deletes_what_the_row_does_not_name,
        },
        script("put delete put delete"),
        frozenset({"CLAIM"}),
        begin=(
            *UNHEARD_OF,
            *DUE,
            "receive confirm1",
            *["step confirm1#1"] * 2,
            "source 3 put, its event sent",
            "receive event3",
            *["step event3#1"] * 3,
        ),
    ),
    Defended(
        "a delete is cancelled before anything is copied",
        {
            "copies over a pending delete": deciding(copies_over_a_pending_delete),
            "deletes what the row does not name": deletes_what_the_row_does_not_name,
        },
        script("put delete put delete"),
        frozenset({"CLAIM"}),
        begin=(
            *UNHEARD_OF,
            *DUE,
            "source 3 put, its event sent",
            "receive confirm1",
            "receive event3",
            "step event3#1",
        ),
    ),
    Defended(
        "HEAD after completing",
        {
            "no HEAD after complete": no_head_after_complete,
            "deletes what the row does not name": deletes_what_the_row_does_not_name,
        },
        script("put delete huge"),
        frozenset({"CLAIM"}),
        begin=(
            *LEFT_BEHIND,
            "receive confirm1",
            *["step confirm1#1"] * 5,
            "source 3 huge, its event sent",
            "all event3",
            "all range1",
            "all range2",
        ),
    ),
    Defended(
        "the source is read before completing",
        {
            "no look at the source before complete": no_look_before_complete,
            "unconditional complete": without_conditions("complete_multipart_upload"),
        },
        script("huge put", replica_versioned=False),
        SAFETY,
        begin=(
            *UPLOADING,
            "all range1",
            "source 2 put, its event sent",
            "receive event2",
            "step event2#1",
            "all range2",
        ),
    ),
    Defended(
        "a range's message never completes",
        {
            "completes under a range message": completes_under_a_range_message,
            "deletes at once, having looked": deletes_at_once_having_looked,
        },
        script("huge delete", crashes=1),
        COVER,
        begin=(*UPLOADING, "all range1", "receive range2", *["step range2#1"] * 5),
    ),
    Defended(
        "a tombstone is known by generation and state",
        {
            "a tombstone known by its generation only": tombstone_known_by_generation_only,
            "cancels without a plain hint": cancels_without_a_plain_hint,
            "superseded in any pass": superseded_in_any_pass,
        },
        script("put delete put"),
        COVER,
        begin=(
            *REPLICATED,
            "source 2 delete, its event sent",
            "receive event2",
            *["step event2#1"] * 2,
            "source 3 put, its event sent",
            "all event3",
        ),
    ),
    Defended(
        "a range counts for its own upload only",
        {
            "adds a range to whatever upload": adds_ranges_to_whatever_row,
            "parts are not counted before completing": parts_are_not_counted,
            "S3 takes whatever parts there are": unchecked_completions,
        },
        script("huge huge"),
        SAFETY | COVER,
        begin=(
            *UPLOADING,
            "receive range1",
            *["step range1#1"] * 4,
            "source 2 huge, its event sent",
            "all event2",
        ),
    ),
    Defended(
        "a range that is given up says so",
        {
            "gives up in silence": gives_up_in_silence,
            "parts are pinned by ETag alone": pinned_by_etag_alone,
        },
        script("huge huge undo"),
        COVER,
        begin=(*COMING_BACK, "all range2"),
    ),
)
"""Rules behind which another one stands: each way of taking out all of them but one is not seen to break anything."""
