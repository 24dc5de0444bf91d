"""Patterns: JMESPath over event data, bounded, with plain JSON out (protocol, section 1).

Beside ``paths``, between the decoded event and the actions: ``inputPattern``, ``outputPattern``,
``skipPattern`` and the role settings come through here. Pure, except for what the functions given
by the caller do.

Patterns come with the event, so three things are added to the library. The size of everything that
is built is counted while it is built (``_Interpreter``), because ``[@,@]`` repeated forty times is
a page of text and more values than a machine holds. What comes out is checked to be plain JSON: an
expression reference or a NaN would break the reply later, where nobody could tell why. And two
strings or two numbers can be ordered, while a string and a number compare to null, as the
specification says and the library does not.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import jmespath
from jmespath import exceptions as jmespath_errors
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from runner.envelope.refusal import refusal
from runner.errors import EventError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runner.envelope.merge import Json

MAX_CHARACTERS: Final = 4096
MAX_UNITS: Final = 1_000_000
"""Values visited and built by one search, about a second; 32 characters of text count as one."""

MAX_DEPTH: Final = 500
"""Levels of what a pattern builds; JSON encoders stop at some 1000."""

MAX_CACHED: Final = 512

_CHARACTERS_SHIFT: Final = 5
_STANDARD: Final = Functions()
_LEAVES: Final = frozenset({bool, int, type(None)})


class PatternFunctions(Protocol):
    """The functions that patterns may call; ``jmespath.functions.Functions`` and its subclasses fit.

    An ``EventError`` from a function is the outcome of the pattern as it is; anything else it
    raises becomes 10011. What it returns is counted and checked like all that a pattern builds.
    """

    def call_function(self, function_name: str, resolved_args: Iterable[Any], /) -> Any:
        """Call one function by name."""


def search(expression: str, value: Json, functions: PatternFunctions | None = None) -> Json:
    """Give what a JMESPath expression selects or builds from a value: plain JSON, null for null.

    The result shares structure with ``value`` and with the cached expression: treat it as
    immutable. ``functions`` replaces the standard functions. Raises ``EventError`` 10011 that names
    the expression, shortened, and the reason: cannot be parsed, unknown function, wrong type or
    number of arguments, nested too deep, too large.
    """
    if value is None:
        return None
    if type(expression) is not str:
        raise refusal("pattern", expression, "is not text")
    tree = _compiled(expression)
    if isinstance(tree, str):
        raise refusal("pattern", expression, tree)
    try:
        return _evaluated(tree, value, _STANDARD if functions is None else functions)
    except EventError:
        raise
    except Exception as error:
        # The library and the functions raise whatever odd data makes them: all of it is the pattern's fault.
        raise refusal("pattern", expression, _reason(error)) from error


def truthy(value: Json) -> bool:
    """Say whether JMESPath takes a value for true: all but null, false, and empty text, array or object.

    Zero is true.
    """
    if isinstance(value, str | list | dict):
        return bool(value)
    return value is not None and value is not False


class _Refused(Exception):
    """The pattern cannot be evaluated to plain JSON within its bounds; the text says why."""


@lru_cache(maxsize=MAX_CACHED)
def _compiled(expression: str) -> dict[str, Any] | str:
    """Parse, or give the reason why not: a bad pattern in a busy saga is not parsed each time."""
    if len(expression) > MAX_CHARACTERS:
        return f"is longer than {MAX_CHARACTERS} characters"
    try:
        with warnings.catch_warnings():
            # Old spellings of literals still work; the sender sees no warnings.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            tree: Any = jmespath.compile(expression).parsed
        _units(tree, MAX_UNITS)
    except Exception as error:  # noqa: BLE001 - lexer and parser raise more than their own errors
        return _reason(error)
    return dict(tree)


def _evaluated(tree: dict[str, Any], value: Json, functions: PatternFunctions) -> Json:
    result = _Interpreter(functions).visit(tree, value)
    if result is None or isinstance(result, bool | str | int | float | list | dict):
        return result
    raise _Refused("gives an expression, not a value")


class _Interpreter(TreeInterpreter):
    """The library's interpreter for one search, which counts what it visits and builds."""

    def __init__(self, functions: PatternFunctions) -> None:
        # Not super().__init__: it builds a function table per search, half the cost of a short pattern.
        self._dict_cls = dict
        self._functions = functions
        self._units_left = MAX_UNITS

    def visit(self, node: Any, value: Any) -> Any:
        self._spend(1)
        return _VISITS[node["type"]](self, node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        operator = node["value"]
        left, right = (self.visit(child, value) for child in node["children"])
        if operator in {"eq", "ne"} or _ordered(left, right):
            return self.COMPARATOR_FUNC[operator](left, right)
        return None

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node["children"]]
        if node["value"] == "join":
            self._spend(_joined_units(arguments))
        return self._built(self._functions.call_function(node["value"], arguments))

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        return self._built(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        return self._built(super().visit_multi_select_dict(node, value))

    def _built(self, value: Any) -> Any:
        self._spend(_units(value, self._units_left))
        return value

    def _spend(self, units: int) -> None:
        self._units_left -= units
        if self._units_left < 0:
            raise _Refused(f"visits or builds more than {MAX_UNITS} values")


_VISITS: Final[dict[str, Callable[[_Interpreter, Any, Any], Any]]] = {
    name.removeprefix("visit_"): getattr(_Interpreter, name)
    for name in dir(_Interpreter)
    if name.startswith("visit_")
}


def _ordered(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return True
    return _is_number(left) and _is_number(right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _joined_units(arguments: list[Any]) -> int:
    """Size of what join will give, before it is built."""
    match arguments:
        case [str(glue), list(parts)]:
            characters = sum(len(part) for part in parts if isinstance(part, str))
            return (characters + len(glue) * len(parts)) >> _CHARACTERS_SHIFT
    return 0


def _units(value: Any, limit: int) -> int:
    """Size of a value written out, shared parts as often as they appear.

    Stops at ``limit``, so that it never takes longer than what is left to spend. Raises for what is
    not plain JSON, and beyond ``MAX_DEPTH`` levels.
    """
    units = 0
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if type(item) not in _LEAVES:
                units += _own_units(item, below)
                if units > limit:
                    return units
        if not below:
            return units
        level = below
    raise _Refused(f"builds more than {MAX_DEPTH} levels")


def _own_units(item: Any, below: list[Any]) -> int:
    """Size of one value without its children, which are added to those to look at."""
    kind = type(item)
    if kind is str:
        return _text_units(item)
    if kind is dict:
        below.extend(item.values())
        return len(item) + _text_units("".join(item))
    if kind is list:
        below.extend(item)
        return len(item)
    if kind is float and math.isfinite(item):
        return 0
    raise _Refused(f"gives {item if kind is float else f'a {kind.__name__}'}, which is not JSON")


def _text_units(text: str) -> int:
    if not text.isascii():
        text.encode()
    return len(text) >> _CHARACTERS_SHIFT


def _reason(error: Exception) -> str:
    """Say what is wrong without quoting the expression again, or data of the event."""
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if isinstance(error, UnicodeEncodeError):
        return "holds half of a character pair, which is not JSON"
    if isinstance(error, jmespath_errors.JMESPathTypeError):
        wanted = " or ".join(error.expected_types)
        return f"{error.function_name}() takes {wanted}, not {error.actual_type}"
    if isinstance(error, jmespath_errors.ParseError):
        return _parse_reason(error)
    return str(error) or f"cannot be evaluated ({type(error).__name__})"


def _parse_reason(error: jmespath_errors.ParseError) -> str:
    if isinstance(error, jmespath_errors.LexerError):
        return f"{error.message} at column {error.lexer_position + 1}"
    if isinstance(error, jmespath_errors.ArityError):
        return str(error)
    if isinstance(error, jmespath_errors.IncompleteExpressionError):
        return "ends too early"
    return f"{error.msg} at column {error.lex_position + 1}"
