"""The standard functions of JMESPath, all but ``type``: what its specification says, for JSON alone.

Not those of the library: it looks at the first argument only, compares as Python does, and lets
Python's messages, numbers and rounding out. Two functions on numbers are in ``numbers``.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from runner.envelope.equality import same
from runner.envelope.functions.formats import printed
from runner.envelope.functions.signature import Evaluation, Expression, Misuse
from runner.envelope.kinds import is_number, kind_of
from runner.envelope.merge import Json
from runner.envelope.numerals import read_number
from runner.envelope.units import characters

Texts: TypeAlias = list[str]


def contains(evaluation: Evaluation, subject: str | list[Any], search: Any) -> Json:
    """Whether a text has another in it, or an array an entry that is the same JSON."""
    if isinstance(subject, str):
        if not isinstance(search, str):
            raise Misuse(f"search is {kind_of(search)}, and a text holds nothing but string")
        return search in subject
    if isinstance(search, list | dict):
        evaluation.measure(subject)
    return any(same(entry, search) for entry in subject)


def starts_with(text: str, prefix: str) -> Json:
    """Whether a text begins with another."""
    return text.startswith(prefix)


def ends_with(text: str, suffix: str) -> Json:
    """Whether a text ends with another."""
    return text.endswith(suffix)


def join(evaluation: Evaluation, glue: str, texts: Texts) -> Json:
    """The texts with the glue between them."""
    evaluation.spend(characters(sum(map(len, texts)) + len(glue) * len(texts)))
    return glue.join(texts)


def reverse(value: str | list[Any]) -> Json:
    """The array or the text from its end."""
    return value[::-1]


def length(value: str | list[Any] | dict[str, Any]) -> Json:
    """How many characters, entries or fields."""
    return len(value)


def keys(node: dict[str, Any]) -> Json:
    """The names of the fields."""
    return list(node)


def values(node: dict[str, Any]) -> Json:
    """The values of the fields."""
    return list(node.values())


def merge(*objects: dict[str, Any]) -> Json:
    """The fields of all objects; of equal names the last counts."""
    merged: dict[str, Any] = {}
    for each in objects:
        merged |= each
    return merged


def mapped(expression: Expression, entries: list[Any]) -> Json:
    """What the expression gives for each entry."""
    return [expression.evaluate(entry) for entry in entries]


def greatest(entries: list[Any]) -> Json:
    """The greatest number, or the last text; null of no entries."""
    value: Json = max(entries, default=None)
    return value


def least(entries: list[Any]) -> Json:
    """The least number, or the first text; null of no entries."""
    value: Json = min(entries, default=None)
    return value


def ordered(entries: list[Any]) -> Json:
    """The numbers or texts in their order."""
    return sorted(entries)


def greatest_by(entries: list[Any], expression: Expression) -> Json:
    """The first entry for which the expression gives most; null of no entries."""
    ranks = _ranks(entries, expression)
    return entries[max(range(len(ranks)), key=ranks.__getitem__)] if ranks else None


def least_by(entries: list[Any], expression: Expression) -> Json:
    """The first entry for which the expression gives least; null of no entries."""
    ranks = _ranks(entries, expression)
    return entries[min(range(len(ranks)), key=ranks.__getitem__)] if ranks else None


def ordered_by(entries: list[Any], expression: Expression) -> Json:
    """The entries in the order of what the expression gives for them."""
    ranks = _ranks(entries, expression)
    return [entries[place] for place in sorted(range(len(ranks)), key=ranks.__getitem__)]


def not_null(*given: Json) -> Json:
    """The first value that is not null."""
    return next((value for value in given if value is not None), None)


def to_array(value: Json) -> Json:
    """The array, or an array of the one value."""
    return value if isinstance(value, list) else [value]


def to_string(evaluation: Evaluation, value: Json) -> Json:
    """The text, or the value as JSON text."""
    if isinstance(value, str):
        return value
    evaluation.measure(value)
    return printed(value)


def to_number(value: Json) -> Json:
    """The number, or the number that a text is by JSON's grammar; null for anything else."""
    number = read_number(value) if isinstance(value, str) else value
    if not is_number(number):
        return None
    if isinstance(number, float) and math.isinf(number):
        raise Misuse("the number is too large")
    return number


def _ranks(entries: list[Any], expression: Expression) -> list[Any]:
    """Return what the expression gives for each entry: numbers only, or texts only."""
    ranks = [expression.evaluate(entry) for entry in entries]
    if all(map(is_number, ranks)) or all(isinstance(rank, str) for rank in ranks):
        return ranks
    given = " and ".join(dict.fromkeys(map(kind_of, ranks)))
    raise Misuse(f"expr gives {given}; for all entries it must give number, or for all string")
