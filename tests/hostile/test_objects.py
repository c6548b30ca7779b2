"""Objects that say absurd things of themselves, through the real replicator: a reason, and nothing left behind."""

import pytest

from consumer_replicator.outcome import Failed, Replicated
from consumer_replicator.splitting import Splitting
from tests.consumer.fake_aws import World
from tests.consumer.rig import WHOLE, Rig

SIZES = (0, 3, 5, 2**31, 2**40, 50 * 2**40 + 1, 2**63, 10**18, 10**30)


class Lying:
    """The source's S3, whose answers of GetObject and HeadObject have these members instead of their own."""

    def __init__(self, s3, lies):
        self._s3, self._lies = s3, lies

    def __getattr__(self, name):
        return getattr(self._s3, name)

    def get_object(self, **asked):
        return {**self._s3.get_object(**asked), **self._lies}

    def head_object(self, **asked):
        return {**self._s3.head_object(**asked), **self._lies}


def outcome(lies, splitting=WHOLE):
    world = World()
    rig = Rig(
        world, s3=lambda who: Lying(world.s3(who), lies) if who == "source" else world.s3(who), splitting=splitting
    )
    rig.upload("k", b"data")
    rig.upload("mate", b"data")
    done = {each.hint.key: each.outcome for each in rig.run()}
    return rig, done["k"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("splitting", [WHOLE, Splitting(bandwidth=1e12, threshold=2**20)], ids=["whole", "split"])
def test_an_object_of_another_length_than_it_says_never_becomes_a_replica(size, splitting):
    rig, outcome_ = outcome({"ContentLength": size}, splitting)
    assert not isinstance(outcome_, Replicated)
    if isinstance(outcome_, Failed):
        assert outcome_.code != "unexpected", outcome_
    assert rig.replica_body("k") is None
    row = rig.row("k")
    opened = {name for name, upload in rig.world.replica.uploads.items() if upload["parameters"]["Key"] == "k"}
    assert opened == ({row.upload.id} if row and row.upload else set()), "an upload that no row names"


@pytest.mark.parametrize(
    "lies",
    [
        {"ETag": '"e\r\nX-Amz-Acl: public-read"'},
        {"VersionId": "v\nw"},
        {"TagCount": 10**9},
        {"MissingMeta": -1},
        {"Metadata": {"a": "b\r\nc: d"}},
        {"Metadata": {"a\r\nb": "c"}},
        {"Metadata": {"x" * 3_000: "y"}},
        {"StorageClass": "NO_SUCH\r\nCLASS"},
        {"ContentType": "text/html\r\n\r\n<script>"},
        {"ExpiresString": "never\n"},
        {"ChecksumCRC64NVME": "!!!", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumCRC32": "AAAAAA==", "ChecksumType": "NO_SUCH_TYPE"},
        {"ChecksumSHA256": "AAAA-99999", "ChecksumType": "COMPOSITE", "PartsCount": 10**9},
        {"WebsiteRedirectLocation": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_an_object_with_absurd_properties_ends_with_its_bytes_or_a_reason(lies):
    rig, outcome_ = outcome(lies)
    assert isinstance(outcome_, (Replicated, Failed)), outcome_
    assert rig.replica_body("k") in (None, b"data")
    assert not rig.world.replica.uploads
