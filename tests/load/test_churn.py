"""The soak's changes: seeded, and right about what is there."""

from random import Random
from typing import Any

from tests.load.churn import BURST, KINDS, Keys
from tests.sandbox.uploader import Uploader
from tests.sandbox.workload import Upload

UPLOADS = [Upload(f"k{number}", (b"body",)) for number in range(5)]


class Source:
    """Keeps what is there, and refuses tags of what is not, as S3 does."""

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []

    def put_object(self, *, Bucket: str, Key: str, Body: Any) -> None:  # noqa: N803
        self.calls.append(("put", Key))
        self.there[Key] = Body.read()

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.calls.append(("delete", Key))
        del self.there[Key]

    def put_object_tagging(self, *, Bucket: str, Key: str, Tagging: Any) -> None:  # noqa: N803
        self.calls.append(("tag", Key))
        assert Key in self.there

    def delete_object_tagging(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.calls.append(("untag", Key))
        assert Key in self.there


def churned(seed: int, changes: int = 400) -> tuple[Source, list[dict[str, int]], Keys]:
    source, random = Source(), Random(seed)
    keys = Keys(Uploader(source, "bucket"), random)  # type: ignore[arg-type]
    made = [dict(keys.change(random.choice(UPLOADS))) for _ in range(changes)]
    return source, made, keys


def test_only_what_is_there_is_tagged_and_deleted_and_every_call_is_counted():
    source, made, keys = churned(1)
    assert keys.there == set(source.there)
    assert sum(sum(each.values()) for each in made) == len(source.calls)


def test_everything_that_may_happen_does():
    _, made, _ = churned(1)
    kinds = {kind for each in made for kind in each}
    assert kinds == {"upload", "delete", "tag", "untag"} < set(KINDS) | {"upload"}
    assert {"upload": BURST} in made
    assert {"delete": 1, "upload": 1} in made


def test_no_two_uploads_have_the_same_bytes():
    source, random = Source(), Random(1)
    keys = Keys(Uploader(source, "bucket"), random)  # type: ignore[arg-type]
    bodies = set()
    for _ in range(20):
        keys.upload(UPLOADS[0])
        bodies.add(source.there["k0"])
    assert len(bodies) == 20


def test_the_same_seed_makes_the_same_changes():
    assert churned(3)[0].calls == churned(3)[0].calls != churned(4)[0].calls
