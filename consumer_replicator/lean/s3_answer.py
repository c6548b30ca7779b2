"""The answers of GetObject, PutObject and UploadPart: the members that botocore's would have (edge)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.utils import parse_timestamp

METADATA = "x-amz-meta-"

type Convert = Callable[[str], Any]
type Members = Mapping[str, tuple[str, Convert | None]]
"""Header -> the answer's member, and how its text is read where it is not text."""


def members_of(shape: Any) -> Members:
    """By the service's model: `shape` is an operation's output."""
    return {
        member.serialization["name"].lower(): (name, None if name == "Expires" else TYPES[member.type_name])
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
    }


def members_in(headers: Mapping[str, str], members: Members) -> tuple[dict[str, Any], dict[str, str]]:
    """What an answer's headers tell, and the user metadata in them."""
    told: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if name in members:
            member, convert = members[name]
            told[member] = convert(value) if convert else value
        elif name.startswith(METADATA):
            metadata[name.removeprefix(METADATA)] = value
    if "Expires" in told:
        _split_expires(told)
    return told, metadata


def _timestamp(text: str) -> datetime:
    """Header dates take botocore's parser 50 microseconds, and are nearly always in the one form."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return parse_timestamp(text)


def _split_expires(answer: dict[str, Any]) -> None:
    """As botocore does: the text it is, and a date where it is one. Nothing is nothing."""
    if text := answer.pop("Expires"):
        answer["ExpiresString"] = text
        with suppress(ValueError, RuntimeError):
            answer["Expires"] = parse_timestamp(text)


TYPES: Mapping[str, Convert | None] = {
    "string": None,
    "boolean": lambda text: text == "true",
    "integer": int,
    "long": int,
    "timestamp": _timestamp,
}
