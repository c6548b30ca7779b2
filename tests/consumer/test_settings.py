"""The environment is read once, and every problem in it is told at once, without a secret."""

import json
import logging
import traceback
from dataclasses import MISSING, FrozenInstanceError, asdict, fields

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer_replicator import settings_contract, transfer_wiring
from consumer_replicator.parts import MIN_PART_BYTES
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.setting_rules import Secret
from consumer_replicator.settings import (
    CLOCK_MARGIN_SECONDS,
    ENVIRONMENT,
    CopyMode,
    Settings,
    SettingsError,
    rule_of,
    variable,
)
from consumer_replicator.transfer_settings import TRANSFER_ENVIRONMENT, TransferSettings
from producer_events.scope import OutOfScope, Scope

EXTERNAL_ID = "only-the-two-of-us-know"
LEAST = {
    "HYDRATION_SOURCE_BUCKET": "source-bucket",
    "HYDRATION_SOURCE_ACCOUNT_ID": "111111111111",
    "HYDRATION_SOURCE_ROLE_ARN": "arn:aws:iam::111111111111:role/s3-hydration-read",
    "HYDRATION_SOURCE_EXTERNAL_ID": EXTERNAL_ID,
    "HYDRATION_REPLICA_BUCKET": "replica-bucket",
    "HYDRATION_REPLICA_ACCOUNT_ID": "222222222222",
    "HYDRATION_REPLICA_KMS_KEY_ARN": "arn:aws:kms:us-east-1:222222222222:key/11111111-2222-3333-4444-555555555555",
    "HYDRATION_MANIFEST_TABLE": "s3-hydration-manifest",
    "HYDRATION_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/222222222222/objects",
    "HYDRATION_DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/222222222222/dead",
}
EMPTY = {  # as the template sets what nobody filled in
    "HYDRATION_SCOPE_PREFIXES": "",
    "HYDRATION_SCOPE_SUFFIXES": "",
    "HYDRATION_SCOPE_EXCLUSIONS": "",
    "HYDRATION_SCOPE_MAX_BYTES": "",
}


def read(**changed):
    return Settings.from_environment({**LEAST, **{f"HYDRATION_{name}": value for name, value in changed.items()}})


def names(kind):
    return [each.name for each in fields(kind)]


def problems(environment):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(environment)
    whole = "".join(traceback.format_exception(raised.value))
    secret = environment.get("HYDRATION_SOURCE_EXTERNAL_ID")
    if secret:
        assert secret not in whole
    head, *lines = str(raised.value).splitlines()
    assert head == "The environment is not usable:"
    return [line.strip() for line in lines]


def problems_with(**changed):
    return problems({**LEAST, **{f"HYDRATION_{name}": value for name, value in changed.items()}})


def test_the_defaults_are_those_of_the_product():
    settings = read()
    assert settings.instance_name == "s3-hydration"
    assert settings.manifest_shards == 16
    assert settings.max_receive_count == 10
    assert settings.delete_policy is DeletePolicy.RETAIN
    assert settings.storage_class == "preserve"
    assert settings.batch_concurrency == 10
    assert settings.part_concurrency == 8
    assert settings.multipart_threshold_bytes == 8 * 1024**2
    assert settings.split_threshold_bytes == 0
    assert settings.copy_mode is CopyMode.STREAM
    assert settings.tombstone_days == 30
    assert settings.scope == Scope()
    assert settings == Settings.from_environment({**LEAST, **EMPTY})


