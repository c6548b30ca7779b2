"""What AWS does, as cases: each asks a witness through the product's own edges and says what came of it.

`expected` is what the AWS documentation says; where a witness does something else, `DIFFERENT` names it. The fakes are
in no line of that table: what the schedules rest on has no exception.
"""

from collections.abc import Callable
from typing import Any

from consumer_replicator import checksum
from consumer_replicator.carried import Carried
from consumer_replicator.checksum import Checksum
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import ChangedUnderUs, HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.parts import Cut, Part
from consumer_replicator.replica import Writing
from consumer_replicator.row import ReplicaVersion, Row, State, Upload, touched
from tests.simulation.witnesses import Witness

type Case = Callable[[Witness], object]

CASES: dict[str, tuple[Case, object]] = {}
WRONG = Checksum("CRC32", "AAAAAA==")
NOT_THERE = ReplicaVersion("0" * 32)


def case(expected: object) -> Callable[[Case], Case]:
    def noted(asked: Case) -> Case:
        CASES[asked.__name__.replace("_", " ")] = (asked, expected)
        return asked

    return noted


def told(ask: Callable[[], Any]) -> object:
    """What came of a call: "done", or how the edge says that it was refused."""
    try:
        ask()
    except ChangedUnderUs as moved:
        return type(moved).__name__
    except HydrationError as error:
        return error.code
    return "done"


def writing(key: str = "k", expected: ReplicaVersion | None = None) -> Writing:
    return Writing(key, Carried(), {}, expected, source="v/1", generation=1)


def put(witness: Witness, expected: ReplicaVersion | None = None, body: bytes = b"body") -> ReplicaVersion:
    return witness.replica.put(writing(expected=expected), body, checksum.of(body, "CRC32"))


def identity(witness: Witness, key: str = "k") -> SourceIdentity:
    with witness.source.current(key) as found:
        assert found is not None
        return found.identity


# -- S3: conditional writes ------------------------------------------------------------------------


@case(["done", "ReplicaMoved"])
def a_put_if_none_is_there(witness: Witness) -> object:
    return [told(lambda: put(witness)) for _ in range(2)]


@case(["done", "ReplicaMoved"])
def a_put_over_the_expected_one_and_over_another(witness: Witness) -> object:
    first = put(witness)
    return [told(lambda: put(witness, first)) for _ in range(2)]


@case("ReplicaMoved")
def a_put_over_one_that_is_not_there(witness: Witness) -> object:
    return told(lambda: put(witness, NOT_THERE))


@case(["done", "ReplicaMoved"])
def after_a_delete_none_is_there(witness: Witness) -> object:
    first = put(witness)
    witness.replica.delete("k", first)
    return [told(lambda: put(witness)), told(lambda: put(witness, first))]


@case(["ReplicaMoved", "done", "done"])
def a_delete_of_another_one_of_the_expected_one_and_of_none(witness: Witness) -> object:
    first = put(witness)
    return [
        told(lambda expected=expected: witness.replica.delete("k", expected)) for expected in (NOT_THERE, first, first)
    ]


@case(True)
def every_write_has_an_etag_of_its_own(witness: Witness) -> object:
    """As under SSE-KMS: the conditions lean on it."""
    first = put(witness)
    return put(witness, first).etag != first.etag


@case("truncated")
def bytes_that_are_not_those_of_their_checksum(witness: Witness) -> object:
    return told(lambda: witness.replica.put(writing(), b"body", WRONG))


@case((b"v/1", 1, 4))
def a_head_shows_provenance_and_size(witness: Witness) -> object:
    put(witness)
    seen = witness.replica.head("k")
    return seen and ((seen.source or "").encode(), seen.generation, seen.size)


@case(None)
def a_head_of_what_is_deleted(witness: Witness) -> object:
    witness.replica.delete("k", put(witness))
    return witness.replica.head("k")


# -- S3: the source ------------------------------------------------------------------------


@case([None, b"one", b"two", None])
def the_current_object_is_read(witness: Witness) -> object:
    def body() -> bytes | None:
        with witness.source.current("k") as found:
            return None if found is None else found.read(Deadline(60.0))

    seen = [body()]
    for change in (
        lambda: witness.upload("k", b"one"),
        lambda: witness.upload("k", b"two"),
        lambda: witness.remove("k"),
    ):
        change()
        seen.append(body())
    return seen


