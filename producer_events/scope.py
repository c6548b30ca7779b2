"""Which objects of the source bucket are replicated: in scope, or out of scope with a reason.

    Scope(prefixes=("reports/",), suffixes=(".csv", ".parquet"), exclusions=("reports/draft/", "*.tmp.csv"))

Prefixes, suffixes and exclusions are plain text, compared with the raw key, case-sensitively; no list means no
restriction. An exclusion is a prefix, or a suffix when it starts with `*`; no other wildcard exists, so that what a
scope means can be read off it, said to EventBridge and checked by eye.

The size bounds are inclusive and judged only when the size is known. They are deliberately absent from the event
pattern: an object that outgrows the scope must be seen to do so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

RESERVED_PREFIXES: Final = ("_s3-hydration/",)
"""Where the product keeps its own objects in the replica bucket; a source key there would overwrite them."""

type Reason = Literal["prefix", "suffix", "reserved", "excluded", "too-small", "too-large"]


@dataclass(frozen=True, slots=True)
class InScope:
    """The key is ours."""


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """The key is not ours, and why: the first reason in the order of `Reason`."""

    reason: Reason


_IN_SCOPE: Final = InScope()


@dataclass(frozen=True)
class Scope:
    """The configured scope. Sizes are bytes; `max_bytes` None is no bound.

    ValueError names every contradiction at once.
    """

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    min_bytes: int = 0
    max_bytes: int | None = None
    reserved: tuple[str, ...] = RESERVED_PREFIXES

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError("; ".join(problems))

    @cached_property
    def excluded_prefixes(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.exclusions if not entry.startswith("*"))

    @cached_property
    def excluded_suffixes(self) -> tuple[str, ...]:
        return tuple(entry[1:] for entry in self.exclusions if entry.startswith("*"))

    def judge(self, key: str, size: int | None = None) -> InScope | OutOfScope:
        """Whether the raw key, with its size in bytes where that is known, is ours."""
        reason = self._reason(key, size)
        return OutOfScope(reason) if reason else _IN_SCOPE

    def _reason(self, key: str, size: int | None) -> Reason | None:  # noqa: PLR0911 a table: one row per reason
        if self.prefixes and not key.startswith(self.prefixes):
            return "prefix"
        if self.suffixes and not key.endswith(self.suffixes):
            return "suffix"
        if key.startswith(self.reserved):
            return "reserved"
        if key.startswith(self.excluded_prefixes) or key.endswith(self.excluded_suffixes):
            return "excluded"
        if size is not None and size < self.min_bytes:
            return "too-small"
        if size is not None and self.max_bytes is not None and size > self.max_bytes:
            return "too-large"
        return None


def _problems(scope: Scope) -> Iterator[str]:
    for name in ("prefixes", "suffixes", "exclusions", "reserved"):
        entries = getattr(scope, name)
        if not isinstance(entries, tuple):
            # A bare string would be taken letter by letter, a list would break startswith at the first event.
            yield f"{name} must be a tuple of texts"
        elif "" in entries:
            yield f"{name} holds an empty entry, which would stand for every key"
    for entry in scope.exclusions:
        if entry == "*":
            yield "the exclusion '*' would exclude every key"
        elif "*" in entry[1:]:
            # "draft/*" read as a plain prefix would exclude nothing, silently.
            yield f"the exclusion {entry!r} has an asterisk that is not its first character"
    if scope.min_bytes < 0:
        yield "min_bytes is negative"
    if scope.max_bytes is not None and scope.max_bytes < scope.min_bytes:
        yield "max_bytes is less than min_bytes"
