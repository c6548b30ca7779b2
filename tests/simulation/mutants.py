"""The protocol with one rule taken out, each in the real code: what the explorer and the simulation must notice.

A mutant replaces a function of the product, or changes what one of its clients asks for, for as long as it is `alive`.
`needs` are scenarios in which the rule matters; `breaks` what may then break first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from consumer_replicator import checksum, errors, plan
from consumer_replicator.batch import Batch
from consumer_replicator.converge import Converger
from consumer_replicator.outcome import Failed, Skipped, SkipReason
from consumer_replicator.plan import CancelDelete, CommitDeleted, Delete, LookAgain, Tombstone, View
from consumer_replicator.row import State, generation_of, upload_of
from consumer_replicator.source import Source
from consumer_replicator.split import Split
from consumer_replicator.sweep import Sweep
from tests.consumer import fake_aws
from tests.consumer.fake_aws import REPLICA, SOURCE
from tests.simulation.cloud import CloudDynamoDB, CloudS3
from tests.simulation.process import current_process
from tests.simulation.scenario import Scenario
from tests.simulation.scenarios import DUE, PENDING_DELETE, REPLICATED, UNHEARD_OF, UPLOADING, WHOLE, script

type Change = Callable[[ExitStack], None]
CONDITIONS = ("IfMatch", "IfNoneMatch")


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


def put(stack: ExitStack, where: Any, name: str, value: Any) -> None:
    before = where.__dict__[name] if isinstance(where, type) else getattr(where, name)
    setattr(where, name, value)
    stack.callback(setattr, where, name, before)


# -- conditions taken out of what is asked for -------------------------------------------------------------------------


def _without_conditions(operation: str) -> Change:
    def change(stack: ExitStack) -> None:
        ask = getattr(CloudS3, operation)

        def asked(self: CloudS3, **parameters: Any) -> Any:
            ours = parameters["Bucket"] == REPLICA
            kept = {name: value for name, value in parameters.items() if not (ours and name in CONDITIONS)}
            return ask(self, **kept)

        setattr(CloudS3, operation, asked)
        stack.callback(delattr, CloudS3, operation)

    return change


def _delete_whatever_is_there(stack: ExitStack) -> None:
    ask = CloudS3.delete_object

    def asked(self: CloudS3, **parameters: Any) -> Any:
        """The fake insists on a condition: one that always holds, as of the moment in which it is carried out."""
        return ask(self, **parameters | {"IfMatch": _Anything()})

    CloudS3.delete_object = asked  # type: ignore[method-assign]
    stack.callback(delattr, CloudS3, "delete_object")


class _Anything(str):
    """Equal to every ETag."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def no_replica_condition(stack: ExitStack) -> None:
    _without_conditions("put_object")(stack)
    _delete_whatever_is_there(stack)


def no_row_condition(stack: ExitStack) -> None:
    for operation in ("put_item", "update_item"):
        if not hasattr(CloudDynamoDB, operation):
            continue
        ask = getattr(CloudDynamoDB, operation)

        def asked(self: CloudDynamoDB, *, ask: Any = ask, **parameters: Any) -> Any:
            if "sk" in parameters.get("Item", ()) and "g" in parameters["Item"]:
                parameters = {
                    name: value for name, value in parameters.items() if not name.startswith(("Cond", "Expr"))
                }
            return ask(self, **parameters)

        setattr(CloudDynamoDB, operation, asked)
        stack.callback(delattr, CloudDynamoDB, operation)


def unpinned_ranges(stack: ExitStack) -> None:
    ask = CloudS3.get_object

    def asked(self: CloudS3, **parameters: Any) -> Any:
        if parameters["Bucket"] == SOURCE and "Range" in parameters:
            parameters = {name: value for name, value in parameters.items() if name not in ("IfMatch", "VersionId")}
        return ask(self, **parameters)

    put(stack, CloudS3, "get_object", asked)


def unchecked_wholes(stack: ExitStack) -> None:
    """S3 takes whatever parts there are for what was wanted."""
    put(stack, fake_aws, "_completed", lambda _upload, _parameters, _taken, body: checksum.of(body))


def uploads_recorded_without_condition(stack: ExitStack) -> None:
    ask = CloudDynamoDB.put_item

    def asked(self: CloudDynamoDB, **parameters: Any) -> Any:
        if parameters["Item"].get("s", {}).get("S") == State.UPLOADING.value:
            parameters = {name: value for name, value in parameters.items() if not name.startswith(("Cond", "Expr"))}
        return ask(self, **parameters)

    CloudDynamoDB.put_item = asked  # type: ignore[method-assign]
    stack.callback(delattr, CloudDynamoDB, "put_item")


# -- steps of the protocol left out ------------------------------------------------------------------------------------


