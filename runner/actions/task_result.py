"""``result.task``: a task as the replies to verbs show it."""

from __future__ import annotations

from typing import Any

from runner.tasks.keys import domain_of_definition, is_definition
from runner.tasks.parts import Status
from runner.tasks.record import Record


def accepted_task(record: Record) -> dict[str, Any]:
    """Return what an ACK says of the task besides id and domain."""
    return {"partition": record.state.home, "timeout": record.deadline_ms}


def task_result(record: Record) -> dict[str, Any]:
    """Return the task as it is in this record, but for id and domain; moments are epoch ms."""
    state, start, life, ownership = record.state, record.start, record.life, record.ownership
    return {
        "partition": state.home,
        "version": f"{record.revision};{state.source}",
        "status": status_of(record),
        "owner": ownership.owner,
        "user": ownership.user,
        "roles": ownership.roles,
        "name": start.name,
        "spec": start.spec,
        "specVersion": start.spec_version,
        "action": start.action,
        "createdOn": state.created_ms,
        "timeout": record.deadline_ms,
        "dueOn": record.details.due_on,
        "followUpOn": record.details.follow_up_on,
        "priority": record.details.priority,
        "comments": 0 if life is None else life.comments - life.deleted_comments,
        "level": 0 if life is None else life.level,
    }


def definition_result(record: Record) -> dict[str, Any]:
    """Return the newest version of a definition, as the reply to DefineTask names it."""
    version = 0 if record.life is None else record.life.versions - 1
    return {"domain": domain_of_definition(record.key), "taskSpec": record.key.id, "version": version}


def result_of(record: Record) -> dict[str, Any]:
    """Return what a repeat of a verb is told: the record as it is now."""
    if is_definition(record.key):
        return {"definition": definition_result(record)}
    return {"task": task_result(record)}


def status_of(record: Record) -> str:
    """Return the status of a task as people see it."""
    if record.state.status is Status.OPEN:
        return "UNASSIGNED" if record.ownership.owner is None else "ASSIGNED"
    return "DONE" if record.state.status is Status.PROCEEDED else record.state.status.value
