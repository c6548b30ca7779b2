"""What the transfer function is handed: payloads, messages of its queue, and what its earlier steps have left.

The real handler on the fake AWS. It answers with small JSON, or raises a `HydrationError`, so that SQS sets the message
aside after its tries; never anything else. Nothing but files below the reserved prefix is written to the replica.
"""

import copy
import json
import random
from collections import Counter

import pytest

from consumer_replicator.errors import FAILURE_CODES, HydrationError
from consumer_replicator.handlers import transfer
from consumer_replicator.handlers.telemetry import Telemetry
from producer_events.scope import Scope
from tests.consumer.clouds import Context
from tests.consumer.fake_aws import QUEUE, RANGES, World
from tests.consumer.rig import event
from tests.consumer.transfer_rig import TransferRig
from tests.hostile.damage import absurd_attributes
from tests.hostile.forgery import OTHERS
from tests.odd_keys import ODD_KEYS

CONTEXT = Context("s3-hydration-transfer")
PAYLOADS, STEPS = 800, 1_500
FIELDS = (
    *("mode", "prefix", "since", "until", "dry_run", "force", "max_objects", "objects_per_second"),
    *("sample", "read_bytes", "repair", "run_id", "stop"),
)
SENSIBLE = (
    "reconcile",
    "backfill",
    "verify",
    "watermark",
    "watermark",
    "in/",
    "../../",
    "run-1",
    "2026-11-24T06:00:00Z",
    1,
    0.5,
)
RUN_IDS = (
    "../../escape",
    "a/b",
    "a\nb",
    "a\u202eb",
    "a" * 65,
    ".",
    "..",
    "-",
    "",
    "a\x00",
    "run-1\n",
    "\u0661",
    "a%2fb",
)


@pytest.fixture
def rig(monkeypatch):
    world = World()
    rig = TransferRig(world, scope=Scope(prefixes=("in/",)), works=False, patience=0.0)
    telemetry = Telemetry("hostile-transfer")
    monkeypatch.setattr(transfer, "_application", lambda *_: (rig.transfer, telemetry))
    return rig


def handled(event):
    """What the function answers, as JSON; or the error that it ends with, which is one of ours."""
    try:
        return json.loads(json.dumps(transfer.handler(event, CONTEXT)))
    except HydrationError as error:
        assert error.code in FAILURE_CODES  # noqa: PT017 - that it fails is not asked for
        return error


def step(body):
    return handled({"Records": [{"messageId": "m", "body": body}]})


def assert_nothing_else_was_touched(world):
    assert all(key.startswith("_s3-hydration/") for key in world.replica.keys)
    for call in world.calls:
        assert call.principal != "source" or call.operation in ("ListObjectsV2", "GetObject", "HeadObject"), call


def assert_clean(text):
    assert text.isascii()
    assert "\x1b" not in text
    for line in text.splitlines():
        assert json.loads(line).keys() & {"level", "_aws"}


def test_forged_payloads_are_refused_with_every_problem_or_answered(rig, capsys):
    random_ = random.Random(1)
    rig.world.upload("in/a", b"x")
    states = set()
    for _ in range(PAYLOADS):
        names = random_.sample([*FIELDS, "unknown\n\x1b[2J", "__proto__"], k=random_.randrange(0, 5))
        event = {name: random_.choice(random_.choice((SENSIBLE, OTHERS))) for name in names}
        answer = handled(random_.choice([event, event, event, random_.choice(OTHERS)]))
        assert isinstance(answer, dict), answer
        states.add(answer["state"])
        if answer["state"] == "refused":
            assert answer.get("problems") or answer.get("note")
            assert all(len(problem) < 500 for problem in answer.get("problems", ()))
        rig.world.now += 1
    assert {"refused", "done", "watermark"} <= states
    assert_nothing_else_was_touched(rig.world)
    assert_clean(capsys.readouterr().out)


@pytest.mark.parametrize(
    "records", [*OTHERS, [{}], [{"body": None}], [{"body": {}}], [{"body": "{}"}, 7], [[]], {"body": "{}"}], ids=ascii
)
def test_what_looks_like_a_batch_of_the_queue_and_is_none_is_refused_as_a_payload(rig, records):
    answer = handled({"Records": records})
    assert answer == {"state": "refused", "problems": ["Records: is not a field of the payload"]}


