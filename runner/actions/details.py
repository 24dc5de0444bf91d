"""Details: deadline, due and follow-up dates, priority and notes, as StartTask and UpdateTask take them."""

from __future__ import annotations

from typing import Any, Final

from runner.actions.inputs import MAX_TIME_MS, epoch_ms
from runner.envelope.event import as_text
from runner.envelope.values import read_number
from runner.errors import NOT_CONVERTIBLE, EventError
from runner.tasks.parts import DEFAULT_PRIORITY

MAX_PRIORITY: Final = 100

MAX_NOTES_CHARACTERS: Final = 4000
"""Characters of the notes on a task at most."""

LONG_PAST: Final = -1e300
"""Lowest time or span that is accepted: a deadline may lie in the past."""

NAMES: Final = ("dueOn", "followUpOn", "priority", "notes")
"""What StartTask takes beside the deadline."""


def deadline_ms(moment: Any, span: Any, now_ms: int) -> int | None:
    """Return the deadline: ``timeoutOn``, a moment, else ``timeout``, a span from now, else None."""
    at = epoch_ms(moment, "timeoutOn", LONG_PAST)
    if at is None:
        after = epoch_ms(span, "timeout", LONG_PAST)
        at = None if after is None else now_ms + after
    return None if at is None else max(0, min(at, MAX_TIME_MS))


def moment_of(value: Any, name: str) -> int | None:
    """Return a moment in epoch ms; None where there is none. EventError 10011."""
    return epoch_ms(value, name)


def priority_of(value: Any) -> int:
    """Return a priority of 0 to 100; the default for none. EventError 10011."""
    text = as_text(value, "priority")
    if text is None:
        return DEFAULT_PRIORITY
    number = read_number(text.strip())
    if number is None or not 0 <= number <= MAX_PRIORITY or number != int(number):
        raise EventError(NOT_CONVERTIBLE, f"priority {text[:40]!r} is no whole number of 0 to {MAX_PRIORITY}")
    return int(number)


def notes_of(value: Any) -> str | None:
    """Return notes; None where there are none. EventError 10011."""
    text = as_text(value, "notes")
    if text is not None and len(text) > MAX_NOTES_CHARACTERS:
        raise EventError(
            NOT_CONVERTIBLE, f"the notes have {len(text)} characters, more than {MAX_NOTES_CHARACTERS}"
        )
    return text
