"""Fields sent: the values of a verb, from the fields of its form on a page."""

from __future__ import annotations

from typing import Any

from runner.tasks.record import Record
from runner.web.pages.languages import later
from runner.web.pages.visit import Sent


class BadField(Exception):
    """A field says nothing that can be done; the text is for a person, and is looked up."""


def values_of(verb: str, sent: Sent, record: Record | None) -> dict[str, Any]:
    """Return the body of a verb; ``record``: the task as it is now, None for many tasks."""
    match verb:
        case "assign":
            return _assignment(sent)
        case "cancel":
            return {"reason": _needed(sent, "reason", later("Say why the task is cancelled"))}
        case "comments":
            return {"text": _needed(sent, "text", later("Write something first")).replace("\r\n", "\n")}
        case "update" if record is not None:
            return _update(sent, record)
        case _:
            return {}


def _needed(sent: Sent, name: str, complaint: str) -> str:
    text = sent.field(name).strip()
    if not text:
        raise BadField(complaint)
    return text


def _assignment(sent: Sent) -> dict[str, Any]:
    user = sent.field("user").strip()
    roles = [role.strip() for role in sent.field("roles").split(",") if role.strip()]
    if not user and not roles:
        raise BadField(later("Name a user, a role, or both"))
    values: dict[str, Any] = {"override": True}
    values["user"] = user or None
    if roles:
        values["roles"] = roles
    return values


def _update(sent: Sent, record: Record) -> dict[str, Any]:
    """Return what differs from the task as it is; a blank field takes a value away."""
    dates, details = sent.visit.dates, record.details
    values: dict[str, Any] = {}
    moments = {"dueOn": details.due_on, "followUpOn": details.follow_up_on, "timeoutOn": record.deadline_ms}
    for name, before in moments.items():
        text = sent.field(name).strip()
        if text == dates.local_input(before):
            continue
        after = dates.from_input(text) if text else None
        if text and after is None:
            raise BadField(later("Write a date and a time"))
        values[name] = after
    priority = sent.field("priority").strip()
    if priority != str(details.priority):
        if priority and not (priority.isascii() and priority.isdecimal() and len(priority) < 4):
            raise BadField(later("A priority is a number of 0 to 100"))
        values["priority"] = int(priority) if priority else None
    notes = sent.field("notes").replace("\r\n", "\n").strip()
    if notes != sent.field("notes_before").replace("\r\n", "\n").strip():
        values["notes"] = notes or None
    if not values:
        raise BadField(later("Nothing was changed"))
    return values
