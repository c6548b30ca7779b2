"""Keys that software takes for one another, and tags of any text: each arrives as itself, beside the others."""

import unicodedata
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer_replicator.outcome import Failed
from producer_events.scope import Scope
from tests.consumer.fake_aws import World
from tests.consumer.rig import Rig
from tests.consumer.transfer_rig import LAG_OBJECTIVE, TransferRig
from tests.odd_keys import ODD_KEYS


def look_alikes():
    """Of every odd key the forms that a careless reader or writer would make of it, as far as a key can be so long."""
    found = dict.fromkeys(ODD_KEYS.values())
    for key in ODD_KEYS.values():
        forms = [quote(key), quote_plus(key), unquote(key), unquote_plus(key), key.strip(), key.lower(), key.casefold()]
        forms += [unicodedata.normalize(form, key) for form in ("NFC", "NFD", "NFKC", "NFKD")]
        forms += [key.replace("//", "/"), key.lstrip("/"), key + "/", key.replace("\r\n", "\n"), key.split("\x00")[0]]
        forms += [
            key.encode().decode("latin-1"),
            key.replace("\\", "/"),
            key.removeprefix("\ufeff"),
            key + "\n",
            key + " ",
        ]
        found |= dict.fromkeys(form for form in forms if 1 <= len(form.encode()) <= 1024)
    return list(found)


KEYS = look_alikes()
assert len(KEYS) > 4 * len(ODD_KEYS)


def body(key):
    return f"the body of {key!a}".encode()


@pytest.mark.parametrize("way", ["events", "reconcile"])
def test_keys_that_look_alike_are_objects_of_their_own(way):
    world = World()
    rig = TransferRig(world, scope=Scope())
    for key in KEYS:
        (rig.upload if way == "events" else world.upload)(key, body(key))
    world.now += 10 * LAG_OBJECTIVE
    if way == "events":
        rig.drain(rounds=len(KEYS))
    else:
        answer = rig.ask()
        assert (answer["state"], answer["books"]["copied"]) == ("done", len(KEYS))
    assert {key: rig.replica_body(key) for key in KEYS} == {key: body(key) for key in KEYS}
    assert {sort for _, sort in world.rows} >= set(KEYS)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "a=b&c=d",
        "%41",
        "+",
        " ",
        "\r\nX-Amz-Acl: public-read",
        "\x00",
        "\u202e",
        "<b>",
        "aws",
        "=cmd|' /C calc'!A0",
        "\u00e9",
    ]
)
TAGS = st.dictionaries(TEXTS.filter(lambda name: name and not name.startswith("aws:")), TEXTS, max_size=10)


@settings(max_examples=60)
@given(tags=TAGS)
def test_tags_of_any_text_arrive_as_they_are_and_change_nothing_else(tags):
    rig = Rig(World())
    rig.upload("k", b"data", tags=tags)
    rig.drain()
    replica = rig.world.replica.current("k")
    assert (replica.body, replica.tags) == (b"data", tags)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"TagSet": None},
        {"TagSet": {}},
        {"TagSet": [{}]},
        {"TagSet": [{"Key": "a"}]},
        {"TagSet": [{"Value": "a"}]},
        {"TagSet": [{"Key": None, "Value": "a"}]},
        {"TagSet": ["a"]},
        {"TagSet": 7},
    ],
    ids=str,
)
def test_tags_that_are_told_of_in_part_come_back_and_are_never_taken_for_none(answer):
    world = World()

    class Lying:
        def __init__(self, s3):
            self._s3 = s3

        def __getattr__(self, name):
            return getattr(self._s3, name)

        def get_object_tagging(self, **_asked):
            return answer

    rig = Rig(world, s3=lambda who: Lying(world.s3(who)) if who == "source" else world.s3(who))
    rig.upload("k", b"data", tags={"a": "b"})
    (done,) = rig.run()
    if answer != {"TagSet": {}}:
        assert isinstance(done.outcome, Failed)
        assert done.outcome.code == "truncated"
        assert done.comes_back
