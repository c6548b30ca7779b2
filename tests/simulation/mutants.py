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

from consumer_replicator import checksum, converge, errors, plan, source, split
from consumer_replicator.batch import Batch
from consumer_replicator.converge import Converger
from consumer_replicator.manifest import Manifest
from consumer_replicator.outcome import Failed, Skipped, SkipReason
from consumer_replicator.part_ranges import PartRanges
from consumer_replicator.plan import CancelDelete, CommitDeleted, Delete, LookAgain, Tombstone, View
from consumer_replicator.row import State, generation_of, upload_of
from consumer_replicator.rows import Rows
from consumer_replicator.source import Source
from consumer_replicator.split import Split
from consumer_replicator.sweep import Sweep
from tests.consumer import fake_aws
from tests.consumer.fake_aws import REPLICA, SOURCE
from tests.simulation.cloud import CloudDynamoDB, CloudS3
from tests.simulation.explorer import OUTSIDE
from tests.simulation.process import current_process
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

type Change = Callable[[ExitStack], None]
CONDITIONS = ("IfMatch", "IfNoneMatch")


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


def unchecked_completions(stack: ExitStack) -> None:
    """S3 completes with any parts: out of order, too few, of another size or checksum than was told."""
    unchecked_wholes(stack)
    put(
        stack,
        fake_aws,
        "_taken",
        lambda upload, listed, _least: [upload["parts"][part["PartNumber"]] for part in listed],
    )
    ask = CloudS3.complete_multipart_upload

    def asked(self: CloudS3, **parameters: Any) -> Any:
        return ask(self, **parameters | {"MpuObjectSize": _Anything()})

    CloudS3.complete_multipart_upload = asked  # type: ignore[method-assign]
    stack.callback(delattr, CloudS3, "complete_multipart_upload")


def pinned_by_etag_alone(stack: ExitStack) -> None:
    """As where the source has no versions: what is not current cannot be read."""
    put(stack, source, "_pin", lambda identity: {"IfMatch": f'"{identity.etag}"'})


def parts_are_not_counted(stack: ExitStack) -> None:
    put(stack, split, "_are_all", lambda _uploaded, _cut: True)


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


def deletes_at_once_having_looked(stack: ExitStack) -> None:
    """A tombstone and the delete of what HEAD sees, in one invocation; one that was left behind is ripe."""

    def tombstone(self: Converger, view: View, _expected: Any) -> Any:
        seen = self._replica.head(view.hint.key)
        expected = seen.version if seen else None
        row = self._write(view, replace(self._next(view, State.DELETING), replica=expected), slow_if_refused=False)
        if expected is not None:
            self._replica.delete(view.hint.key, expected)
        return self._commit_deleted(replace(view, row=row))

    put(stack, Converger, "_tombstone", tombstone)
    put(stack, Converger, "_wait", lambda _self, _row: 0.0)


def cancels_without_a_plain_hint(stack: ExitStack) -> None:
    cancel = Converger._cancel

    def silent(self: Converger, view: View, expected: Any) -> Any:
        mute = copy(self)
        mute._queue = SimpleNamespace(send_plain=lambda *_given: None)  # type: ignore[assignment]
        return cancel(mute, view, expected)

    put(stack, Converger, "_cancel", silent)


def touches_leave_the_generation(stack: ExitStack) -> None:
    for where in (converge, split):
        touched = where.touched

        def same(row: Any, *, touched: Any = touched, **more: Any) -> Any:
            return replace(touched(row, **more), generation=row.generation)

        put(stack, where, "touched", same)


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


def _deletes_what_the_row_does_not_name(view: View, decision: Any) -> Any:
    pending = view.row is not None and view.row.state is State.DELETING
    return Delete(decision.expected) if isinstance(decision, Tombstone) and pending and decision.expected else decision


deletes_what_the_row_does_not_name = _deciding(_deletes_what_the_row_does_not_name)


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


def adds_ranges_to_whatever_row(stack: ExitStack) -> None:
    """A range counts for the upload that the row names now, whichever that is."""
    _updating(stack, lambda given: given["UpdateExpression"].endswith(":range"), "attribute_not_exists(nothing)", {})


def ranges_raise_the_generation(stack: ExitStack) -> None:
    add = Manifest.add_range

    def added(self: Manifest, key: str, *given: Any) -> Any:
        row = self.read(key)
        done = add(self, key, *given)
        values = {":g": {"N": str(generation_of(row) + 1)}, ":read": {"N": str(generation_of(row))}}
        self._update(key, "SET g = :g", "g = :read", values)
        return done

    put(stack, Manifest, "add_range", added)


def _updating(stack: ExitStack, which: Callable[[Any], bool], condition: str, values: dict[str, Any]) -> None:
    ask = CloudDynamoDB.update_item

    def asked(self: CloudDynamoDB, **given: Any) -> Any:
        if which(given):
            named = {name: value for name, value in given["ExpressionAttributeValues"].items() if name != ":upload"}
            given |= {"ConditionExpression": condition, "ExpressionAttributeValues": named | values}
        return ask(self, **given)

    CloudDynamoDB.update_item = asked  # type: ignore[method-assign]
    stack.callback(delattr, CloudDynamoDB, "update_item")


def touches_write_the_whole_row(stack: ExitStack) -> None:
    put(stack, Manifest, "touch", lambda self, key, before, after: self.write(key, before, after))


def resumes_without_a_look(stack: ExitStack) -> None:
    resume = Split.resume

    def unseeing(self: Split, view: View, upload: Any) -> Any:
        blind = copy(self)
        blind._replica = SimpleNamespace(list_parts=lambda *_given, **_more: [])  # type: ignore[assignment]
        return resume(blind, view, upload)

    put(stack, Split, "resume", unseeing)


def gives_up_in_silence(stack: ExitStack) -> None:
    """A range that is given up sends a plain hint that does not say so."""
    carry = PartRanges._carry

    def silent(self: PartRanges, *given: Any) -> Any:
        mute = copy(self)
        queue = self._queue
        mute._queue = SimpleNamespace(  # type: ignore[assignment]
            send_ranges=queue.send_ranges, send_plain=lambda key, event_id, **_resend: queue.send_plain(key, event_id)
        )
        return carry(mute, *given)

    put(stack, PartRanges, "_carry", silent)


def an_upload_is_no_doubt(stack: ExitStack) -> None:
    put(stack, plan, "IN_DOUBT", plan.IN_DOUBT - {State.UPLOADING})


def drops_without_aborting(stack: ExitStack) -> None:
    put(stack, Rows, "let_go", lambda *_given: None)


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
        _deciding(_confirm_copies),
        script("put delete put", twice=1),
        COVER,
        begin=(*PENDING_DELETE, *DUE),
    ),
    Mutant("adopts anything", adopts_anything, script("put put", crashes=1), SAFETY | COVER),
    Mutant(
        "row without replica: deleted unseen",
        _deciding(_trusts_a_row_without_replica),
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
            "copies over a pending delete": _deciding(_copies_over_a_pending_delete),
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
            "unconditional complete": _without_conditions("complete_multipart_upload"),
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