def no_touch(stack: ExitStack) -> None:
    put(stack, Converger, "_touch", lambda _self, view, _found: (Skipped(SkipReason.CURRENT), view.row))


def no_verify(stack: ExitStack) -> None:
    put(stack, Converger, "_verify", lambda self, view, found: self._touch(view, found))


def no_second_row_read(stack: ExitStack) -> None:
    put(stack, Converger, "_look", lambda self, key, _row: self._replica.head(key))


def no_second_source_read(stack: ExitStack) -> None:
    """Within an invocation the source is read once; whatever is refused is tried again with those bytes."""
    get = Source._get

    def remembered(self: Source, key: str) -> Any:
        from tests.simulation.damage import replayed, taken

        process = current_process()
        if process is None:
            return get(self, key)
        memory = process.__dict__.setdefault("memory", {})
        if key not in memory:
            memory[key] = taken(get(self, key))
        return replayed(memory[key])

    put(stack, Source, "_get", remembered)


def superseded_on_any_delivery(stack: ExitStack) -> None:
    before = plan.before_reading
    put(stack, plan, "before_reading", lambda hint, row: before(replace(hint, receive_count=1), row))


def superseded_in_any_pass(stack: ExitStack) -> None:
    before = plan.before_reading
    put(stack, plan, "before_reading", lambda hint, row: before(replace(hint, refused=False), row))


def delete_at_once(stack: ExitStack) -> None:
    """A tombstone, and the delete right after it, in the same invocation."""

    def tombstone(self: Converger, view: View, expected: Any) -> Any:
        row = self._write(view, replace(self._next(view, State.DELETING), replica=expected), slow_if_refused=False)
        view = replace(view, row=row)
        if expected is not None:
            self._replica.delete(view.hint.key, expected)
        return self._commit_deleted(view)

    put(stack, Converger, "_tombstone", tombstone)


def tombstone_after_delete(stack: ExitStack) -> None:
    def tombstone(self: Converger, view: View, expected: Any) -> Any:
        if expected is not None:
            self._replica.delete(view.hint.key, expected)
        return self._commit_deleted(view)

    put(stack, Converger, "_tombstone", tombstone)


def ripe_at_once(stack: ExitStack) -> None:
    put(stack, Converger, "_wait", lambda _self, _row: 0.0)
    put(stack, Converger, "_tombstone", _confirmed_at_once)


def _confirmed_at_once(self: Converger, view: View, expected: Any) -> Any:
    after = replace(self._next(view, State.DELETING), replica=expected)
    self._queue.send_confirm(view.hint.key, view.hint.event_id, after.generation, 0)
    return Skipped(SkipReason.DELETE_PENDING), self._write(view, after, slow_if_refused=False)


def confirm_after_tombstone(stack: ExitStack) -> None:
    def tombstone(self: Converger, view: View, expected: Any) -> Any:
        after = replace(self._next(view, State.DELETING), replica=expected)
        row = self._write(view, after, slow_if_refused=False)
        self._queue.send_confirm(view.hint.key, view.hint.event_id, after.generation, self._confirm_delay)
        return Skipped(SkipReason.DELETE_PENDING), row

    put(stack, Converger, "_tombstone", tombstone)


def _deciding(decide: Callable[[View, Any], Any]) -> Change:
    def change(stack: ExitStack) -> None:
        before = plan.decide
        put(stack, plan, "decide", lambda view: decide(view, before(view)))

    return change


def _copies_over_a_pending_delete(view: View, decision: Any) -> Any:
    if isinstance(decision, CancelDelete) and view.hint.tombstone is None:
        return plan.Put(view.expected)
    return decision


def _trusts_a_row_without_replica(_view: View, decision: Any) -> Any:
    return CommitDeleted() if isinstance(decision, LookAgain) else decision


def _confirm_copies(view: View, decision: Any) -> Any:
    if isinstance(decision, CancelDelete) and view.hint.tombstone is not None:
        return plan.Put(view.expected)
    return decision


def _deletes_without_a_tombstone(_view: View, decision: Any) -> Any:
    if isinstance(decision, Tombstone):
        return LookAgain() if decision.expected is None and not _view.slow else _deleted(decision.expected)
    return decision


def _deleted(expected: Any) -> Any:
    return CommitDeleted() if expected is None else Delete(expected)


def adopts_whatever_names_the_source(stack: ExitStack) -> None:
    put(stack, plan, "_made_from", lambda seen, source, _view: seen.source == source.token())


def adopts_anything(stack: ExitStack) -> None:
    put(stack, plan, "_made_from", lambda _seen, _source, _view: True)


def tombstone_known_by_generation_only(stack: ExitStack) -> None:
    def before_reading(hint: Any, row: Any) -> Any:
        if hint.tombstone is not None and generation_of(row) == hint.tombstone:
            return None
        return before(hint, row)

    before = plan.before_reading
    put(stack, plan, "before_reading", before_reading)