def test_every_field_has_one_variable_and_variables_of_others_are_left_alone():
    assert set(ENVIRONMENT.values()) == {f"HYDRATION_{name.upper()}" for name in names(Settings)}
    assert Settings.from_environment({**LEAST, "PATH": "/bin", "AWS_REGION": "us-east-1"}) == read()


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", ()),
        ("a/", ("a/",)),
        ("a/,b/", ("a/", "b/")),
        (",a/,,b/,", ("a/", "b/")),
        (" a/, b/", (" a/", " b/")),  # a key may begin with a space
        ('["a,b/", "c/"]', ("a,b/", "c/")),
        ("[]", ()),
        (' ["a/"]', ("a/",)),
    ],
)
def test_a_list_is_comma_separated_or_json(text, entries):
    assert read(SCOPE_PREFIXES=text).scope_prefixes == entries
    assert read(SCOPE_SUFFIXES=text).scope_suffixes == entries
    assert read(SCOPE_EXCLUSIONS=text).scope_exclusions == entries


@pytest.mark.parametrize("text", ["[", '["a"', "[1]", '[["a/"]]', "[null]", '["a/", 7]'])
def test_a_list_that_is_neither_is_named(text):
    (line,) = problems_with(SCOPE_PREFIXES=text)
    assert line.startswith("HYDRATION_SCOPE_PREFIXES: ")


def test_the_scope_is_made_of_its_settings():
    settings = read(
        SCOPE_PREFIXES="in/",
        SCOPE_SUFFIXES=".csv",
        SCOPE_EXCLUSIONS="in/draft/",
        SCOPE_MIN_BYTES="1",
        SCOPE_MAX_BYTES="10",
    )
    assert settings.scope == Scope(("in/",), (".csv",), ("in/draft/",), 1, 10)
    assert settings.scope.judge("in/draft/a.csv") == OutOfScope("excluded")


def test_everything_that_is_missing_is_named_at_once():
    assert problems({}) == [f"{name}: is not set" for name in ENVIRONMENT.values() if name in LEAST]


def test_problems_of_different_kinds_are_named_at_once():
    lines = problems(
        {
            **{name: value for name, value in LEAST.items() if name != "HYDRATION_MANIFEST_TABLE"},
            "HYDRATION_SOURCE_ACCOUNT_ID": "1111",
            "HYDRATION_DELETE_POLICY": "shred",
            "HYDRATION_STORAGE_CLASS": "SNOW",
            "HYDRATION_TOMBSTONE_DAYS": "soon",
        }
    )
    assert [line.split(":")[0] for line in lines] == [
        "HYDRATION_SOURCE_ACCOUNT_ID",
        "HYDRATION_MANIFEST_TABLE",
        "HYDRATION_DELETE_POLICY",
        "HYDRATION_STORAGE_CLASS",
        "HYDRATION_TOMBSTONE_DAYS",
    ]


def test_contradictions_are_named_at_once():
    lines = problems_with(
        SOURCE_ROLE_ARN="arn:aws:iam::333333333333:role/read",
        REPLICA_BUCKET="source-bucket",
        SCOPE_MIN_BYTES="10",
        SCOPE_MAX_BYTES="9",
        SCOPE_EXCLUSIONS="*,a*b",
    )
    assert lines == [
        "settings: source_role_arn is not a role of account 111111111111",
        "settings: source_bucket and replica_bucket are the same bucket",
        "settings: the exclusion '*' would exclude every key",
        "settings: the exclusion 'a*b' has an asterisk that is not its first character",
        "settings: max_bytes is less than min_bytes",
    ]


