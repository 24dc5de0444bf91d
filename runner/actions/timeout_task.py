"""TimeoutTask: closes a task as timed out; sent by others, and by the timers of the runner."""

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
    """Return the outcome with the record closed as timed out.

    A timer of the runner (header ``runner-timer``) gets no reply and has no effect where it is stale.
    Raises EventError 10118, 10119 or 10120 for others.
    """
    incoming = plan.incoming
    if incoming.is_timer:
        return _by_timer(record, incoming, now_ms, policy)
    first_answer = repeated(record, incoming, now_ms)
    if first_answer is not None:
        return first_answer, None
    task = require_open(record, plan.key)
    return close(task, incoming, Status.TIMED_OUT, now_ms, policy.domains[plan.key.domain])


def _by_timer(
    record: Record | None, incoming: Incoming, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    token = parse_token(incoming.header(TIMER) or "")
    if record is None or token is None or not token.matches(record):
        return Dropped(), None
    domain = policy.domains[record.key.domain]
    return close(record, incoming, Status.TIMED_OUT, now_ms, domain, reply=False)
