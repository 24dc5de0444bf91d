"""Values of a verb: ``parameters.x``, else what ``parameters.xPath`` finds, else field ``x`` of the input."""

from __future__ import annotations

from typing import Any

from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput, find
from runner.envelope.paths import MISSING
from runner.errors import NOT_CONVERTIBLE, EventError


def parameter_of(name: str, task_input: TaskInput, incoming: Incoming) -> Any:
    """Return ``parameters.name``, or what ``parameters.namePath`` finds; MISSING where there is none.

    The actions of sagas take no more than that: a field of a plain payload changes nothing.
    """
    event = incoming.event
    value = event.parameters.get(name, MISSING)
    if value is not MISSING:
        return value
    path = event.parameter(f"{name}Path")
    return MISSING if path is None else find(path, event, task_input.data)


def value_of(name: str, task_input: TaskInput, incoming: Incoming) -> Any:
    """Return the value of a verb as sent; MISSING where there is none. Null that is there is None."""
    value = parameter_of(name, task_input, incoming)
    if value is not MISSING or incoming.event.parameter(f"{name}Path") is not None:
        return value
    return task_input.data.get(name, MISSING) if isinstance(task_input.data, dict) else MISSING


def given(name: str, task_input: TaskInput, incoming: Incoming) -> Any:
    """Return the value of a verb as sent; None where there is none."""
    value = value_of(name, task_input, incoming)
    return None if value is MISSING else value


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
