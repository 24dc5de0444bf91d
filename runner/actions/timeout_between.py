"""TimeoutBetween: times out every open task whose deadline lies in a period.

The action changes no record: it sends each task a TimeoutTask, as a timer does. A long period is split
into chunks; a continuation event on the same partition begins after the last task of the chunk before.

TIMEOUT is the same action under another name, with the times at the usual paths of a command.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from runner.actions.callers import check_role, has_role
from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import ORIGIN, PERIOD, TIME, Incoming
from runner.actions.inputs import MAX_TIME_MS, domain_of, epoch_ms, find, input_of
from runner.actions.plan import PeriodPlan
from runner.actions.policy import Policy
from runner.actions.render import Renderer
from runner.actions.timer_token import timer_message, token_of
from runner.envelope.event import Event
from runner.envelope.paths import MISSING
from runner.errors import FORBIDDEN, PERIOD_FAILED, EventError
from runner.tasks.due import DuePage

TIMEOUT_COMMAND: Final = "TIMEOUT"

_COMMAND_PATHS: Final = {"fromTimePath": ("fromTime", "from"), "toTimePath": ("toTime", "to")}
"""Paths of the times in a command, unless its parameters name others."""

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]


class _Progress(msgspec.Struct, frozen=True):
    """Progress of a pass, in the header of a continuation event."""

    to_ms: _Number
    cursor: str
    requested: _Number


def plan_period(incoming: Incoming, policy: Policy) -> PeriodPlan:
    """Return the period an event asks for; EventError 10011, 10027, 10121 (from after to), or 14."""
    domains = _domains(incoming.event, policy)
    from_ms = _time(incoming, "fromTimePath", policy)
    to_ms = _time(incoming, "toTimePath", policy)
    if to_ms is not None:
        _require_order(from_ms, to_ms)
    progress = _progress(incoming)
    if progress is None:
        return PeriodPlan(incoming, domains, from_ms, to_ms)
    return PeriodPlan(incoming, domains, from_ms, progress.to_ms, progress.cursor, progress.requested)


def decide_period(
    plan: PeriodPlan,
    page: DuePage,
    now_ms: int,
    policy: Policy,
    renderer: Renderer,
    last_ms: int | None = None,
) -> tuple[OutgoingMessage, ...]:
    """Return the messages of one chunk: a timer per task, then the continuation or the reply.

    ``last_ms`` is the end of the last pass, where the period begins if nothing else is said.
    Redelivery needs no kept decision: a timer event that is sent twice has no effect the second time. Raises
    EventError 13020 in the first chunk already where the reply could not be delivered at the end, and
    10121 for a period up to now that begins later; ``refuse`` answers it.
    """
    to_ms = now_ms if plan.to_ms is None else plan.to_ms
    _require_order(plan.from_ms, to_ms)
    timers = tuple(
        timer_message(task.key, task.home, token_of(task), policy, renderer.topics) for task in page.tasks
    )
    requested = plan.requested + len(timers)
    from_ms = plan.from_ms
    if from_ms is None and last_ms is not None:
        # Another pass may have gone further meanwhile.
        from_ms = min(last_ms, to_ms)
    reply = renderer.requested(plan.incoming, now_ms, requested, (from_ms, to_ms))
    if page.cursor is None:
        return (*timers, reply)
    return (*timers, _continuation(plan, _Progress(to_ms, page.cursor, requested), renderer))


def _domains(event: Event, policy: Policy) -> tuple[str, ...]:
    """Return the domain that is named, or all that the caller may time tasks out in; EventError 14."""
    if event.text("domain"):
        name = domain_of(event, policy)
        domain = policy.domains[name]
        if domain.timeout_roles:
            check_role("time out", domain.timeout_roles, event, policy, domain)
        return (name,)
    domains = tuple(
        name
        for name, domain in sorted(policy.domains.items())
        if not domain.timeout_roles or has_role(domain.timeout_roles, event, policy, domain)
    )
    if not domains:
        raise EventError(FORBIDDEN, "the caller may not time out tasks of any domain; each has timeoutRoles")
    return domains


def _require_order(from_ms: int | None, to_ms: int) -> None:
    if from_ms is not None and from_ms > to_ms:
        raise EventError(PERIOD_FAILED, f"the period ends ({to_ms}) before it begins ({from_ms})")


def _continuation(plan: PeriodPlan, progress: _Progress, renderer: Renderer) -> OutgoingMessage:
    incoming = plan.incoming
    others = tuple(header for header in incoming.headers if header[0] not in (PERIOD, ORIGIN, TIME))
    headers = (*others, *incoming.forwarding_headers, (PERIOD, msgspec.json.encode(progress)))
    return renderer.passed_on(incoming, headers, incoming.source.partition)


def _progress(incoming: Incoming) -> _Progress | None:
    """Return the progress in the header; None where there is no readable one: the pass begins anew."""
    text = incoming.header(PERIOD)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=_Progress)
    except (msgspec.DecodeError, RecursionError):
        return None


def _time(incoming: Incoming, parameter: str, policy: Policy) -> int | None:
    for path in _time_paths(incoming.event, parameter):
        value = _value_at(path, incoming, policy)
        if value is not MISSING:
            return epoch_ms(value, f"the value at {parameter}")
    return None


def _time_paths(event: Event, parameter: str) -> tuple[str, ...]:
    path = event.parameter(parameter)
    if path is not None:
        return (path,)
    # A command may have no times: then every task due by now is meant.
    is_command = event.action == TIMEOUT_COMMAND and event.payload is not None
    return _COMMAND_PATHS[parameter] if is_command else ()


def _value_at(path: str, incoming: Incoming, policy: Policy) -> Any:
    event, task_input = incoming.event, input_of(incoming, policy.limits)
    value = find(path, event, task_input.data)
    return find(path, event, event.payload) if value is MISSING else value
