"""All schedules of a small scenario, of the real code: every interleaving of its calls, and every crash point.

A state is the world, and for each process under way the answers it was given so far. From there any process is had
again by giving it the same answers, without the world; so one step costs one process's replay, not a whole schedule.
States of the same canonical text are one (see `position`), and are gone on from once. Breadth first: the first story
of a broken rule is a shortest one.

Left out, because they come to the same: a crash before a call and one before it if the call between only reads (the
world is the same); the source's reads of one process once nothing more happens at the source (they commute with
everything); the moment between an invocation's last call and its acknowledgement, but for the crash there. A confirm
hint whose tombstone is over for good is worked on at once, since it makes no difference when: it must end after
reading the row, else it is left in the queue.
"""

import re
import time as clock
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.hint import PlainHint, to_body
from consumer_replicator.row import State as RowState
from tests.consumer.fake_aws import QUEUE, SOURCE, Call, Waiting
from tests.consumer.rig import event
from tests.simulation import position
from tests.simulation.cloud import Act, Cloud
from tests.simulation.damage import replayed, taken
from tests.simulation.process import Fate, Process, answer_lost, go
from tests.simulation.scenario import Act as SourceAct
from tests.simulation.scenario import Scenario
from tests.simulation.simulation import CHANGING, Broken
from tests.simulation.story import Story
from tests.simulation.subject import CONFIRM_DELAY, Subject, handed_over

type Wanted = Callable[[str], bool]

