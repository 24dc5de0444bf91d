"""Signatures of functions: their parameters, the kinds they take, and the errors for others.

``table`` writes every signature as its users read it, ``split_array(list: array, size: integer)``;
here it becomes a ``Function``. ``?`` marks a parameter that may be left out, ``= value`` one with a
default, ``...`` one that takes all the rest. Null counts as left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from runner.envelope.units import EvaluationRefused
from runner.envelope.values import Json, is_number, kind_of

_PARAMETER: Final = re.compile(
    r"(?P<name>\w+)(?P<rest>\.\.\.)?(?P<optional>\?)?: (?P<kinds>[\w\[\]|]+)(?: = (?P<default>.+))?"
)


@dataclass(frozen=True, slots=True)
class Expression:
    """An argument with ``&``: the function evaluates it for each entry."""

    evaluate: Callable[[Json], Json]


class Misuse(Exception):
    """The arguments are of the right kind and still cannot be used; the text goes after the name."""


class Evaluation(Protocol):
    """The part of a search that the functions it calls may use."""

    def spend(self, units: int) -> None:
        """Note work before it is done; raises where the search has done too much."""

    def measure(self, value: Json) -> None:
        """Spend the whole size of a value, with all that lies in it."""

    def search(self, expression: str, value: Json) -> Json:
        """Evaluate another expression on the account of this search; Misuse where it is wrong."""

    def given_ms(self) -> int:
        """Return when the event was sent, epoch ms; Misuse where that is not known."""

    def random_bytes(self) -> bytes:
        """Return 20 bytes unique to this call, and the same when the event is redelivered."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: what it takes, and what it is where it is left out."""

    name: str
    kinds: tuple[str, ...]
    is_optional: bool
    default: Json

    def read(self, value: Any) -> Any:
        """Return an argument as the function takes it; Misuse for another kind."""
        if value is None and self.is_optional:
            return self.default
        for kind in self.kinds:
            if _KINDS[kind](value):
                return int(value) if kind == "integer" else value
        raise Misuse(f"{self.name} is {described(value)}")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the table."""

    name: str
    takes: str
    """Its parameters as they are written."""
    parameters: tuple[Parameter, ...]
    repeats: bool
    """Whether the last parameter takes all further arguments."""
    body: Callable[..., Json]
    counts: bool
    """Whether the body is given the Evaluation, before its arguments."""

    def call(self, evaluation: Evaluation, arguments: Sequence[Any]) -> Json:
        """Return what the function gives; raises EvaluationRefused with its name, and what it takes."""
        try:
            values = self._read(arguments)
            return self.body(evaluation, *values) if self.counts else self.body(*values)
        except Misuse as misuse:
            raise EvaluationRefused(f"{self.name}() takes ({self.takes}); {misuse}") from None

    def _read(self, arguments: Sequence[Any]) -> list[Any]:
        parameters = self.parameters
        if self.repeats:
            parameters += parameters[-1:] * (len(arguments) - len(parameters))
        required = sum(not parameter.is_optional for parameter in self.parameters)
        if not required <= len(arguments) <= len(parameters):
            raise Misuse(f"it was given {len(arguments)} argument{'s' * (len(arguments) != 1)}")
        missing = [None] * (len(parameters) - len(arguments))
        return [p.read(value) for p, value in zip(parameters, (*arguments, *missing), strict=True)]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A function that others have and patterns here do not, on purpose."""

    name: str
    reason: str

    def call(self, evaluation: Evaluation, arguments: Sequence[Any]) -> Json:  # noqa: ARG002 - as a Function
        """Raise EvaluationRefused with the reason."""
        raise EvaluationRefused(f"{self.name}() is left out on purpose: {self.reason}")


def parse_signature(text: str, body: Callable[..., Json], *, counts: bool) -> Function:
    """Return the function of a signature."""
    name, _, takes = text.removesuffix(")").partition("(")
    matches = [_PARAMETER.fullmatch(each) for each in takes.split(", ") if each]
    parameters = tuple(_parameter(each) for each in matches if each is not None)
    if len(parameters) != len(matches):
        raise ValueError(f"not a signature: {text}")
    repeats = bool(matches and matches[-1] and matches[-1]["rest"])
    return Function(name, takes, parameters, repeats, body, counts)


def _parameter(match: re.Match[str]) -> Parameter:
    default = match["default"]
    kinds = tuple(match["kinds"].split("|"))
    if not set(kinds) <= set(_KINDS):
        raise ValueError(f"not kinds: {match['kinds']}")
    is_optional = bool(match["optional"]) or default is not None
    return Parameter(match["name"], kinds, is_optional, default and msgspec.json.decode(default))


def _is_integer(value: Any) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def _array_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(entry) is kind for entry in value)


_KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "any": lambda value: not isinstance(value, Expression),
    "array": lambda value: isinstance(value, list),
    "array[array]": _array_of(list),
    "array[number]": lambda value: isinstance(value, list) and all(map(is_number, value)),
    "array[object]": _array_of(dict),
    "array[string]": _array_of(str),
    "boolean": lambda value: isinstance(value, bool),
    "expression": lambda value: isinstance(value, Expression),
    "integer": _is_integer,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def described(value: Any) -> str:
    """Name the kind of a value, of an array also what is in it."""
    if isinstance(value, list) and value:
        return f"an array of {', '.join(dict.fromkeys(map(kind_of, value)))}"
    return kind_of(value)