MAX_THRESHOLD = 5 * 1024**3


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("MANIFEST_SHARDS", ["1", "1024"], ["0", "1025", "", "1.5"]),
        ("MAX_RECEIVE_COUNT", ["1", "1000"], ["0", "1001"]),
        ("FUNCTION_TIMEOUT_SECONDS", ["3", "900"], ["2", "901"]),
        ("BATCH_CONCURRENCY", ["1", "64"], ["0", "65"]),
        ("PART_CONCURRENCY", ["1", "64"], ["0", "65"]),
        (
            "MULTIPART_THRESHOLD_BYTES",
            [str(MIN_PART_BYTES), str(MAX_THRESHOLD)],
            [str(MIN_PART_BYTES - 1), str(MAX_THRESHOLD + 1)],
        ),
        (
            "SPLIT_THRESHOLD_BYTES",
            ["0", str(MIN_PART_BYTES), str(50 * 1024**4)],
            ["-1", "1", str(MIN_PART_BYTES - 1), ""],
        ),
        ("COPY_MODE", ["stream", "server-side"], ["", "STREAM", "server_side"]),
        ("TOMBSTONE_DAYS", ["1", "3650"], ["0", "3651"]),
        ("SCOPE_MIN_BYTES", ["0"], ["-1", ""]),
        ("SCOPE_MAX_BYTES", ["", "0"], ["-1", "many"]),
        ("DELETE_POLICY", ["retain", "mirror"], ["", "MIRROR"]),
        ("STORAGE_CLASS", ["preserve", "STANDARD_IA"], ["", "standard", "OUTPOSTS"]),
        ("INSTANCE_NAME", ["a", "a-b-9", "a" * 32], ["", "-a", "A", "a" * 33, "a b"]),
        ("SOURCE_BUCKET", ["a.b-c", "a" * 63], ["ab", "A-bucket", "-ab", "a" * 64, "arn:aws:s3:::bucket"]),
        (
            "SOURCE_ROLE_ARN",
            ["arn:aws-cn:iam::111111111111:role/path/read"],
            ["arn:aws:iam::111111111111:user/me", "arn:aws:iam::111111111111:role/a\x1b[2J"],
        ),
        (
            "REPLICA_KMS_KEY_ARN",
            ["arn:aws:kms:us-east-1:222222222222:key/mrk-1234abcd"],
            [
                "alias/mine",
                "arn:aws:kms:us-east-1:222222222222:alias/mine",
                "1111",
                "arn:aws:kms:r:222222222222:key/a\n",
            ],
        ),
        ("REPLICA_ACCOUNT_ID", ["222222222222"], ["22222222222", "2222222222222", "22222222222a", "\u0662" * 12]),
        (
            "QUEUE_URL",
            ["http://127.0.0.1:4566/q"],
            ["", "arn:aws:sqs:us-east-1:222222222222:objects", "https://a b", "https://a\n"],
        ),
        ("MANIFEST_TABLE", ["a.b-c_9", "a" * 255], ["", "ab", "a" * 256, "a b c", "abc\n", "caf\u00e9"]),
        ("SCOPE_PREFIXES", ["\u00e9" * 512], ["\u00e9" * 513, "a/," + "a" * 1025, '["\\ud800"]', "[" * 100_000]),
    ],
)
def test_each_variable_takes_what_lies_within_its_bounds_and_nothing_beyond(name, good, bad):
    for value in good:
        read(**{name: value})
    for value in bad:
        (line,) = problems_with(**{name: value})
        assert line.startswith(f"HYDRATION_{name}: "), value


@pytest.mark.parametrize("external_id", [EXTERNAL_ID, "too-short-a-one"])
def test_the_external_id_is_in_no_message_and_no_text_form(external_id):
    assert problems_with(SOURCE_EXTERNAL_ID=external_id, TOMBSTONE_DAYS="soon")
    settings = read()
    assert settings.source_external_id == Secret(EXTERNAL_ID)
    assert settings.source_external_id.get_secret_value() == EXTERNAL_ID
    logged = logging.LogRecord("name", logging.INFO, "path", 1, "%s %r", (settings, settings), None).getMessage()
    for text in (logged, f"{settings}", str(asdict(settings)), json.dumps(asdict(settings), default=str)):
        assert EXTERNAL_ID not in text


def test_secrets_are_equal_where_their_texts_are():
    assert {Secret("a"), Secret("a"), Secret("b")} == {Secret("a"), Secret("b")}
    assert Secret("a") != "a"


