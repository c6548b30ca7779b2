"""The transfer function in a schedule: runs that are asked for, steps of the ranges queue, each an invocation that is
interleaved with all others at every call; and what is owed of a run when it is done.

RUNS    every run that was begun ends, whoever was killed on its way, and however many invocations had a hand in it
BOOKS   its report closes, and every key that it sent a hint for has come to an end
BREAKER hints that may delete are never more than the limits allow, and none where the listing was empty
VERDICT a report that says "fine", and a watermark that says "proven", are right of every key
DRY     a dry run, and a verify that repairs nothing, send no hint
WOLF    no verify calls a replica different: none ever is
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from consumer_replicator.breaker import Limits
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.payload import Mode, Payload
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.ranges_queue import Step
from consumer_replicator.reporting import total
from consumer_replicator.row import State
from consumer_replicator.run import Phase, Run
from consumer_replicator.transfer import SETTLE_WITHIN
from tests.consumer.fake_aws import DLQ, QUEUE, RANGES, SOURCE, Call, Waiting
from tests.consumer.transfer_rig import TransferRig
from tests.simulation.broken import Broken
from tests.simulation.choices import Option
from tests.simulation.cloud import Act, Cloud
from tests.simulation.process import Process, current_process, go
from tests.simulation.scenario import Runs, Scenario

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation, Working

SLEEP = Call("own", "Sleep", None)
"""A pause within an invocation, of a second: a place to stand before, as a call is."""
STEPS_A_RUN = 2_500
MOST_STEP_RECEIPTS = 5
"""As the template has it: then the message is among the dead letters."""
AT_ONCE = 2
"""Invocations of the transfer function."""
WAITS = 4
RUN = "run "
LOOSE = Limits(number=1_000, share=1.0)


class Environment(TransferRig):
    """The transfer function's inside, in an environment that one invocation at a time has."""

    def __init__(self, cloud: Cloud, plan: Scenario, runs: Runs, limits: Limits) -> None:
        super().__init__(
            cloud,
            policy=plan.policy,
            scope=None,
            works=False,
            limits=limits,
            chunk=runs.chunk,
            patience=runs.patience,
            lag_objective=runs.lag_objective,
            server_side=plan.server_side,
            shards=cloud.shards,
        )
        self.transfer._unique = lambda: f"{next(cloud.numbers):06x}"

    def _pass_time(self, seconds: float) -> None:
        assert 0 < seconds <= 1.0
        process = current_process()
        if process is not None:
            process.perform(SLEEP, lambda: None)


