"""Functions on numbers. A whole number stays whole up to 64 bits; what no float can hold is refused."""

from __future__ import annotations

import math
import re
from typing import Final, TypeAlias

from runner.envelope.functions.signature import Misuse
from runner.envelope.merge import Json

Number: TypeAlias = int | float

_MAX_WHOLE: Final = 2**64
_MAX_EXACT: Final = 2**53
_TEXT: Final = re.compile(r"\s*[+-]?(?:\d{1,30})(?:\.\d*)?(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)


def divide(left: Number, right: Number) -> Json:
    """The quotient; null by zero."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return _sound(left // right)
    return _sound(_float(left) / _float(right))


def multiply(left: Number, right: Number) -> Json:
    """The product."""
    return _sound(_narrow(left) * _narrow(right))


def minus(left: Number, right: Number) -> Json:
    """The difference."""
    return _sound(_narrow(left) - _narrow(right))


def mod(left: Number, right: Number) -> Json:
    """The rest of a division, with the sign of the first number; null by zero."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return _sound(-rest if left < 0 else rest)
    return _sound(math.fmod(_float(left), _float(right)))


def power(base: Number, exponent: Number) -> Json:
    """The first number to the power of the second."""
    if isinstance(base, int) and isinstance(exponent, int) and _fits(base, exponent):
        return _sound(base**exponent)
    try:
        return _sound(math.pow(_float(base), _float(exponent)))
    except ValueError:
        raise Misuse("the result is no real number") from None
    except OverflowError:
        raise Misuse("the result is too large") from None


def to_int(value: str | Number) -> Json:
    """The whole part of a number, or of a number written as text."""
    if isinstance(value, str):
        if not _TEXT.fullmatch(value):
            raise Misuse("value is text, but no number")
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Misuse("the result is too large")
    return _sound(int(value))


def compare(left: str | Number, right: str | Number) -> Json:
    """-1, 0 or 1: the first is less, the same, more. Two numbers, or two texts by their characters."""
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, str) or isinstance(right, str):
        raise Misuse("a text and a number have no order")
    return (left > right) - (left < right)


def _fits(base: int, exponent: int) -> bool:
    return exponent >= 0 and (abs(base) <= 1 or exponent * base.bit_length() <= 2 * 64)


def _narrow(number: Number) -> Number:
    """Return a number that takes no time to reckon with."""
    return _float(number) if isinstance(number, int) and abs(number) > _MAX_WHOLE else number


def _float(number: Number) -> float:
    try:
        return float(number)
    except OverflowError:
        raise Misuse("a number is too large") from None


def _sound(number: Number) -> Number:
    """Return a number that JSON readers understand: whole up to 64 bits, else a float."""
    if isinstance(number, int):
        return number if abs(number) < _MAX_WHOLE else _float(number)
    if not math.isfinite(number):
        raise Misuse("the result is too large")
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