@case([b"one", b"two"])
def a_version_permanently_deleted_shows_the_one_below(witness: Witness) -> object:
    bodies = []
    witness.upload("k", b"one")
    witness.upload("k", b"two")
    witness.permanently_delete("k")
    with witness.source.current("k") as found:
        bodies.append(found.read(Deadline(60.0)) if found else None)
    witness.upload("k", b"two")
    witness.remove("k")
    witness.permanently_delete("k")
    with witness.source.current("k") as found:
        bodies.append(found.read(Deadline(60.0)) if found else None)
    return bodies


@case([b"one", "SourceMoved"])
def a_part_is_pinned_to_its_version(witness: Witness) -> object:
    """Also when another is current; not when it is permanently deleted."""

    def read() -> bytes:
        body = bytearray(3)
        with witness.source.part("k", first, Part(1, 0, 2)) as arriving:
            arriving.fill(memoryview(body), Deadline(60.0))
        return bytes(body)

    witness.upload("k", b"one and more")
    first = identity(witness)
    witness.upload("k", b"two and more")
    found = read()
    witness.permanently_delete("k")
    witness.permanently_delete("k")
    return [found, told(read)]


@case([{}, {"a": "1"}, {"a": "2", "b": ""}])
def tags_are_read_and_counted(witness: Witness) -> object:
    witness.upload("k", b"one")
    seen = []
    for tags in ({}, {"a": "1"}, {"a": "2", "b": ""}):
        if tags:
            witness.tag("k", tags)
        with witness.source.current("k") as found:
            assert found is not None
            assert found.tag_count == len(tags)
            seen.append(witness.source.tags("k", found.identity))
    return seen


@case(["%2F", "A", "a", "a b", "a+b", "a/b", "é", "\U0001f600"])
def a_listing_is_in_the_order_of_utf_8_and_without_what_is_deleted(witness: Witness) -> object:
    for key in ("é", "a b", "a+b", "%2F", "a/b", "\U0001f600", "a", "A", "gone"):
        witness.upload(key, b"x")
    witness.remove("gone")
    return witness.listed()


# -- S3: multipart uploads ------------------------------------------------------------------------


def opened(witness: Witness, expected: ReplicaVersion | None = None) -> tuple[Writing, str]:
    wanted = writing(expected=expected)
    return wanted, witness.replica.open_upload(wanted, "CRC32")


def completed(
    witness: Witness, wanted: Writing, upload: str, body: bytes = b"a part", whole: Checksum | None = None
) -> Any:
    uploaded = witness.replica.upload_part("k", upload, 1, body, checksum.of(body, "CRC32"))
    return witness.replica.complete_upload(wanted, upload, [uploaded], whole or checksum.of(body, "CRC32"))


@case(["done", 6, "ReplicaMoved", "done"])
def an_upload_is_completed_once_and_is_gone_then(witness: Witness) -> object:
    wanted, upload = opened(witness)
    first = told(lambda: completed(witness, wanted, upload))
    seen = witness.replica.head("k")
    return [
        first,
        seen and seen.size,
        told(lambda: witness.replica.list_parts("k", upload)),
        told(lambda: witness.replica.abort_upload("k", upload)),
    ]


@case("ReplicaMoved")
def a_completion_where_one_is_there_already(witness: Witness) -> object:
    wanted, upload = opened(witness)
    put(witness)
    return told(lambda: completed(witness, wanted, upload))


@case("ReplicaMoved")
def a_completion_over_another_than_the_expected_one(witness: Witness) -> object:
    first = put(witness)
    wanted, upload = opened(witness, first)
    put(witness, first)
    return told(lambda: completed(witness, wanted, upload))


@case("truncated")
def a_completion_of_other_bytes_than_the_checksum_s(witness: Witness) -> object:
    wanted, upload = opened(witness)
    return told(lambda: completed(witness, wanted, upload, whole=WRONG))


@case("truncated")
def a_part_that_is_not_what_its_checksum_says(witness: Witness) -> object:
    _, upload = opened(witness)
    return told(lambda: witness.replica.upload_part("k", upload, 1, b"a part", WRONG))


