"""One schedule: a producer, some invocations, a queue, and a chooser that says what happens next, down to every call.

Safety (MONO, CLAIM, MIX, FENCE) is looked at after every step, COVER whenever nothing is queued or under way, TERM by a
bound on the steps. At the end trouble ends, a reconcile runs, and QUIET and ORPHAN are owed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from itertools import count
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from consumer_replicator.hint import PlainHint, to_body
from consumer_replicator.queue import Message
from producer_events.scope import Scope
from tests.consumer.fake_aws import DLQ, QUEUE, RANGES, SOURCE, Call, Waiting, refuse
from tests.consumer.rig import event
from tests.simulation import damage, scenario
from tests.simulation.broken import Broken
from tests.simulation.choices import Chance, Chooser, Option, Replay
from tests.simulation.cloud import SHARDS, Act, Cloud
from tests.simulation.process import Fate, Process, answer_lost, failing, go, losing
from tests.simulation.scenario import Budgets, Kind, Operation, Scenario
from tests.simulation.story import Story
from tests.simulation.subject import INVOCATION_SECONDS, MOST_TRIES, Subject, handed_over
from tests.simulation.transfers import SLEEP, STEPS_A_RUN, Transfers

STEPS_A_SCENARIO = 200
STEPS_AN_OPERATION = 400
VISIBILITY = 6 * INVOCATION_SECONDS
HASTE = 7.0
"""Seconds that time moves at most while somebody works, so that invocations live through some of it."""
A_BATCH = 3
SHARDS_OF_RUNS = 2
"""Every run asks each of them at every pass."""
RIPE = 200_000.0
"""Seconds after which a reconcile looks at everything, also at what failed, and at uploads that have come to a stop."""
CONDITIONAL = frozenset({"PutObject", "DeleteObject", "PutItem", "UpdateItem", "CompleteMultipartUpload"})
DENIED = frozenset({"GetObject", "PutObject", "CreateMultipartUpload", "UploadPartCopy", "ListObjectsV2"})
CHANGING = CONDITIONAL | {
    "SendMessage",
    "SendMessageBatch",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CopyObject",
    "AbortMultipartUpload",
    "PutObjectTagging",
    "DeleteObjectTagging",
    "ChangeMessageVisibility",
}


type _Options = list[tuple[Option, Callable[[], None]]]


@dataclass
class Working:
    """An invocation under way: the messages it was handed, when it began, and after how many `seconds` it is killed.

    `transfer`: whose it is, the transfer function's or the replicator's. `turn`: the thread of it that is to go on.
    """

    process: Process
    messages: list[Waiting]
    began: float
    seconds: float = INVOCATION_SECONDS
    transfer: bool = False
    turn: Process | None = None


class Simulation:
    """`covered` collects the kinds of states seen: what row, source and replica were, and where processes stood.

    `chosen`: the names of all choices. `happened`: trouble by kind. `times`: of each key when the source's states
    began.
    """

    def __init__(
        self, plan: Scenario, chooser: Chooser, *, story: Story | None = None, covered: set[str] | None = None
    ) -> None:
        self.plan = plan
        self.chooser = chooser
        self.cloud = Cloud(
            versioned=plan.versioned,
            replica_versioned=plan.replica_versioned,
            keys=plan.keys,
            shards=SHARDS_OF_RUNS if plan.runs else SHARDS,
        )
        self.subject = Subject(
            self.cloud, plan.policy, Scope(exclusions=("out-of-scope",)), server_side=plan.server_side
        )
        self.left = Counter({field.name: getattr(plan.budgets, field.name) for field in fields(Budgets)})
        self.operations = list(plan.operations)
        self.working: dict[str, Working] = {}
        self.chosen: list[str] = []
        self.happened: Counter[str] = Counter()
        self.owed = True
        self.calls = 0
        self.messages_lost = 0
        self._bodies = count(1)
        self._events = count(1)
        self._spurious = count(1)
        self._foreign = count(1)
        self._story = story
        self._calm = False
        self._reconciles = 1
        self._covered = covered
        self.began = self.cloud.now
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self._late_parts: list[tuple[str, Act]] = []
        self.transfers = Transfers(self, plan.runs) if plan.runs else None

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """:raises Broken: a rule did not hold."""
        try:
            self._go_on(self._most_steps)
            self._afterwards()
        finally:
            for work in self.working.values():
                work.process.crash()
            self.calls = self.cloud.call_count

    @property
    def _most_steps(self) -> int:
        runs = len(self.plan.runs.asks) + 1 if self.plan.runs else 0
        return STEPS_A_SCENARIO + STEPS_AN_OPERATION * len(self.plan.operations) + STEPS_A_RUN * runs

    def _go_on(self, most: int) -> None:
        for _ in range(most):
            self._check_cover()
            options = self._options()
            place = self.chooser.choose([option for option, _ in options]) if options else None
            if place is None:
                return
            option, act = options[place]
            self.chosen.append(option.name)
            act()
            self._check_safety()
            if self._covered is not None:
                self._cover(self._covered)
        raise Broken("TERM", f"not finished after {most} steps")

    def _cover(self, covered: set[str]) -> None:
        """Of each key its kind of state, and the calls before which processes stand with it."""
        pending = [each.pending for work in self.working.values() for each in work.process.standing()]
        for key in self.plan.keys:
            standing = sorted(call.operation for call in pending if call is not None and call.key == key)
            covered.add(f"{_kind(self.cloud, key)} {standing}")

    def _check_safety(self) -> None:
        if self.cloud.broken:
            raise Broken(*self.cloud.broken[0])

    def _check_cover(self) -> None:
        if self.cloud.queues[DLQ] and sum(self.happened.values()) + self.subject.out_of_time >= MOST_TRIES:
            self.owed = False  # a message has had all its tries
        if self.owed and not self._copying and not self.cloud.queues[QUEUE]:
            self._compare("COVER")

    @property
    def _copying(self) -> int:
        """How many invocations of the replicator are under way."""
        return sum(not work.transfer for work in self.working.values())

    def _compare(self, rule: str) -> None:
        """Tags are not in a listing: once an event is lost, they are owed no more."""
        for key in self.plan.keys:
            difference = self.subject.difference(key, tags=self.owed)
            if difference is not None and not self._may_be_anybodys(key):
                raise Broken(rule, difference)

    def _may_be_anybodys(self, key: str) -> bool:
        """A replica without an object and without a row is left alone. One of ours can be left so where a copier
        stopped between its replica and its row, the message was lost for good, and so was the event of the delete.
        """
        gone = self.cloud.source.current(key) is None and self.cloud.item(key) is None
        return gone and self.messages_lost > 0

    # -- what may happen next ----------------------------------------------------------------------------------------

    def _options(self) -> _Options:
        options: _Options = []
        for work in self.working.values():
            self._options_of(work, options)
        waiting = self.cloud.queues[QUEUE]
        visible = [message for message in waiting if message.visible_at <= self.cloud.now]
        if visible and self._copying < self.plan.processes:
            self._options_to_receive(visible, options)
        if self.operations:
            operation = self.operations[0]
            name = f"source {len(self.plan.operations) - len(self.operations) + 1} {operation.act} {operation.key}"
            options.append((Option(name, 2), self._produce))
        if self.transfers:
            options += self.transfers.options()
        self._options_of_time([*waiting, *self.cloud.queues[RANGES]], visible, options)
        if not self._calm:
            self._options_of_trouble(waiting, options)
        return options

    def _options_of(self, work: Working, options: _Options) -> None:
        standing = work.process.standing()
        for thread in standing:
            at_it: _Options = []
            self._options_at(work, thread, 4 / len(standing), at_it)
            if thread is not work.process:
                at_it = [(option, partial(self._take_turn, work, thread, act)) for option, act in at_it]
            options += at_it

    def _take_turn(self, work: Working, thread: Process, act: Callable[[], None]) -> None:
        work.turn = thread
        act()

    def _options_at(self, work: Working, thread: Process, weight: float, options: _Options) -> None:
        left, name, call = self.left, thread.name, thread.pending
        if call is SLEEP:
            if self._may_pass(self.cloud.now + 1, but=work):
                options.append((Option(f"step {name}", 2, calm=1), lambda: self._sleep(work)))
            return
        options.append((Option(f"step {name}", weight, calm=1), lambda: self._step(work, go)))
        if self._calm:
            return
        if left["crashes"]:
            options.append((Option(f"crash {name}", 0.1 * weight), lambda: self._crash(work)))
            options.append((Option(f"crash-slowly {name}", 0.05 * weight), lambda: self._crash(work, slowly=True)))
        if call is None:
            return
        if left["lost_answers"] and call.operation in CHANGING:
            options.append((Option(f"lose-answer {name}", 0.5), lambda: self._lose_answer(work, again=True)))
            options.append((Option(f"lose-answer-for-good {name}", 0.3), lambda: self._lose_answer(work, again=False)))
        if left["refusals"]:
            options.append((Option(f"refuse {name}", 0.4), lambda: self._refuse(work, call)))
        if left["denied"] and call.operation in DENIED:
            options.append((Option(f"deny {name}", 0.5), lambda: self._deny(work, call)))
        self._options_of_wrong_answers(work, call, name, options)

    def _options_of_wrong_answers(self, work: Working, call: Call, name: str, options: _Options) -> None:
        left = self.left
        damages = left["damaged"] > 0 and self._would_be_noticed(call)
        match call.operation:
            case "GetObject" if damages:
                options.append((Option(f"cut {name}", 0.6), lambda: self._damage(work, damage.cut)))
                options.append((Option(f"flip {name}", 0.6), lambda: self._damage(work, damage.flipped)))
            case "UploadPartCopy" if damages:
                options.append((Option(f"copy-wrongly {name}", 0.6), lambda: self._copy_wrongly(work)))
            case "ListObjectsV2" if left["wrong_listings"] and work.transfer and call.principal == "source":
                options.append((Option(f"mislead {name}", 0.6), lambda: self._mislead(work)))
        if call.operation == "UploadPartCopy" and left["late_parts"]:
            options.append((Option(f"late-part {name}", 1), lambda: self._give_up_a_part(work)))

    def _would_be_noticed(self, call: Call) -> bool:
        """Whether every source version has a checksum by which a bit that flips is noticed: that of parts of no uniform
        size tells nothing, and what was not encrypted on its way is taken for what it is.
        """
        versions = self.cloud.source.keys.get(call.key or "", ())
        return all(not version.parts or _is_cut_evenly(version.parts) for version in versions)

    def _options_to_receive(self, visible: list[Waiting], options: _Options) -> None:
        weight = 3 / len(visible)
        options += [
            (Option(f"receive {message.id}", weight, calm=2), lambda message=message: self._receive([message]))
            for message in visible
        ]
        if len(visible) > 1:
            options.append((Option("receive several", 1), lambda: self._receive(visible[:A_BATCH])))

    def _options_of_time(
        self,
        waiting: Any,
        visible: list[Waiting],
        options: _Options,
    ) -> None:
        later = [message.visible_at for message in waiting if message.visible_at > self.cloud.now]
        due = self.transfers.is_due() if self.transfers else None
        if due is not None:
            later.append(due)
        if not later:
            return
        to = min(later)
        if self.working:
            to = min(to, self.cloud.now + HASTE)
            if not self._may_pass(to):
                return
        busy = self.working or visible
        options.append((Option("time", 0.4 if busy else 4, calm=3), lambda: self._pass_time(to)))

    def _may_pass(self, to: float, but: Working | None = None) -> bool:
        """Whether it may be so late: nobody is killed at the end of the time but at the cost of a crash."""
        outlived = (to - work.began >= work.seconds for work in self.working.values() if work is not but)
        return self.left["crashes"] > 0 or not any(outlived)

    def _options_of_trouble(self, waiting: Any, options: _Options) -> None:
        left = self.left
        if self._late_parts:
            options.append((Option(f"lands {self._late_parts[0][0]}", 1), self._land_a_part))
        if left["twice"] and self._copying < self.plan.processes:
            options += [
                (
                    Option(f"twice {message.id}", 0.7),
                    lambda work=work, message=message: self._receive_twice(work, message),
                )
                for work in self.working.values()
                for message in work.messages
            ]
        if left["spurious"]:
            options.append((Option("spurious", 0.15), self._send_spurious))
        if left["foreign"]:
            options.append((Option("foreign", 0.15), self._send_foreign))
        if left["reconciles"] and self._copying < self.plan.processes:
            options.append((Option("reconcile", 0.15), self._start_reconcile))
        if left["lost"]:
            options += [
                (Option(f"lose {message.id}", 0.15), lambda message=message: self._lose(message))
                for message in waiting
                if message.visible_at <= self.cloud.now
            ]

    # -- the producer ------------------------------------------------------------------------------------------------

    def _produce(self) -> None:
        operation = self.operations.pop(0)
        self._tell("producer", str(operation.act), operation.key, "")
        kind, sequencer = self._change(operation)
        if kind is None:
            return
        name = f"event{next(self._events)}"
        body = event(operation.key, sequencer, kind=kind, event_id=name)
        fates = {"sent": 6.0, "lost": 12.0 if self.transfers else 3.0, "duplicated": 3.0, "late": 3.0}
        budget = {"lost": "lost", "duplicated": "duplicates", "late": "late"}
        possible = [
            Option(f"{fate} {name}", weight, calm=fate == "sent")
            for fate, weight in fates.items()
            if fate == "sent" or (self.left[budget[fate]] and not self._calm)
        ]
        place = self.chooser.choose(possible) if len(possible) > 1 else 0
        chosen = possible[place or 0].name
        if len(possible) > 1:
            self.chosen.append(chosen)
        fate = chosen.split()[0]
        if fate != "sent":
            self._spend(budget[fate], "producer", f"its event is {fate}")
        if fate == "lost":
            self.owed = False
            return
        self.cloud.send(body, 40.0 if fate == "late" else 0, name=name)
        if fate == "duplicated":
            self.cloud.send(body, name=f"{name}-again")

    def _change(self, operation: Operation) -> tuple[str | None, str | None]:
        """Kind and sequencer of the event that tells of it; None: nothing changed."""
        key = operation.key
        told = self._changed(operation, key)
        self.times[key] += [self.cloud.now] * (self.cloud.state_index(key) - len(self.times[key]))
        return told

    def _changed(self, operation: Operation, key: str) -> tuple[str | None, str | None]:
        cloud = self.cloud
        number = next(self._bodies)
        match operation.act:
            case scenario.Act.COMPOSITE:
                algorithm = scenario.ALGORITHMS[number % len(scenario.ALGORITHMS)]
                parts = operation.act.parts(number)
                return "Object Created", cloud.upload_in_parts(key, parts, algorithm, tags=_tags(number))
            case scenario.Act.PUT | scenario.Act.BIG | scenario.Act.HUGE:
                return "Object Created", cloud.upload(key, operation.act.body(number), tags=_tags(number))
            case scenario.Act.DELETE if cloud.source.current(key) is not None:
                return "Object Deleted", cloud.remove(key)
            case scenario.Act.UNDO if cloud.source.keys.get(key):
                return "Object Deleted", cloud.rollback(key)
            case scenario.Act.TAG if cloud.source.current(key) is not None:
                cloud.retag(key, {"tag": str(number)})
                return "Object Tags Added", None
        return None, None

    # -- invocations -------------------------------------------------------------------------------------------------

    def _receive(self, messages: list[Waiting]) -> None:
        for message in messages:
            message.receive_count += 1
            message.visible_at = self.cloud.now + VISIBILITY
        self._start(messages)

    def _receive_twice(self, work: Working, message: Waiting) -> None:
        """Delivered once more while the first delivery is being worked on."""
        self._spend("twice", message.id, "is delivered once more, while it is worked on")
        if work.transfer and self.transfers:
            self.transfers.twice(message)
            return
        if self.plan.known_edge:
            self.owed = False
        message.receive_count += 1
        self._start([message])

    def _start(self, messages: list[Waiting]) -> None:
        name = "+".join(f"{message.id}#{message.receive_count}" for message in messages)
        given: list[Message] = [handed_over(message) for message in messages]
        self._begin(name, messages, lambda: self.subject.invoke(given))

    def _begin(
        self,
        name: str,
        messages: list[Waiting],
        act: Callable[[], Any],
        *,
        transfer: bool = False,
        seconds: float = INVOCATION_SECONDS,
    ) -> None:
        process = Process(name, act, self.cloud.carry_out, side_by_side=self.plan.threads and not transfer)
        self._tell(name, "begins", "", "")
        self.working[name] = Working(process, messages, self.cloud.now, seconds, transfer)
        process.start()

    def _step(self, work: Working, fate: Fate, said: str = "") -> None:
        process = work.process
        if process.finished:
            self._end(work)
            return
        thread, work.turn = work.turn or process, None
        call = thread.pending
        if self.transfers and fate is go and call and call.operation == "ListObjectsV2" and call.principal == "source":
            fate = self.transfers.listing
        if self._story is None:
            thread.step(fate)
        else:
            heard: list[str] = []
            thread.step(self._story.listening(fate, heard))
            self._tell(thread.name, call.operation if call else "", (call.key if call else "") or "", said, heard)
        if work.transfer and self.transfers:
            self.transfers.after_step(work, call)

    def _sleep(self, work: Working) -> None:
        """A second passes for all."""
        self._pass_time(self.cloud.now + 1, but=work)
        work.process.step(go)

    def _end(self, work: Working) -> None:
        """What is done with is acknowledged; a mapping does so once the function has returned."""
        process = work.process
        if process.threads:
            raise Broken("BOUND", f"{process.name} has ended, and a thread of it has not: {process.threads[0].pending}")
        del self.working[process.name]
        if work.transfer and self.transfers:
            said = process.result.get("state", "") if process.error is None else repr(process.error)
            self._tell(process.name, "ends", "", said)
            self.transfers.ended(work)
            return
        if process.error is not None:
            if isinstance(process.error, Exception) and not process.name.startswith("reconcile"):
                raise Broken("BOOKS", f"{process.name} ended with {process.error!r}") from process.error
            self.owed = False  # a reconcile that breaks off is repeated another day
            self._tell(process.name, "breaks off", "", repr(process.error))
            return
        if work.messages:
            self.cloud.acknowledge(process.result)
            self._tell(process.name, "acknowledges", "", ", ".join(sorted(process.result)) or "nothing")
        else:
            self._tell(process.name, "ends", "", "")

    def _crash(self, work: Working, *, slowly: bool = False) -> None:
        """The process is gone; its messages come back at once, or after their visibility timeout."""
        where = work.process.pending
        at = f"before {where.operation} {where.key or ''}" if where else "before it acknowledges"
        self._spend("crashes", work.process.name, f"CRASHES {at}")
        self._kill(work, slowly=slowly)

    def _kill(self, work: Working, *, slowly: bool) -> None:
        work.process.crash()
        del self.working[work.process.name]
        if work.transfer and self.transfers:
            self.transfers.killed(work)
        for message in work.messages:
            if not slowly and not self._is_worked_on(message):
                message.visible_at = self.cloud.now

    def _is_worked_on(self, message: Waiting) -> bool:
        return any(message is other for work in self.working.values() for other in work.messages)

    # -- trouble -----------------------------------------------------------------------------------------------------

    def _spend(self, budget: str, who: str, what: str) -> None:
        self.left[budget] = max(0, self.left[budget] - 1)
        self.happened[budget] += 1
        self._tell(who, what, "", "")

    def _lose_answer(self, work: Working, *, again: bool) -> None:
        what = "the answer will be lost" + (", and the SDK asks again" if again else "")
        self._spend("lost_answers", work.process.name, what)
        self._step(work, answer_lost if again else losing(ConnectionClosedError(endpoint_url="https://aws")))

    def _refuse(self, work: Working, call: Call) -> None:
        error = damage.refusal(call.operation, self.happened["refusals"])
        self._spend("refusals", work.process.name, f"is refused: {_code(error)}")
        self._step(work, failing(error))

    def _deny(self, work: Working, call: Call) -> None:
        """The message is acknowledged with a row FAILED, so the replica is late until a reconcile tries again."""
        self._spend("denied", work.process.name, "is denied")
        self.owed = False
        self._step(work, failing(refuse(call.operation, "AccessDenied", 403)))

    def _damage(self, work: Working, how: Callable[[Any], Any]) -> None:
        """What is flipped in a split upload is noticed when it is completed: FAILED, until a reconcile begins anew. If
        that completion itself had to wait for a reconcile, it takes another one.
        """
        self._spend("damaged", work.process.name, f"the body is {how.__name__}")
        if how is damage.flipped and any(operation.act is scenario.Act.HUGE for operation in self.plan.operations):
            self.owed, self._reconciles = False, 2

        def fate(process: Process, call: Call, act: Act) -> Any:
            return how(go(process, call, act))

        self._step(work, fate)

    def _mislead(self, work: Working) -> None:
        assert self.transfers is not None
        self._spend("wrong_listings", work.process.name, "is shown a wrong listing")
        self._step(work, self.transfers.misleading(work.process.name, self.happened["wrong_listings"]))

    def _copy_wrongly(self, work: Working) -> None:
        """S3 itself changes a bit of what it copies: noticed where the source's own checksum can tell, when the upload
        is completed. FAILED then, until a reconcile begins anew, as after a flip in a split upload.
        """
        self._spend("damaged", work.process.name, "a part is copied wrongly")
        self.owed, self._reconciles = False, 2

        def fate(process: Process, call: Call, act: Act) -> Any:
            self.cloud.copied = lambda body: body[:-1] + bytes([body[-1] ^ 1])
            try:
                return go(process, call, act)
            finally:
                self.cloud.copied = lambda body: body

        self._step(work, fate)

    def _give_up_a_part(self, work: Working) -> None:
        """Nobody waits for it any more, and S3 goes on with it."""
        name = f"part{self.happened['late_parts'] + 1}"
        self._spend("late_parts", work.process.name, f"gives up {name}, which is late")

        def fate(process: Process, call: Call, act: Act) -> Any:
            self._late_parts.append((name, lambda: self.cloud.carry_out(process, call, act)))
            raise ReadTimeoutError(endpoint_url="https://aws")

        self._step(work, fate)

    def _land_a_part(self) -> None:
        name, act = self._late_parts.pop(0)
        with suppress(ClientError):  # its upload may be gone
            act()
        self._tell(name, "lands", "", "")

    def _lose(self, message: Waiting) -> None:
        self._spend("lost", message.id, "is lost")
        self.messages_lost += 1
        self.owed = False
        self.cloud.acknowledge({message.id})

    def _send_spurious(self) -> None:
        name = f"spurious{next(self._spurious)}"
        self._spend("spurious", name, "is sent without a cause")
        self.cloud.send(to_body(PlainHint(bucket=SOURCE, key=self.plan.keys[0], id=name)), name=name)

    def _send_foreign(self) -> None:
        """What must not be worked on: another bucket's, another account's, out of scope, reserved, not even JSON."""
        number = next(self._foreign)
        name = f"foreign{number}"
        bodies = (
            event("k", bucket="another-bucket"),
            event("out-of-scope"),
            event("_s3-hydration/runs/x"),
            event("k", account="333333333333"),
            "{torn",
            to_body(PlainHint(bucket="another-bucket", key="k", id="x")),
        )
        self._spend("foreign", name, "is sent by a stranger")
        self.cloud.send(bodies[(number + len(self.chosen)) % len(bodies)], name=name)

    def _start_reconcile(self) -> None:
        self._spend("reconciles", "reconcile", "is due")
        name = f"reconcile{self.happened['reconciles']}"
        self.cloud.page_keys = 1
        self._begin(name, [], lambda: self.subject.reconcile(name, lag_objective=-1.0))

    def _pass_time(self, to: float, but: Working | None = None) -> None:
        """`but`: whoever waits for it to pass."""
        self._tell("time", f"passes: {to - self.cloud.now:.0f} s", "", "")
        self.cloud.now = to
        for work in list(self.working.values()):
            if to - work.began >= work.seconds and work is not but:
                self._spend("crashes", work.process.name, "is out of time, and KILLED")
                self._kill(work, slowly=True)

    # -- afterwards --------------------------------------------------------------------------------------------------

    def _afterwards(self) -> None:
        """Trouble is over. A reconcile finds nothing where COVER held, and makes it hold where it could not."""
        cloud, clean = self.cloud, self.owed
        self._calm = True
        self.chooser = Replay()
        self.operations.clear()
        cloud.page_keys = 1_000
        for number in range(1, self._reconciles + 1):
            cloud.now += RIPE
            if self.transfers:
                self._last_run(self.transfers, number, clean=clean)
            else:
                hinted = self.subject.reconcile(f"the-last-{number}", lag_objective=60.0)
                self._tell("reconcile", "the last one", "", f"{hinted} hints")
                self._check_quiet(hinted, clean=clean)
                self._go_on(self._most_steps)
        self._compare("QUIET")
        if cloud.queues[QUEUE]:
            raise Broken("TERM", f"messages are left: {[message.id for message in cloud.queues[QUEUE]]}")
        if cloud.queues[DLQ] and clean and not self.happened["foreign"]:
            raise Broken("BOOKS", f"dead letters: {[message.body for message in cloud.queues[DLQ]]}")
        cloud.now += 90_000
        self.subject.sweep()
        if cloud.replica.uploads:
            raise Broken("ORPHAN", f"uploads are left open: {sorted(cloud.replica.uploads)}")

    def _last_run(self, transfers: Transfers, number: int, *, clean: bool) -> None:
        """Of a source without an object nothing is deleted, whatever the limits are: until there is one again."""
        transfers.check_ends()
        run_id = transfers.last(f"the-last-{number}")
        self._go_on(self._most_steps)
        transfers.check_ends()
        if transfers.holds(run_id):
            self.operations.append(Operation(scenario.Act.PUT, self.plan.keys[0]))
            self._produce()
            self._go_on(self._most_steps)
            self.cloud.now += RIPE
            run_id, clean = transfers.last(f"the-last-{number}-released"), False
            self._go_on(self._most_steps)
            transfers.check_ends()
        self._check_quiet(transfers.hints[run_id], clean=clean)
        transfers.check_last(run_id)

    def _check_quiet(self, hinted: int, *, clean: bool) -> None:
        if clean and hinted:
            raise Broken("QUIET", f"a reconcile found {hinted} differences where there was none")

    # -- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, who: str, what: str, key: str, result: str, heard: list[str] | None = None) -> None:
        if self._story is not None:
            self._story.tell(self.cloud, who, what, key, " ".join([*(heard or ()), result]).strip())


def _kind(cloud: Cloud, key: str) -> str:
    """A key's state without what only counts up."""
    source, replica, item = cloud.source.current(key), cloud.replica.current(key), cloud.item(key)
    equal = source is not None and replica is not None and source.body == replica.body
    row = item["s"]["S"] if item else "-"
    return f"{'source' if source else '-'} {'equal' if equal else 'other' if replica else '-'} {row}"


def _is_cut_evenly(parts: list[bytes]) -> bool:
    return all(len(part) == len(parts[0]) for part in parts[:-1]) and len(parts[-1]) <= len(parts[0])


def _tags(number: int) -> dict[str, str]:
    return {"tag": str(number)} if number % 3 == 0 else {}


def _code(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def of_seed(
    seed: int, kind: Kind | None = None, *, story: Story | None = None, covered: set[str] | None = None
) -> Simulation:
    random = Random(seed)
    plan = scenario.of_seed(random, kind)
    return Simulation(plan, Chance(random), story=story, covered=covered)
