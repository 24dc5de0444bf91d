"""JSONPath queries: jsonpath-ng, restricted to selectors and bounded in time.

Imported by ``paths`` on the first path with wildcards, filters, slices or descents, so that dotted paths
never pay for the parser. Paths come from the sender of an event, and a worker serves many
senders, so two things are added to the library:

- Only selectors are let through. Regular expressions (``=~``, ``sub``) may run for ever on a
  backtracking engine, arithmetic builds strings of any size, and sorting or converting is a
  pattern's business. What the library may learn later is refused until it is listed here.
- Every step of every selector is counted (``_Counted``), because descents, parents and filters
  on ``$`` multiply: a path of 60 characters can otherwise ask for more steps than a life has.
"""

from __future__ import annotations

import re
import warnings
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonpath_ng.ext.filter import And, Expression, Filter, Or
from jsonpath_ng.ext.iterable import Keys, Len
from jsonpath_ng.ext.parser import parse
from jsonpath_ng.jsonpath import (
    Child,
    DatumInContext,
    Descendants,
    Fields,
    Index,
    JSONPath,
    Parent,
    Root,
    Slice,
    This,
    Where,
    WhereNot,
    Wildcard,
)

from runner.envelope.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.envelope.values import Json

MAX_STEPS: Final = 250_000
"""Steps of one evaluation, about half a second; a filter over 10,000 objects takes some 80,000."""

MAX_CACHED: Final = 256

_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_CHARACTERS_SHIFT: Final = 5
"""32 characters of text cost one step where sizes are paid for."""

_SELECTORS: Final[frozenset[type]] = frozenset(
    {Root, This, Parent, Child, Descendants, Fields, Index, Slice, Wildcard, Where, WhereNot}
    | {Filter, Expression, And, Or, Len, Keys}
)
_steps_left: ContextVar[int] = ContextVar("jsonpath_steps_left", default=MAX_STEPS)


class _Refused(Exception):
    """The path asks for something that is not allowed here; the text says what."""


def compile_query(text: str, expression: str) -> Callable[[Json], list[Json]]:
    """Give a function that lists every match of a JSONPath in the order of the document.

    ``expression`` is ``text`` as seen from the value searched, which is its ``$``.
    Raises ``EventError`` 10011 here for what cannot be parsed or is not a selector, and from the
    function for what cannot be evaluated within ``MAX_STEPS``.
    """
    parsed = _parsed(expression)
    if isinstance(parsed, str):
        is_plain = _QUOTED.sub("", text).isascii() and "#" not in text and ":" not in text
        raise refusal("path", text, parsed if is_plain else f"{parsed}; quote a name such as ['größe']")

    def matches(node: Json) -> list[Json]:
        token = _steps_left.set(MAX_STEPS)
        try:
            return _affordable([match.value for match in parsed.find(node)])
        except Exception as error:
            # The library lets any exception out of odd data: all of them are the path's fault.
            raise refusal("path", text, _reason(error)) from error
        finally:
            _steps_left.reset(token)

    return matches


@lru_cache(maxsize=MAX_CACHED)
def _parsed(expression: str) -> JSONPath | str:
    """Parse, or give the reason why not: a bad path in a busy saga is not parsed each time."""
    if any(sign.isdecimal() and not sign.isascii() for sign in _QUOTED.sub("", expression)):
        # The library would read them as Python does.
        return "has digits of another script; write 0 to 9, or quote a name"
    try:
        with warnings.catch_warnings():
            # Spellings that the library is going to drop still work; the sender sees no warnings.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _counted(parse(expression))
    except Exception as error:  # noqa: BLE001 - lexer, parser and table code raise what they like
        return _reason(error)


def _counted(node: JSONPath) -> JSONPath:
    """Wrap a parsed path and everything below it in counters; refuse what is not a selector."""
    if type(node) not in _SELECTORS:
        raise _Refused(f"{type(node).__name__.strip('_')} is not allowed in a path; use a pattern")
    if isinstance(node, Expression):
        return _counted_expression(node)
    for side in ("left", "right"):
        child = getattr(node, side, None)
        if isinstance(child, JSONPath):
            setattr(node, side, _counted(child))
    for operands in ("expressions", "operands"):
        if hasattr(node, operands):
            setattr(node, operands, [_counted(operand) for operand in getattr(node, operands)])
    return _Counted(node)


def _counted_expression(node: Expression) -> JSONPath:
    if node.op == "=~":
        raise _Refused("regular expressions are not allowed in a path")
    compares_values = isinstance(node.value, JSONPath)
    target = _counted(node.target)
    node.target = _Measured(target) if compares_values else target
    if compares_values:
        node.value = _counted(node.value)
    return _Counted(node)


class _Counted(JSONPath):
    """A selector whose calls and matches are taken from the steps left.

    The wrapped selector is called ``left``, where the library looks when it asks whether a filter
    mentions ``$``.
    """

    def __init__(self, left: JSONPath) -> None:
        self.left = left

    def find(self, data: Any) -> list[DatumInContext]:
        """List the matches, as the wrapped selector does."""
        matches = self.left.find(data)
        _spend(1 + len(matches))
        return matches


class _Measured(_Counted):
    """The left side of a comparison of two nodes: comparing walks through all of it."""

    def find(self, data: Any) -> list[DatumInContext]:
        """List the matches, and pay for their whole size."""
        matches = self.left.find(data)
        _spend_size([match.value for match in matches])
        return matches


def _affordable(values: list[Json]) -> list[Json]:
    """Return the matches after charging their size: they may overlap and be far larger than the event."""
    if len(values) > 1:
        _spend_size(values)
    return values


def _spend_size(values: list[Json]) -> None:
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _spend(len(value) >> _CHARACTERS_SHIFT)
        elif isinstance(value, list):
            _spend(len(value))
            waiting.extend(value)
        elif isinstance(value, dict):
            _spend(len(value) + (sum(map(len, value)) >> _CHARACTERS_SHIFT))
            waiting.extend(value.values())


def _spend(steps: int) -> None:
    left = _steps_left.get() - steps
    if left < 0:
        raise _Refused(f"takes more than {MAX_STEPS} steps on this event")
    _steps_left.set(left)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deep"
    return str(error) or f"cannot be evaluated ({type(error).__name__})"