@case([(1, 6), (2, 5)])
def parts_are_listed_in_order_the_last_one_sent_counts(witness: Witness) -> object:
    _, upload = opened(witness)
    for number, body in ((2, b"other"), (1, b"first"), (1, b"a part")):
        witness.replica.upload_part("k", upload, number, body, checksum.of(body, "CRC32"))
    return [(part.number, part.size) for part in witness.replica.list_parts("k", upload)]


@case(["k"])
def open_uploads_are_listed_until_they_are_aborted(witness: Witness) -> object:
    _, upload = opened(witness)
    _, other = opened(witness)
    witness.replica.abort_upload("k", other)
    return [each.key for each in witness.replica.open_uploads() if each.upload_id in (upload, other)]


@case(b"newer")
def an_upload_completed_late_is_hidden_behind_what_was_initiated_after_it(witness: Witness) -> object:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#distributedmpupload"""
    wanted, upload = opened(witness)
    witness.replica.delete("k", put(witness, body=b"newer"))
    completed(witness, wanted, upload)
    return b"newer" if witness.replica.head("k") is None else b"the upload"


# -- DynamoDB ------------------------------------------------------------------------


def row(generation: int = 1, state: State = State.LIVE, **more: Any) -> Row:
    return Row(generation=generation, state=state, written_at=1_800_000_000.0, **more)


@case(["done", "RowMoved", 1])
def a_row_is_written_where_there_is_none(witness: Witness) -> object:
    answers = [told(lambda: witness.manifest.write("k", None, row())) for _ in range(2)]
    found = witness.manifest.read("k")
    return [*answers, found and found.generation]


@case(["done", "RowMoved", "RowMoved", 2])
def a_row_is_written_over_the_generation_that_was_read(witness: Witness) -> object:
    witness.manifest.write("k", None, row())
    answers = [
        told(lambda before=before: witness.manifest.write("k", before, row(2))) for before in (row(1), row(1), row(7))
    ]
    found = witness.manifest.read("k")
    return [*answers, found and found.generation]


@case("RowMoved")
def a_row_that_is_gone_is_not_written_over(witness: Witness) -> object:
    return told(lambda: witness.manifest.write("k", row(), row(2)))


@case({"a": 1, "b": None, "é": 2})
def rows_are_read_together_and_those_that_are_missing_are_missing(witness: Witness) -> object:
    witness.manifest.write("a", None, row())
    witness.manifest.write("é", None, row(2))
    found = witness.manifest.read_many(["a", "b", "é", "a"])
    return {key: each and each.generation for key, each in found.items()}


@case(["done", "RowMoved", 2])
def a_touch_raises_the_generation_it_has_read(witness: Witness) -> object:
    before = uploading()
    witness.manifest.write("k", None, before)
    after = touched(before, now=1_800_000_001.0, sequencer=None, tags="")
    answers = [told(lambda: witness.manifest.touch("k", before, after)) for _ in range(2)]
    found = witness.manifest.read("k")
    return [*answers, found and found.generation]


@case(["done", "done", "RowMoved", [1, 2]])
def finished_ranges_are_added_to_the_upload_that_they_are_of(witness: Witness) -> object:
    witness.manifest.write("k", None, uploading())
    now = 1_800_000_002.0
    answers = [
        told(lambda upload=upload, number=number: witness.manifest.add_range("k", upload, number, now))
        for upload, number in (("u", 2), ("u", 1), ("another", 3))
    ]
    found = witness.manifest.read("k")
    return [*answers, sorted(found.upload.done) if found and found.upload else None]


def uploading() -> Row:
    source = SourceIdentity("v1", "e", 1_800_000_000, 30)
    upload = Upload("u", source, None, 0, Cut(30, 10, 1), "CRC64NVME", "FULL_OBJECT")
    return row(state=State.UPLOADING, source=source, upload=upload)


@case((["A", "a", "a/b", "é", "\U0001f600"], ["a", "a/b", "é"]))
def a_query_is_in_the_order_of_utf_8_between_its_bounds(witness: Witness) -> object:
    pk = {"S": f"{id(witness)}#0"}
    for key in ("é", "a", "\U0001f600", "a/b", "A"):
        witness.dynamodb.put_item(TableName="manifest", Item={"pk": pk, "sk": {"S": key}})

    def keys(condition: str, **values: str) -> list[str]:
        given = {":p": pk, **{f":{name}": {"S": value} for name, value in values.items()}}
        answer = witness.dynamodb.query(
            TableName="manifest", KeyConditionExpression=condition, ExpressionAttributeValues=given
        )
        return [item["sk"]["S"] for item in answer["Items"]]

    return keys("pk = :p"), keys("pk = :p AND sk BETWEEN :a AND :b", a="a", b="é")


