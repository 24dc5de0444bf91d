"""Patterns: JMESPath over event data, bounded, with plain JSON out (docs/protocol.md, "Patterns").

Beside ``paths``, between the decoded event and the actions: ``inputPattern``, ``outputPattern``,
``skipPattern`` and the role settings come through here. Pure: what ``now`` and ``uuid`` give comes from
the ``Scope`` of the event.

Patterns come with the event, so three things are added to the library. The size of everything that
is built is counted while it is built (``_Interpreter``), because ``[@,@]`` repeated forty times is
a page of text and more values than a machine holds. What comes out is checked to be plain JSON: an
expression reference or a NaN would break the reply later, where nobody could tell why. And values are
compared as JSON, not as Python does: true is not 1, two strings or two numbers can be ordered, and a
string and a number compare to null. All functions, the standard ones too, are those of ``functions``.
"""

from __future__ import annotations

import re
import warnings
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import jmespath
from jmespath import exceptions as jmespath_errors
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from runner.envelope.compiled import Compiled
from runner.envelope.functions.signature import Expression, Misuse
from runner.envelope.functions.table import FUNCTIONS, LEFT_OUT, OF_AN_EVENT
from runner.envelope.refusal import refusal
from runner.envelope.units import EvaluationRefused, TooMuch, characters, units_of
from runner.envelope.values import is_number, same
from runner.limits import USUAL, EventLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.envelope.values import Json

KEPT_CHARACTERS: Final = 131_072
"""Of all patterns that are kept compiled, some 25 MB at worst."""

MAX_FRAMES: Final = 500
"""Calls of Python inside each other that one search may need: far from the thousand at which Python stops."""

MAX_PARENTHESES: Final = 300
"""The parser goes as deep as they may be nested."""

_UNITS_A_CHARACTER: Final = 4
"""Of an expression that comes from the data, parsed or found in the cache alike."""

_CHANCE_BYTES: Final = 20
_LARGEST: Final = 2**1023
"""Beyond it no reader of JSON can take a number for a float."""

_LONG_NUMBER: Final = re.compile(r"[0-9]{1001}")
"""Python itself reads numbers only up to some length, and would take a literal beyond it for text."""

_CONTAINERS: Final = frozenset({list, dict})
_EQUALITY: Final = {"eq": True, "ne": False}
_FRAMES: Final = {"function_expression": 8, "comparator": 3, "multi_select_list": 4, "multi_select_dict": 4}
_FRAMES_OF_OTHERS: Final = 2


class Origin(Protocol):
    """An event as its patterns see it; asked only by ``now``, ``uuid``, ``guid`` and ``rand``."""

    @property
    def given_ms(self) -> int | None:
        """When the event was sent, epoch ms; None where that is not known."""

    @property
    def seed(self) -> str:
        """A text that is unique to the event, and the same when the event is redelivered."""


class Scope(NamedTuple):
    """One pattern of one event: a redelivered event has the same scopes, and every pattern its own."""

    origin: Origin
    pattern: str
    """Name of the parameter: inputPattern, outputPattern …"""


def search(expression: str, value: Json, scope: Scope | None = None, limits: EventLimits = USUAL) -> Json:
    """Give what a JMESPath expression selects or builds from a value: plain JSON, null for null.

    The result shares structure with ``value`` and with the cached expression: treat it as
    immutable. Without a ``scope`` there is no ``now``, ``uuid`` or ``rand``. Raises ``EventError`` 10011 that
    names the expression, shortened, and the reason: cannot be parsed, unknown function, wrong type
    or number of arguments, nested too deep, too large.
    """
    if value is None:
        return None
    if type(expression) is not str:
        raise refusal("pattern", expression, "is not text")
    if len(expression) > limits.pattern_characters:
        raise refusal("pattern", expression, _too_long(limits), over_limit=True)
    compiled = _compiled(expression)
    if isinstance(compiled, str):
        raise refusal("pattern", expression, compiled)
    try:
        return _Interpreter(scope, limits, MAX_FRAMES - compiled.frames).evaluated(compiled, value)
    except Exception as error:
        # The library raises whatever odd data makes it: all of it is the pattern's fault.
        over_limit = isinstance(error, TooMuch)
        raise refusal("pattern", expression, _reason(error), over_limit=over_limit) from error


