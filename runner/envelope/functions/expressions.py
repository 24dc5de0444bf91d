"""Functions that take an expression from the data, and the choice between two values.

What such an expression does is done on the account of the search that holds it.
"""

from __future__ import annotations

from typing import Any

from runner.envelope.functions.signature import Evaluation
from runner.envelope.merge import Json
from runner.envelope.truthiness import truthy


def dynamic(evaluation: Evaluation, value: Json, expression: str) -> Json:
    """What the expression gives for the value."""
    return evaluation.search(expression, value)


def dynamic_repeat(evaluation: Evaluation, value: Json, entries: list[Any], expression: str) -> Json:
    """What the expression gives for each entry; it sees ``{input, entry}``."""
    return [evaluation.search(expression, {"input": value, "entry": entry}) for entry in entries]


def dynamic_filter(evaluation: Evaluation, value: Json, entries: list[Any], expression: str) -> Json:
    """The entries for which the expression is true; it sees ``{input, entry}``."""
    return [
        entry for entry in entries if truthy(evaluation.search(expression, {"input": value, "entry": entry}))
    ]


def cond(test: Json, if_true: Json, if_false: Json) -> Json:
    """One value or the other. Both are evaluated before."""
    return if_true if truthy(test) else if_false
