"""What an event asks for, found out before anything is read from the store.

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
    """An action on one task."""

    incoming: Incoming
    key: TaskKey
    task_input: TaskInput
    action: TaskAction


class PeriodPlan(msgspec.Struct, frozen=True):
    """TimeoutBetween, or the continuation of one: tell every task due in (from, to] to time out."""

    incoming: Incoming
    domains: tuple[str, ...]
    from_ms: int | None
    to_ms: int | None
    """None: now."""
    cursor: str | None = None
    requested: int = 0


class ImmediateAnswer(msgspec.Struct, frozen=True):
    """Nothing needs to be read: the event is refused, or asked to be skipped (no error)."""

    incoming: Incoming
    error: EventError | None = None


Plan: TypeAlias = TaskPlan | PeriodPlan | ImmediateAnswer
"""Every event that can be answered has one of these."""
