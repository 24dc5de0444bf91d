"""TimeoutTask: a deadline passed. Sent by anyone, and by the runner to itself."""

from __future__ import annotations

from runner.actions.decision import Dropped, Outcome
from runner.actions.finish_task import close, repeated, require_open
from runner.actions.incoming import TIMER, Incoming
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.timer_token import parse_token
from runner.tasks.record import Record, Status


def timeout_task(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the closing of the task as timed out.

    The runner's own (header ``runner-timer``) is never answered and does nothing where it no
    longer matches. Raises EventError 10118, 10119 or 10120 for others.
    """
    incoming = plan.incoming
    if incoming.is_timer:
        return _by_timer(record, incoming, now_ms, policy)
    again = repeated(record, incoming, now_ms)
    if again is not None:
        return again, None
    task = require_open(record, plan.key)
    return close(task, incoming, Status.TIMED_OUT, now_ms, policy.domains[plan.key.domain])


def _by_timer(
    record: Record | None, incoming: Incoming, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    mark = parse_token(incoming.header(TIMER) or "")
    if record is None or mark is None or not mark.matches(record):
        return Dropped(), None
    domain = policy.domains[record.key.domain]
    return close(record, incoming, Status.TIMED_OUT, now_ms, domain, reply=False)
