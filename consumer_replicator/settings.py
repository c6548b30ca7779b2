"""The function's settings: read from the environment once, complaining about everything at once.

The template sets exactly these variables (tested). Lists are comma-separated, or JSON where an entry has a comma.
"""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from consumer_replicator.carried import PRESERVE, WRITABLE_STORAGE_CLASSES
from consumer_replicator.parts import MIN_PART_BYTES
from consumer_replicator.plan import DeletePolicy
from producer_events.scope import Scope

PREFIX = "HYDRATION_"
CLOCK_MARGIN_SECONDS = 15
"""Added to the longest invocation: clocks differ a little, and a row's time is taken before its write lands."""


class CopyMode(StrEnum):
    STREAM = "stream"  # the bytes pass through the function
    SERVER_SIDE = "server-side"  # S3 copies them, where the producer lets the function's role read


class SettingsError(ValueError):
    """The environment is not usable; the message names every problem, one line each."""


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return tuple(json.loads(value))
    return tuple(entry for entry in value.split(",") if entry)


def _or_none(value: object) -> object:
    return None if value == "" else value


def _storage_class(value: object) -> object:
    if value != PRESERVE and value not in WRITABLE_STORAGE_CLASSES:
        raise ValueError(f"must be {PRESERVE} or one of {', '.join(sorted(WRITABLE_STORAGE_CLASSES))}")
    return value


def _split_threshold(value: int) -> int:
    if 0 < value < MIN_PART_BYTES:
        raise ValueError(f"must be 0 or at least {MIN_PART_BYTES}")
    return value


type _List = Annotated[tuple[str, ...], BeforeValidator(_listed)]
type _Account = Annotated[str, Field(pattern=r"^\d{12}$")]
type _Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
type _Url = Annotated[str, Field(pattern=r"^https?://")]
type _Bytes = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """One field per environment variable: `source_bucket` is HYDRATION_SOURCE_BUCKET.

    `split_threshold_bytes`: larger objects are copied by several invocations; 0 derives it from the function's timeout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "s3-hydration"
    source_bucket: _Bucket
    source_account_id: _Account
    source_role_arn: Annotated[str, Field(pattern=r"^arn:[\w-]+:iam::\d{12}:role/.+$")]
    source_external_id: Annotated[SecretStr, Field(min_length=16)]
    replica_bucket: _Bucket
    replica_account_id: _Account
    replica_kms_key_arn: Annotated[str, Field(pattern=r"^arn:[\w-]+:kms:[\w-]+:\d{12}:key/.+$")]
    manifest_table: Annotated[str, Field(min_length=3, max_length=255)]
    manifest_shards: Annotated[int, Field(ge=1, le=1024)] = 16
    queue_url: _Url
    dead_letter_queue_url: _Url
    max_receive_count: Annotated[int, Field(ge=1, le=1000)] = 10
    scope_prefixes: _List = ()
    scope_suffixes: _List = ()
    scope_exclusions: _List = ()
    scope_min_bytes: _Bytes = 0
    scope_max_bytes: Annotated[_Bytes | None, BeforeValidator(_or_none)] = None
    delete_policy: DeletePolicy = DeletePolicy.RETAIN
    storage_class: Annotated[str, BeforeValidator(_storage_class)] = PRESERVE
    function_timeout_seconds: Annotated[int, Field(ge=3, le=900)] = 900
    batch_concurrency: Annotated[int, Field(ge=1, le=64)] = 10
    part_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    multipart_threshold_bytes: Annotated[int, Field(ge=MIN_PART_BYTES, le=5 * 1024**3)] = 8 * 1024**2
    split_threshold_bytes: Annotated[_Bytes, AfterValidator(_split_threshold)] = 0
    copy_mode: CopyMode = CopyMode.STREAM
    max_object_bytes: Annotated[int, Field(ge=1)] = 20 * 1024**3
    tombstone_days: Annotated[int, Field(ge=1, le=3650)] = 30

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = []
        if f"::{self.source_account_id}:" not in self.source_role_arn:
            problems.append(f"source_role_arn is not a role of account {self.source_account_id}")
        if self.source_bucket == self.replica_bucket:
            problems.append("source_bucket and replica_bucket are the same bucket")
        try:
            _ = self.scope
        except ValueError as contradiction:
            problems.append(str(contradiction))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def scope(self) -> Scope:
        return Scope(
            prefixes=self.scope_prefixes,
            suffixes=self.scope_suffixes,
            exclusions=self.scope_exclusions,
            min_bytes=self.scope_min_bytes,
            max_bytes=self.scope_max_bytes,
        )

    @property
    def confirm_delay(self) -> float:
        """Seconds that no invocation can outlive: what a two-phase delete waits for."""
        return self.function_timeout_seconds + CLOCK_MARGIN_SECONDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """:raises SettingsError: with one line for every problem; never with a value that is secret."""
        names = {field: variable(field) for field in cls.model_fields}
        values = {field: environment[name] for field, name in names.items() if name in environment}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [f"  {line}" for detail in error.errors(include_input=False) for line in _problems(detail)]
            raise SettingsError("\n".join(["The environment is not usable:", *lines])) from None


class TransferSettings(Settings):
    """What the transfer function reads besides. `function_timeout_seconds` is the replicator's, for both.

    `lag_objective_seconds`: what is younger is left to its event. `breaker_*`: deletes of one run, a number and a share
    of the rows. `maximum_concurrency`, `replicator_memory_mb`: how the replicator is configured, for estimates.
    """

    ranges_queue_url: _Url
    lag_objective_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    breaker_deletes: Annotated[int, Field(ge=0)] = 1000
    breaker_share_percent: Annotated[int, Field(ge=0, le=100)] = 10
    sweep_hours: Annotated[int, Field(ge=1, le=8760)] = 24
    settle_seconds: Annotated[int, Field(ge=0, le=600)] = 30
    maximum_concurrency: Annotated[int, Field(ge=1, le=1000)] = 50
    replicator_memory_mb: Annotated[int, Field(ge=128, le=10_240)] = 1024


def variable(field: str) -> str:
    """The environment variable that sets a field."""
    return PREFIX + field.upper()


ENVIRONMENT: Mapping[str, str] = {field: variable(field) for field in Settings.model_fields}
"""Field name to environment variable, of the replicator."""
TRANSFER_ENVIRONMENT: Mapping[str, str] = {field: variable(field) for field in TransferSettings.model_fields}
"""The same of the transfer function."""


def _problems(detail: Mapping[str, Any]) -> Iterator[str]:
    name = variable(str(detail["loc"][0])) if detail["loc"] else "settings"
    said = "is not set" if detail["type"] == "missing" else str(detail["msg"]).removeprefix("Value error, ")
    for problem in said.split("; "):
        yield f"{name}: {problem}"
