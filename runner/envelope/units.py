"""Units: the size of what patterns visit and build, and the errors for too much of it.

Beside ``patterns`` and its functions, which count while they work. A unit is a value of JSON or 32
characters of text; a million of them take about a second. The same value has the same size
always and everywhere: an event that comes again must come to the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

from runner.envelope.plain import Written

MAX_DEPTH: Final = 500
"""Levels of what a pattern builds; JSON encoders stop at some 1000."""

_CHARACTERS_SHIFT: Final = 5
_LEAVES: Final = frozenset({bool, int, type(None)})


class EvaluationRefused(Exception):
    """The pattern cannot be evaluated to plain JSON within its bounds; the text says why."""


class TooMuch(EvaluationRefused):
    """More than the limits of patterns allow."""


def units_of(value: Any, limit: int) -> int:
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
    raise EvaluationRefused(f"builds more than {MAX_DEPTH} levels")


def characters(count: int) -> int:
    """Return the units of that many characters."""
    return count >> _CHARACTERS_SHIFT


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
    if kind is Written or (kind is float and math.isfinite(item)):
        return 0
    raise EvaluationRefused(f"gives {item if kind is float else f'a {kind.__name__}'}, which is not JSON")


def _text_units(text: str) -> int:
    if not text.isascii():
        text.encode()
    return len(text) >> _CHARACTERS_SHIFT
