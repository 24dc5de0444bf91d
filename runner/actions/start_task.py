"""StartTask: stores a record and replies ACK; a waiting person never blocks the partition."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET

from runner.actions.callers import required_roles, required_user
from runner.actions.decision import ACK, Done, Outcome
from runner.actions.incoming import Incoming
from runner.actions.inputs import MAX_TIME_MS, TaskInput, encoded_data, epoch_ms, is_longer, over_limit
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.task_result import accepted_task
from runner.envelope.event import Event
from runner.envelope.paths import write_output
from runner.errors import PARAMETER_MISSING, EventError
from runner.tasks.record import LIFE, Record, Status, TaskStart, TaskState
from runner.tasks.repeats import after_round

_LONG_PAST: Final = -1e300
"""Lowest time or span that is accepted: a deadline may lie in the past."""


def start_task(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return ACK with the new record.

    A closed record is followed by a new generation, which keeps the identities of earlier generations. Raises
    EventError 10011 (timeout, taskRoles, outputElement; id or data beyond the limits), 10009 (nobody is named
    in a domain that requires it).
    """
    event, key = plan.incoming.event, plan.key
    _check_output(event)
    if is_longer(key.id, policy.limits.id_bytes):
        raise over_limit(f"the id of a new task is longer than {policy.limits.id_bytes} bytes")
    state = _state(plan.incoming, now_ms, () if record is None else after_round(record))
    if policy.domains[key.domain].requires_owner and state.user is None and not state.roles:
        raise EventError(PARAMETER_MISSING, "who is the task for? name parameters.taskUser or taskRoles")
    revision = 1 if record is None else record.revision + 1
    started = Record(key, revision, state, _start(plan.incoming, plan.task_input, policy))
    # A new generation takes away the parts of the one before.
    parts = None if record is None or record.life is None else dict.fromkeys((LIFE, *record.part_names))
    return Done(now_ms, ACK, result={"task": accepted_task(started)}, written=parts), started


def _state(incoming: Incoming, now_ms: int, previous_identities: tuple[str, ...]) -> TaskState:
    event = incoming.event
    return TaskState(
        status=Status.OPEN,
        home=incoming.source.partition,
        source=str(incoming.source),
        created_ms=now_ms,
        deadline_ms=_deadline_ms(event, now_ms),
        user=required_user(event.parameters.get("taskUser")),
        roles=required_roles(event.parameters.get("taskRoles")),
        previous_identities=previous_identities,
    )


def _start(incoming: Incoming, task_input: TaskInput, policy: Policy) -> TaskStart:
    event = incoming.event
    data = UNSET if task_input.is_payload else msgspec.Raw(_encoded(task_input, policy))
    return TaskStart(
        event=msgspec.Raw(event.raw),
        data=data,
        name=event.parameter("taskName"),
        spec=event.parameter("taskSpec"),
        action=event.parameter("taskAction"),
        headers=tuple((name, value.decode("latin-1")) for name, value in incoming.trace),
    )


def _encoded(task_input: TaskInput, policy: Policy) -> bytes:
    return encoded_data(task_input.data, policy.limits) if task_input.encoded is None else task_input.encoded


def _check_output(event: Event) -> None:
    """EventError 10011 for an outputElement at which no output can be written later."""
    output = event.text("outputElement")
    if output is not None:
        write_output({}, None, input_element=None, output_element=output)


def _deadline_ms(event: Event, now_ms: int) -> int | None:
    """Return the deadline: timeoutOn (a moment), else timeout (a span, may be negative), else None."""
    moment = epoch_ms(event.parameters.get("timeoutOn"), "timeoutOn", _LONG_PAST)
    if moment is None:
        span = epoch_ms(event.parameters.get("timeout"), "timeout", _LONG_PAST)
        moment = None if span is None else now_ms + span
    return None if moment is None else max(0, min(moment, MAX_TIME_MS))
