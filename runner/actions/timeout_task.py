"""TimeoutTask: closes a task as timed out; sent by others, and by the timers of the runner."""

from __future__ import annotations

from runner.actions.decision import Dropped, Outcome
from runner.actions.ending import close
from runner.actions.hooks import Doing
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.timer_token import TimerToken
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
    """Return the same for a timer of the runner, without a reply; no effect where the timer is stale.

    Hooks that are due no later than the deadline come first: they may end the task in another way.
    """
    if record is None or not isinstance(plan.timer, TimerToken) or not plan.timer.matches(record):
        return Dropped(), None
    if not record.start.hooks:
        return close(record, plan, Status.TIMED_OUT, now_ms, policy)
    doing = Doing(record, plan, now_ms, policy)
    doing.do_up_to(plan.timer.deadline_ms)
    if doing.ended is None:
        doing.end(Status.TIMED_OUT)
    return doing.outcome()
