"""Values of a verb: ``parameters.x``, else what ``parameters.xPath`` finds, else field ``x`` of the input."""

from __future__ import annotations

from typing import Any

from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput, find
from runner.envelope.paths import MISSING
from runner.errors import NOT_CONVERTIBLE, EventError


def value_of(name: str, task_input: TaskInput, incoming: Incoming) -> Any:
    """Return the value of a verb as sent; MISSING where there is none. Null that is there is None."""
    event = incoming.event
    value = event.parameters.get(name, MISSING)
    if value is not MISSING:
        return value
    path = event.parameter(f"{name}Path")
    if path is not None:
        return find(path, event, task_input.data)
    return task_input.data.get(name, MISSING) if isinstance(task_input.data, dict) else MISSING


def flag_of(name: str, task_input: TaskInput, incoming: Incoming) -> bool:
    """Return a value that is true or false, also as text; false where it is absent, null or blank.

    EventError 10011 for anything else: a person would not know what 0 or "no" does.
    """
    value = value_of(name, task_input, incoming)
    if isinstance(value, bool):
        return value
    text = "" if value is MISSING or value is None else value
    word = text.strip() if isinstance(text, str) else None
    if word not in ("", "true", "false"):
        raise EventError(NOT_CONVERTIBLE, f"{name} must be true or false")
    return word == "true"
