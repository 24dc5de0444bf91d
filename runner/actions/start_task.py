"""StartTask: stores a record and replies ACK; a waiting person never blocks the partition."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from runner.actions.callers import required_roles, required_user
from runner.actions.decision import ACK, Done, Outcome
from runner.actions.definitions import pinned_version
from runner.actions.details import NAMES, deadline_ms, moment_of, notes_of, priority_of
from runner.actions.hooks import hooks_of
from runner.actions.inputs import TaskInput, encoded_data, is_longer, over_limit
from runner.actions.plan import TaskPlan
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.task_result import accepted_task
from runner.actions.values import parameter_of
from runner.envelope.event import Event
from runner.envelope.paths import MISSING, write_output
from runner.errors import PARAMETER_MISSING, EventError
from runner.tasks.parts import LIFE, Hook, Status, TaskDetails, TaskOwnership, TaskStart, TaskState
from runner.tasks.record import Record
from runner.tasks.repeats import after_round

_HOOKS: Final = frozenset({"hooks", "hooksPath"})
_PINNING: Final = frozenset({"taskSpecVersion", "taskSpecVersionPath"})
_OWNER_PATHS: Final = frozenset({"taskUserPath", "taskRolesPath"})
_DETAILS: Final = frozenset(each for name in NAMES for each in (name, f"{name}Path"))
_RARE: Final = _PINNING | _OWNER_PATHS | _HOOKS | _DETAILS
"""Parameters that most sagas do not have: they are looked for once."""

_NOTHING_RARE: Final[tuple[TaskDetails | None, str | None, tuple[Hook, ...]]] = (None, None, ())


def start_task(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return ACK with the new record.

    A closed record is followed by a new generation, which keeps the identities of earlier generations. Raises
    EventError 10011 (timeout, taskRoles, outputElement …; id or data beyond the limits; no such version of a
    definition), 10009 (nobody is named in a domain that requires it, or no definition).
    """
    event, key, domain = plan.incoming.event, plan.key, policy.domains[plan.key.domain]
    _check_output(event)
    if is_longer(key.id, policy.limits.id_bytes):
        raise over_limit(f"the id of a new task is longer than {policy.limits.id_bytes} bytes")
    has_rare = not _RARE.isdisjoint(event.parameters)
    state = _state(plan, now_ms, () if record is None else after_round(record), has_rare=has_rare)
    # A path that finds nobody is a mistake, which must not open a task to everyone.
    is_required = domain.requires_owner or (has_rare and not _OWNER_PATHS.isdisjoint(event.parameters))
    if is_required and state.user is None and not state.roles:
        raise EventError(PARAMETER_MISSING, "who is the task for? name parameters.taskUser or taskRoles")
    revision = 1 if record is None else record.revision + 1
    started = Record(key, revision, state, _start(plan, state, policy, domain, has_rare=has_rare))
    # A new generation takes away the parts of the one before.
    parts = None if record is None or record.life is None else dict.fromkeys((LIFE, *record.part_names))
    return Done(now_ms, ACK, result={"task": accepted_task(started)}, written=parts), started


def _state(plan: TaskPlan, now_ms: int, previous_identities: tuple[str, ...], *, has_rare: bool) -> TaskState:
    incoming, parameters = plan.incoming, plan.incoming.event.parameters
    user, roles = parameters.get("taskUser"), parameters.get("taskRoles")
    if has_rare and not _OWNER_PATHS.isdisjoint(parameters):
        user, roles = _owner(plan, "taskUser"), _owner(plan, "taskRoles")
    return TaskState(
        status=Status.OPEN,
        home=incoming.source.partition,
        source=str(incoming.source),
        created_ms=now_ms,
        deadline_ms=deadline_ms(parameters.get("timeoutOn"), parameters.get("timeout"), now_ms),
        user=required_user(user),
        roles=required_roles(roles),
        previous_identities=previous_identities,
    )


def _owner(plan: TaskPlan, name: str) -> Any:
    """Return whom a task is for; what is at the path of a parameter counts as the parameter itself."""
    value = parameter_of(name, plan.task_input, plan.incoming)
    return None if value is MISSING else value


def _start(
    plan: TaskPlan, state: TaskState, policy: Policy, domain: DomainPolicy, *, has_rare: bool
) -> TaskStart:
    incoming, task_input, event = plan.incoming, plan.task_input, plan.incoming.event
    parameters = event.parameters
    spec = event.parameter("taskSpec")
    version = None
    if spec is not None or domain.requires_definition or (has_rare and not _PINNING.isdisjoint(parameters)):
        version = pinned_version(plan, is_required=domain.requires_definition)
    details, notes, hooks = _rare(plan, state, policy) if has_rare else _NOTHING_RARE
    data = UNSET if task_input.is_payload else msgspec.Raw(_encoded(task_input, policy))
    return TaskStart(
        event=msgspec.Raw(event.raw),
        data=data,
        name=event.parameter("taskName"),
        spec=spec,
        action=event.parameter("taskAction"),
        spec_version=version,
        details=details,
        notes=notes,
        hooks=hooks,
        headers=tuple((name, value.decode("latin-1")) for name, value in incoming.trace),
    )


def _encoded(task_input: TaskInput, policy: Policy) -> bytes:
    return encoded_data(task_input.data, policy.limits) if task_input.encoded is None else task_input.encoded


def _rare(
    plan: TaskPlan, state: TaskState, policy: Policy
) -> tuple[TaskDetails | None, str | None, tuple[Hook, ...]]:
    """Return what people order the task by, its notes and its hooks."""
    parameters = plan.incoming.event.parameters
    details, notes = (None, None) if _DETAILS.isdisjoint(parameters) else _details(plan)
    return details, notes, () if _HOOKS.isdisjoint(parameters) else _hooks(plan, state, policy)


def _hooks(plan: TaskPlan, state: TaskState, policy: Policy) -> tuple[Hook, ...]:
    value = parameter_of("hooks", plan.task_input, plan.incoming)
    ownership = TaskOwnership(state.user, state.roles, state.user)
    return hooks_of(None if value is MISSING else value, ownership, policy)


def _details(plan: TaskPlan) -> tuple[TaskDetails, str | None]:
    """Return what people order the task by, and its notes. EventError 10011."""
    sent = {name: parameter_of(name, plan.task_input, plan.incoming) for name in NAMES}
    due_on, follow_up_on, priority, notes = (None if each is MISSING else each for each in sent.values())
    details = TaskDetails(
        moment_of(due_on, "dueOn"), moment_of(follow_up_on, "followUpOn"), priority_of(priority)
    )
    return details, notes_of(notes)


def _check_output(event: Event) -> None:
    """EventError 10011 for an outputElement at which no output can be written later."""
    output = event.text("outputElement")
    if output is not None:
        write_output({}, None, input_element=None, output_element=output)
