"""Answers as the validator takes them: numbers exact, and everything counted that its work depends on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from runner.envelope.plain import Written, is_well_formed
from runner.forms.cost import MAX_LEVELS
from runner.forms.tree import escaped

MAX_WIDE: Final = 200
"""Numbers of an answer that neither 64 bits nor a double hold: comparing them is slow."""
MAX_EXPONENT: Final = 1000

_SMALL: Final = 2**63


class Unusual(Exception):
    """The answers hold what no schema could allow; ``pointer`` leads to it, ``message`` says what."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


@dataclass(slots=True)
class Measure:
    """What validating answers depends on."""

    values: int = 0
    characters: int = 0
    levels: int = 0
    wide: int = 0


def for_validator(value: Any, measure: Measure, pointer: str = "", level: int = 1) -> Any:
    """Return a copy of plain values with numbers that the validator takes, and fill in ``measure``.

    Raises Unusual for halves of character pairs, more than ``MAX_LEVELS`` levels or ``MAX_WIDE`` wide
    numbers, and numbers beyond ``MAX_EXPONENT``.
    """
    measure.values += 1
    measure.characters += 3
    measure.levels = max(measure.levels, level)
    if isinstance(value, str):
        return _text(value, measure, pointer)
    if isinstance(value, dict | list) and level > MAX_LEVELS:
        raise Unusual(pointer, f"is nested deeper than {MAX_LEVELS} levels")
    if isinstance(value, list):
        entries = []
        for index, entry in enumerate(value):
            entries.append(for_validator(entry, measure, f"{pointer}/{index}", level + 1))
        return entries
    if isinstance(value, dict):
        fields = {}
        for name, entry in value.items():
            below = f"{pointer}/{escaped(name)}"
            fields[_text(name, measure, below)] = for_validator(entry, measure, below, level + 1)
        return fields
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, measure, pointer)
    return value


def _text(text: str, measure: Measure, pointer: str) -> str:
    measure.characters += len(text)
    if not text.isascii() and not is_well_formed(text):
        raise Unusual(pointer.encode("utf-8", "backslashreplace").decode(), "holds half of a character pair")
    return text


def _number(value: float, measure: Measure, pointer: str) -> int | float | Decimal:
    """Return the number exactly as it was sent."""
    if type(value) is int and -_SMALL <= value < _SMALL:
        return value
    try:
        number = Decimal(value.text) if isinstance(value, Written) else Decimal(repr(value))
    except InvalidOperation:
        raise Unusual(pointer, f"is a number of more than {MAX_EXPONENT} digits") from None
    if (
        not number.is_finite()
        or abs(number.adjusted()) > MAX_EXPONENT
        or len(number.as_tuple().digits) > MAX_EXPONENT
    ):
        raise Unusual(pointer, f"is a number of more than {MAX_EXPONENT} digits")
    if number == number.to_integral_value() and abs(number) < _SMALL:
        return int(number)
    near = float(number)
    if type(value) is not int and abs(near) <= 1e308 and Decimal(repr(near)) == number:
        return near
    measure.wide += 1
    if measure.wide > MAX_WIDE:
        raise Unusual(pointer, f"is one number of more than 17 digits too many: {MAX_WIDE} are allowed")
    return value if type(value) is int else number
