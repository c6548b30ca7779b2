"""What an operator, or the schedule, asks of the transfer function. Validated, every problem told at once.

{}                                                     reconcile everything in scope now
{"prefix": ["2026/"], "dry_run": true}                 what a backfill of a prefix would do, cost and take
{"prefix": "2026/", "objects_per_second": 50}          the backfill, paced
{"since": "2026-11-24T06:00:00Z"}                      catch up after an outage
{"retry": true}                                        the same, and what has failed is tried again at once
{"run_id": "..."}                                      go on with a run that stopped
{"run_id": "...", "stop": true}                        stop a run
{"mode": "watermark"}                                  "everything the producer had before T is here"
{"mode": "verify", "prefix": "2026/"}                  whether replicas hold their sources' bytes, by stored checksums
{"mode": "verify", "sample": 0.01, "read_bytes": true} of one key in a hundred, by their bytes where nothing else tells
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from consumer_replicator.hint import fits_a_key

MAX_PREFIXES = 100
COPYING = ("force", "retry", "max_objects", "objects_per_second")
VERIFYING = ("sample", "read_bytes", "repair")


class PayloadError(ValueError):
    """The payload is not usable; `problems` names everything that is wrong with it, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Mode(StrEnum):
    RECONCILE = "reconcile"  # both ways: what is missing or stale is copied, what is extra follows the delete policy
    BACKFILL = "backfill"  # one way: copies only, never a delete
    VERIFY = "verify"  # compares replicas with their sources, and changes nothing unless `repair` is asked for
    WATERMARK = "watermark"  # moves the watermark on, and tells it


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


type _Prefix = Annotated[str, AfterValidator(fits_a_key)]


class Payload(BaseModel):
    """`since`, `until` bound LastModified, the first included, the second not. `objects_per_second` paces the hints.
    `retry`: what has failed is tried again at once, however recently it was tried.

    Of `verify` alone: `sample` is the share of keys that are compared; `read_bytes` reads bodies where no checksum
    tells; `repair` has what is different copied again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.RECONCILE
    prefix: Annotated[tuple[_Prefix, ...], BeforeValidator(_listed), Field(max_length=MAX_PREFIXES)] = ()
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    dry_run: bool = False
    force: bool = False
    retry: bool = False
    max_objects: Annotated[int | None, Field(ge=1)] = None
    objects_per_second: Annotated[float | None, Field(gt=0, le=100_000)] = None
    sample: Annotated[float | None, Field(gt=0, le=1)] = None
    read_bytes: bool = False
    repair: bool = False
    run_id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = None
    stop: bool = False

    @model_validator(mode="before")
    @classmethod
    def _choose_mode(cls, value: Any) -> Any:
        """Anything that narrows the run down makes it a backfill, unless it says that it is a reconcile."""
        narrowing = {"prefix", "since", "until", "force", "max_objects", "objects_per_second"}
        if isinstance(value, dict) and "mode" not in value and narrowing & set(value):
            return {"mode": Mode.BACKFILL, **value}
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = []
        if self.since and self.until and self.since >= self.until:
            problems.append("since is not before until")
        if self.stop and not self.run_id:
            problems.append("stop needs the run_id of the run to stop")
        said = [name for name in self.model_fields_set if getattr(self, name) not in (None, False)]
        if self.mode is Mode.VERIFY:
            problems += [f"{name} has no meaning for a verify" for name in COPYING if name in said]
        else:
            problems += [f'{name} is for {{"mode": "verify"}} alone' for name in VERIFYING if name in said]
        if self.repair and self.dry_run:
            problems.append("repair changes replicas, and dry_run changes nothing")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def since_epoch(self) -> float | None:
        return self.since.timestamp() if self.since else None

    @property
    def until_epoch(self) -> float | None:
        return self.until.timestamp() if self.until else None

    @property
    def sees_everything(self) -> bool:
        """Whether a run of this payload looks at every key in scope, so that what it says holds for the bucket."""
        narrowed = self.prefix or self.since or self.until or self.max_objects
        return self.mode is Mode.RECONCILE and not narrowed and not self.dry_run

    @property
    def sends_hints(self) -> bool:
        """Whether a run of this payload may have anything copied or deleted."""
        return not self.dry_run and (self.mode is not Mode.VERIFY or self.repair)

    def to_json(self) -> str:
        """Without what is not said: an older release, after a rollback, refuses fields that it does not know."""
        return json.dumps({"mode": self.mode.value, **self.model_dump(mode="json", exclude_defaults=True)})

    @classmethod
    def parse(cls, document: Any) -> Self:
        """:raises PayloadError: with every problem."""
        if not isinstance(document, Mapping):
            raise PayloadError(["the payload is not a JSON object"])
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            details = error.errors(include_input=False)
            raise PayloadError([problem for detail in details for problem in _problems(detail)]) from None


def _problems(detail: Mapping[str, Any]) -> Iterator[str]:
    said = "is not a field of the payload" if detail["type"] == "extra_forbidden" else str(detail["msg"])
    said = said.removeprefix("Value error, ")
    if detail["loc"]:
        yield f"{ascii(str(detail['loc'][0]))[1:-1][:40]}: {said}"
    else:
        yield from said.split("; ")


def new_run_id(now: float, unique: str) -> str:
    """Sorts by time, and reads as one: 20261124-085000-1a2b3c."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{unique[:6]}"
