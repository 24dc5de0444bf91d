"""Notifications: what people have to hear of a change, told in the transaction of the change.

They are kept with the decision: a redelivered event tells the same. ``render`` makes messages of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from runner.actions.decision import ACK, Done, Notification, Outcome
from runner.actions.policy import Policy
from runner.actions.task_result import task_result
from runner.envelope.plain import decode
from runner.tasks.keys import is_definition
from runner.tasks.parts import HISTORY, HistoryEntry
from runner.tasks.record import Record, read_part


def with_told(outcome: Outcome, after: Record, policy: Policy) -> Outcome:
    """Return an outcome with what its domain wants people to hear; ``after``: the record that was changed."""
    if not isinstance(outcome, Done) or is_definition(after.key):
        return outcome
    wanted = policy.domains[after.key.domain].notify
    told = tuple(each for each in _changes(outcome, after) if each.event in wanted) if wanted else ()
    return msgspec.structs.replace(outcome, told=told) if told else outcome


def _changes(outcome: Done, after: Record) -> list[Notification]:
    """Return every change that an event made, in order."""
    told: list[Notification] = []
    if outcome.reply == ACK:
        ownership = after.ownership
        told.append(_told("created", None, {"user": ownership.user, "roles": ownership.roles}, after))
    names = [name for name in outcome.written or () if name.startswith(HISTORY)]
    entries = [entry for name in names if (entry := read_part(after, name, HistoryEntry)) is not None]
    for place, entry in enumerate(entries):
        recipients = _recipients(entry, entries[place + 1 :], after)
        told.append(_told(entry.event, entry.actor, recipients, after, _count(entry)))
    closing = after.state.closing
    if outcome.resumed is not None and closing is not None:
        told.append(_told(outcome.resumed.value.lower(), closing.by, _owner(after), after))
    return told


def _told(
    event: str, actor: str | None, recipients: dict[str, Any], after: Record, count: int | None = None
) -> Notification:
    task = {"id": after.key.id, "domain": after.key.domain, **task_result(after)}
    data: dict[str, Any] = {"task": task, "actor": actor, "recipients": recipients}
    return Notification(event, data if count is None else {**data, "count": count})


def _recipients(entry: HistoryEntry, later: Sequence[HistoryEntry], after: Record) -> dict[str, Any]:
    """Return whom a change concerns: of an assignment the new owner, else who has the task or may take it.

    ``later``: what the same event changed after it. A reminder is for who had the task before that.
    """
    of_later = (each.was for each in later if each.was is not None)
    shown = entry.now if entry.now is not None else next(of_later, None)
    return _owner(after) if shown is None else _one_of(shown.get("user"), shown.get("roles") or ())


def _owner(after: Record) -> dict[str, Any]:
    return _one_of(after.ownership.owner, after.ownership.roles)


def _one_of(user: str | None, roles: Sequence[str]) -> dict[str, Any]:
    return {"user": user, "roles": () if user is not None else roles}


def _count(entry: HistoryEntry) -> int | None:
    """Return how often a reminder has come."""
    if entry.event != "reminded" or not isinstance(entry.data, msgspec.Raw):
        return None
    data = decode(entry.data)
    return data.get("count") if isinstance(data, dict) else None