class Transfers:
    """Of one simulation. `runs`: what became of each so far. `shown`: the keys that the source's listing showed it."""

    def __init__(self, simulation: "Simulation", runs: Runs) -> None:
        self.simulation = simulation
        self.cloud = simulation.cloud
        self.plan = simulation.plan
        self.asked = runs
        self.asks = list(runs.asks)
        self.limits = runs.limits
        self.runs: dict[str, Run] = {}
        self.hints: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.reports: dict[str, dict[str, Any]] = {}
        self._extras: defaultdict[str, set[str]] = defaultdict(set)
        self._shown: defaultdict[str, set[str]] = defaultdict(set)
        self._misled: set[str] = set()
        self._killed: set[str] = set()
        self._idle: list[Environment] = []
        self._rented: dict[str, Environment] = {}
        self._run_of: dict[str, str] = {}
        self._numbers = 0
        self._waits = WAITS
        self._proven: float | None = None
        self.cloud.page_keys = runs.page_keys
        self.cloud.heard = self._heard

    # -- what may happen next ----------------------------------------------------------------------------------------

    def options(self) -> Iterator[tuple[Option, Callable[[], None]]]:
        working = [work for work in self.simulation.working.values() if work.transfer]
        visible = [each for each in self.cloud.queues[RANGES] if each.visible_at <= self.cloud.now]
        if len(working) < AT_ONCE:
            for message in visible:
                yield (
                    Option(f"receive {message.id}", 2 / len(visible), calm=2),
                    lambda message=message: self.take(message),
                )
            if self.asks:
                number = len(self.asked.asks) - len(self.asks) + 1
                yield Option(f"ask {number} {self.asks[0]}", 1.0 if self._is_any_old() else 0.3), self._ask_next
            for run_id in self._left(working):
                calm = 2 if not self.runs[run_id].rests else 4
                yield Option(f"go on {run_id}", 0.3, calm=calm), lambda run_id=run_id: self._go_on(run_id)
        if self._waits and self.asks and not self.simulation.working and not self._is_any_old():
            yield Option("wait", 0.5 if self.simulation.operations else 4), self._wait

    def _left(self, working: list["Working"]) -> list[str]:
        """Runs that nobody goes on with: a person does."""
        busy = {self._run_of[work.process.name] for work in working}
        busy |= {Step.from_body(message.body).run_id for message in self.cloud.queues[RANGES]}
        return [run.id for run in self.runs.values() if run.phase is not Phase.DONE and run.id not in busy]

    def is_due(self) -> float | None:
        """When the next run that has to wait can go on, though no message says so."""
        polls = [run.next_poll for run in self.runs.values() if not run.rests and run.next_poll]
        return min((poll for poll in polls if poll > self.cloud.now), default=None)

    def _is_any_old(self) -> bool:
        """Whether a run would look at any key: what has changed within the lag objective is left alone."""
        return any(
            each[-1] < self.cloud.now - self.asked.lag_objective for each in self.simulation.times.values() if each
        )

    def _wait(self) -> None:
        self._waits -= 1
        self.cloud.now += self.asked.lag_objective + 2
        self.simulation._tell("time", f"passes: {self.asked.lag_objective + 2:.0f} s", "", "")

    # -- invocations -------------------------------------------------------------------------------------------------

    def _ask_next(self) -> None:
        self.ask(self.asks.pop(0))

    def _go_on(self, run_id: str) -> None:
        self.happened["continued"] += 1
        self.ask(json.dumps({"run_id": run_id}))

    def ask(self, text: str) -> None:
        payload = Payload.parse(json.loads(text))
        self._numbers += 1
        name = f"ask{self._numbers}"
        self._begin(name, payload.run_id or "", [], lambda inside: inside.transfer.ask(payload, self._deadline()))

    def take(self, message: Waiting) -> None:
        """A message of the ranges queue is handed over; or set aside, when that was so too often."""
        if message.receive_count >= MOST_STEP_RECEIPTS:
            self.cloud.acknowledge({message.id}, RANGES)
            self.happened["dead steps"] += 1
            return
        message.receive_count += 1
        message.visible_at = self.cloud.now + 6 * self.asked.seconds
        self.twice(message)

    def twice(self, message: Waiting) -> None:
        step = Step.from_body(message.body)
        name = f"{message.id}#{message.receive_count}"
        if name in self.simulation.working:
            message.receive_count += 1
            name = f"{message.id}#{message.receive_count}"
        self._begin(name, step.run_id, [message], lambda inside: inside.transfer.step(step, self._deadline()))

    def _begin(
        self, name: str, run_id: str, messages: list[Waiting], act: Callable[[Environment], dict[str, Any]]
    ) -> None:
        inside = self._idle.pop() if self._idle else Environment(self.cloud, self.plan, self.asked, self.limits)
        self._rented[name] = inside
        others = [each for each, of in self._run_of.items() if of == run_id and each in self.simulation.working]
        self.happened["side by side"] += bool(run_id and others)
        self._run_of[name] = run_id
        self.simulation._begin(name, messages, lambda: act(inside), transfer=True, seconds=self.asked.seconds)

    def _deadline(self) -> Deadline:
        return Deadline(self.asked.seconds - 3, clock=lambda: self.cloud.now)

    def ended(self, work: "Working") -> None:
        """The environment is free again; a step's message is done with, unless it raised."""
        process = work.process
        self._idle.append(self._rented.pop(process.name))
        if process.error is None:
            self.cloud.acknowledge({message.id for message in work.messages}, RANGES)
            self._check_answer(process)
        elif not isinstance(process.error, HydrationError):
            raise Broken("BOOKS", f"{process.name} ended with {process.error!r}") from process.error
        elif not sum(self.simulation.happened.values()):
            raise Broken("BOOKS", f"{process.name} ended with {process.error!r}, and nothing had gone wrong")

    def killed(self, work: "Working") -> None:
        """Nothing of its environment is used again."""
        self._rented.pop(work.process.name, None)
        self._killed.add(self._run_of[work.process.name])
        self.happened["killed"] += 1

    def misleading(self, name: str, number: int) -> Callable[[Process, Call, Act], Any]:
        """The fate of a page of the source's listing that is empty, or without its first or last entry."""
        self._misled.add(self._run_of[name])

        def fate(process: Process, call: Call, act: Act) -> Any:
            answer = go(process, call, act)
            contents = answer.get("Contents", [])
            kept = ([], contents[1:], contents[:-1])[number % 3]
            left = {name: value for name, value in answer.items() if name != "Contents"}
            if number % 3 == 0:
                left = {"IsTruncated": False}
            shown = {**left, "KeyCount": len(kept)} | ({"Contents": kept} if kept else {})
            self._seen(process, shown)
            return shown

        return fate

    # -- what is seen ------------------------------------------------------------------------------------------------

    def after_step(self, work: "Working", call: Call | None) -> None:
        """What the call has changed of runs, and whether that may be."""
        if call is None or call.operation != "PutItem":
            return
        if call.key == "run":
            self._look(work.process.name)
        elif call.key == "watermark":
            self._check_proven()

    def listing(self, process: Process, call: Call, act: Act) -> Any:
        """The fate of a page of the source's listing that is as it must be."""
        answer = go(process, call, act)
        self._seen(process, answer)
        return answer

    def _seen(self, process: Process, answer: dict[str, Any]) -> None:
        run_id = self._run_of[process.name]
        self._shown[run_id].update(entry["Key"] for entry in answer.get("Contents", []))

    def _look(self, name: str) -> None:
        prefix = f"{SOURCE}#run#"
        inside = self._rented.get(name)
        assert inside is not None
        for (partition, sort), item in list(self.cloud.rows.items()):
            if sort != "run" or not partition.startswith(prefix):
                continue
            run_id = partition.removeprefix(prefix)
            known = self.runs.get(run_id)
            if known is not None and str(known.version) == item["v"]["N"]:
                continue
            run = self._outside(lambda run_id=run_id: inside.runs.read(run_id))
            self._run_begins(name, run)
            self.runs[run_id] = run
            if run.phase is Phase.DONE:
                self._check_done(inside, run)

    def _run_begins(self, name: str, run: Run) -> None:
        """An ask that named no run now has one; what it was shown before that is nothing."""
        if run.id not in self.runs and not self._run_of[name]:
            self._run_of[name] = run.id

    def _outside(self, act: Callable[[], Any]) -> Any:
        """Looks, as nobody's process."""
        assert current_process() is None
        return act()

    def _heard(self, body: str, queue: str) -> None:
        """Every message that is sent. What a run itself sends for a key that it was not shown may delete."""
        process = current_process()
        if queue != QUEUE or process is None or process.name not in self._rented:
            return
        hint = json.loads(body)
        run_id = hint["id"].removeprefix(RUN)
        run = self.runs[run_id]
        self.hints[run_id] += 1
        if not run.payload.sends_hints:
            raise_later(self.cloud, "DRY", f"run {run_id} ({run.payload.to_json()}) sent a hint for {hint['key']!r}")
        if hint["key"] not in self._shown[run_id] and (run.phase is Phase.DELETING or self._may_delete(hint["key"])):
            self._extras[run_id].add(hint["key"])
            self._check_breaker(run_id)

    def _may_delete(self, key: str) -> bool:
        """Whether a hint for it makes a copier delete a replica, and nobody deletes it already."""
        item = self.cloud.item(key)
        rests = item is not None and item["s"]["S"] not in (State.DELETING.value, State.DELETED.value)
        return rests and self.cloud.source.current(key) is None

    # -- what must hold ----------------------------------------------------------------------------------------------

    def _check_breaker(self, run_id: str) -> None:
        """Rows are never taken away, so there are as many as the run compared, or more."""
        extras, limits = self._extras[run_id], self.limits
        rows = sum(self.cloud.item(key) is not None for key in self.plan.keys)
        if len(extras) > min(limits.number, max(limits.few, limits.share * rows)):
            raise_later(
                self.cloud, "BREAKER", f"run {run_id} lets {sorted(extras)} of {rows} rows go, against {limits}"
            )
        if not self._shown[run_id]:
            raise_later(self.cloud, "BREAKER", f"run {run_id} was shown no key, and lets {sorted(extras)} go")

    def _check_answer(self, process: Process) -> None:
        answer = json.loads(json.dumps(process.result))
        report = self.reports.get(answer.get("run_id", ""))
        if report is not None and "verdict" in answer and answer["verdict"] != report["verdict"]["headline"]:
            later = answer["verdict"].startswith(("The report cannot be read", "The run failed"))
            if not later:
                raise Broken("BOOKS", f"the answer says {answer['verdict']!r}, the report {report['verdict']}")

    def _check_done(self, inside: Environment, run: Run) -> None:
        report = self._outside(lambda: inside.files.read_report(run.id))
        self.reports[run.id] = report
        self.happened["done"] += 1
        self.happened["done after a kill"] += run.id in self._killed
        books, extras, verdict = report["books"], report["extras"], report["verdict"]
        self.happened[f"verdict {verdict['level']}"] += 1
        self.happened["held"] += bool(extras["held"])
        if report["run"]["state"] != "done":
            raise Broken("BOOKS", f"run {run.id} is done, and its report says {report['run']['state']}")
        too_late = run.settle_from is not None and self.cloud.now - run.settle_from > SETTLE_WITHIN
        too_late = too_late and bool(self.simulation.messages_lost or self.cloud.queues[DLQ])
        if books["unaccounted"] or extras["unaccounted"] or not (verdict["closes"] or too_late):
            raise Broken("BOOKS", f"run {run.id} is done, and its books do not close: {books}, {extras}")
        if sum(books["different"].values()):
            raise Broken("WOLF", f"run {run.id} calls replicas different: {books['different']}")
        self._check_drifted(inside, run, report, too_late=too_late)
        if verdict["level"] == "fine":
            self._check_fine(inside, run, report)

    def _check_drifted(self, inside: Environment, run: Run, report: dict[str, Any], *, too_late: bool) -> None:
        """Every drifted key is in the books once; every hinted one has a row that somebody wrote after it was found."""
        records = self._outside(lambda: list(inside.files.drift(run.id, inside.runs.ranges(run))))
        keys = [record.key for record in records]
        if len(set(keys)) != len(keys) or report["drift"]["objects"] != len(keys):
            raise Broken("BOOKS", f"run {run.id} found {keys}, and reports {report['drift']['objects']}")
        if not run.payload.sends_hints or too_late:
            return
        for record in records:
            hinted = record.hinted or (not record.listed and not run.held)
            item = self.cloud.item(record.key)
            if hinted and (item is None or int(item["g"]["N"]) == record.generation):
                raise Broken("BOOKS", f"run {run.id} is done, and its hint for {record.key!r} has come to no end")

    def _check_fine(self, inside: Environment, run: Run, report: dict[str, Any]) -> None:
        """Nothing needs doing: so every key of the run is as it was when the run began to look, or newer."""
        payload, books = run.payload, report["books"]
        narrowed = payload.since or payload.until or payload.max_objects or payload.dry_run
        left = books["skipped"] or total(self._outside(lambda: inside.runs.ranges(run)))["unproven"]
        if narrowed or left or books["uploading"] or payload.mode is Mode.VERIFY or run.id in self._misled:
            return
        for key in self.plan.keys:
            if not payload.prefix or key.startswith(payload.prefix):
                deletes = payload.mode is Mode.RECONCILE and not report["extras"]["held"]
                self._check_here(
                    key, run.started - self.asked.lag_objective, f"run {run.id} says fine", deletes=deletes
                )

    def _check_proven(self) -> None:
        proven = self._stored_proven()
        if proven is None or proven == self._proven or self._misled:
            return
        self._proven = proven
        self.happened["proven"] += 1
        for key in self.plan.keys:
            self._check_here(key, proven, f"proven up to {proven - self.simulation.began:.0f} s")

    def _row_state(self, key: str) -> State | None:
        item = self.cloud.item(key)
        return None if item is None else State(item["s"]["S"])

    def _stored_proven(self) -> float | None:
        item = self.cloud.rows.get((f"{SOURCE}#watermark", "watermark"))
        proven: float | None = json.loads(item["w"]["S"])["proven"] if item else None
        return proven

    def _check_here(self, key: str, moment: float, who: str, *, deletes: bool = True) -> None:
        """The replica is what the source was at this moment, where it still is that. A replica without object and row
        may be anybody's, and the run did not see it; nor is that over where the row has been written meanwhile.
        """
        states, times = self.cloud.history.get(key, []), self.simulation.times[key]
        if not times or times[-1] >= moment:
            return  # whatever has changed since is of a later moment
        replica, source = self.cloud.replica.current(key), states[-1]
        body = None if replica is None else replica.body
        kept = source is None and not (deletes and self.plan.policy is DeletePolicy.MIRROR)
        kept = kept or (source is None and self._row_state(key) in (None, State.DELETING))
        if body != source and not kept:
            raise Broken("VERDICT", f"{who}, and the replica of {key!r} is {body!r}; the source is {source!r}")

    # -- in the end ----------------------------------------------------------------------------------------------------

    def check_ends(self) -> None:
        open_ones = [f"{run.id} ({run.phase})" for run in self.runs.values() if run.phase is not Phase.DONE]
        if open_ones:
            raise Broken("RUNS", f"they have come to no end: {', '.join(open_ones)}")
        if self.cloud.queues[RANGES]:
            raise Broken("RUNS", f"steps are left: {[message.body for message in self.cloud.queues[RANGES]]}")

    def last(self, run_id: str) -> str:
        """Asks for a run that sees everything, and lets every delete go that may ever go; its id."""
        self.asks.clear()
        self.limits = LOOSE
        self._idle.clear()
        self.ask(json.dumps({"run_id": run_id}))
        return run_id

    def holds(self, run_id: str) -> bool:
        """Whether the run held deletes: then there was nothing at the source, and there is a replica."""
        held = bool(self.reports[run_id]["extras"]["held"])
        objects = any(self.cloud.source.current(key) for key in self.plan.keys)
        if held and objects:
            raise Broken("BREAKER", f"run {run_id} held {self.reports[run_id]['extras']}, and the source is not empty")
        return held

    def check_last(self, run_id: str) -> None:
        """Where nothing stood in its way it proves that everything is here."""
        run, report = self.runs[run_id], self.reports[run_id]
        books = report["books"]
        if books["failed"] or books["uploading"] or report["extras"]["failed"]:
            return
        if books["waiting"] or books["skipped"] or report["extras"]["held"]:
            raise Broken("VERDICT", f"the last run left something: {books}, {report['extras']}")
        proven = self._stored_proven()
        if proven is None or proven < run.started - self.asked.lag_objective:
            raise Broken("VERDICT", f"the last run found everything here, and proven is {proven}")


def raise_later(cloud: Cloud, rule: str, sentence: str) -> None:
    """Noted where the product's own code is on the stack, which sets exceptions aside."""
    cloud.broken.append((rule, sentence))