def acknowledges_failures(stack: ExitStack) -> None:
    settle = Batch._settle

    def settled(self: Batch, done: Any) -> Any:
        done = settle(self, done)
        return replace(done, outcome=replace(done.outcome, final=True)) if isinstance(done.outcome, Failed) else done

    put(stack, Batch, "_settle", settled)


def denied_is_absent(stack: ExitStack) -> None:
    put(stack, errors, "ABSENT", errors.ABSENT | {"AccessDenied"})


def no_scope(stack: ExitStack) -> None:
    from consumer_replicator import batch

    put(stack, batch, "OutOfScope", type("Never", (), {}))


def no_sweep(stack: ExitStack) -> None:
    put(stack, Sweep, "run", lambda _self, _now: 0)


def tags_set_once(stack: ExitStack) -> None:
    """As the code once was: tags that the row says are there are never set again."""
    from consumer_replicator import converge, tags

    wanted = tags.wanted

    def once(source: Any, found: Any, hint: Any, row: Any) -> Any:
        answer = wanted(source, found, hint, row)
        known = row is not None and answer.digest == row.tags
        return replace(answer, denied=True) if known and not answer.denied else answer

    put(stack, converge.tags, "wanted", once)


# -- uploads that spread over several invocations ----------------------------------------------------------------------


def no_head_after_complete(stack: ExitStack) -> None:
    complete = Split.complete

    def unseeing(self: Split, view: View, found: Any, upload: Any) -> Any:
        made: list[Any] = []
        blind = copy(self)
        blind._copier = SimpleNamespace(complete=lambda *given: made.append(self._copier.complete(*given)) or made[-1])
        replica = self._replica
        blind._replica = SimpleNamespace(
            list_parts=replica.list_parts,
            set_tags=replica.set_tags,
            head=lambda _key: plan.ReplicaSeen(made[-1].version),
        )
        return complete(blind, view, found, upload)

    put(stack, Split, "complete", unseeing)


def no_look_before_complete(stack: ExitStack) -> None:
    """What a whole upload is made from is taken for what the source is: that version is read, not the current one."""
    go_on, get = Converger._pass, Source._get

    def remembering(self: Converger, hint: Any, row: Any, slow: Any, deadline: Any) -> Any:
        upload = upload_of(row)
        process = current_process()
        if process is not None:
            process.__dict__["pinned"] = upload.source.version_id if upload and upload.is_whole and not slow else None
        return go_on(self, hint, row, slow, deadline)

    def pinned(self: Source, key: str) -> Any:
        version = getattr(current_process(), "pinned", None)
        if version is None:
            return get(self, key)
        return self._s3.get_object(Key=key, VersionId=version, ChecksumMode="ENABLED", **self._where)

    put(stack, Converger, "_pass", remembering)
    put(stack, Source, "_get", pinned)


def completes_under_a_range_message(stack: ExitStack) -> None:
    """Whoever finishes the last range goes on as if it held a plain hint, and sends none."""
    converge = Converger.converge

    def inline(self: Converger, hint: Any, row: Any, deadline: Any) -> Any:
        if hint.range is None:
            return converge(self, hint, row, deadline)
        silent = copy(self)
        silent.ranges = copy(self.ranges)
        queue = self._queue
        silent.ranges._queue = SimpleNamespace(
            send_ranges=queue.send_ranges,
            send_plain=lambda *given, **more: queue.send_plain(*given, **more) if more.get("resend") else None,
        )
        outcome, after = converge(silent, hint, row, deadline)
        now = self._manifest.read(hint.key)
        upload = upload_of(now)
        if upload is None or upload.id != hint.range.upload_id or not upload.is_whole:
            return outcome, after
        return converge(self, replace(hint, range=None), now, deadline)

    put(stack, Converger, "converge", inline)


def resumes_without_a_touch(stack: ExitStack) -> None:
    resume = Split.resume

    def untouched(self: Split, view: View, upload: Any) -> Any:
        lazy = copy(self)
        lazy._manifest = SimpleNamespace(touch=lambda *_: None, mark_sent=self._manifest.mark_sent)
        return resume(lazy, view, upload)

    put(stack, Split, "resume", untouched)


def completes_over_whatever_is_there(stack: ExitStack) -> None:
    """After a 412 the same upload is completed over what HEAD sees."""
    complete = Split.complete

    def again(self: Split, view: View, found: Any, upload: Any) -> Any:
        try:
            return complete(self, view, found, upload)
        except errors.ReplicaMoved:
            seen = self._replica.head(view.hint.key)
            return complete(self, view, found, replace(upload, expected=seen.version if seen else None))

    put(stack, Split, "complete", again)


