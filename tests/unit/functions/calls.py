"""How the tables of calls are run: the expression on the data, within the scope of one event."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

import pytest

from runner.envelope.patterns import Scope, search
from runner.envelope.values import Json
from runner.errors import NOT_CONVERTIBLE, EventError

GIVEN_MS: Final = 1_795_000_000_123
"""2026-11-18 11:06:40.123 UTC, a Wednesday."""


class SomeEvent:
    """An event as its patterns see it."""

    def __init__(self, given_ms: int | None = GIVEN_MS, seed: str = "1/0@100 req-1") -> None:
        self.given_ms = given_ms
        self.seed = seed


EVENT: Final = SomeEvent()


def called(
    expression: str, data: Json = "any", event: SomeEvent = EVENT, pattern: str = "inputPattern"
) -> Json:
    """What the expression gives: plain JSON; the data is as it was."""
    before = copy.deepcopy(data)
    result = search(expression, data, Scope(event, pattern))
    assert json.dumps(data) == json.dumps(before)
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    return result


def check(expression: str, data: Any, expected: Any) -> None:
    """As JSON, so that true is not 1, and 1.0 not 1."""
    assert json.dumps(called(expression, data), ensure_ascii=False) == json.dumps(
        expected, ensure_ascii=False
    )


def refused(expression: str, data: Json = "any", event: SomeEvent = EVENT) -> str:
    """The refusal of an expression; it is 10011 and can be sent."""
    with pytest.raises(EventError) as refusal:
        search(expression, data, Scope(event, "inputPattern"))
    assert refusal.value.code == NOT_CONVERTIBLE
    refusal.value.message.encode()
    return refusal.value.message


def check_refused(expression: str, data: Any, reason: str) -> None:
    """The refusal names the function and says the reason."""
    message = refused(expression, data)
    assert f"{expression.partition('(')[0]}() takes (" in message or "more than 1000000" in message
    assert reason in message
