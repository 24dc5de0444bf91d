"""CancelTask: ends an open task without an answer, and resumes its saga with CANCELLED."""

from __future__ import annotations

from typing import Final

import msgspec

from runner.actions.callers import read_caller
from runner.actions.decision import Done, Outcome
from runner.actions.ending import ended, ending_of
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.task_result import task_result
from runner.actions.values import given
from runner.envelope.event import as_text
from runner.errors import NOT_CONVERTIBLE, PARAMETER_MISSING, EventError
from runner.tasks.parts import Status
from runner.tasks.record import Record

MAX_REASON_BYTES: Final = 1000
"""Bytes of a reason in UTF-8, at most."""


def cancel_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return the outcome with the record closed as cancelled; the saga hears the reason.

    EventError 10009 (no reason) or 10011 (a reason that is too long).
    """
    incoming, domain = plan.incoming, policy.domains[plan.key.domain]
    reason = _reason(plan)
    by = read_caller(incoming.event, policy, domain).user
    ending = msgspec.structs.replace(ending_of(incoming, now_ms, domain, by), reason=reason)
    closed = ended(record, Status.CANCELLED, ending)
    return Done(now_ms, resumed=Status.CANCELLED, result={"task": task_result(closed)}), closed


def _reason(plan: TaskPlan) -> str:
    reason = as_text(given("reason", plan.task_input, plan.incoming), "reason")
    if reason is None:
        raise EventError(PARAMETER_MISSING, "why is the task cancelled? name it in parameters.reason")
    size = len(reason.encode("utf-8", "replace"))
    if size > MAX_REASON_BYTES:
        raise EventError(NOT_CONVERTIBLE, f"the reason has {size} bytes, more than {MAX_REASON_BYTES}")
    return reason
