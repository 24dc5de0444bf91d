"""Functions that use the search that calls them: for expressions from the data, and for unique values.

What an expression from the data does is done on the account of the search that holds it. What is new for an
event is the same when the event is redelivered (``Evaluation.random_bytes``); nothing of it is a secret.
"""

from __future__ import annotations

from typing import Any, Final

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.values import Json, truthy

_MAX_EXACT: Final = 2**53
_UUID_VERSION: Final = 5
"""A name-based UUID, which is what it is."""


def dynamic_repeat(evaluation: Evaluation, value: Json, entries: list[Any], expression: str) -> Json:
    """Return what the expression gives for each entry; it sees ``{input, entry}``."""
    return [evaluation.search(expression, {"input": value, "entry": entry}) for entry in entries]


def dynamic_filter(evaluation: Evaluation, value: Json, entries: list[Any], expression: str) -> Json:
    """Return the entries for which the expression is true; it sees ``{input, entry}``."""
    return [
        entry for entry in entries if truthy(evaluation.search(expression, {"input": value, "entry": entry}))
    ]


def uuid(evaluation: Evaluation) -> Json:
    """Return a UUID as text."""
    drawn = bytearray(evaluation.random_bytes()[:16])
    drawn[6] = drawn[6] & 0x0F | _UUID_VERSION << 4
    drawn[8] = drawn[8] & 0x3F | 0x80
    digits = drawn.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def rand(evaluation: Evaluation, least: float, most: float) -> Json:
    """Return a whole number from min to max, both included, if both are whole; else one between them."""
    if least > most:
        raise Misuse("min is more than max")
    if max(abs(least), abs(most)) > _MAX_EXACT:
        raise Misuse("min and max must lie between -2^53 and 2^53")
    drawn = int.from_bytes(evaluation.random_bytes(), "big")
    if float(least).is_integer() and float(most).is_integer():
        return int(least) + drawn % (int(most) - int(least) + 1)
    return least + (most - least) * (drawn % _MAX_EXACT / _MAX_EXACT)
