"""The function's settings: read from the environment once, complaining about everything at once.

The template sets exactly these variables (tested). Lists are comma-separated, or JSON where an entry has a comma.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Self, get_args

from consumer_replicator.carried import PRESERVE, WRITABLE_STORAGE_CLASSES
from consumer_replicator.parts import MIN_PART_BYTES
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.setting_rules import (
    Entries,
    Hidden,
    OneOf,
    OneOfThese,
    Rule,
    Secret,
    Text,
    Whole,
    WholeOrNone,
)
from producer_events.scope import Scope

PREFIX = "HYDRATION_"
INSTANCE = "1 to 32 lower-case letters, digits and hyphens that begin with no hyphen"
EXTERNAL_ID = "16 to 1224 letters, digits and characters of _+=,.@:/- without spaces or line ends"
"""What STS takes. Of anything else it would quote the value in its answer.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
CLOCK_MARGIN_SECONDS = 15
"""Added to the longest invocation: clocks differ a little, and a row's time is taken before its write lands."""


class CopyMode(StrEnum):
    STREAM = "stream"  # the bytes pass through the function
    SERVER_SIDE = "server-side"  # S3 copies them, where the producer lets the function's role read


class SettingsError(ValueError):
    """The environment is not usable; the message names every problem, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(["The environment is not usable:", *(f"  {problem}" for problem in problems)]))


_List = Annotated[tuple[str, ...], Entries()]
_Account = Annotated[str, Text(r"\d{12}", "an account's 12 digits")]
_Bucket = Annotated[str, Text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name")]
_RoleArn = Annotated[str, Text(r"arn:[\w-]+:iam::\d{12}:role/[\x21-\x7e]+", "the ARN of a role")]
_KeyArn = Annotated[str, Text(r"arn:[\w-]+:kms:[\w-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key, not of an alias")]
Url = Annotated[str, Text(r"https?://[\x21-\x7e]+", "the URL of a queue")]
_Bytes = Annotated[int, Whole(0)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field per environment variable: `source_bucket` is HYDRATION_SOURCE_BUCKET.

    `split_threshold_bytes`: larger objects are copied by several invocations; 0 derives it from the function's timeout.
    """

    instance_name: Annotated[str, Text(r"[a-z0-9][a-z0-9-]{0,31}", INSTANCE)] = "s3-hydration"
    source_bucket: _Bucket
    source_account_id: _Account
    source_role_arn: _RoleArn
    source_external_id: Annotated[Secret, Hidden(r"[\w+=,.@:/-]{16,1224}", EXTERNAL_ID)]
    replica_bucket: _Bucket
    replica_account_id: _Account
    replica_kms_key_arn: _KeyArn
    manifest_table: Annotated[str, Text(r"[\w.-]{3,255}", "a table's name")]
    manifest_shards: Annotated[int, Whole(1, 1024)] = 16
    queue_url: Url
    dead_letter_queue_url: Url
    max_receive_count: Annotated[int, Whole(1, 1000)] = 10
    scope_prefixes: _List = ()
    scope_suffixes: _List = ()
    scope_exclusions: _List = ()
    scope_min_bytes: _Bytes = 0
    scope_max_bytes: Annotated[int | None, WholeOrNone(0)] = None
    delete_policy: Annotated[DeletePolicy, OneOf(DeletePolicy)] = DeletePolicy.RETAIN
    storage_class: Annotated[str, OneOfThese(PRESERVE, WRITABLE_STORAGE_CLASSES)] = PRESERVE
    function_timeout_seconds: Annotated[int, Whole(3, 900)] = 900
    batch_concurrency: Annotated[int, Whole(1, 64)] = 10
    part_concurrency: Annotated[int, Whole(1, 64)] = 8
    multipart_threshold_bytes: Annotated[int, Whole(MIN_PART_BYTES, 5 * 1024**3)] = 8 * 1024**2
    split_threshold_bytes: Annotated[int, Whole(MIN_PART_BYTES, besides=0)] = 0
    copy_mode: Annotated[CopyMode, OneOf(CopyMode)] = CopyMode.STREAM
    tombstone_days: Annotated[int, Whole(1, 3650)] = 30

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

    def contradictions(self) -> list[str]:
        """What is wrong with the settings beside each other."""
        problems = []
        if f"::{self.source_account_id}:" not in self.source_role_arn:
            problems.append(f"source_role_arn is not a role of account {self.source_account_id}")
        if self.source_bucket == self.replica_bucket:
            problems.append("source_bucket and replica_bucket are the same bucket")
        try:
            _ = self.scope
        except ValueError as contradiction:
            problems += str(contradiction).split("; ")
        return problems

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """:raises SettingsError: with one line for every problem; never with a value that is secret."""
        names = {each.name: variable(each.name) for each in fields(cls)}
        found = cls(**cls._values({field: environment[name] for field, name in names.items() if name in environment}))
        if problems := found.contradictions():
            raise SettingsError(f"settings: {problem}" for problem in problems)
        return found

    @classmethod
    def _values(cls, texts: Mapping[str, str]) -> dict[str, Any]:
        every = fields(cls)
        if all(each.name in texts or each.default is not MISSING for each in every):
            with suppress(ValueError):
                return {each.name: rule_of(each).read(texts[each.name]) for each in every if each.name in texts}
        from consumer_replicator import settings_contract  # noqa: PLC0415 - heavy at start, rarely needed

        return settings_contract.validated(cls, texts)


def rule_of(setting: Field[Any]) -> Rule:
    """What a field of the settings may be."""
    rule: Rule = get_args(setting.type)[1]
    return rule


def variable(field: str) -> str:
    """The environment variable that sets a field."""
    return PREFIX + field.upper()


ENVIRONMENT: Mapping[str, str] = {field.name: variable(field.name) for field in fields(Settings)}
"""Field name to environment variable, of the replicator."""
