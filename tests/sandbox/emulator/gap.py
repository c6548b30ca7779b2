"""How a gap of MiniStack is closed: one of its module functions is replaced by a wrapper that calls it."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


def around(module: ModuleType, name: str) -> Callable[[Function], Function]:
    """Replaces `module.name` by the decorated function, which gets the original as its first argument.

    AttributeError when MiniStack has no such function: a new version is never half wrapped in silence.
    """
    original: Function = getattr(module, name)

    def replace(wrapper: Function) -> Function:
        setattr(module, name, partial(wrapper, original))
        return wrapper

    return replace


def around_entry(table: dict[str, Function], name: str) -> Callable[[Function], Function]:
    """The same for a dispatch table, which holds on to the functions that it was made from (KeyError)."""
    original = table[name]

    def replace(wrapper: Function) -> Function:
        table[name] = partial(wrapper, original)
        return wrapper

    return replace