TICK = CONFIRM_DELAY / 2
"""Seconds. An invocation lives through one tick and not through two; a confirm hint waits for two."""
NAME = re.compile(r'"id": "[^"]*"')
TOMBSTONE = re.compile(r'"tombstone": (\d+)')
OUTSIDE = "uploads are aborted"
"""What happens where it is asked for by name, and else never."""
TOLD = ("crashes", "lost_answers", "duplicates", "twice", "lost", "spurious")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call was answered with, or refused with, and the time then."""

    answer: Any
    error: Exception | None
    now: float


@dataclass(frozen=True, slots=True)
class Under:
    """A process under way. `backed`: its message is its own to acknowledge. `changed`: a crash here is a new one."""

    name: str
    message: Waiting
    backed: bool
    began: float
    answers: tuple[Answered, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    stands: str = ""
    call: Call | None = None
    changed: bool = True


@dataclass(frozen=True, slots=True)
class State:
    world: bytes
    under: tuple[Under, ...]
    done: int  # operations of the script
    left: tuple[int, ...]
    owed: bool = True
    ended: bool = False


@dataclass
class Explored:
    """`quiescent`: states without a process. `at_rest`: without a message either, and nothing more to come.

    `complete`: nothing is left to go on from. `broken`: by rule, the sentence and the names of the shortest way.
    """

    states: int = 0
    transitions: int = 0
    quiescent: int = 0
    at_rest: int = 0
    complete: bool = False
    seconds: float = 0.0
    calls: int = 0
    broken: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


class _Replaying(Process):
    """A process that is given its earlier answers again before it stands anywhere."""

    def __init__(self, name: str, act: Act, cloud: Cloud, answers: tuple[Answered, ...]) -> None:
        super().__init__(name, act, cloud.carry_out)
        self._cloud = cloud
        self._earlier = list(reversed(answers))
        self.stands: str | None = None

    def perform(self, call: Call, act: Act) -> Any:
        if self.dead or not self._earlier:
            if not self.dead:
                self.stands = "" if self.stands is None else position.here()  # the first is known from before
            return super().perform(call, act)
        earlier = self._earlier.pop()
        self._cloud.now = earlier.now
        if earlier.error is not None:
            raise replayed(earlier.error)
        return replayed(earlier.answer)


class Explorer:
    """`owed_at_the_edge`: COVER is owed even where the design leaves it to the reconcile (`Scenario.known_edge`)."""

    def __init__(self, plan: Scenario, *, owed_at_the_edge: bool = False) -> None:
        assert len(plan.keys) == 1
        self._excused = plan.known_edge and not owed_at_the_edge
        self.plan = plan
        self.key = plan.keys[0]
        self.cloud = Cloud(versioned=plan.versioned, replica_versioned=plan.replica_versioned, keys=plan.keys)
        self.subject = Subject(self.cloud, plan.policy, seconds=2 * CONFIRM_DELAY)
        self._story: Story | None = None
        self._process: _Replaying | None = None

    def explore(
        self, begin: tuple[str, ...] = (), *, seconds: float = 1e9, states: int = 10**9, first_only: bool = False
    ) -> Explored:
        """Breadth first until nothing is left, the time is up, or (`first_only`) a rule is broken. Where nothing is
        left, and nowhere everything is at rest, TERM is broken: the schedules go round in circles.

        `begin`: what happens first; all schedules that go on from there are explored.
        """
        explored, began = Explored(), clock.monotonic()
        *_, first = self._walk(begin)
        assert isinstance(first, State), first
        self._load(first)
        seen = {self._digest(first)}
        explored.at_rest += self._rests(first)
        waiting: deque[tuple[State, int]] = deque([(first, 0)])
        parents: list[int] = [-1]
        names: list[str] = [""]
        while waiting:
            explored.states = len(parents)
            if clock.monotonic() - began > seconds or len(parents) > states or (first_only and explored.broken):
                break
            state, number = waiting.popleft()
            for name, after in self.after(state):
                explored.transitions += 1
                if isinstance(after, Broken):
                    if after.rule not in explored.broken:
                        explored.broken[after.rule] = (str(after), (*_way(parents, names, number), name))
                    continue
                digest = self._digest(after)
                if digest not in seen:
                    seen.add(digest)
                    waiting.append((after, len(parents)))
                    parents.append(number)
                    names.append(name)
                    explored.quiescent += not after.under
                    explored.at_rest += self._rests(after)
        if not waiting and not explored.at_rest and not explored.broken:
            explored.broken["TERM"] = (f"TERM: of {len(parents)} states none is at rest", _way(parents, names, number))
        explored.states, explored.complete = len(parents), not waiting
        explored.seconds, explored.calls = clock.monotonic() - began, self.cloud.call_count
        return explored

    def told(self, names: tuple[str, ...]) -> str:
        """The story of a way through the states."""
        self._story = story = Story()
        try:
            *_, end = self._walk(names)
        finally:
            self._story = None
        return f"{self.plan}\n{story}\n{end if isinstance(end, Broken) else '(nothing broken)'}"

    def _walk(self, names: tuple[str, ...]) -> Iterator[State | Broken]:
        """The states of one way. "all event1": the message is received and worked on without a pause."""
        state: State | Broken = self.first()
        yield state
        for name in names:
            verb, _, what = name.partition(" ")
            others = len(state.under) if isinstance(state, State) else 0
            state = self._next(state, f"receive {what}" if verb == "all" else name)
            yield state
            while verb == "all" and isinstance(state, State) and len(state.under) > others:
                state = self._next(state, f"step {state.under[-1].name}")
                yield state

    def _next(self, state: State | Broken, name: str) -> State | Broken:
        assert isinstance(state, State), state
        after = next((after for each, after in self.after(state, only=name) if each == name), None)
        assert after is not None, f"{name} cannot happen: {[each for each, _ in self.after(state)]}"
        return after

    # -- states ------------------------------------------------------------------------------------------------------

    def first(self) -> State:
        self.cloud = self.subject.cloud
        if not hasattr(self, "_empty"):
            self._empty = self.cloud.snapshot()
        return State(self._empty, (), 0, tuple(getattr(self.plan.budgets, name) for name in TOLD))

    def _left(self, state: State, name: str) -> int:
        return state.left[TOLD.index(name)]

    def _spent(self, state: State, name: str) -> State:
        place = TOLD.index(name)
        return replace(state, left=tuple(n - (i == place) for i, n in enumerate(state.left)))

    def _load(self, state: State) -> None:
        self.cloud.restore(state.world)
        self.cloud.broken.clear()

    def _saved(self, state: State, **changes: Any) -> State:
        self._without_short_delays()
        self._work_on_the_outdated()
        return replace(state, world=self.cloud.snapshot(), **changes)

    def _digest(self, state: State) -> bytes:
        """Of the state that the cloud is in."""
        cloud = self.cloud
        item = cloud.item(self.key)
        messages = sorted(
            f"{position.blank(_heeded(message))}|{_heeded(message)} {min(message.receive_count, 2)} "
            f"{max(message.visible_at - cloud.now, 0) if message.visible_at < 1e15 else 'held'}"
            for message in cloud.queues[QUEUE]
        )
        under = sorted((position.blank(text), text) for text in (self._text_of(each) for each in state.under))
        parts = [
            str((state.done, state.left, state.owed, state.ended, cloud.latest)),
            _versions(cloud, self.key),
            position.item_text(item),
            *(text for _, text in under),
            *messages,
        ]
        generation = int(item["g"]["N"]) if item else 0
        text = position.canonical("\n".join(parts), generation, cloud.now, CONFIRM_DELAY)
        return blake2b(text.encode(), digest_size=12).digest()

    def _text_of(self, under: Under) -> str:
        message = f"{_heeded(under.message)} {min(under.message.receive_count, 2)}"
        standing = f"{under.reads} {under.call} {under.stands}"
        return f"{message} {under.backed} {under.changed} {position.MARK}t{under.began} {standing}"

    # -- what may happen next ----------------------------------------------------------------------------------------

    def after(self, state: State, only: str | None = None) -> Iterator[tuple[str, State | Broken]]:
        """Every next state with the name of what happened; or the rule that breaks there. `only`: what is asked for."""
        wanted = (lambda name: name == only) if only else (lambda _name: True)
        self._load(state)
        ticks = self._ticks(state)
        alone = None if ticks or state.done < len(self.plan.operations) else _reader(state)
        if alone is not None:
            yield from self._steps(state, alone, state.under[alone], wanted)
            return
        for place, under in enumerate(state.under):
            yield from self._steps(state, place, under, wanted)
        yield from self._operations(state, wanted)
        yield from self._receipts(state, wanted)
        yield from self._duplicates(state, wanted)
        yield from self._hints_of_reconciles(state, wanted)
        if only == OUTSIDE:
            self._load(state)
            self.cloud.replica.uploads.clear()
            self._tell("somebody", "aborts all uploads")
            yield OUTSIDE, self._saved(state)
        if ticks and wanted("tick"):
            self._load(state)
            self.cloud.now += TICK
            self._tell("time", f"passes: {TICK:.0f} s")
            yield "tick", self._saved(state)

    def _duplicates(self, state: State, wanted: Wanted) -> Iterator[tuple[str, State | Broken]]:
        if not self._left(state, "duplicates"):
            return
        self._load(state)
        for message in _distinct([each for each in self.cloud.queues[QUEUE] if each.id.startswith("event")]):
            name = f"duplicate {message.id}"
            if wanted(name):
                self._load(state)
                self.cloud.send(message.body, name=f"{message.id}-again")
                self._tell(message.id, "is delivered twice")
                yield name, self._saved(self._spent(state, "duplicates"))

    def _hints_of_reconciles(self, state: State, wanted: Wanted) -> Iterator[tuple[str, State | Broken]]:
        """At any time, whatever the reconcile saw; and one at the end, where an event was lost."""
        last, any_time = "the last reconcile", "reconcile's hint"
        if self._left(state, "spurious") and state.done and wanted(any_time):
            self._load(state)
            self._send_hint("run")
            yield any_time, self._saved(self._spent(state, "spurious"))
        if not state.owed and not state.ended and wanted(last) and self._is_still(state):
            self._send_hint("last-run")
            yield last, self._saved(state, ended=True)

    def _send_hint(self, run: str) -> None:
        self.cloud.send(to_body(PlainHint(bucket=SOURCE, key=self.key, id=run)), name=f"hint-of-{run}")
        self._tell("reconcile", "sends a hint")

    def _ticks(self, state: State) -> bool:
        """Something is delayed, and nobody who lives has lived through a tick already."""
        now = self.cloud.now
        delayed = any(now < message.visible_at < 1e15 for message in self.cloud.queues[QUEUE])
        return delayed and all(under.began == now for under in state.under)

    def _is_still(self, state: State) -> bool:
        self._load(state)
        return self._rests(state)

    def _rests(self, state: State) -> bool:
        """Of the state that the cloud is in."""
        return not state.under and not self.cloud.queues[QUEUE] and state.done == len(self.plan.operations)

    def _operations(self, state: State, wanted: Wanted) -> Iterator[tuple[str, State | Broken]]:
        if state.done == len(self.plan.operations):
            return
        operation = self.plan.operations[state.done]
        number = state.done + 1
        for fate in ("sent", "lost"):
            name = f"source {number} {operation.act}, its event {fate}"
            if not wanted(name) or (fate == "lost" and not self._left(state, "lost")):
                continue
            self._load(state)
            sequencer = self._change(operation.act, number)
            after = replace(state, done=number)
            if fate == "lost":
                after = replace(self._spent(after, "lost"), owed=False)
            else:
                kind = {"delete": "Object Deleted", "undo": "Object Deleted", "tag": "Object Tags Added"}
                body = event(self.key, sequencer, kind=kind.get(operation.act, "Object Created"), event_id=f"e{number}")
                self.cloud.send(body, name=f"event{number}")
            self._tell("producer", f"{operation.act}, its event is {fate}")
            yield name, self._checked(self._saved(after))

    def _change(self, act: SourceAct, number: int) -> str | None:
        cloud, key = self.cloud, self.key
        match act:
            case SourceAct.PUT | SourceAct.BIG | SourceAct.HUGE:
                return cloud.upload(key, act.body(number))
            case SourceAct.DELETE:
                return cloud.remove(key)
            case SourceAct.UNDO:
                return cloud.rollback(key)
            case SourceAct.TAG:
                cloud.retag(key, {"tag": str(number)})
        return None

    def _receipts(self, state: State, wanted: Wanted) -> Iterator[tuple[str, State | Broken]]:
        """A message is received and the row is read at once: nothing between the two can be seen from outside."""
        if len(state.under) >= self.plan.processes:
            return
        self._load(state)
        visible = [each for each in self.cloud.queues[QUEUE] if each.visible_at <= self.cloud.now]
        for message in _distinct(visible):
            name = f"receive {message.id}"
            if not wanted(name):
                continue
            self._load(state)
            received = self._message(message.id)
            received.receive_count += 1
            received.visible_at = 2e15
            yield name, self._started(state, received, backed=True)
        if self._left(state, "twice"):
            for under in state.under:
                name = f"twice {under.message.id}"
                if under.backed and wanted(name):
                    self._load(state)
                    self._tell(under.message.id, "is delivered once more, while it is worked on")
                    again = replace(under.message, receive_count=under.message.receive_count + 1)
                    after = self._spent(state, "twice")
                    if self._excused:
                        after = replace(after, owed=False)
                    yield name, self._started(after, again, backed=False)

    def _message(self, name: str) -> Waiting:
        found = self.cloud.message(name)
        assert found is not None
        return found

    def _started(self, state: State, message: Waiting, *, backed: bool) -> State | Broken:
        name = f"{message.id}#{message.receive_count}" + ("" if backed else "'")
        while any(under.name == name for under in state.under):
            name += "'"
        under = Under(name, replace(message), backed, self.cloud.now)
        self._tell(name, "begins")
        return self._moved(state, len(state.under), under, go)

    def _steps(self, state: State, place: int, under: Under, wanted: Wanted) -> Iterator[tuple[str, State | Broken]]:
        name = f"step {under.name}"
        crashes = self._left(state, "crashes")
        if wanted(name):
            self._load(state)
            yield name, self._moved(state, place, under, go)
        if crashes and under.changed and wanted(f"crash {under.name}"):
            self._load(state)
            self._tell(under.name, f"CRASHES before {under.call.operation if under.call else '?'}")
            yield f"crash {under.name}", self._dropped(self._spent(state, "crashes"), place, under)
        changes = under.call is not None and under.call.operation in CHANGING
        if crashes and changes and wanted(f"{name}, then crash"):
            self._load(state)
            after = self._moved(state, place, under, go, acknowledge=False)
            if isinstance(after, State) and len(after.under) < len(state.under):
                self._tell(under.name, "CRASHES before it acknowledges")
                yield f"{name}, then crash", self._spent(after, "crashes")
        if changes and self._left(state, "lost_answers") and wanted(f"lose-answer {under.name}"):
            self._load(state)
            self._tell(under.name, "the answer will be lost, and the SDK asks again")
            yield (
                f"lose-answer {under.name}",
                self._moved(self._spent(state, "lost_answers"), place, under, answer_lost),
            )

    # -- processes ---------------------------------------------------------------------------------------------------

    def _moved(self, state: State, place: int, under: Under, fate: Fate, *, acknowledge: bool = True) -> State | Broken:
        """The process makes its pending call; the world is loaded already."""
        cloud, now = self.cloud, self.cloud.now
        message = handed_over(under.message)
        process = _Replaying(under.name, lambda: self.subject.invoke([message]), cloud, under.answers)
        process.reads = dict(under.reads)
        cloud.now = under.began
        process.start()
        cloud.now = now
        call = process.pending
        answers: list[Answered] = []
        process.step(self._noting(fate, answers))
        if fate is answer_lost and process.pending is call:
            process.step(self._noting(go, answers))
        changed = call is not None and call.operation in CHANGING
        if process.finished:
            if isinstance(process.error, Exception):
                return Broken("BOOKS", f"{under.name} ended with {process.error!r}")
            done = process.result if acknowledge else set()
            return self._gone(state, place, under, done)
        next_under = replace(
            under,
            answers=(*under.answers, *answers),
            reads=tuple(sorted(process.reads.items())),
            stands=process.stands or "",
            call=process.pending,
            changed=(changed or not under.answers) and self._left(state, "crashes") > 0,
        )
        process.crash()
        rest = (*state.under[:place], next_under, *state.under[place + 1 :])
        return self._checked(self._saved(state, under=rest))

    def _noting(self, fate: Fate, answers: list[Answered]) -> Fate:
        def noted(process: Process, call: Call, act: Act) -> Any:
            heard: list[str] = []
            told = fate if self._story is None else self._story.listening(fate, heard)
            try:
                answer = told(process, call, act)
            except ClientError as error:
                answers.append(Answered(None, error, self.cloud.now))
                raise
            finally:
                self._tell(process.name, f"{call.operation} {call.key or ''}", *heard)
            answers.append(Answered(taken(answer), None, self.cloud.now))
            return answer

        return noted

    def _gone(self, state: State, place: int, under: Under, done: set[str]) -> State | Broken:
        """The invocation has ended: acknowledged, or its message is visible again."""
        if under.backed and under.message.id in done:
            self.cloud.acknowledge(done)
            self._tell(under.name, "acknowledges")
            return self._checked(self._saved(state, under=_without(state.under, place)))
        return self._dropped(state, place, under)

    def _dropped(self, state: State, place: int, under: Under) -> State | Broken:
        if under.backed:
            self._message(under.message.id).visible_at = self.cloud.now
        return self._checked(self._saved(state, under=_without(state.under, place)))

    def _without_short_delays(self) -> None:
        """Only confirm hints are made to wait for a reason that the protocol rests on."""
        for message in self.cloud.queues[QUEUE]:
            if message.visible_at < 1e15 and TOMBSTONE.search(message.body) is None:
                message.visible_at = min(message.visible_at, self.cloud.now)

    def _work_on_the_outdated(self) -> None:
        cloud = self.cloud
        item = cloud.item(self.key)
        if item is None:
            return
        generation, deleting = int(item["g"]["N"]), item["s"]["S"] == RowState.DELETING.value
        for message in list(cloud.queues[QUEUE]):
            tombstone = TOMBSTONE.search(message.body)
            if tombstone is None or message.visible_at > 1e15:
                continue
            number = int(tombstone[1])
            if number < generation or (number == generation and not deleting):
                given = handed_over(message)
                process = Process(message.id, lambda given=given: self.subject.invoke([given]), cloud.carry_out)
                process.start()
                process.step(go)
                if process.finished and process.result == {message.id}:
                    cloud.acknowledge({message.id})
                else:
                    process.crash()

    # -- rules -------------------------------------------------------------------------------------------------------

    def _checked(self, state: State) -> State | Broken:
        if self.cloud.broken:
            return Broken(*self.cloud.broken[0])
        if state.under or self.cloud.queues[QUEUE]:
            return state
        if state.owed or state.ended:
            difference = self.subject.difference(self.key, tags=state.owed)
            if difference is not None:
                return Broken("QUIET" if state.ended else "COVER", difference)
        budgets = self.plan.budgets
        if self.cloud.replica.uploads and not (budgets.crashes or budgets.lost_answers):
            return Broken(
                "ORPHAN", f"nobody has crashed, and uploads are left open: {sorted(self.cloud.replica.uploads)}"
            )
        return state

    def _tell(self, who: str, what: str, *result: str) -> None:
        if self._story is not None:
            self._story.tell(self.cloud, who, what.strip(), "", " ".join(result))


def _reader(state: State) -> int | None:
    return next(
        (
            place
            for place, under in enumerate(state.under)
            if under.call is not None and under.call.principal == "source"
        ),
        None,
    )


def _without(under: tuple[Under, ...], place: int) -> tuple[Under, ...]:
    return under[:place] + under[place + 1 :]


def _heeded(message: Waiting) -> str:
    """What of a message decides anything: not its id."""
    return NAME.sub("", message.body)


def _distinct(messages: list[Waiting]) -> list[Waiting]:
    """One of those that nobody can tell apart."""
    return list({(_heeded(message), min(message.receive_count, 2)): message for message in messages}.values())


def _versions(cloud: Cloud, key: str) -> str:
    """The source's versions, and the replica's current one: older ones are never looked at."""
    source = [(each.id, each.etag, each.body, each.marker, each.tags) for each in cloud.source.keys.get(key, [])]
    current = cloud.replica.current(key)
    shown = "-"
    if current is not None:
        metadata = position.text(current.attributes.get("Metadata", {}))
        shown = f"{current.id} {current.etag} {current.body!r} {current.tags} {metadata}"
    uploads = [(name, sorted(upload["parts"])) for name, upload in cloud.replica.uploads.items()]
    return f"{source}\n{shown}\n{uploads}"


def _way(parents: list[int], names: list[str], number: int) -> tuple[str, ...]:
    way = []
    while number > 0:
        way.append(names[number])
        number = parents[number]
    return tuple(reversed(way))


def summed(explored: list[Explored]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in explored:
        total += Counter(states=each.states, transitions=each.transitions, calls=each.calls)
    return total
