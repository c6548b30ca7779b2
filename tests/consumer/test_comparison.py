"""Same, different, or cannot tell: the table of the evidence, and what must hold whatever S3 and the manifest say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import checksum
from consumer_replicator.checksum import ALGORITHMS, Checksum, Running
from consumer_replicator.comparison import (
    COMPUTABLE,
    PASSING,
    READABLE,
    Answer,
    Basis,
    Comparison,
    Doubt,
    Look,
    Reading,
    Stored,
    after_another_look,
    cannot_tell,
    compare,
    different,
    reading,
    same,
)
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State

SOURCE = SourceIdentity("v1", "e1", 1_790_000_000, 5)
REPLICA = SourceIdentity("w1", "r1", 1_790_000_009, 5)
CRC, OTHER_CRC = Checksum("CRC64NVME", "AAAAAAAAAAA="), Checksum("CRC64NVME", "BBBBBBBBBBA=")
SHA = Checksum("SHA256", "c" * 43 + "=")
SHA_1 = Checksum("SHA1", "d" * 27 + "=")
IN_3, IN_4 = Checksum("CRC32", "AAAAAA==-3"), Checksum("CRC32", "AAAAAA==-4")
ELSEWHERE = Checksum("CRC32", "BBBBBA==-3")
WHOLE = Checksum("CRC32", "AAAAAA==")
XXH = Checksum("XXHASH64", "AAAAAAAAAAA=")


def row(source=CRC, replica=CRC, proof=Proof.SOURCE_CHECKSUM, **more):
    plain = {
        "generation": 7,
        "state": State.LIVE,
        "written_at": 1_800_000_000.0,
        "source": SOURCE,
        "checksum": source and str(source),
        "replica": ReplicaVersion("r1", "w1"),
        "replica_checksum": replica and str(replica),
        "proof": proof,
    }
    return Row(**plain | more)


def look(source=CRC, replica=CRC, manifest=None):
    """Both sides with these checksums, and a row that was proven with them."""
    return Look(manifest or row(source, replica), Stored(SOURCE, source), Stored(REPLICA, replica))


def unproven(source, replica):
    return look(source, replica, row(source, replica, proof=None))


# -- one look ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "replica", "told"),
    [
        (CRC, CRC, same(Basis.CHECKSUMS)),
        (IN_3, IN_3, same(Basis.CHECKSUMS)),
        (CRC, OTHER_CRC, different(Basis.CHECKSUMS)),
        (IN_3, ELSEWHERE, cannot_tell(Doubt.OTHER_PARTS)),
        (IN_3, IN_4, cannot_tell(Doubt.OTHER_PARTS)),
        (IN_3, WHOLE, cannot_tell(Doubt.OTHER_TYPE)),
        (IN_3, CRC, cannot_tell(Doubt.OTHER_ALGORITHM)),
        (SHA, CRC, cannot_tell(Doubt.OTHER_ALGORITHM)),
        (None, CRC, cannot_tell(Doubt.NO_SOURCE_CHECKSUM)),
        (CRC, None, cannot_tell(Doubt.NO_REPLICA_CHECKSUM)),
        (None, None, cannot_tell(Doubt.NO_SOURCE_CHECKSUM)),
    ],
    ids=str,
)
def test_what_s3_has_stored_of_both_sides_tells_or_the_reason_is_given_why_not(source, replica, told):
    assert compare(unproven(source, replica)) == told


@pytest.mark.parametrize(("source", "replica"), [(IN_3, ELSEWHERE), (IN_3, CRC), (SHA, CRC), (None, CRC)], ids=str)
@pytest.mark.parametrize("proof", Proof)
def test_what_no_checksum_tells_the_manifest_does_if_the_copy_was_proven_and_nothing_changed(source, replica, proof):
    proven = look(source, replica, row(source, replica, proof=proof))
    assert (compare(proven) == same(Basis.MANIFEST)) is (proof is not Proof.SIZE_ONLY)


@pytest.mark.parametrize(
    "change",
    [
        {"replica": ReplicaVersion("r0", "w0")},  # overwritten behind the manifest's back
        {"replica": None},
        {"replica_checksum": str(OTHER_CRC)},
        {"replica_checksum": None},
        {"checksum": str(SHA)},
        {"checksum": None},
        {"proof": None},  # of a release that did not say
    ],
    ids=str,
)
def test_the_manifest_proves_nothing_of_what_it_does_not_name_exactly(change):
    assert compare(look(IN_3, CRC, replace(row(IN_3, CRC), **change))).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("stored", [CRC, None])
def test_objects_of_other_sizes_are_different(stored):
    found = replace(look(stored, stored), replica=Stored(replace(REPLICA, size=6), stored))
    assert compare(found) == different(Basis.SIZE)


def test_two_empty_objects_are_the_same_without_any_checksum():
    empty = replace(SOURCE, size=0)
    claim = replace(row(None, None), source=empty)
    assert compare(Look(claim, Stored(empty, None), Stored(replace(REPLICA, size=0), None))) == same(Basis.SIZE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source": None}, Doubt.SOURCE_ABSENT),
        ({"replica": None}, Doubt.REPLICA_ABSENT),
        ({"source": None, "replica": None}, Doubt.SOURCE_ABSENT),
        ({"row": None}, Doubt.CHANGING),
        ({"row": row(state=State.PENDING)}, Doubt.CHANGING),
        ({"row": row(state=State.FAILED)}, Doubt.CHANGING),
        ({"source": Stored(replace(SOURCE, version_id="v2"), CRC)}, Doubt.CHANGING),
        ({"replica": Stored(replace(REPLICA, etag="r2"), OTHER_CRC, made_under=7)}, Doubt.CHANGING),
    ],
    ids=str,
)
def test_what_is_absent_or_not_what_the_manifest_calls_current_is_in_motion(change, why):
    told = compare(replace(look(CRC, OTHER_CRC), **change))
    assert told == cannot_tell(why)
    assert told.wants_another_look


@pytest.mark.parametrize(
    "replica",
    [
        Stored(REPLICA, OTHER_CRC, made_under=7),
        Stored(replace(REPLICA, etag="r2"), OTHER_CRC, made_under=6),
        Stored(replace(REPLICA, etag="r2"), OTHER_CRC),
    ],
    ids=["the row's own", "an older one put back", "somebody's"],
)
def test_a_replica_that_no_copier_is_about_to_record_is_different(replica):
    assert compare(Look(row(), Stored(SOURCE, CRC), replica)) == different(Basis.CHECKSUMS)


def test_equal_checksums_need_no_manifest():
    assert compare(replace(look(), row=None)) == same(Basis.CHECKSUMS)


# -- another look ------------------------------------------------------------------------------------------------------


def test_different_twice_with_nothing_changed_in_between_is_different():
    first = look(CRC, OTHER_CRC)
    touched = replace(first, row=replace(first.row, generation=8))
    assert after_another_look(first, touched) == different(Basis.CHECKSUMS)


@pytest.mark.parametrize(
    "change",
    [
        {"replica": Stored(replace(REPLICA, etag="r2", version_id="w2"), OTHER_CRC)},
        {"source": Stored(replace(SOURCE, version_id="v2"), CRC)},
        {"source": None},
        {"row": None},
    ],
    ids=str,
)
def test_what_changed_between_two_looks_is_never_called_different(change):
    first = look(CRC, OTHER_CRC)
    assert after_another_look(first, replace(first, **change)).answer is Answer.CANNOT_TELL


def test_what_becomes_equal_meanwhile_is_the_same():
    assert after_another_look(look(CRC, OTHER_CRC), look()) == same(Basis.CHECKSUMS)


CHECKSUMS = st.none() | st.sampled_from([CRC, OTHER_CRC, SHA, IN_3, IN_4, ELSEWHERE, WHOLE, XXH])
STORED = st.none() | st.builds(Stored, st.sampled_from([SOURCE, replace(SOURCE, version_id="v2"), REPLICA]), CHECKSUMS)
PROVEN_ROWS = st.builds(row, CHECKSUMS, CHECKSUMS, st.none() | st.sampled_from(Proof), state=st.sampled_from(State))
LOOKS = st.builds(Look, st.none() | PROVEN_ROWS, STORED, STORED)


@given(LOOKS, LOOKS)
def test_different_is_said_of_what_the_manifest_calls_current_and_never_against_equal_checksums(first, second):
    told = after_another_look(first, second)
    if told.answer is not Answer.DIFFERENT:
        return
    assert (first.source, first.replica) == (second.source, second.replica)
    assert second.row.state is State.LIVE
    assert second.row.source.version_id == second.source.identity.version_id
    sizes = {second.source.identity.size, second.replica.identity.size}
    assert len(sizes) == 2 or second.source.checksum != second.replica.checksum


@given(LOOKS)
def test_same_is_said_of_two_that_are_there_and_of_one_size(one):
    told = compare(one)
    assert told.why
    if told.answer is Answer.SAME:
        assert one.source.identity.size == one.replica.identity.size
    if told.answer is Answer.CANNOT_TELL:
        assert Doubt(told.why)


# -- what must be read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "replica", "expected"),
    [
        (None, CRC, Reading("CRC64NVME", replica=CRC.value)),
        (IN_3, CRC, Reading("CRC64NVME", replica=CRC.value)),
        (SHA, CRC, Reading("CRC64NVME", replica=CRC.value)),
        (SHA, SHA_1, Reading("SHA1", replica=SHA_1.value)),
        (SHA, None, Reading("SHA256", source=SHA.value)),
        (SHA, ELSEWHERE, Reading("SHA256", source=SHA.value)),
        (IN_3, ELSEWHERE, Reading("CRC64NVME")),
        (None, None, Reading("CRC64NVME")),
        (XXH, None, Reading("CRC64NVME")),  # of an algorithm that is not computed here
        (None, XXH, Reading("CRC64NVME")),
    ],
    ids=str,
)
def test_one_body_is_read_where_the_other_side_has_a_checksum_to_hold_against_it(source, replica, expected):
    plan = reading(source, replica)
    assert plan == expected
    assert plan.bodies == (1 if expected.source or expected.replica else 2)


@pytest.mark.parametrize("algorithm", sorted(COMPUTABLE))
def test_every_algorithm_that_counts_as_computable_is(algorithm):
    running = Running(algorithm)
    for piece in (b"some", b"thing"):
        running.add(piece)
    assert running.checksum() == checksum.of(b"something", algorithm)
    assert algorithm in ALGORITHMS


@pytest.mark.parametrize("doubt", Doubt)
def test_a_doubt_passes_by_itself_or_is_cured_by_reading_or_stays(doubt):
    told = cannot_tell(doubt)
    assert told.wants_another_look is (doubt in PASSING)
    assert told.can_be_read is (doubt in READABLE)
    assert not PASSING & READABLE


@pytest.mark.parametrize(
    "told", [same(Basis.CHECKSUMS), different(Basis.SIZE), Comparison(Answer.CANNOT_TELL, "sse-c")]
)
def test_what_is_told_or_refused_is_not_read(told):
    assert not told.can_be_read
