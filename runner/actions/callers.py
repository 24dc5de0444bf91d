"""Callers: who an event acts for, and whether they may change a task.

The rules are those of docs/protocol.md, "Who the caller is".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from runner.actions.policy import DomainPolicy, Policy
from runner.envelope.event import Event, as_text
from runner.envelope.patterns import search
from runner.envelope.plain import is_well_formed
from runner.envelope.values import names_in
from runner.errors import FORBIDDEN, NOT_CONVERTIBLE, EventError
from runner.tasks.parts import TaskOwnership

SHOWN_CHARACTERS: Final = 200
"""Characters of names and roles that an error message repeats at most."""

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


class CallerClaims(msgspec.Struct, frozen=True):
    """User and roles behind an event, as the gateway states them."""

    user: str | None
    roles: frozenset[str]


def check_eligible(
    doing: str,
    event: Event,
    ownership: TaskOwnership,
    policy: Policy,
    domain: DomainPolicy,
    *,
    is_open_to_admin: bool = False,
) -> None:
    """EventError 14 unless the task is open to anyone, or to this caller by name or by a role."""
    if not domain.check_roles or (ownership.user is None and not ownership.roles):
        return
    caller = read_caller(event, policy, domain)
    if caller.user is not None and caller.user in (ownership.user, ownership.owner):
        return
    if caller.roles.intersection(ownership.roles) or (is_open_to_admin and is_admin(caller, domain)):
        return
    raise EventError(
        FORBIDDEN, f"{_caller_text(caller)} may not {doing} this task; {_required_text(ownership)}"
    )


def check_owner(
    doing: str, event: Event, ownership: TaskOwnership, policy: Policy, domain: DomainPolicy
) -> None:
    """EventError 14 unless the caller owns the task or is admin of the domain."""
    caller = read_caller(event, policy, domain)
    if (caller.user is None or caller.user != ownership.owner) and not is_admin(caller, domain):
        raise EventError(FORBIDDEN, f"{_caller_text(caller)} may not {doing} this task; only its owner may")


def check_admin(doing: str, event: Event, policy: Policy, domain: DomainPolicy) -> None:
    """EventError 14 unless the caller is admin of the domain; ``doing`` says what to: "assign this task"."""
    caller = read_caller(event, policy, domain)
    if not is_admin(caller, domain):
        role = domain.admin_role
        needed = "nobody may: the domain names no adminRole" if role is None else f"only role {role} may"
        raise EventError(FORBIDDEN, f"{_caller_text(caller)} may not {doing}; {needed}")


def check_role(doing: str, roles: frozenset[str], event: Event, policy: Policy, domain: DomainPolicy) -> None:
    """EventError 14 unless the caller has one of these roles or is admin."""
    if has_role(roles, event, policy, domain):
        return
    caller, needed = read_caller(event, policy, domain), ", ".join(sorted(roles))[:SHOWN_CHARACTERS]
    raise EventError(
        FORBIDDEN, f"{_caller_text(caller)} may not {doing} tasks of this domain; it takes one of {needed}"
    )


def has_role(roles: frozenset[str], event: Event, policy: Policy, domain: DomainPolicy) -> bool:
    """Whether the caller has one of these roles, or is admin of the domain."""
    caller = read_caller(event, policy, domain)
    return not roles.isdisjoint(caller.roles) or is_admin(caller, domain)


def is_admin(caller: CallerClaims, domain: DomainPolicy) -> bool:
    """Whether a caller has the role that the domain names."""
    return domain.admin_role is not None and domain.admin_role in caller.roles


def read_caller(event: Event, policy: Policy, domain: DomainPolicy) -> CallerClaims:
    """Return the caller of an event: from requestMeta, which only the gateway writes.

    An expression that fails counts as absent. ``payload.user`` counts only in a domain that trusts it, and
    only where requestMeta has neither user nor roles; an empty list of roles counts as present.
    """
    memo = event.memo
    if memo is not None and memo[0] is policy and memo[1] is domain:
        known: CallerClaims = memo[2]
        return known
    scope = {"requestMeta": event.section("requestMeta")}
    user = _first(policy.caller_user, scope)
    roles = _first(policy.caller_roles, scope)
    if user is None and roles is None and domain.trust_payload:
        person = (event.payload or {}).get("user")
        if isinstance(person, dict):
            user, roles = person.get("id"), person.get("roles")
    caller = CallerClaims(_name(user), frozenset(_claimed_roles(roles)))
    event.memo = (policy, domain, caller)
    return caller


def required_roles(value: Any) -> tuple[str, ...]:
    """Return taskRoles as stored: the names of a list or comma list, trimmed, in order, each once.

    EventError 10011 for a value that names no role: a mistake must not open a task to everyone.
    """
    if value is None or value in ("", []):
        return ()
    names = names_in(value)
    if not all(isinstance(name, str) and (name.isascii() or is_well_formed(name)) for name in names):
        raise EventError(NOT_CONVERTIBLE, "taskRoles must be a comma list or an array of texts")
    if not names:
        raise _names_nobody("taskRoles")
    return tuple(dict.fromkeys(names))


def required_user(value: Any) -> str | None:
    """Return taskUser as stored; EventError 10011 for a value that names nobody, as for roles."""
    user = as_text(value, "eventMeta.parameters.taskUser")
    if user is None and value:
        raise _names_nobody("taskUser")
    return user


def _names_nobody(parameter: str) -> EventError:
    return EventError(
        NOT_CONVERTIBLE, f"{parameter} is there and names nobody; leave it out if anyone may finish the task"
    )


def _first(expressions: tuple[str, ...], scope: dict[str, Any]) -> Any:
    for expression in expressions:
        value = _value_at(expression, scope)
        if value is not None:
            return value
    return None


def _value_at(expression: str, scope: dict[str, Any]) -> Any:
    names = _names(expression)
    if names is None:
        try:
            return search(expression, scope)
        except EventError:
            # Usually a claim is missing: the expression then names no caller.
            return None
    node: Any = scope
    for name in names:
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


@lru_cache(maxsize=64)
def _names(expression: str) -> tuple[str, ...] | None:
    """Return the plain names of an expression: walking them costs a tenth of a JMESPath search."""
    return tuple(expression.split(".")) if _DOTTED.match(expression) else None


def _claimed_roles(value: Any) -> Iterator[str]:
    """Return the roles of a list or comma list; an entry that is no text names no role."""
    return (name for name in names_in(value) if isinstance(name, str))


def _name(value: Any) -> str | None:
    """Return a text, or a number as text; None for any other value."""
    try:
        return as_text(value, "")
    except EventError:
        return None


def _caller_text(caller: CallerClaims) -> str:
    roles = ", ".join(sorted(caller.roles)) or "none"
    user = caller.user or "unknown"
    return f"caller {user[:SHOWN_CHARACTERS]} (roles: {roles[:SHOWN_CHARACTERS]})"


def _required_text(ownership: TaskOwnership) -> str:
    user = f"user {ownership.user[:SHOWN_CHARACTERS]}" if ownership.user is not None else ""
    roles = f"one of the roles {', '.join(ownership.roles)[:SHOWN_CHARACTERS]}" if ownership.roles else ""
    return f"it waits for {' or '.join(part for part in (user, roles) if part)}"
