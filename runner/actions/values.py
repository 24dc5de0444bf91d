"""Values of a verb: ``parameters.x``, else what ``parameters.xPath`` finds, else field ``x`` of the input."""

from __future__ import annotations

from typing import Any

from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput, find
from runner.envelope.paths import MISSING


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
