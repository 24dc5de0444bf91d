"""ClaimTask, ReleaseTask, AssignTask: whose a task is.

A *firm* owner has claimed the task or was assigned; a preferred user is one until somebody has. The roles of
a task stay whoever has it, so that it can return to them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.actions.callers import read_caller, required_roles, required_user
from runner.actions.change import VerbChange, changed, unchanged
from runner.actions.decision import Outcome
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.values import flag_of, value_of
from runner.envelope.paths import MISSING
from runner.errors import (
    FORBIDDEN,
    NOBODY_TO_RETURN_TO,
    NOT_CONVERTIBLE,
    OWNED_BY_ANOTHER,
    PARAMETER_MISSING,
    EventError,
)
from runner.tasks.hooks import of_next_owner
from runner.tasks.parts import TaskOwnership
from runner.tasks.record import Record

SHOWN_CHARACTERS: Final = 200


def claim_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return the task with the caller as its firm owner; the roles stay.

    EventError 14 where the event names no user. Who has it already gets SUCCESS, and nothing is changed.
    """
    before, user = record.ownership, _user(plan, policy)
    if before.is_firm and before.owner == user:
        return unchanged(record, now_ms)
    return _owned(record, plan, now_ms, user, msgspec.structs.replace(before, owner=user, is_firm=True))


def release_task(
    record: Record, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the task without owner and preferred user: it is for its roles again, or for anyone.

    EventError 10133 for a task that is for one user alone. A task that nobody has is not changed.
    """
    before = record.ownership
    if before.user is not None and not before.roles:
        raise EventError(
            NOBODY_TO_RETURN_TO,
            "the task is for one user alone, with no role to return to; assign it instead",
        )
    if before.owner is None:
        return unchanged(record, now_ms)
    return _owned(record, plan, now_ms, _name(plan, policy), TaskOwnership(roles=before.roles))


def assign_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return the task with another user, other roles, or both; what is left out stays, null clears.

    EventError 10009 where nothing is named, or nobody would be left.
    """
    before = record.ownership
    user, roles = _sent(plan, "user"), _sent(plan, "roles")
    if user is MISSING and roles is MISSING:
        raise EventError(PARAMETER_MISSING, "to whom? name parameters.user, parameters.roles, or both")
    after = before if roles is MISSING else msgspec.structs.replace(before, roles=_roles(roles))
    if user is not MISSING:
        named = _named_user(user)
        after = TaskOwnership(named, after.roles, named, named is not None)
    if after.user is None and after.owner is None and not after.roles:
        raise EventError(PARAMETER_MISSING, "nobody would be left for the task; name a user or a role")
    return _owned(record, plan, now_ms, _name(plan, policy), after)


def _owned(
    record: Record, plan: TaskPlan, now_ms: int, actor: str | None, after: TaskOwnership
) -> tuple[Outcome, Record]:
    """Return the change to another ownership, with the entry of the history that tells it."""
    event = "released" if after.owner is None else "assigned"
    change = VerbChange(event, actor, None, owned(record, after, now_ms), moved=(record.ownership, after))
    return changed(record, change, plan.incoming, now_ms)


def owned(record: Record, after: TaskOwnership, now_ms: int) -> dict[str, Any]:
    """Return the fields of ``Life`` that change with whose a task is."""
    before, life = record.ownership, record.life
    last = before.owner if life is None or life.last_owner is None else life.last_owner
    is_other = after.owner is not None and after.owner != last
    fields: dict[str, Any] = {
        "ownership": after,
        "epoch": (0 if life is None else life.epoch) + is_other,
        "last_owner": after.owner or last,
    }
    if after.owner != before.owner:
        fields["number"] = 1 + (0 if life is None else life.number)
        fields["owner_since"] = None if after.owner is None else now_ms
        fields["hooks"] = () if life is None else of_next_owner(record, life.hooks)
    return fields


def guard_claim(record: Record, plan: TaskPlan, policy: Policy) -> None:
    """EventError 10131 where another has the task firmly."""
    if record.life is None:
        return
    ownership = record.ownership
    if ownership.is_firm and ownership.owner != _name(plan, policy):
        raise owned_by_another(ownership)


def guard_completion(record: Record, plan: TaskPlan, policy: Policy) -> None:
    """EventError 10131 for another than the firm owner, unless whoever is eligible may complete tasks."""
    if record.life is not None and not policy.domains[plan.key.domain].anyone_eligible_completes:
        guard_claim(record, plan, policy)


def guard_assignment(record: Record, plan: TaskPlan, policy: Policy) -> None:
    """EventError 10131 where somebody has the task firmly and the sender does not override that."""
    del policy
    overrides = flag_of("override", plan.task_input, plan.incoming)
    if record.ownership.is_firm and not overrides:
        raise owned_by_another(record.ownership, "; send override to take it away")


def owned_by_another(ownership: TaskOwnership, way_out: str = "") -> EventError:
    """Return the EventError 10131 that says whose a task is."""
    owner = (ownership.owner or "")[:SHOWN_CHARACTERS]
    return EventError(OWNED_BY_ANOTHER, f"the task belongs to {owner}{way_out}")


def _user(plan: TaskPlan, policy: Policy) -> str:
    user = _name(plan, policy)
    if user is None:
        raise EventError(FORBIDDEN, "a task can be claimed by a user only: the event names none")
    return user


def _name(plan: TaskPlan, policy: Policy) -> str | None:
    return read_caller(plan.incoming.event, policy, policy.domains[plan.key.domain]).user


def _sent(plan: TaskPlan, name: str) -> Any:
    return value_of(name, plan.task_input, plan.incoming)


def _named_user(value: Any) -> str | None:
    """Return a user as sent; None for null. EventError 10009 for a blank, 10011 for what is no name."""
    if value is None:
        return None
    if isinstance(value, str) and not value.strip():
        raise EventError(PARAMETER_MISSING, "user is blank; send null to clear it")
    return required_user(value)


def _roles(value: Any) -> tuple[str, ...]:
    """Return roles as sent; none for null or an empty list. EventError 10009 for blanks, 10011 for others."""
    if value is None or value == []:
        return ()
    try:
        roles = required_roles(value)
    except EventError as error:
        if error.code == NOT_CONVERTIBLE and "names nobody" in error.message:
            raise EventError(PARAMETER_MISSING, "roles name nobody; send null to clear them") from None
        raise
    if not roles:
        raise EventError(PARAMETER_MISSING, "roles are blank; send null to clear them")
    return roles
