"""What the settings may be, as a pydantic model, and what is said of those that are not. Pure.

Made from the rules in `settings`, which reads plain values without it: importing pydantic is a third of a cold start.
A test holds the two to the same answers.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)

from consumer_replicator.hint import fits_a_key
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
from consumer_replicator.settings import Settings, SettingsError, rule_of, variable

_MADE: dict[type[Settings], type[BaseModel]] = {}


def validated(kind: type[Settings], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values of the fields whose texts are given.

    :raises SettingsError: with one line for every problem; never with a value.
    """
    try:
        found = model(kind).model_validate(texts)
    except ValidationError as error:
        raise SettingsError([line for each in error.errors(include_input=False) for line in _problems(each)]) from None
    return {name: getattr(found, name) for name in found.model_fields_set}


def model(kind: type[Settings]) -> type[BaseModel]:
    """One field per setting; what the settings say of each other is not in it."""
    if kind not in _MADE:
        _MADE[kind] = _make(kind)
    return _MADE[kind]


def _make(kind: type[Settings]) -> type[BaseModel]:
    given: dict[str, Any] = {
        each.name: (_annotation(rule_of(each)), ... if each.default is MISSING else each.default)
        for each in fields(kind)
    }
    return create_model(kind.__name__, __config__=ConfigDict(frozen=True, extra="forbid"), **given)


def _annotation(rule: Rule) -> Any:  # noqa: PLR0911 - a line for each kind of rule
    match rule:
        case Text():
            return Annotated[str, AfterValidator(_fitting(rule))]
        case Hidden():
            return Annotated[SecretStr, AfterValidator(_secret(rule))]
        case Whole(least, most, None):
            return Annotated[int, Field(ge=least, le=most)]
        case Whole(least, _, besides):
            return Annotated[int, AfterValidator(_allowed(rule, f"must be {besides} or at least {least}"))]
        case WholeOrNone(least):
            return Annotated[Annotated[int, Field(ge=least)] | None, BeforeValidator(_or_none)]
        case Entries():
            return Annotated[tuple[Annotated[str, AfterValidator(fits_a_key)], ...], BeforeValidator(_listed)]
        case OneOf(enumeration):
            return enumeration
        case OneOfThese(usual, others):
            return Annotated[
                str, AfterValidator(_one_of(rule, f"must be {usual} or one of {', '.join(sorted(others))}"))
            ]


def _fitting(rule: Text | Hidden) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not rule.fits(text):
            raise ValueError(f"must be {rule.form}")
        return text

    return check


def _secret(rule: Hidden) -> Callable[[SecretStr], Secret]:
    fitting = _fitting(rule)
    return lambda hidden: Secret(fitting(hidden.get_secret_value()))


def _allowed(rule: Whole, otherwise: str) -> Any:
    def check(number: int) -> int:
        if not rule.allows(number):
            raise ValueError(otherwise)
        return number

    return check


def _one_of(rule: OneOfThese, otherwise: str) -> Any:
    def check(text: str) -> str:
        if text != rule.usual and text not in rule.others:
            raise ValueError(otherwise)
        return text

    return check


def _or_none(value: object) -> object:
    return None if value == "" else value


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return tuple(json.loads(value))
        except (ValueError, RecursionError):
            raise ValueError('begins like JSON and is no list of texts: write a/,b/ or ["a/", "b/"]') from None
    return tuple(entry for entry in value.split(",") if entry)


def _problems(detail: Mapping[str, Any]) -> Iterator[str]:
    said = "is not set" if detail["type"] == "missing" else str(detail["msg"]).removeprefix("Value error, ")
    for problem in said.split("; "):
        yield f"{variable(str(detail['loc'][0]))}: {problem}"