@pytest.mark.parametrize("run_id", RUN_IDS)
def test_a_run_id_that_would_be_a_path_is_refused(rig, run_id):
    answer = handled({"run_id": run_id})
    assert answer["state"] == "refused"
    assert not rig.world.replica.keys


def test_forged_messages_of_the_ranges_queue_end_and_leave_the_run_as_it_is(rig, capsys):
    random_ = random.Random(2)
    rig.world.upload("in/a", b"x")
    rig.world.now += 10_000
    answer = handled({"run_id": "run-1"})
    assert answer["state"] == "settling"
    before = rig.runs.read("run-1").payload, rig.runs.read("run-1").ranges
    for _ in range(STEPS):
        body = {"run": random_.choice(["run-1", "run-1", "nobody", *OTHERS])}
        for name in random_.sample(["range", "tries", "other"], k=random_.randrange(3)):
            body[name] = random_.choice([0, 1, -1, 100_000, *OTHERS])
        text = json.dumps(body)
        if random_.random() < 0.1:
            text = random_.choice([text[:-1], "[]", "null", "", '{"run": {}}', "[" * 100_000, "\ufeff" + text])
        answer = step(text)
        assert answer == {} or isinstance(answer, HydrationError), answer
    assert (rig.runs.read("run-1").payload, rig.runs.read("run-1").ranges) == before
    assert_nothing_else_was_touched(rig.world)
    assert_clean(capsys.readouterr().out)


@pytest.mark.parametrize("tries", [-1, -(10**9), -(10**400), True, 10**400, 1.5, "9", None])
def test_a_step_that_keeps_failing_ends_however_its_tries_are_counted(rig, tries):
    """A forged count may cost some tries; it never makes a message that returns for ever."""
    rig.world.upload("in/a", b"x")
    rig.world.now += 10_000
    handled({"run_id": "run-1"})
    rig.world.queues[RANGES].clear()

    def fail(call):
        if call.operation == "BatchGetItem":
            raise HydrationError("throttled", "for ever")

    rig.world.before = fail
    rig.world.send(json.dumps({"run": "run-1", "tries": tries}), 0, RANGES)
    for _ in range(12):
        rig.world.now += 10_000
        (record,) = rig.world.receive(1, RANGES)
        answer = step(record["body"])
        if isinstance(answer, HydrationError):
            return
        rig.world.acknowledge({record["messageId"]}, RANGES)
    raise AssertionError("still sent again")


# -- what earlier steps left -------------------------------------------------------------------------------------------


def items_of_runs(world):
    return [place for place in world.rows if not place[0].rpartition("#")[2].isdigit()]


@pytest.mark.parametrize("event", [{}, {"mode": "watermark"}, {"run_id": "run-1"}, {"run_id": "run-1", "stop": True}])
def test_damaged_items_of_runs_are_told_by_their_code(rig, event):
    """A newer release's, or damaged: nothing is taken for what it is not."""
    for key in ("in/a", "in/b"):
        rig.world.upload(key, b"x")
    rig.world.now += 10_000
    handled({"run_id": "run-1"})
    handled({"prefix": "in/c", "run_id": "run-2"})
    rig.world.queues[RANGES].clear()
    stored = copy.deepcopy(rig.world.rows)
    for place in items_of_runs(rig.world):
        for name in stored[place]:
            if name in ("pk", "sk"):
                continue
            for value in (None, *absurd_attributes())[:: 6 if event == {} else 2]:
                rig.world.rows = copy.deepcopy(stored)
                damaged = rig.world.rows[place]
                damaged.pop(name) if value is None else damaged.update({name: value})
                answer = handled(event)
                if isinstance(answer, HydrationError):
                    assert answer.code in ("bad-row", "truncated", "unexpected"), (answer, place, name, value)
                step(json.dumps({"run": "run-1"}))


def drift_folder(rig, run_id):
    (key,) = [key for key in rig.world.replica.keys if key.startswith(f"_s3-hydration/runs/{run_id}/drift/")]
    return key


