"""TimeoutTask: closes a task as timed out; sent by others, and by the timers of the runner."""

from __future__ import annotations

from runner.actions.decision import Dropped, Outcome
from runner.actions.finish_task import close
from runner.actions.incoming import TIMER
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.timer_token import parse_token
from runner.tasks.record import Record, Status


def timeout_task(
    record: Record, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the outcome with the record closed as timed out, for an event from outside."""
    return close(record, plan.incoming, Status.TIMED_OUT, now_ms, policy.domains[plan.key.domain])


def timeout_by_timer(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the same for a timer of the runner, without a reply; no effect where the timer is stale."""
    token = parse_token(plan.incoming.header(TIMER) or "")
    if record is None or token is None or not token.matches(record):
        return Dropped(), None
    domain = policy.domains[record.key.domain]
    return close(record, plan.incoming, Status.TIMED_OUT, now_ms, domain, has_reply=False)
