"""The EventBridge pattern of a scope: what the rules in both accounts let through.

A pattern must never hold back a key that is in scope, since nobody would miss its event until the next reconcile. It
may let more through: the consumer's scope decides. So this is a ladder of ever coarser key filters, of which the first
wins that EventBridge accepts. What a filter can say about one field is an *or* of prefixes, suffixes, wildcards, exact
values, or one anything-but with a list
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html). Hence

- prefix and suffix together are one wildcard each, plus the few keys in which the two overlap, as exact values;
- exclusions are said only where the scope has no prefixes and no suffixes: "starts so, but not so" is no *or*;
- reserved prefixes are never said: no source should have such keys, and the template's rule stays readable;
- sizes are never said: an overwrite that leaves the scope has to be seen, and deletes carry no size.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from producer_events.object_event import DETAIL_TYPES
from producer_events.scope import Scope

MAX_PATTERN_CHARACTERS: Final = 2048
"""The default quota: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html ("Event pattern size")."""
MAX_WILDCARDS: Final = 10
"""PutRule refuses rules that are "too complex"; where that begins is not documented, so this stays well below."""

type Filter = list[str | dict[str, Any]]

_NO_KEY: Final[Filter] = [""]
"""A key has at least one byte, so this matches none. An empty list would be refused."""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """A filter on `detail.object.key`, None for none; `exact` when it matches the keys in scope and no other."""

    matchers: Filter | None
    exact: bool = False


def event_pattern(scope: Scope, *, bucket: str, account: str) -> dict[str, Any]:
    """The pattern for the events of `bucket`, owned by `account`, as EventBridge's PutRule takes it (as JSON)."""
    return _pattern(_finest(scope, bucket, account), bucket, account)


def is_exact(scope: Scope, *, bucket: str, account: str) -> bool:
    """Whether the pattern lets through just the keys in scope; otherwise it lets more through. Sizes aside."""
    return _finest(scope, bucket, account).exact


def _finest(scope: Scope, bucket: str, account: str) -> KeyFilter:
    return next(step for step in _ladder(scope) if _is_acceptable(_pattern(step, bucket, account)))


def _pattern(key_filter: KeyFilter, bucket: str, account: str) -> dict[str, Any]:
    detail: dict[str, Any] = {"bucket": {"name": [bucket]}}
    if key_filter.matchers is not None:
        detail["object"] = {"key": key_filter.matchers}
    return {"source": ["aws.s3"], "account": [account], "detail-type": list(DETAIL_TYPES), "detail": detail}


def _is_acceptable(pattern: dict[str, Any]) -> bool:
    # ASCII escapes make the count an upper bound, however EventBridge counts what is not ASCII.
    text = json.dumps(pattern)
    return len(text) <= MAX_PATTERN_CHARACTERS and _wildcards(pattern) <= MAX_WILDCARDS


def _wildcards(pattern: dict[str, Any]) -> int:
    matchers = pattern["detail"].get("object", {}).get("key", [])
    inner = [m.get("anything-but", m) for m in matchers if isinstance(m, dict)]
    return sum(len(w) if isinstance(w, list) else 1 for m in inner if (w := m.get("wildcard")) is not None)


def _ladder(scope: Scope) -> Iterator[KeyFilter]:
    """From the finest filter to none at all."""
    prefixes = _shortest(scope.prefixes, str.startswith, scope.excluded_prefixes + scope.reserved)
    suffixes = _shortest(scope.suffixes, str.endswith, scope.excluded_suffixes)
    if (scope.prefixes and not prefixes) or (scope.suffixes and not suffixes):
        yield KeyFilter(_NO_KEY, exact=True)
    exact = not _excludes_more(scope, prefixes, suffixes)
    if prefixes and suffixes:
        yield KeyFilter([m for prefix in prefixes for suffix in suffixes for m in _from_to(prefix, suffix)], exact)
    if prefixes:
        yield KeyFilter([{"prefix": prefix} for prefix in prefixes], exact and not suffixes)
    if suffixes:
        yield KeyFilter([{"suffix": suffix} for suffix in suffixes], exact and not prefixes)
    if not prefixes and not suffixes:
        yield from _all_but(scope)
    yield KeyFilter(None, exact and not prefixes and not suffixes)


def _shortest(entries: tuple[str, ...], covers: Callable[[str, str], bool], excluded: tuple[str, ...]) -> list[str]:
    """The entries that neither an exclusion nor another entry covers, each once, in their order."""
    kept = [entry for entry in dict.fromkeys(entries) if not any(covers(entry, other) for other in excluded)]
    return [entry for entry in kept if not any(covers(entry, other) for other in kept if other != entry)]


def _excludes_more(scope: Scope, prefixes: list[str], suffixes: list[str]) -> bool:
    """Whether an exclusion takes keys away from what these prefixes and suffixes select."""
    starts = scope.excluded_prefixes + scope.reserved
    ends = scope.excluded_suffixes
    return any(start.startswith(prefix) for start in starts for prefix in prefixes or [""]) or any(
        end.endswith(suffix) for end in ends for suffix in suffixes or [""]
    )


def _from_to(prefix: str, suffix: str) -> Iterator[str | dict[str, Any]]:
    """The keys that start and end so; with ("ab", "bc") that is ab*bc, and "abc", in which the two share a letter."""
    yield {"wildcard": f"{_escaped(prefix)}*{_escaped(suffix)}"}
    for shared in range(1, min(len(prefix), len(suffix)) + 1):
        if prefix.endswith(suffix[:shared]):
            yield prefix + suffix[shared:]


def _all_but(scope: Scope) -> Iterator[KeyFilter]:
    prefixes = _shortest(scope.excluded_prefixes, str.startswith, ())
    suffixes = _shortest(scope.excluded_suffixes, str.endswith, ())
    # Reserved keys pass, unless an exclusion happens to cover them.
    exact = all(reserved.startswith(tuple(prefixes)) for reserved in scope.reserved)
    if prefixes and suffixes:
        wildcards = [f"{_escaped(prefix)}*" for prefix in prefixes] + [f"*{_escaped(suffix)}" for suffix in suffixes]
        yield KeyFilter([{"anything-but": {"wildcard": wildcards}}], exact)
    if prefixes:
        yield KeyFilter([{"anything-but": {"prefix": prefixes}}], exact and not suffixes)
    if suffixes:
        yield KeyFilter([{"anything-but": {"suffix": suffixes}}], exact and not prefixes)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*")
