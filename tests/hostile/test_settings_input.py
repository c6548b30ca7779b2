"""The environment of both functions with anything in it: read, or refused in sentences that name settings, not values.

What is accepted can be put together and worked with: no setting makes a function that fails later, at some object.
"""

import os
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator import key_ranges, settings, transfer_wiring, wiring
from consumer_replicator.deadline import Deadline
from consumer_replicator.principals import Principals, role_session_name
from consumer_replicator.settings import Settings, SettingsError
from consumer_replicator.splitting import Splitting, Time
from consumer_replicator.transfer_settings import TRANSFER_ENVIRONMENT, TransferSettings
from tests.consumer.test_settings import EMPTY, LEAST, RANGES

ENVIRONMENT = {**LEAST, **RANGES, **EMPTY}
LISTS = {f"HYDRATION_SCOPE_{name}" for name in ("PREFIXES", "SUFFIXES", "EXCLUSIONS")}
ABSURD = (
    *(
        "",
        " ",
        "\n",
        "\x00",
        "\r\n",
        "\t1",
        "1\n",
        " 16 ",
        "-1",
        "-0",
        "+5",
        "1_000",
        "0x10",
        "1e3",
        "1e400",
        "NaN",
        "inf",
    ),
    *("9" * 19, "9" * 400, "9" * 5_000, "\u0661", "\u0663" * 12, "\uff11", "\u2460", "1\u202e", "\ufeff1", "\udcff"),
    *("null", "true", "{}", '{"a": 1}', "[", "[1]", "[null]", '[["a"]]', '["a"', '["a"]x', "[NaN]", '["\\ud800"]'),
    *("[" * 3_000, '{"a":' * 3_000, "[" * 100_000, "\x1b[2J\x1b]0;owned\x07", "a\nHYDRATION_DELETE_POLICY: is fine"),
    *("x" * 1_025, "\u00e9" * 513, "x" * 100_000, "a,\udcff", "a\x00b", "*", "**", "a*", "$(id)", "${HOME}", "%s%n{0}"),
    *(
        "https://\n\x1b[2J",
        "https://a b/",
        "https://",
        "HTTPS://A/",
        "file:///etc/passwd",
        "source-bucket\n",
        "../../x",
    ),
    *(f"{value}{tail}" for value in LEAST.values() for tail in ("\n", "\x00", "\x1b[2J", "\u00e9", " ")),
)


def the_lines(kind: type[Settings], environment: dict[str, str]) -> list[str]:
    """What is said of an environment; none: it is accepted."""
    try:
        found = kind.from_environment(environment)
    except SettingsError as refused:
        error = refused
    else:
        assert_usable(found)
        return []
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None, "a trace would tell what pydantic was given"
    head, *lines = str(error).splitlines()
    assert head == "The environment is not usable:"
    assert lines
    return lines


def assert_usable(found: Settings) -> None:
    wiring.replicator(found, who())
    for size in (0, 10**6, 5 * 2**40):
        Splitting(found.split_threshold_bytes).way(size, Time.of(Deadline(900)), again=False)
    found.scope.judge("some/key.csv", 5)
    key_ranges.of_prefixes(found.scope_prefixes)
    if isinstance(found, TransferSettings):
        transfer_wiring.transfer(found, who(), memory_mb=512)


@cache
def who() -> Principals:
    return wiring.principals(Settings.from_environment(ENVIRONMENT), region="us-east-1", function_name="f")


def assert_said(lines: list[str], name: str, value: str) -> None:
    for line in lines:
        assert line.startswith((f"  {name}: ", "  settings: ")), line
        assert len(line) < 400
        assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in line)
        if name == "HYDRATION_SOURCE_EXTERNAL_ID":
            assert line.endswith(settings.EXTERNAL_ID), "the same sentence whatever the value is"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")


@pytest.mark.parametrize("name", TRANSFER_ENVIRONMENT.values())
def test_an_absurd_value_is_refused_by_the_name_of_its_setting_or_can_be_worked_with(name):
    outcomes = set()
    for value in ABSURD:
        for kind in (Settings, TransferSettings):
            lines = the_lines(kind, {**ENVIRONMENT, name: value})
            assert_said(lines, name, value)
            outcomes.add(bool(lines))
    assert True in outcomes, "something was refused"


@given(name=st.sampled_from(sorted(TRANSFER_ENVIRONMENT.values())), value=st.text(max_size=30))
def test_so_is_any_text(name, value):
    assert_said(the_lines(TransferSettings, {**ENVIRONMENT, name: value}), name, value)


@pytest.mark.parametrize("value", [text for text in ABSURD if text.strip()])
def test_no_external_id_is_accepted_that_sts_would_quote_in_its_answer(value):
    """ "Value '...' at 'externalId' failed to satisfy constraint": it would stand in the log."""
    value = value.ljust(16, "-")
    lines = the_lines(Settings, {**ENVIRONMENT, "HYDRATION_SOURCE_EXTERNAL_ID": value})
    fits = all(character.isascii() and (character.isalnum() or character in "_+=,.@:/-") for character in value)
    assert bool(lines) is not (fits and len(value) <= 1224)


def test_every_setting_at_once_is_told_in_a_line_each():
    lines = the_lines(TransferSettings, dict.fromkeys(TRANSFER_ENVIRONMENT.values(), "[\x1b["))
    named = {line.split(":")[0].strip() for line in lines}
    assert named == set(TRANSFER_ENVIRONMENT.values())


@pytest.mark.parametrize("module", ["replicator", "transfer"])
def test_importing_a_function_with_a_broken_environment_tells_no_secret(module):
    untold = "a secret with spaces, and \x1b[31m colour"
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "HYDRATION_SOURCE_EXTERNAL_ID": untold,
        "HYDRATION_TOMBSTONE_DAYS": "soon",
    }
    environment |= {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_REGION": "us-east-1"}
    code = (
        f"from consumer_replicator.handlers import {module} as m; m._application('f'{', 128' * (module == 'transfer')})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=Path.cwd(), check=False
    )
    assert ran.returncode == 1
    *_, head, one, other = ran.stderr.splitlines()
    assert head.endswith("SettingsError: The environment is not usable:")
    assert [line.split(":")[0].strip() for line in (one, other)] == [
        "HYDRATION_SOURCE_EXTERNAL_ID",
        "HYDRATION_TOMBSTONE_DAYS",
    ]
    for part in (untold, "a secret", "\x1b", "soon"):
        assert part not in ran.stderr
    assert "pydantic" not in ran.stderr, "no trace into the model"


@pytest.mark.parametrize("name", ["", "\n", "a\x00b", "\u0661" * 100, "x" * 1_000, "a b:c/d", "\udcff"])
def test_any_function_s_name_becomes_a_session_s(name):
    assert 2 <= len(role_session_name(name)) <= 64
    assert role_session_name(name).isascii()
    assert role_session_name(name).isprintable()
