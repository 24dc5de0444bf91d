"""The order of any two values, as ``compare`` has it: by kind, then by value."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from runner.envelope.functions.signature import Evaluation
from runner.envelope.kinds import KINDS, kind_of
from runner.envelope.merge import Json


def compare(evaluation: Evaluation, left: Json, right: Json) -> Json:
    """-1, 0 or 1: the first comes before the second, is the same, comes after it.

    Null comes before false, true, numbers, texts (by their characters), arrays (by the first entries
    that differ) and objects (by names and values, in the order of the names).
    """
    evaluation.measure(left)
    evaluation.measure(right)
    waiting: list[tuple[Any, Any]] = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        order = _sign(KINDS.index(kind_of(one)), KINDS.index(kind_of(other)))
        if order == 0 and isinstance(one, list | dict):
            entries, others = _entries(one), _entries(other)
            waiting.append((len(entries), len(others)))
            waiting += reversed(list(zip(entries, others, strict=False)))
        elif order == 0 and one is not None:
            order = _sign(one, other)
        if order:
            return order
    return 0


def _entries(value: list[Any] | dict[str, Any]) -> list[Any]:
    if isinstance(value, list):
        return value
    return [part for field in sorted(value.items(), key=itemgetter(0)) for part in field]


def _sign(one: Any, other: Any) -> int:
    return bool(one > other) - bool(one < other)
