"""The operator's command line among hostile letters, answers, settings of a bucket and arguments.

It ends with a status and sentences that a terminal only shows; it deletes no letter whose event it has not handed on.
"""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from producer_events import __main__ as command
from producer_events.custom_resource import respond
from producer_events.object_event import BadEvent, parse_object_event
from producer_events.redrive import Kept, Redriven, redrive
from producer_events.terminal import shown
from tests.consumer.rig import event
from tests.hostile.forgery import ESCAPES, OTHERS, Forger
from tests.odd_keys import ODD_KEYS

NAMED = ["--bucket", "source-bucket", "--account", "111111111111"]
MOST_CALLS = 200
EVIL = ("\x1b[2Jgone", "\x1b]0;owned\x07", "a\nb", "a\rb", "\u202egnp", "\x9b31m", "\u2028", "\x00", "\udcff")


class Letters:
    """A queue that answers ReceiveMessage with these, then with nothing; `deleted`: receipts of what was deleted."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.deleted = []
        self.calls = 0

    def receive_message(self, **_asked):
        self.calls += 1
        assert self.calls < MOST_CALLS, "for ever"
        return self.answers.pop(0) if self.answers else {}

    def delete_message_batch(self, *, QueueUrl, Entries):  # noqa: N803
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]
        return {}


class Objects:
    """A queue that takes everything, or answers SendMessageBatch with what `answer` makes of its entries."""

    def __init__(self, answer=None):
        self.taken = []
        self._answer = answer or (lambda entries: {"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries]})

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803
        self.taken += [entry["MessageBody"] for entry in Entries]
        return self._answer(Entries)


def letter(number, body):
    return {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": body}


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command with these clients: its status and all that it prints, which is found to be harmless."""

    def run(*arguments, **clients):
        session = SimpleNamespace(client=lambda name: clients[name], region_name="us-east-1")
        monkeypatch.setattr(command, "_session", lambda *_: session)
        try:
            status = command.main(list(arguments))
        except SystemExit as ended:
            status = ended.code
        out, err = capsys.readouterr()
        assert status in (0, 1, 2)
        for line in (out + err).split("\n"):
            assert line.isprintable(), line
        assert "Traceback" not in err
        return status, out, err

    return run


def refuse(message):
    def answer(**_asked):
        raise ClientError({"Error": {"Code": "Evil", "Message": message}}, "Operation")

    return SimpleNamespace(
        receive_message=answer,
        send_message_batch=answer,
        head_object=answer,
        get_bucket_notification_configuration=answer,
    )


def is_event(body):
    try:
        return bool(parse_object_event(body))
    except BadEvent:
        return False


@pytest.mark.parametrize("as_json", [True, False])
def test_hostile_dead_letters_stay_and_are_told_in_lines_that_a_terminal_only_shows(run, as_json):
    forger = Forger(7)
    forged = [forger.body() for _ in range(400)] + [forger.genuine() for _ in range(100)]
    bodies = [*forged, *ESCAPES, *(json.dumps(each) for each in OTHERS)]
    letters = [letter(number, body) for number, body in enumerate(bodies)]
    queue, objects = Letters(*({"Messages": letters[n : n + 10]} for n in range(0, len(letters), 10))), Objects()
    form = ["--json"] if as_json else []
    status, out, _ = run("redrive", "--from-url", "u", "--queue-url", "v", *form, sqs=Both(queue, objects))
    honest = [each for each in letters if is_event(each["Body"])]
    assert len(honest) > 20
    assert status == 1
    assert queue.deleted == [each["ReceiptHandle"] for each in honest]
    assert objects.taken == [each["Body"] for each in honest]
    if as_json:
        assert len(json.loads(out)["kept"]) == len(letters) - len(honest)
    else:
        assert len(out.rstrip("\n").split("\n")) == len(letters) - len(honest) + 1


class Both:
    """One client for both queues."""

    def __init__(self, letters, objects):
        self.receive_message, self.delete_message_batch = letters.receive_message, letters.delete_message_batch
        self.send_message_batch = objects.send_message_batch


