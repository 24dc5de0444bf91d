"""``result.task``: a task as the replies to verbs show it."""

from __future__ import annotations

from typing import Any

from runner.tasks.record import Record, Status


def accepted_task(record: Record) -> dict[str, Any]:
    """Return what an ACK says of the task besides id and domain."""
    return {"partition": record.state.home, "timeout": record.state.deadline_ms}


def task_result(record: Record) -> dict[str, Any]:
    """Return the task as it is in this record, but for id and domain; moments are epoch ms."""
    state, start, life, ownership = record.state, record.start, record.life, record.ownership
    return {
        "partition": state.home,
        "version": f"{record.revision};{state.source}",
        "status": _status(record),
        "owner": ownership.owner,
        "user": ownership.user,
        "roles": ownership.roles,
        "name": start.name,
        "spec": start.spec,
        "action": start.action,
        "createdOn": state.created_ms,
        "timeout": state.deadline_ms,
        "comments": 0 if life is None else life.comments - life.deleted_comments,
    }


def _status(record: Record) -> str:
    if record.state.status is Status.OPEN:
        return "UNASSIGNED" if record.ownership.owner is None else "ASSIGNED"
    return "DONE" if record.state.status is Status.PROCEEDED else record.state.status.value