def test_a_short_external_id_is_refused():
    (line,) = problems_with(SOURCE_EXTERNAL_ID="x" * 15)
    assert line.startswith("HYDRATION_SOURCE_EXTERNAL_ID: ")
    read(SOURCE_EXTERNAL_ID="x" * 16)


@pytest.mark.parametrize("external_id", [EXTERNAL_ID + "\n", "with spaces in it", "caf\u00e9" * 4, "x" * 1225])
def test_an_external_id_that_sts_would_refuse_and_quote_in_its_answer_is_refused(external_id):
    """A line end may come with it, from a file. "Value '...' at 'externalId' failed to satisfy constraint"."""
    (line,) = problems_with(SOURCE_EXTERNAL_ID=external_id)
    assert line.startswith("HYDRATION_SOURCE_EXTERNAL_ID: must be 16 to 1224 letters, digits ")


def test_a_confirm_waits_longer_than_any_invocation_lives():
    assert read(FUNCTION_TIMEOUT_SECONDS="120").confirm_delay == 120 + CLOCK_MARGIN_SECONDS
    assert CLOCK_MARGIN_SECONDS > 0


def test_settings_do_not_change_once_read():
    with pytest.raises(FrozenInstanceError):
        read().delete_policy = DeletePolicy.MIRROR


# -- of the transfer function ------------------------------------------------------------------------------------------

RANGES = {"HYDRATION_RANGES_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/222222222222/ranges"}


def read_transfer(**changed):
    changes = {f"HYDRATION_{name}": value for name, value in changed.items()}
    return TransferSettings.from_environment({**LEAST, **RANGES, **changes})


def test_the_transfer_function_reads_what_the_replicator_reads_and_more():
    """So that both judge by the same scope, policy and table."""
    assert ENVIRONMENT.items() < TRANSFER_ENVIRONMENT.items()
    settings = read_transfer(DELETE_POLICY="mirror")
    shared = {name: getattr(settings, name) for name in names(Settings)}
    assert Settings(**shared) == read(DELETE_POLICY="mirror")


def test_the_transfer_function_s_defaults_are_those_of_the_product():
    settings = read_transfer()
    assert settings.lag_objective_seconds == 900
    assert (settings.breaker_deletes, settings.breaker_share_percent) == (1000, 10)
    assert settings.sweep_hours == 24
    assert settings.settle_seconds == 30
    assert (settings.maximum_concurrency, settings.replicator_memory_mb) == (50, 1024)


@pytest.mark.parametrize(("mode", "s3_copies"), [("stream", False), ("server-side", True)])
def test_an_estimate_knows_who_moves_the_bytes(mode, s3_copies):
    settings = read_transfer(COPY_MODE=mode)
    assert (transfer_wiring.surroundings(settings, 1024).capacity.copies is not None) is s3_copies


def test_every_field_of_the_transfer_function_has_one_variable():
    assert set(TRANSFER_ENVIRONMENT.values()) == {f"HYDRATION_{name.upper()}" for name in names(TransferSettings)}


def test_the_replicator_does_without_what_only_the_transfer_function_needs():
    Settings.from_environment(LEAST)
    assert Settings.from_environment({**LEAST, "HYDRATION_BREAKER_SHARE_PERCENT": "many"}) == read()
    with pytest.raises(SettingsError) as raised:
        TransferSettings.from_environment(LEAST)
    assert str(raised.value).splitlines()[1:] == ["  HYDRATION_RANGES_QUEUE_URL: is not set"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("RANGES_QUEUE_URL", ["http://127.0.0.1:4566/q"], ["", "arn:aws:sqs:us-east-1:222222222222:ranges"]),
        ("LAG_OBJECTIVE_SECONDS", ["1", "86400"], ["0", "86401", ""]),
        ("BREAKER_DELETES", ["0", "1000000000"], ["-1", "some", ""]),
        ("BREAKER_SHARE_PERCENT", ["0", "100"], ["-1", "101", "0.5", ""]),
        ("SWEEP_HOURS", ["1", "8760"], ["0", "8761"]),
        ("SETTLE_SECONDS", ["0", "600"], ["-1", "601"]),
        ("MAXIMUM_CONCURRENCY", ["1", "1000"], ["0", "1001"]),
        ("REPLICATOR_MEMORY_MB", ["128", "10240"], ["127", "10241"]),
    ],
)
def test_each_variable_of_the_transfer_function_keeps_to_its_bounds(name, good, bad):
    for value in good:
        read_transfer(**{name: value})
    for value in bad:
        with pytest.raises(SettingsError, match=rf"^The environment is not usable:\n  HYDRATION_{name}: .+$"):
            read_transfer(**{name: value})


