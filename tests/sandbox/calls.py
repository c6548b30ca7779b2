"""The record of AWS calls that the emulator keeps: every API request, who made it and what it was about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request. `time` is in seconds since 1970; `account` and `principal` are the caller's; S3 has bucket and key,
    other services a resource (a table's or queue's name, a role's ARN); `error` is the code of a refused one;
    `conditions` is what policies ask about besides (the recorder tells which).
    """

    time: float
    milliseconds: float
    service: str
    operation: str
    account: str
    principal: str
    status: int
    bucket: str = ""
    key: str = ""
    resource: str = ""
    error: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """Name of the role that called; empty for an account's root."""
        return self.principal.split("/")[1] if ":assumed-role/" in self.principal else ""


def read_calls(record: Path, since: float = 0.0) -> list[Call]:
    """All calls that began at or after `since`, in the order in which they were answered."""
    if not record.exists():
        return []
    lines = record.read_bytes().splitlines()
    return [call for line in lines if (call := Call(**json.loads(line))).time >= since]
