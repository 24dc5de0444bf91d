"""The checks before a verb: repeat, state of the task, caller, owner, and the version the sender has seen.

They are made in this order (docs/protocol.md, "Who may send what, and when"). The verb's own code comes after
them and sees no record that they refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from runner.actions.callers import check_admin, check_eligible, check_owner, check_role
from runner.actions.decision import ACK, Done
from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan, Who
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.task_result import accepted_task, result_of, task_result
from runner.actions.values import parameter_of, value_of
from runner.envelope.paths import MISSING
from runner.errors import (
    OTHER_VERSION,
    TASK_CANCELLED,
    TASK_EXISTS,
    TASK_NOT_FOUND,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
    EventError,
)
from runner.tasks.keys import TaskKey, domain_of_definition, is_definition
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.tasks.repeats import is_of_earlier_round, is_verb_of_round

START_TASK: Final = "StartTask"

_REFUSALS: Final = {
    None: (TASK_NOT_FOUND, "there is no task {id!r} in {domain!r}"),
    Status.OPEN: (TASK_EXISTS, "another task is open under the id {id!r}"),
    Status.PROCEEDED: (TASK_PROCEEDED, "task {id!r} has been proceeded already"),
    Status.TIMED_OUT: (TASK_TIMED_OUT, "task {id!r} has timed out already"),
    Status.CANCELLED: (TASK_CANCELLED, "task {id!r} has been cancelled already"),
}


def answer_to_repeat(record: Record | None, incoming: Incoming, now_ms: int) -> Done | None:
    """Return the answer to a repeat of an event that started, changed or ended this task; None for others."""
    if record is None:
        return None
    if incoming.event.action == START_TASK:
        started = _has_started(record, incoming.event.identity())
        return Done(now_ms, ACK, result={"task": accepted_task(record)}) if started else None
    closing = record.state.closing
    if closing is None and record.life is None and not record.state.previous_identities:
        return None
    identity = incoming.event.identity()
    if closing is not None and closing.identity == identity:
        return _ended_already(record, now_ms)
    if is_verb_of_round(record, identity):
        return Done(now_ms, result=result_of(record))
    # Without data: the stored record is not the one that the event changed.
    return Done(now_ms) if is_of_earlier_round(record, identity) else None


def _ended_already(record: Record, now_ms: int) -> Done:
    """Return what the command that ended the task was told: stored data, or the cancelled task."""
    is_cancelled = record.state.status is Status.CANCELLED
    result = {"task": task_result(record)} if is_cancelled or not record.is_plain else None
    return Done(now_ms, result=result, has_output=not is_cancelled)


def check_state(record: Record | None, plan: TaskPlan, now_ms: int) -> None:
    """EventError 10118, 10119, 10120 or 11006 where the task is in no state for the verb.

    A closed task whose retention is over counts as gone for a verb that would change it: its tombstones may
    be in the changelog already.
    """
    status = None if record is None else record.state.status
    if status not in plan.verb.from_states:
        raise _refusal(status, plan.key)
    if plan.verb.to is None and record is not None:
        closing = record.state.closing
        if closing is not None and closing.remove_at_ms <= now_ms:
            raise _refusal(None, plan.key)


def check_caller(record: Record | None, plan: TaskPlan, policy: Policy) -> None:
    """EventError 14 where the caller may not send the verb."""
    key = plan.key
    domain = policy.domains.get(key.domain) or policy.domains[domain_of_definition(key)]
    _CHECKS[plan.verb.who](record, plan, policy, domain)


def _anyone(_: Any, __: TaskPlan, ___: Policy, ____: DomainPolicy) -> None:
    """Let everybody through."""


def _starter(_: Any, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    if domain.start_roles:
        check_role(plan.verb.doing, domain.start_roles, plan.incoming.event, policy, domain)


def _timer(_: Any, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    if domain.timeout_roles:
        check_role(plan.verb.doing, domain.timeout_roles, plan.incoming.event, policy, domain)


def _eligible(record: Record, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    check_eligible(plan.verb.doing, plan.incoming.event, record.ownership, policy, domain)


def _eligible_or_admin(record: Record, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    event, doing = plan.incoming.event, plan.verb.doing
    check_eligible(doing, event, record.ownership, policy, domain, is_open_to_admin=True)


def _owner_or_admin(record: Record, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    check_owner(plan.verb.doing, plan.incoming.event, record.ownership, policy, domain)


def _admin(_: Any, plan: TaskPlan, policy: Policy, domain: DomainPolicy) -> None:
    what = "tasks of this kind" if is_definition(plan.key) else "this task"
    check_admin(f"{plan.verb.doing} {what}", plan.incoming.event, policy, domain)


_CHECKS: Final[dict[Who, Callable[[Any, TaskPlan, Policy, DomainPolicy], None]]] = {
    Who.ANYONE: _anyone,
    Who.STARTER: _starter,
    Who.TIMER: _timer,
    Who.ELIGIBLE: _eligible,
    Who.ELIGIBLE_OR_ADMIN: _eligible_or_admin,
    Who.OWNER_OR_ADMIN: _owner_or_admin,
    Who.ADMIN: _admin,
}
"""A table: naming a member of an Enum costs more than any of these checks, on Python 3.11."""


def check_expected(record: Record, plan: TaskPlan) -> None:
    """EventError 10132 where the sender has seen another version (``ifVersion``) than the task has."""
    verb, parameters = plan.verb, plan.incoming.event.parameters
    if not verb.is_of_person and "ifVersion" not in parameters and "ifVersionPath" not in parameters:
        return
    read = value_of if verb.is_of_person else parameter_of
    expected: Any = read("ifVersion", plan.task_input, plan.incoming)
    if expected is MISSING or expected is None:
        return
    present = f"{record.revision};{record.state.source}"
    if expected != present:
        raise EventError(OTHER_VERSION, f"the task has version {present} now; read it again")


def _has_started(record: Record, identity: str) -> bool:
    return identity == record.starting_event().identity() or is_of_earlier_round(record, identity)


def _refusal(status: Status | None, key: TaskKey) -> EventError:
    code, text = _REFUSALS[status]
    return EventError(code, text.format(id=key.id[:200], domain=key.domain))
