"""What takes one rule out of the protocol, in the real code: a function replaced, or a client asked for something else.

Each is undone when its stack is left.
"""

from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
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
from tests.simulation.process import current_process

type Change = Callable[[ExitStack], None]
CONDITIONS = ("IfMatch", "IfNoneMatch")


def put(stack: ExitStack, where: Any, name: str, value: Any) -> None:
    before = where.__dict__[name] if isinstance(where, type) else getattr(where, name)
    setattr(where, name, value)
    stack.callback(setattr, where, name, before)


# -- conditions taken out of what is asked for -------------------------------------------------------------------------


def without_conditions(operation: str) -> Change:
    def change(stack: ExitStack) -> None:
        ask = getattr(CloudS3, operation)

        def asked(self: CloudS3, **parameters: Any) -> Any:
            ours = parameters["Bucket"] == REPLICA
            kept = {name: value for name, value in parameters.items() if not (ours and name in CONDITIONS)}
            return ask(self, **kept)

        setattr(CloudS3, operation, asked)
        stack.callback(delattr, CloudS3, operation)

    return change


def delete_whatever_is_there(stack: ExitStack) -> None:
    ask = CloudS3.delete_object

    def asked(self: CloudS3, **parameters: Any) -> Any:
        """The fake insists on a condition: one that always holds, as of the moment in which it is carried out."""
        return ask(self, **parameters | {"IfMatch": Anything()})

    CloudS3.delete_object = asked  # type: ignore[method-assign]
    stack.callback(delattr, CloudS3, "delete_object")


class Anything(str):
    """Equal to every text: an ETag, a writer's name."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def no_replica_condition(stack: ExitStack) -> None:
    without_conditions("put_object")(stack)
    delete_whatever_is_there(stack)


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
        return ask(self, **parameters | {"MpuObjectSize": Anything()})

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


def deciding(decide: Callable[[View, Any], Any]) -> Change:
    def change(stack: ExitStack) -> None:
        before = plan.decide
        put(stack, plan, "decide", lambda view: decide(view, before(view)))

    return change


def copies_over_a_pending_delete(view: View, decision: Any) -> Any:
    if isinstance(decision, CancelDelete) and view.hint.tombstone is None:
        return plan.Put(view.expected)
    return decision


def trusts_a_row_without_replica(_view: View, decision: Any) -> Any:
    return CommitDeleted() if isinstance(decision, LookAgain) else decision


def confirm_copies(view: View, decision: Any) -> Any:
    if isinstance(decision, CancelDelete) and view.hint.tombstone is not None:
        return plan.Put(view.expected)
    return decision


def _deletes_what_the_row_does_not_name(view: View, decision: Any) -> Any:
    pending = view.row is not None and view.row.state is State.DELETING
    return Delete(decision.expected) if isinstance(decision, Tombstone) and pending and decision.expected else decision


deletes_what_the_row_does_not_name = deciding(_deletes_what_the_row_does_not_name)


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