def fault_of(expression: str, limits: EventLimits = USUAL) -> str | None:
    """Return why an expression fails whatever it is applied to, without an event; None if it may succeed."""
    if len(expression) > limits.pattern_characters:
        return _too_long(limits)
    compiled = _compiled(expression)
    if isinstance(compiled, str):
        return compiled
    for name in _called(compiled.root):
        if name in LEFT_OUT:
            return f"calls {name}(), which is left out on purpose: {LEFT_OUT[name].reason}"
        if name in OF_AN_EVENT:
            return f"calls {name}(), which only patterns of events have"
        if name not in FUNCTIONS:
            return f"calls {name}(), which is no function"
    return None


def _called(root: dict[str, Any]) -> Iterator[str]:
    """Give the names of all functions that a parsed expression calls."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node["type"] == "function_expression":
            yield node["value"]
        waiting += [child for child in node["children"] if isinstance(child, dict)]


def _too_long(limits: EventLimits) -> str:
    return f"is longer than {limits.pattern_characters} characters"


class _Tree:
    """A compiled expression, and how deep its evaluation goes."""

    __slots__ = ("frames", "root")

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.frames = _frames(root)


def _parsed(expression: str) -> _Tree | str:
    """Parse, or give the reason why not: a bad pattern in a busy saga is not parsed each time."""
    if expression.count("(") > MAX_PARENTHESES:
        return f"is nested too deep: it has more than {MAX_PARENTHESES} parentheses"
    if _LONG_NUMBER.search(expression):
        return "holds a number of more than 1000 digits"
    try:
        with warnings.catch_warnings():
            # Old spellings of literals still work; the sender sees no warnings.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            root: Any = jmespath.compile(expression).parsed
        # The library would keep hundreds, whatever their size.
        Parser.purge()
        tree = _Tree(root)
        if tree.frames > MAX_FRAMES:
            return "is nested too deep"
        units_of(root, USUAL.pattern_values)
    except Exception as error:  # noqa: BLE001 - lexer and parser raise more than their own errors
        return _reason(error)
    return tree


_compiled: Final = Compiled(_parsed, KEPT_CHARACTERS)


def _frames(root: dict[str, Any]) -> int:
    """Return how many calls of Python an evaluation needs inside each other."""
    deepest = 0
    waiting = [(root, 0)]
    while waiting:
        node, above = waiting.pop()
        frames = above + _FRAMES.get(node["type"], _FRAMES_OF_OTHERS)
        deepest = max(deepest, frames)
        waiting += [(child, frames) for child in node["children"] if isinstance(child, dict)]
    return deepest


class _Interpreter(TreeInterpreter):
    """The library's interpreter for one search, which counts what it visits and builds.

    It is the ``Evaluation`` of the functions it calls.
    """

    _dict_cls = dict
    _drawn = 0

    def __init__(self, scope: Scope | None, limits: EventLimits, frames_left: int) -> None:
        # Not super().__init__: it builds a function table per search, half the cost of a short pattern.
        self._scope = scope
        self._limits = limits
        self._units_left = limits.pattern_values
        self._frames_left = frames_left

    def evaluated(self, tree: _Tree, value: Json) -> Json:
        result: Json = self.visit(tree.root, value)
        return result

    def visit(self, node: Any, value: Any) -> Any:
        self._units_left -= 1
        if self._units_left < 0:
            raise self._too_much()
        return _VISITS[node["type"]](self, node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        operator = node["value"]
        left, right = (self.visit(child, value) for child in node["children"])
        if operator in _EQUALITY:
            if type(left) in _CONTAINERS and type(left) is type(right):
                self.measure(left)
            return same(left, right) is _EQUALITY[operator]
        return self.COMPARATOR_FUNC[operator](left, right) if _ordered(left, right) else None

    def visit_expref(self, node: Any, value: Any) -> Any:  # noqa: ARG002 - as the library calls it
        raise EvaluationRefused(
            "has & where a value is meant; it stands only before an argument of a function"
        )

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        name = node["value"]
        arguments = [self._argument(child, value) for child in node["children"]]
        for argument in arguments:
            kind = type(argument)
            if kind is list or kind is dict:
                self.spend(len(argument))
            elif kind is str:
                self.spend(characters(len(argument)))
        function = FUNCTIONS.get(name) or LEFT_OUT.get(name)
        if function is None:
            raise EvaluationRefused(f"Unknown function: {name}()")
        result = function.call(self, arguments)
        self.spend(units_of(result, self._units_left))
        if type(result) is int and abs(result) > _LARGEST:
            raise EvaluationRefused("gives a number that is too large")
        return result

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        return self._built(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        return self._built(super().visit_multi_select_dict(node, value))

    # -- what functions use ------------------------------------------------------------------------

    def spend(self, units: int) -> None:
        self._units_left -= units
        if self._units_left < 0:
            raise self._too_much()

    def measure(self, value: Any) -> None:
        self.spend(units_of(value, self._units_left))

    def search(self, expression: str, value: Json) -> Json:
        self.spend(len(expression) * _UNITS_A_CHARACTER)
        if value is None:
            return None
        if len(expression) > self._limits.pattern_characters:
            raise TooMuch(f"an expression from the data {_too_long(self._limits)}")
        tree = _compiled(expression)
        if isinstance(tree, str):
            raise Misuse(f"the expression {tree}")
        frames = tree.frames + _FRAMES["function_expression"]
        if frames > self._frames_left:
            raise Misuse("the expression is nested too deep in others")
        self._frames_left -= frames
        result = self.evaluated(tree, value)
        self._frames_left += frames
        return result

    def given_ms(self) -> int:
        given_ms = None if self._scope is None else self._scope.origin.given_ms
        if given_ms is None:
            raise Misuse("here no time is known")
        return given_ms

    def random_bytes(self) -> bytes:
        if self._scope is None:
            raise Misuse("here is no event that it could be derived from")
        self._drawn += 1
        origin, pattern = self._scope
        text = f"{pattern} {self._drawn} {origin.seed}"
        return blake2b(text.encode(), digest_size=_CHANCE_BYTES).digest()

    # -- its own -----------------------------------------------------------------------------------

    def _argument(self, node: Any, value: Any) -> Any:
        if node["type"] == "expref":
            return Expression(partial(self.visit, node["children"][0]))
        return self.visit(node, value)

    def _too_much(self) -> TooMuch:
        return TooMuch(f"visits or builds more than {self._limits.pattern_values} values")

    def _built(self, value: Any) -> Any:
        self.measure(value)
        return value


_VISITS: Final[dict[str, Callable[[_Interpreter, Any, Any], Any]]] = {
    name.removeprefix("visit_"): getattr(_Interpreter, name)
    for name in dir(_Interpreter)
    if name.startswith("visit_")
}


def _ordered(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return True
    return is_number(left) and is_number(right)


def _reason(error: Exception) -> str:
    """Say what is wrong without quoting the expression again, or data of the event."""
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if isinstance(error, UnicodeEncodeError):
        return "holds half of a character pair, which is not JSON"
    if isinstance(error, jmespath_errors.ParseError):
        return _parse_reason(error)
    return str(error) or f"cannot be evaluated ({type(error).__name__})"


def _parse_reason(error: jmespath_errors.ParseError) -> str:
    if isinstance(error, jmespath_errors.LexerError):
        return f"{error.message} at column {error.lexer_position + 1}"
    if isinstance(error, jmespath_errors.IncompleteExpressionError):
        return "ends too early"
    return f"{error.msg} at column {error.lex_position + 1}"
