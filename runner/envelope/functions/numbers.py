"""Functions on numbers. A whole number stays whole up to 64 bits; what no float can hold is refused."""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import Final, TypeAlias

from runner.envelope.functions.signature import Misuse
from runner.envelope.values import Json, read_number

Number: TypeAlias = int | float

_MAX_WHOLE: Final = 2**64
_MAX_EXACT: Final = 2**53


def divide(left: Number, right: Number) -> Json:
    """Return the quotient; null by zero."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return _sound(left // right)
    return _sound(_float(left) / _float(right))


def multiply(left: Number, right: Number) -> Json:
    """Return the product."""
    return _sound(_bounded(left) * _bounded(right))


def minus(value: Number) -> Json:
    """Return the number with the other sign."""
    return _sound(-_bounded(value))


def mod(left: Number, right: Number) -> Json:
    """Return the rest of a division, with the sign of the first number; null by zero."""
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return _sound(-rest if left < 0 else rest)
    return _sound(math.fmod(_finite(_float(left)), _float(right)))


def power(base: Number, exponent: Number) -> Json:
    """Return the first number to the power of the second."""
    if isinstance(base, int) and isinstance(exponent, int) and _fits(base, exponent):
        return _sound(base**exponent)
    try:
        return _sound(math.pow(_float(base), _float(exponent)))
    except ValueError:
        raise Misuse("the result is no real number") from None
    except OverflowError:
        raise Misuse("the result is too large") from None


def to_int(value: str | Number) -> Json:
    """Return the greatest whole number that is not above a number, or above one written as text."""
    number = read_number(value) if isinstance(value, str) else value
    if number is None:
        raise Misuse("value is text, but no number")
    return floor(number)


def floor(value: Number) -> Json:
    """Return the greatest whole number that is not above this one."""
    return _sound(math.floor(_finite(value)))


def ceil(value: Number) -> Json:
    """Return the least whole number that is not below this one."""
    return _sound(math.ceil(_finite(value)))


def total(values: list[Number]) -> Json:
    """Return the sum, added from first to last: how Python's ``sum`` rounds depends on its version."""
    try:
        return _finite(reduce(add, values, 0))
    except OverflowError:
        raise Misuse("the result is too large") from None


def average(values: list[Number]) -> Json:
    """Return the mean; null of no numbers."""
    try:
        return _finite(reduce(add, values, 0) / len(values)) if values else None
    except OverflowError:
        raise Misuse("the result is too large") from None


def _fits(base: int, exponent: int) -> bool:
    return exponent >= 0 and (abs(base) <= 1 or exponent * base.bit_length() <= 2 * 64)


def _bounded(number: Number) -> Number:
    """Return a number that takes no time to reckon with."""
    return _float(number) if isinstance(number, int) and abs(number) > _MAX_WHOLE else number


def _float(number: Number) -> float:
    try:
        return float(number)
    except OverflowError:
        raise Misuse("a number is too large") from None


def _finite(number: Number) -> Number:
    if isinstance(number, float) and not math.isfinite(number):
        raise Misuse("the result is too large")
    return number


def _sound(number: Number) -> Number:
    """Return a number that JSON readers understand: whole up to 64 bits, else a float."""
    if isinstance(number, int):
        return number if abs(number) < _MAX_WHOLE else _float(number)
    _finite(number)
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
