"""Arbitrary values of the core, for hypothesis: whatever S3 and DynamoDB could hand over."""

from hypothesis import strategies as st

from consumer_replicator.identity import NO_VERSION, SourceIdentity
from consumer_replicator.parts import MAX_PARTS, Cut
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State, Upload

WORDS = st.text("0123456789abcdefABCDEF-_.", min_size=1, max_size=40)
KEYS = st.text(min_size=1, max_size=64)
SECONDS = st.integers(0, 2**33)
TIMES = SECONDS.map(lambda seconds: seconds + 0.125)

IDENTITIES = st.builds(
    SourceIdentity,
    version_id=st.none() | st.just(NO_VERSION) | WORDS,
    etag=WORDS,
    last_modified=SECONDS,
    size=st.integers(0, 50 * 10**12),
)
REPLICAS = st.none() | st.builds(ReplicaVersion, etag=WORDS, version_id=st.none() | WORDS)
TAGS = st.sampled_from(["", "denied", "0123456789abcdef"])


@st.composite
def uploads(draw: st.DrawFn) -> Upload:
    source = draw(IDENTITIES)
    return Upload(
        id=draw(WORDS),
        source=source,
        expected=draw(REPLICAS),
        generation=draw(st.integers(0, 2**53)),
        cut=Cut(source.size, draw(st.integers(1 + source.size // MAX_PARTS, 2**33)), draw(st.integers(1, MAX_PARTS))),
        algorithm=draw(st.sampled_from(["CRC64NVME", "CRC32"])),
        type=draw(st.sampled_from(["FULL_OBJECT", "COMPOSITE"])),
        tags=draw(TAGS),
        sent_at=draw(st.none() | TIMES),
        done=draw(st.frozensets(st.integers(1, MAX_PARTS))),
    )


ROWS = st.builds(
    Row,
    generation=st.integers(1, 2**53),
    state=st.sampled_from(State),
    written_at=TIMES,
    source=st.none() | IDENTITIES,
    checksum=st.none() | WORDS,
    replica=REPLICAS,
    replica_checksum=st.none() | WORDS,
    proof=st.none() | st.sampled_from(Proof),
    tags=TAGS,
    sequencer=st.none() | st.text("0123456789ABCDEF", min_size=1, max_size=18),
    event_time=st.none() | TIMES,
    attempts=st.integers(0, 1000),
    error=st.none() | st.sampled_from(["archived", "refused"]),
    upload=st.none() | uploads(),
)
