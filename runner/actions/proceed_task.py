"""ProceedTask: a person finished the task; its saga goes on."""

from __future__ import annotations

from runner.actions.callers import check_may_finish
from runner.actions.decision import Outcome
from runner.actions.finish_task import close, repeated, require_open
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.tasks.record import Record, Status


def proceed_task(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the closing of the task, or the same answer again for a repeat of it.

    A task past its deadline but not yet timed out may still proceed: the log order decides.
    Raises EventError 10118, 10119, 10120, or 14 for a caller who may not.
    """
    again = repeated(record, plan.incoming, now_ms)
    if again is not None:
        return again, None
    task = require_open(record, plan.key)
    domain = policy.domains[plan.key.domain]
    check_may_finish(plan.incoming.event, task.state, policy, domain)
    return close(task, plan.incoming, Status.PROCEEDED, now_ms, domain)