HONEST = event("in/a")
BROKEN = (
    {"Body": HONEST},
    {"MessageId": "m", "Body": HONEST},
    {"ReceiptHandle": "r", "Body": HONEST},
    {"MessageId": "", "ReceiptHandle": "r", "Body": HONEST},
    {"MessageId": "m", "ReceiptHandle": "r"},
    {"MessageId": "m", "ReceiptHandle": "r", "Body": ""},
    {"MessageId": "m", "ReceiptHandle": "r", "Body": "rubbish", "Attributes": {"x": "\x1b"}, "Unknown": 1},
    {},
)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_letter_that_is_told_of_in_part_harms_no_other_and_is_not_deleted(broken):
    queue = Letters({"Messages": [broken, letter(1, HONEST)]}, {"Messages": [broken]}, {"Messages": [broken]})
    ends = list(redrive(queue, "u", Objects(), "v", pause=lambda _seconds: None))
    assert [end for end in ends if isinstance(end, Redriven)] == [Redriven("in/a")]
    assert queue.deleted == ["r1"]


def test_a_queue_that_gives_the_same_letters_for_ever_is_not_asked_for_ever():
    queue = Letters(*[{"Messages": [letter(1, HONEST), letter(1, HONEST), letter(2, "rubbish")]}] * 150)
    ends = list(redrive(queue, "u", Objects(), "v", pause=lambda _seconds: None))
    assert queue.calls < 10
    assert sum(isinstance(end, Kept) for end in ends) == 1


IDS = st.sampled_from(["0", "1", "2", "3", "00", "-1", "99", "x", "", "\u0661", "9" * 5_000])
ACCEPTED = st.fixed_dictionaries({}, optional={"Id": IDS, "MessageId": st.sampled_from(["m", ""])})
REFUSED = st.fixed_dictionaries(
    {},
    optional={"Id": IDS, "Code": st.sampled_from(EVIL), "Message": st.sampled_from(EVIL), "SenderFault": st.booleans()},
)
ANSWERS = st.fixed_dictionaries(
    {}, optional={"Successful": st.lists(ACCEPTED), "Failed": st.lists(REFUSED), "Other": IDS}
)