# -- the plain reader against the model ----------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("kind", [Settings, TransferSettings])
WHOLE = {**LEAST, **RANGES}
TEXTS = (
    st.sampled_from(
        ["", " ", "0", "00", "007", "+5", "-0", "1_0", " 16 ", "16.0", "1e1", "\u0661", "5242880", "9" * 19]
    )
    | st.sampled_from(
        ["retain", "mirror", "stream", "server-side", "preserve", "GLACIER_IR", "a,b", '["a,b"]', "[", "*"]
    )
    | st.sampled_from(
        [*WHOLE.values(), "source-bucket\n", "\u0661" * 12, "arn:\u00e4:iam::111111111111:role/r", "\udcff" * 16]
    )
    | st.integers(-1, 2**70).map(str)
    | st.text(max_size=20)
)


@st.composite
def environments(draw):
    """What the template could set, with a few variables changed to anything, and a few left out."""
    found = dict(WHOLE)
    for name in draw(st.lists(st.sampled_from(list(TRANSFER_ENVIRONMENT.values())), unique=True, max_size=4)):
        found.pop(name, None)
        value = draw(st.none() | TEXTS)
        found |= {} if value is None else {name: value}
    return found


def by_the_model(kind, environment):
    texts = {name: environment[variable(name)] for name in names(kind) if variable(name) in environment}
    return kind(**settings_contract.validated(kind, texts))


@KINDS
def test_the_settings_of_a_template_are_read_without_the_model_and_as_it_would(kind, monkeypatch):
    expected = by_the_model(kind, {**WHOLE, **EMPTY})
    monkeypatch.setattr(settings_contract, "validated", lambda *_: pytest.fail("asked the model"))
    assert kind.from_environment({**WHOLE, **EMPTY}) == expected


@KINDS
@given(environment=environments())
@example(environment={**WHOLE, "HYDRATION_SOURCE_BUCKET": "source-bucket\n"})
def test_an_environment_is_read_or_refused_as_the_model_says(kind, environment):
    try:
        expected = by_the_model(kind, environment)
    except SettingsError as refused:
        expected = str(refused)
    if not isinstance(expected, str) and expected.contradictions():
        expected = "\n".join(
            ["The environment is not usable:", *(f"  settings: {each}" for each in expected.contradictions())]
        )
    try:
        found = kind.from_environment(environment)
    except SettingsError as refused:
        found = str(refused)
    assert found == expected


@KINDS
@given(text=TEXTS)
def test_what_a_rule_reads_plainly_the_model_reads_alike(kind, text):
    texts = {name: WHOLE[variable(name)] for name in names(kind) if variable(name) in WHOLE}
    for each in fields(kind):
        try:
            plain = rule_of(each).read(text)
        except ValueError:
            continue
        read = settings_contract.validated(kind, {**texts, each.name: text})
        assert (read[each.name], type(read[each.name])) == (plain, type(plain))


@KINDS
def test_a_default_is_allowed_where_it_is_given(kind):
    """So that leaving a variable out and setting it to its default are the same."""
    for each in fields(kind):
        if each.default is not MISSING and each.default not in ((), None):
            assert rule_of(each).read(str(each.default)) == each.default
