"""Standard functions of JMESPath, as its specification has them, for JSON values alone.

Not those of the library: it looks at the first argument only, compares as Python does, and lets
Python's messages, numbers and rounding out. Those that Python has alike stand in ``table``, those on numbers
in ``numbers``.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from runner.envelope.functions.formats import printed
from runner.envelope.functions.signature import Evaluation, Expression, Misuse
from runner.envelope.units import characters
from runner.envelope.values import Json, is_number, kind_of, read_number, same

Texts: TypeAlias = list[str]


def contains(evaluation: Evaluation, subject: str | list[Any], search: Any) -> Json:
    """Return whether a text has another in it, or an array an entry that is the same JSON."""
    if isinstance(subject, str):
        if not isinstance(search, str):
            raise Misuse(f"search is {kind_of(search)}, and a text holds nothing but string")
        return search in subject
    if isinstance(search, list | dict):
        evaluation.measure(subject)
    return any(same(entry, search) for entry in subject)


def join(evaluation: Evaluation, glue: str, texts: Texts) -> Json:
    """Return the texts with the glue between them."""
    evaluation.spend(characters(sum(map(len, texts)) + len(glue) * len(texts)))
    return glue.join(texts)


def merge(*objects: dict[str, Any]) -> Json:
    """Return the fields of all objects; of equal names the last counts."""
    merged: dict[str, Any] = {}
    for each in objects:
        merged |= each
    return merged


def greatest_by(entries: list[Any], expression: Expression) -> Json:
    """Return the first entry for which the expression gives most; null of no entries."""
    ranks = _ranks(entries, expression)
    return entries[max(range(len(ranks)), key=ranks.__getitem__)] if ranks else None


def least_by(entries: list[Any], expression: Expression) -> Json:
    """Return the first entry for which the expression gives least; null of no entries."""
    ranks = _ranks(entries, expression)
    return entries[min(range(len(ranks)), key=ranks.__getitem__)] if ranks else None


def ordered_by(entries: list[Any], expression: Expression) -> Json:
    """Return the entries in the order of what the expression gives for them."""
    ranks = _ranks(entries, expression)
    return [entries[place] for place in sorted(range(len(ranks)), key=ranks.__getitem__)]


def to_string(evaluation: Evaluation, value: Json) -> Json:
    """Return the text, or the value as JSON text."""
    if isinstance(value, str):
        return value
    evaluation.measure(value)
    return printed(value)


def to_number(value: Json) -> Json:
    """Return the number, or the number that a text is by JSON's grammar; null for anything else."""
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
    kinds = " and ".join(dict.fromkeys(map(kind_of, ranks)))
    raise Misuse(f"expr gives {kinds}; for all entries it must give number, or for all string")
