"""ProceedTask: a person finishes a task, and its saga is resumed."""

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
    """Return the outcome with the closed record, or the first answer again for a duplicate.

    A task past its deadline that is not yet timed out may still proceed: the order of the log decides.
    Raises EventError 10118, 10119, 10120, or 14 for a caller without the right.
    """
    first_answer = repeated(record, plan.incoming, now_ms)
    if first_answer is not None:
        return first_answer, None
    task = require_open(record, plan.key)
    domain = policy.domains[plan.key.domain]
    check_may_finish(plan.incoming.event, task.state, policy, domain)
    return close(task, plan.incoming, Status.PROCEEDED, now_ms, domain)