@given(answer=ANSWERS, count=st.integers(1, 4))
def test_whatever_the_queue_answers_no_letter_is_deleted_that_it_has_not_taken(answer, count):
    queue = Letters({"Messages": [letter(number, HONEST) for number in range(count)]})
    ends = list(redrive(queue, "u", Objects(lambda _entries: answer), "v", pause=lambda _seconds: None))
    assert len(ends) == count
    taken = {each.get("Id") for each in answer.get("Successful", []) if each.get("MessageId")}
    assert {receipt.removeprefix("r") for receipt in queue.deleted} <= taken
    assert len(queue.deleted) == sum(isinstance(end, Redriven) for end in ends)


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_service_says_reaches_no_terminal_as_it_is(run, evil):
    for arguments in (
        ["redrive", "--from-url", "u", "--queue-url", "v"],
        ["switch-on", "source-bucket"],
        ["replay", *NAMED, "--queue-url", "v", "--look-up", "a", evil],
    ):
        status, out, err = run(*arguments, sqs=refuse(evil), s3=refuse(evil))
        assert status == 1
        assert out + err


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_bucket_s_notifications_are_called_reaches_no_terminal_as_it_is(run, evil):
    queue = {
        "Id": evil,
        "QueueArn": evil,
        "Events": [evil],
        "Filter": {"Key": {"FilterRules": [{"Name": evil, "Value": evil}]}},
    }
    s3 = SimpleNamespace(get_bucket_notification_configuration=lambda **_: {"QueueConfigurations": [queue]})
    status, out, _ = run("switch-on", "source-bucket", s3=s3)
    assert status == 0
    assert len(out.splitlines()) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        *([evil] for evil in EVIL),
        *(["pattern", *NAMED, "--prefix", evil] for evil in EVIL),
        *(["pattern", *NAMED, "--exclude", text] for text in ("*", "a*b", "*\x1b[2J*", "")),
        *(["pattern", "--bucket", evil, "--account", evil] for evil in EVIL),
        *(["redrive", "--from-url", "u", "--queue-url", "v", evil] for evil in EVIL),
        ["pattern", *NAMED, *["--prefix", "x" * 5_000] * 20],
        ["replay", *NAMED, "--queue-url", "v"],
        ["replay", *NAMED, "--queue-url", "v", "--keys-from", "/"],
        ["replay", *NAMED, "--queue-url", "v", "--keys-from", "\x1b[2J\n"],
        ["replay", *NAMED, "--queue-url", "v", "--keys-from", "a\x00b"],
        ["replay", *NAMED, "--queue-url", "v", "x" * 1_025, "\udcff", ""],
        ["replay", "--bucket", "\x1b", "--account", "\u0661", "--queue-url", "v", "a"],
    ],
    ids=lambda arguments: ascii(arguments)[:60],
)
def test_hostile_arguments_end_with_a_status_and_a_sentence(run, arguments):
    run(*arguments, sqs=Both(Letters(), Objects()))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"\x00", b"\n\n", b"a\x00b\x00", b"\xed\xa0\x80\n", b"k" * 10_000]
)
@pytest.mark.parametrize("null", [["--null"], []], ids=["nul", "lines"])
def test_a_file_of_keys_of_any_bytes_sends_keys_or_says_why_not(run, tmp_path, content, null):
    file = tmp_path / "keys"
    file.write_bytes(content)
    objects = Objects()
    run("replay", *NAMED, "--queue-url", "v", "--keys-from", str(file), *null, sqs=Both(Letters(), objects))
    assert all(parse_object_event(body).key.encode() in content for body in objects.taken)


@pytest.mark.parametrize(
    "answer", [{}, {"ETag": "e"}, {"ContentLength": 1}, {"ContentLength": -1, "ETag": "\x1b"}], ids=str
)
def test_an_answer_about_an_object_that_lacks_something_is_told_of_its_key_alone(run, answer):
    s3 = SimpleNamespace(head_object=lambda **_: answer)
    arguments = ["replay", *NAMED, "--queue-url", "v", "--look-up", "a", "b"]
    status, out, _ = run(*arguments, sqs=Both(Letters(), Objects()), s3=s3)
    assert out.splitlines()[-1].startswith("2 sent" if status == 0 else "0 sent")


@given(st.text())
def test_what_is_shown_is_one_line_without_what_a_terminal_obeys(text):
    assert shown(text).isprintable()
    assert shown(shown(text)) == shown(text)


@pytest.mark.parametrize("key", ODD_KEYS.values())
def test_letters_of_any_language_are_shown_as_they_are(key):
    assert not key.isprintable() or shown(key) == key


# -- requests to the custom resource -----------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(EVIL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "RequestType": st.sampled_from(["Create", "Update", "Delete", "delete", ""]) | ANY,
        "ResourceProperties": st.fixed_dictionaries({}, optional={"BucketName": ANY, "ExpectedOwner": ANY}) | ANY,
        **dict.fromkeys(("PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId", "ResponseURL"), ANY),
    },
)


@given(REQUESTS)
def test_every_request_to_the_custom_resource_is_answered(request):
    """CloudFormation would wait for an hour. A bucket is only touched for a request that names it and its owner."""
    asked = []

    def s3():
        asked.append(request)
        raise RuntimeError("\x1b[2J\n" * 500)

    answer = respond(request, s3)
    assert answer["Status"] in ("SUCCESS", "FAILED")
    assert answer["Reason"].isascii()
    assert answer["Reason"].isprintable()
    assert len(answer["Reason"]) <= 1_000
    json.dumps(answer)
    if asked:
        assert request["RequestType"] in ("Create", "Update")
        assert all(isinstance(value, str) and value for value in request["ResourceProperties"].values())
