"""Plans: the work that an event asks for, determined before any record is read.

``plan`` looks at the event alone. The worker then loads the record of a TaskPlan, or the due tasks
of a PeriodPlan, and asks ``decide`` or ``decide_period`` for the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from runner.actions.decision import Outcome
from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput
from runner.actions.policy import Policy
from runner.errors import EventError
from runner.tasks.record import Record, TaskKey

TaskAction: TypeAlias = Callable[[Record | None, "TaskPlan", int, Policy], tuple[Outcome, Record | None]]
"""``(record, plan, now_ms, policy) -> (outcome, changed record or None)``; raises EventError."""


class TaskPlan(msgspec.Struct, frozen=True):
    """Plan of an action on one task."""

    incoming: Incoming
    key: TaskKey
    task_input: TaskInput
    action: TaskAction


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
