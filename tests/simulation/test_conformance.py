"""The fakes do what AWS does, case by case, and so do emulators that know nothing of them, but for what is named."""

import pytest

from tests.simulation.conformance import CASES, DIFFERENT, asked
from tests.simulation.witnesses import WITNESSES


@pytest.fixture(scope="module", params=WITNESSES)
def witnesses(request):
    """Makes witnesses of one kind, each with buckets and queues of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "conformance")
        patch.delenv("AWS_PROFILE", raising=False)
        with WITNESSES[request.param]() as make:
            yield request.param, make


@pytest.mark.parametrize("name", CASES)
def test_a_witness_does_what_aws_does(witnesses, name: str):
    who, make = witnesses
    expected, _ = DIFFERENT.get((name, who), (CASES[name][1], ""))
    assert asked(name, make()) == expected


def test_the_fakes_have_no_exception_and_every_exception_has_its_case():
    assert all(who != "the fakes" for _, who in DIFFERENT)
    assert {name for name, _ in DIFFERENT} <= set(CASES)
    assert {who for _, who in DIFFERENT} <= set(WITNESSES)


def test_what_an_emulator_gets_wrong_is_wrong():
    """An exception that says what AWS says is none."""
    assert [key for key, (told, _) in DIFFERENT.items() if told == CASES[key[0]][1]] == []
