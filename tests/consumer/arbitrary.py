"""Arbitrary values of the core, for hypothesis: whatever S3 and DynamoDB could hand over."""

from hypothesis import strategies as st

from consumer_replicator.identity import NO_VERSION, SourceIdentity
from consumer_replicator.proof import Proof
from consumer_replicator.row import ReplicaVersion, Row, State

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
ROWS = st.builds(
    Row,
    generation=st.integers(1, 2**53),
    state=st.sampled_from(State),
    written_at=TIMES,
    source=st.none() | IDENTITIES,
    checksum=st.none() | WORDS,
    replica=st.none() | st.builds(ReplicaVersion, etag=WORDS, version_id=st.none() | WORDS),
    replica_checksum=st.none() | WORDS,
    proof=st.none() | st.sampled_from(Proof),
    tags=st.sampled_from(["", "denied", "0123456789abcdef"]),
    sequencer=st.none() | st.text("0123456789ABCDEF", min_size=1, max_size=18),
    event_time=st.none() | TIMES,
    attempts=st.integers(0, 1000),
    error=st.none() | st.sampled_from(["archived", "too-large"]),
)
