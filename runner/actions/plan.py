"""Plans: the work that an event asks for, determined before any record is read.

``plan`` looks at the event alone. The worker then loads the record of a TaskPlan, or the due tasks
of a PeriodPlan, and asks ``decide`` or ``decide_period`` for the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from runner.actions.decision import Outcome
from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput, task_key
from runner.actions.policy import Policy
from runner.actions.timer_token import HookToken, TimerToken
from runner.errors import EventError
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record

NO_RECORDS: Final[Mapping[TaskKey, Record | None]] = {}
"""None; never changed."""

TaskAction: TypeAlias = Callable[[Any, "TaskPlan", int, Policy], tuple[Outcome, Record | None]]
"""``(record, plan, now_ms, policy) -> (outcome, changed record or None)``; raises EventError.

The record is one in a state of the verb's ``from_states``; None only where that has None.
"""


class Who(Enum):
    """Who may send a verb."""

    ANYONE = "anyone"
    STARTER = "anyone, or who has one of `startRoles`"
    TIMER = "anyone, or who has one of `timeoutRoles`"
    ELIGIBLE = "eligible"
    """The user of the task, its owner, holders of one of its roles; anyone where it has neither."""
    ELIGIBLE_OR_ADMIN = "eligible or admin"
    OWNER_OR_ADMIN = "owner or admin"
    ADMIN = "admin"

    # A member is one object; the hash of Enum is a call of Python, each event some of them.
    __hash__ = object.__hash__


def guards_nothing(_: Record, __: TaskPlan, ___: Policy) -> None:
    """Let everybody through: the verb does not mind whose the task is."""


class Reading(NamedTuple):
    """What a verb decides from besides: parts of its own record, or another record with these parts."""

    key: TaskKey
    parts: tuple[str, ...] = ()


def own_parts(record: Record, *names: str) -> tuple[Reading, ...]:
    """Return the reading of these parts of a record, as far as they were not read with it."""
    parts = tuple(name for name in names if name not in record.parts)
    return (Reading(record.key, parts),) if parts else ()


def asks_nothing(_: TaskPlan, __: Record | None) -> tuple[Reading, ...]:
    """Return nothing: the verb decides from start, state and life."""
    return ()


@dataclass(frozen=True, slots=True)
class Verb:
    """A transition of tasks: one row of the table in ``registry``."""

    act: TaskAction
    from_states: frozenset[Status | None]
    """States in which the verb may come; None: there is no task."""
    to: Status | None = None
    """State after it; None: unchanged."""
    who: Who = Who.ANYONE
    doing: str = ""
    """The verb in the text of FAIL 14, after "may not": "finish", "comment on"."""
    guard: Callable[[Record, TaskPlan, Policy], None] = guards_nothing
    """Raises EventError 10131 where the task is firmly another's."""
    asks: Callable[[TaskPlan, Record | None], tuple[Reading, ...]] = asks_nothing
    """What the verb decides from besides, given its plan and the record."""
    asks_unread: bool = False
    """Whether it asks the same whatever record there is: that is read together with the record."""
    key_of: Callable[[Incoming, TaskInput, Policy], TaskKey] = task_key
    """The key of the record that the verb is about."""
    is_of_task: bool = True
    """Whether the record is that of a task: a reply names its task then."""
    is_of_person: bool = True
    """A verb of a person: its values may be bare fields of the input.

    The actions of sagas take no bare field, so that a plain payload changes nothing.
    """


class TaskPlan(msgspec.Struct, frozen=True):
    """Plan of an action on one task."""

    incoming: Incoming
    key: TaskKey
    task_input: TaskInput
    verb: Verb
    others: Mapping[TaskKey, Record | None] = NO_RECORDS
    """Other records that the verb has asked for; None: there is none."""
    timer: TimerToken | HookToken | None = None
    """Token of a timer of the runner; None for other events, and for a timer without a token."""

    @property
    def task_key(self) -> TaskKey | None:
        """The key of the task that a reply names; None where the record is none of a task."""
        return self.key if self.verb.is_of_task else None


def asked_by(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return what the verb of a plan decides from besides; nothing where it will be refused anyway."""
    try:
        return plan.verb.asks(plan, record)
    except EventError:
        return ()


class PeriodPlan(msgspec.Struct, frozen=True):
    """Plan of a TimeoutBetween or its continuation: send a TimeoutTask to every task due in (from, to]."""

    incoming: Incoming
    domains: tuple[str, ...]
    from_ms: int | None
    to_ms: int | None
    """None: now."""
    cursor: str | None = None
    requested: int = 0


class ImmediateAnswer(msgspec.Struct, frozen=True):
    """Plan that needs no record: the event is refused, or skipped where there is no error."""

    incoming: Incoming
    error: EventError | None = None


Plan: TypeAlias = TaskPlan | PeriodPlan | ImmediateAnswer
"""Plan of any event that can be answered."""