STRAYS = (
    "evil",
    "000001",
    "a-b-c.jsonl",
    "000000-000000-\n.jsonl",
    "../../x",
    "-.jsonl",
    "9" * 500,
    "\u0661-1-x.jsonl",
)


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_beside_those_of_a_run_is_left_out(rig, name):
    rig.world.upload("in/a", b"x")
    rig.world.now += 10_000
    handled({"run_id": "run-1"})
    folder = drift_folder(rig, "run-1").rpartition("/")[0]
    rig.world._store(rig.world.replica, f"{folder}/{name}", b"rubbish", {}, {})
    rig.works = True
    rig.steps()
    assert handled({"run_id": "run-1"})["state"] == "done"


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", b"\xff", b"{}", b"[]\n", b'{"k": "evil", "key": "x", "g": 1, "h": 1}']
)
def test_a_damaged_file_of_a_run_stops_it_with_a_reason(rig, body):
    rig.world.upload("in/a", b"x")
    rig.world.now += 10_000
    handled({"run_id": "run-1"})
    rig.world._store(rig.world.replica, drift_folder(rig, "run-1"), body, {}, {})
    answer = handled({"run_id": "run-1"})
    assert body == b"" or answer["note"].startswith("Interrupted, goes on by itself: The answer"), answer


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", b"\xff", b"{}", b"[]", b'{"drift": {"kinds": [{}]}}', b"[" * 100_000]
)
def test_a_damaged_report_is_told_as_one(rig, body):
    handled({"run_id": "run-1"})
    rig.world._store(rig.world.replica, "_s3-hydration/reports/run-1/report.json", body, {}, {})
    answer = handled({"run_id": "run-1"})
    assert answer["state"] == "done"
    assert "cannot be read" in answer["verdict"]


def test_every_odd_key_travels_through_a_run_into_files_and_a_page_without_markup(rig, capsys):
    """Keys are lines of files there, never names of files; in the page they are text."""
    hostile = ["<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "</style><svg onload=alert(1)>"]
    keys = [f"in/{key}" for key in (*ODD_KEYS.values(), *hostile) if len(key.encode()) <= 1021]
    for key in keys:
        rig.world.upload(key, b"x")
    rig.world.now += 10_000
    rig.works = True
    answer = handled({"run_id": "run-1"})
    rig.steps()
    answer = handled({"run_id": "run-1"})
    assert answer["books"]["copied"] == len(keys)
    own = [key for key in rig.world.replica.keys if key not in keys]
    assert {key.rpartition("/")[0] for key in own} == {
        "_s3-hydration/runs/run-1/drift",
        "_s3-hydration/reports/run-1",
    }
    page = rig.page("run-1").lower()
    for markup in ("<script", "<img", "onerror=alert(1)>", "<svg onload", "javascript:"):
        assert markup not in page
    assert_clean(capsys.readouterr().out)


GOLDEN_LINE = {"k": "missing", "key": "in/a", "z": 1, "m": 1_800_000_000, "g": 0, "h": 1}
SPOILT = [
    *({**GOLDEN_LINE, name: value} for name in (*GOLDEN_LINE, "r") for value in OTHERS),
    *({other: GOLDEN_LINE[other] for other in GOLDEN_LINE if other != name} for name in GOLDEN_LINE),
    {**GOLDEN_LINE, "zz": "of a newer release"},
]


@pytest.mark.parametrize("works", [True, False], ids=["settled", "settling"])
def test_a_drift_file_with_anything_in_it_is_read_or_stops_its_run_with_a_reason(rig, works):
    """It lies in the replica bucket, where others may write. What is read is reported, and never sent as a hint."""
    rig.world.upload("in/a", b"x")
    rig.world.now += 10_000
    handled({"run_id": "run-1"})
    rig.world.queues[QUEUE].clear()
    if works:
        rig.world.send(event("in/a"))
        rig.run()
    stored, file = copy.deepcopy(rig.world.rows), drift_folder(rig, "run-1")
    outcomes = Counter()
    then = rig.world.now
    for line in SPOILT:
        rig.world.rows, rig.world.now = copy.deepcopy(stored), then
        rig.world._store(rig.world.replica, file, json.dumps(line).encode() + b"\n", {}, {})
        answer = handled({"run_id": "run-1"})
        assert answer["state"] in ("done", "settling", "failed"), answer
        assert answer["state"] != "done" or answer["verdict"]
        step(json.dumps({"run": "run-1"}))
        outcomes["note" if "note" in answer else answer["state"]] += 1
    assert outcomes["note"] > 50
    assert outcomes["done" if works else "settling"] > 3
    assert not rig.world.queues[QUEUE]