@case([["1", "2"], ["3"], []])
def a_query_ends_a_page_before_a_megabyte_and_says_where_to_go_on(witness: Witness) -> object:
    pk = {"S": f"{id(witness)}#1"}
    for key in ("1", "2", "3"):
        item = {"pk": pk, "sk": {"S": key}, "x": {"S": "x" * 390_000}}
        witness.dynamodb.put_item(TableName="manifest", Item=item)
    pages: list[list[str]] = []
    start: dict[str, Any] = {}
    while True:
        answer = witness.dynamodb.query(
            TableName="manifest", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": pk}, **start
        )
        pages.append([item["sk"]["S"] for item in answer["Items"]])
        if "LastEvaluatedKey" not in answer:
            return pages if len(pages) == 3 else [*pages, []]
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


# -- SQS ------------------------------------------------------------------------


def counts(messages: list[Any]) -> list[int]:
    return [message.receive_count for message in messages]


@case([[1], [], [2], []])
def a_message_comes_back_until_it_is_acknowledged(witness: Witness) -> object:
    witness.queue.send_plain("k", "e")
    seen = [witness.receive(), witness.receive()]
    witness.pass_time(1.2)
    seen.append(witness.receive())
    for message in seen[-1]:
        witness.acknowledge(message)
    witness.pass_time(1.2)
    return [*map(counts, seen), counts(witness.receive())]


@case([[], [1]])
def a_delayed_message_is_not_seen_before_its_time(witness: Witness) -> object:
    witness.queue.send_confirm("k", "e", 7, 1.0)
    before = witness.receive()
    witness.pass_time(1.2)
    return [counts(before), counts(witness.receive())]


@case([[1], [2], []])
def a_message_given_back_is_seen_again_at_once_or_after_its_pause(witness: Witness) -> object:
    witness.queue.send_plain("k", "e")
    first = witness.receive()
    witness.queue.give_back({first[0].receipt: 0})
    second = witness.receive()
    witness.queue.give_back({second[0].receipt: 30})
    witness.pass_time(1.2)
    return [counts(first), counts(second), counts(witness.receive())]


@case(([1, 2, 3], True, False))
def ranges_are_sent_together_and_the_queue_is_at_rest_without_them(witness: Witness) -> object:
    before = witness.queue.at_rest()
    witness.queue.send_ranges("k", "e", "u", {1: 0, 2: 0, 3: 0})
    busy = witness.queue.at_rest()
    found = witness.receive()
    return sorted(int(message.body.rpartition('"range": ')[2].rstrip("}")) for message in found), before, busy


# -- where an emulator is wrong ------------------------------------------------------------------------

MD5 = "ETags are MD5 sums, under SSE-KMS too, so that the same bytes have the same"
UNCHECKED = "checksums are not looked at"

DIFFERENT: dict[tuple[str, str], tuple[object, str]] = {
    ("a put over the expected one and over another", "moto"): (["done", "done"], MD5),
    ("after a delete none is there", "moto"): (["done", "done"], MD5),
    ("every write has an etag of its own", "moto"): (False, MD5),
    ("bytes that are not those of their checksum", "moto"): ("done", UNCHECKED),
    ("a part that is not what its checksum says", "moto"): ("done", UNCHECKED),
    ("a completion of other bytes than the checksum s", "moto"): ("done", UNCHECKED),
    ("a completion over another than the expected one", "moto"): ("done", "If-Match of a completion is not looked at"),
    ("parts are listed in order the last one sent counts", "moto"): ("refused", "parts are listed without checksums"),
    ("an upload completed late is hidden behind what was initiated after it", "moto"): (
        b"the upload",
        "the version completed last is current",
    ),
    ("an upload completed late is hidden behind what was initiated after it", "MiniStack"): (
        b"the upload",
        "the version completed last is current",
    ),
}
"""Case and emulator: what it says instead of what AWS does, and why."""


def asked(name: str, witness: Witness) -> object:
    """What the witness does in a case; "refused" where it cannot even be asked."""
    try:
        return CASES[name][0](witness)
    except HydrationError:
        return "refused"
