"""UpdateTask: changes the deadline of a task, by when it should be done, its priority and its notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runner.actions.callers import read_caller
from runner.actions.change import VerbChange, changed
from runner.actions.decision import Outcome
from runner.actions.details import deadline_ms, moment_of, notes_of, priority_of
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.values import value_of
from runner.envelope.paths import MISSING
from runner.errors import PARAMETER_MISSING, EventError
from runner.tasks.parts import NOTES, Notes, Part, TaskDetails
from runner.tasks.record import Record

_NAMES: Final = ("timeout", "timeoutOn", "dueOn", "followUpOn", "priority", "notes")


def update_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return SUCCESS with the task; what is left out stays, null clears.

    A new deadline replaces the old one, and counts from now where it is a span. EventError 10009 (nothing is
    named, or a blank) or 10011 (no moment, no priority of 0 to 100, notes that are too long).
    """
    sent = {name: value_of(name, plan.task_input, plan.incoming) for name in _NAMES}
    named = {name: _not_blank(name, value) for name, value in sent.items() if value is not MISSING}
    if not named:
        raise EventError(
            PARAMETER_MISSING, f"what is to be changed? name one of {', '.join(_NAMES)} in parameters"
        )
    fields: dict[str, Any] = {}
    if "timeout" in named or "timeoutOn" in named:
        fields["deadline_ms"] = deadline_ms(named.get("timeoutOn"), named.get("timeout"), now_ms)
        fields["number"] = 1 + (0 if record.life is None else record.life.number)
    details = record.details
    if "dueOn" in named:
        details = msgspec.structs.replace(details, due_on=moment_of(named["dueOn"], "dueOn"))
    if "followUpOn" in named:
        details = msgspec.structs.replace(details, follow_up_on=moment_of(named["followUpOn"], "followUpOn"))
    if "priority" in named:
        details = msgspec.structs.replace(details, priority=priority_of(named["priority"]))
    if details != record.details:
        fields["details"] = details
    parts: dict[str, Part] = {}
    if "notes" in named:
        fields["has_notes"] = True
        parts[NOTES] = Notes(record.revision + 1, str(plan.incoming.source), notes_of(named["notes"]))
    actor = read_caller(plan.incoming.event, policy, policy.domains[plan.key.domain]).user
    change = VerbChange("updated", actor, _shown(named, fields, details), fields, parts)
    return changed(record, change, plan.incoming, now_ms)


def _not_blank(name: str, value: Any) -> Any:
    """Return a value as sent; EventError 10009 for a blank, which might be meant as anything."""
    if isinstance(value, str) and not value.strip():
        raise EventError(PARAMETER_MISSING, f"{name} is blank; send null to clear it")
    return value


def _shown(named: Mapping[str, Any], fields: Mapping[str, Any], details: TaskDetails) -> dict[str, Any]:
    """Return what the history says was changed, as it is stored; of notes only whether there are any."""
    stored = {"dueOn": details.due_on, "followUpOn": details.follow_up_on, "priority": details.priority}
    shown = {name: value for name, value in stored.items() if name in named}
    if "deadline_ms" in fields:
        shown["timeout"] = fields["deadline_ms"]
    return shown | ({"notes": named["notes"] is not None} if "notes" in named else {})