SAFETY = frozenset({"MONO", "CLAIM", "MIX"})
COVER = frozenset({"COVER"})

MUTANTS: tuple[Mutant, ...] = (
    Mutant("no condition on the replica", no_replica_condition, script("put put"), SAFETY | COVER),
    Mutant(
        "no condition on DELETE",
        _delete_whatever_is_there,
        script("put delete put"),
        SAFETY | COVER,
        begin=(*PENDING_DELETE, *DUE),
    ),
    Mutant("no condition on the row", no_row_condition, script("put put undo"), SAFETY | COVER, begin=REPLICATED),
    Mutant("no touch", no_touch, script("put put undo"), SAFETY | COVER, begin=REPLICATED),
    Mutant(
        "no HEAD before nothing to do",
        no_verify,
        script("put put undo", crashes=1),
        SAFETY | COVER,
        begin=REPLICATED,
    ),
    Mutant(
        "no second row read",
        no_second_row_read,
        script("put delete put delete"),
        SAFETY | COVER,
        begin=(*UNHEARD_OF, *DUE),
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
        "copies over a pending delete",
        _deciding(_copies_over_a_pending_delete),
        script("put delete put delete"),
        SAFETY | COVER,
        begin=(*UNHEARD_OF, *DUE),
    ),
    Mutant(
        "adopts after a cancelled delete",
        adopts_whatever_names_the_source,
        script("put delete undo"),
        SAFETY | COVER,
        begin=(
            "source 1 put, its event sent",
            "receive event1",
            "step event1#1",
            "source 2 delete, its event sent",
            "step event1#1",
            "all event2",
            "step event1#1",
            "tick",
        ),
    ),
    Mutant("adopts anything", adopts_anything, script("put put", crashes=1), SAFETY | COVER),
    Mutant(
        "row without replica: deleted unseen",
        _deciding(_trusts_a_row_without_replica),
        script("put delete", crashes=1),
        SAFETY | COVER,
    ),
    Mutant(
        "unpinned ranges",
        unpinned_ranges,
        script("huge huge undo"),
        COVER,
        begin=(
            *UPLOADING,
            "source 2 huge, its event sent",
            "all range1",
            "source 3 undo, its event sent",
        ),
    ),
    Mutant(
        "unpinned ranges, unchecked wholes",
        lambda stack: (unpinned_ranges(stack), unchecked_wholes(stack)),
        script("huge huge undo"),
        SAFETY,
        begin=(
            *UPLOADING,
            "source 2 huge, its event sent",
            "all range1",
            "source 3 undo, its event sent",
            "all range2",
        ),
    ),
    Mutant(
        "unconditional complete",
        _without_conditions("complete_multipart_upload"),
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
    "plan": plan,
    "errors": errors,
    "fake_aws": fake_aws,
    "Batch": Batch,
    "Converger": Converger,
    "Source": Source,
    "Split": Split,
    "Sweep": Sweep,
    "CloudS3": CloudS3,
    "CloudDynamoDB": CloudDynamoDB,
}
"""What mutants change, and must leave as it was."""

GUARDED: tuple[tuple[Mutant, str], ...] = (
    (
        Mutant(
            "no HEAD after complete",
            no_head_after_complete,
            script("put huge delete"),
            SAFETY | COVER,
            begin=(*REPLICATED, "source 2 huge, its event sent", "all event2", "all range1", "all range2"),
        ),
        "a version hides an upload initiated before it; whoever writes one writes the row too; deletes wait",
    ),
    (
        Mutant(
            "no look at the source before complete",
            no_look_before_complete,
            script("huge put"),
            SAFETY | COVER,
            begin=WHOLE,
        ),
        "the same: whoever worked on the change has written the row, or its event is still to come",
    ),
    (
        Mutant(
            "completes under a range message",
            completes_under_a_range_message,
            script("huge delete", crashes=1),
            SAFETY | COVER,
            begin=(*UPLOADING, "all range1"),
        ),
        "its redelivery is told that the upload is gone; the delete waits, and looks by HEAD before it ends",
    ),
    (
        Mutant(
            "uploads recorded without a condition",
            uploads_recorded_without_condition,
            script("huge put"),
            SAFETY | COVER,
        ),
        "the ranges of an upload end in a plain hint, whatever became of them",
    ),
    (
        Mutant(
            "a tombstone known by its generation only",
            tombstone_known_by_generation_only,
            script("put delete put"),
            SAFETY | COVER,
            begin=PENDING_DELETE,
        ),
        "a confirm hint that meets a row LIVE cancels a delete that is none, and a plain hint copies once more",
    ),
)
"""Rules of the models that the code keeps, and whose absence another rule makes good: nothing was found to break."""
