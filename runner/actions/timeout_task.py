"""TimeoutTask: closes a task as timed out; sent by others, and by the timers of the runner."""

from __future__ import annotations

from runner.actions.decision import Dropped, Outcome
from runner.actions.ending import close
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.tasks.parts import Status
from runner.tasks.record import Record


def timeout_task(
    record: Record, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the outcome with the record closed as timed out, for an event from outside."""
    return close(record, plan, Status.TIMED_OUT, now_ms, policy)


def timeout_by_timer(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the same for a timer of the runner, without a reply; no effect where the timer is stale."""
    if record is None or plan.timer is None or not plan.timer.matches(record):
        return Dropped(), None
    return close(record, plan, Status.TIMED_OUT, now_ms, policy)
