"""Who sent an event, and whether that person may finish a task (protocol section 4, ProceedTask 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from runner.actions.policy import DomainPolicy, Policy
from runner.envelope.event import Event
from runner.envelope.patterns import search
from runner.errors import FORBIDDEN, NOT_CONVERTIBLE, EventError
from runner.tasks.record import TaskState

SHOWN_CHARACTERS: Final = 200
"""How much of names and roles a refusal repeats."""

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind an event, as the gateway vouches for them."""

    user: str | None
    roles: frozenset[str]


def check_may_finish(event: Event, state: TaskState, policy: Policy, domain: DomainPolicy) -> None:
    """EventError 14 unless the task is open to anyone, or to this caller by name or by a role."""
    if not domain.check_roles or (state.user is None and not state.roles):
        return
    caller = read_caller(event, policy, domain)
    if state.user is not None and caller.user == state.user:
        return
    if caller.roles.intersection(state.roles):
        return
    raise EventError(FORBIDDEN, f"{_said(caller)} may not finish this task; {_wanted(state)}")


def read_caller(event: Event, policy: Policy, domain: DomainPolicy) -> Caller:
    """Return the caller of an event: from requestMeta, which only the gateway writes.

    ``payload.user`` counts only in a domain that trusts it, and only where requestMeta is silent;
    an empty list of roles is an answer, not silence.
    """
    whole = {"requestMeta": event.section("requestMeta")}
    user = _first(policy.caller_user, whole)
    roles = _first(policy.caller_roles, whole)
    if domain.trust_payload:
        claimed = (event.payload or {}).get("user")
        claimed = claimed if isinstance(claimed, dict) else {}
        user = claimed.get("id") if user is None else user
        roles = claimed.get("roles") if roles is None else roles
    return Caller(_name(user), frozenset(_claimed_roles(roles)))


def required_roles(value: Any) -> tuple[str, ...]:
    """Return taskRoles as they are stored: a list or comma list, trimmed, in order, each once.

    EventError 10011 for what names no roles: a mistake must not open a task to everyone.
    """
    entries = [] if value is None else _entries(value)
    if not all(isinstance(entry, str) for entry in entries):
        raise EventError(NOT_CONVERTIBLE, "taskRoles must be a comma list or an array of texts")
    return tuple(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split(",")
    return value if isinstance(value, list) else [value]


def _first(expressions: tuple[str, ...], whole: dict[str, Any]) -> Any:
    for expression in expressions:
        value = _looked_up(expression, whole)
        if value is not None:
            return value
    return None


def _looked_up(expression: str, whole: dict[str, Any]) -> Any:
    names = _names(expression)
    if names is None:
        return search(expression, whole)
    node: Any = whole
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
    """Give the roles of a list or comma list; whatever else is there names no role."""
    for entry in _entries(value):
        if isinstance(entry, str) and entry.strip():
            yield entry.strip()


def _name(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _said(caller: Caller) -> str:
    roles = ", ".join(sorted(caller.roles)) or "none"
    user = caller.user or "unknown"
    return f"caller {user[:SHOWN_CHARACTERS]} (roles: {roles[:SHOWN_CHARACTERS]})"


def _wanted(state: TaskState) -> str:
    user = f"user {state.user[:SHOWN_CHARACTERS]}" if state.user is not None else ""
    roles = f"one of the roles {', '.join(state.roles)[:SHOWN_CHARACTERS]}" if state.roles else ""
    return f"it waits for {' or '.join(part for part in (user, roles) if part)}"
