"""The kinds of JSON values, in the words of JSON, never in those of Python."""

from __future__ import annotations

from typing import Any, Final

_KINDS: Final[tuple[tuple[str, Any], ...]] = (
    ("null", type(None)),
    ("boolean", bool),
    ("number", int | float),
    ("string", str),
    ("array", list),
    ("object", dict),
)
"""A boolean before a number: to Python it is one."""

KINDS: Final = tuple(name for name, _ in _KINDS)


def kind_of(value: Any) -> str:
    """Name the kind of a value; what is none of JSON is an expression that was not evaluated."""
    return next((name for name, kind in _KINDS if isinstance(value, kind)), "expression")


def is_number(value: Any) -> bool:
    """Say whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
