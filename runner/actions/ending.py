"""The end of a task: an open record is closed, once, by ProceedTask, TimeoutTask or CancelTask."""

from __future__ import annotations

from typing import Final

import msgspec

from runner.actions.answers import TaskAnswers
from runner.actions.callers import read_caller
from runner.actions.decision import SUCCESS, Done
from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.task_result import task_result
from runner.tasks.parts import Ending, Status
from runner.tasks.record import Record

NO_ANSWERS: Final = TaskAnswers()


def close(
    record: Record,
    plan: TaskPlan,
    status: Status,
    now_ms: int,
    policy: Policy,
    answers: TaskAnswers | None = None,
) -> tuple[Done, Record]:
    """Return the outcome and the record closed by the event of a plan.

    There is no reply to a timer of the runner: nobody waits for one.
    """
    domain = policy.domains[record.key.domain]
    if plan.incoming.is_timer:
        return Done(now_ms, None, status), ended(record, status, ending_of(plan.incoming, now_ms, domain))
    if answers is None and record.is_plain:
        is_known = _was_asked(record, status, domain)
        by = read_caller(plan.incoming.event, policy, domain).user if is_known else None
        ending = ending_of(plan.incoming, now_ms, domain, by)
        return Done(now_ms, SUCCESS, status, has_output=True), ended(record, status, ending)
    answers = answers or NO_ANSWERS
    ownership, by = record.ownership, read_caller(plan.incoming.event, policy, domain).user
    is_for_another = status is Status.PROCEEDED and ownership.is_firm and by != ownership.owner
    ending = msgspec.structs.replace(
        ending_of(plan.incoming, now_ms, domain, by),
        outcome=answers.outcome,
        on_behalf_of=ownership.owner if is_for_another else None,
    )
    closed = ended(record, status, ending)
    result = {"task": task_result(closed)}
    return Done(now_ms, SUCCESS, status, has_output=True, result=result, answers=answers.merged), closed


def _was_asked(record: Record, status: Status, domain: DomainPolicy) -> bool:
    """Whether a check has read who ends a plain task: for the history alone nobody is asked."""
    if status is Status.TIMED_OUT:
        return bool(domain.timeout_roles)
    return domain.check_roles and (record.state.user is not None or bool(record.state.roles))


def ending_of(incoming: Incoming, now_ms: int, domain: DomainPolicy, by: str | None = None) -> Ending:
    """Return the end that this event makes."""
    return Ending(
        source=str(incoming.source),
        identity=incoming.event.identity(),
        at_ms=now_ms,
        remove_at_ms=now_ms + domain.retention_ms,
        by=by,
    )


def ended(record: Record, status: Status, ending: Ending) -> Record:
    """Return the record after the end of its generation."""
    revision = record.revision + 1
    if record.life is not None:
        ending = msgspec.structs.replace(ending, revision=revision)
    state = msgspec.structs.replace(record.state, status=status, closing=ending)
    return msgspec.structs.replace(record, revision=revision, state=state)
