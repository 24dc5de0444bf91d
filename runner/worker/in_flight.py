"""Events in flight: one message on its way through a batch, from its plan to its decision."""

from __future__ import annotations

from dataclasses import dataclass

from runner.actions.decision import Decision, OutgoingMessage
from runner.actions.plan import ImmediateAnswer, Plan, TaskPlan
from runner.errors import PoisonError
from runner.kafka.message import Message
from runner.store.calls import Entry
from runner.tasks.source import Source


@dataclass(slots=True)
class InFlight:
    """One message in flight through a batch: its plan or poison, then its decision."""

    message: Message
    source: Source
    plan: Plan | None = None
    """None: ignored, or poison."""
    poison: PoisonError | None = None
    decision: Decision | None = None
    changes: tuple[OutgoingMessage, ...] = ()
    """The changelog messages: what this event wrote of its record; none if it changed none."""
    entries: tuple[Entry, ...] = ()
    """Index entries of the record after this event; none if it changed none."""
    redelivered: bool = False
    due_ms: int | None = None
    """When the hooks were due that the event is about, epoch ms; None: it is about none, or comes again."""

    @property
    def is_over_limit(self) -> bool:
        """Whether the event is over a limit that may have been higher when it was decided before."""
        if self.poison is not None:
            return self.poison.over_limit
        plan = self.plan
        return isinstance(plan, ImmediateAnswer) and plan.error is not None and plan.error.over_limit


class TaskWork:
    """An event in flight that is about one task, with its plan."""

    __slots__ = ("item", "plan")

    def __init__(self, item: InFlight, plan: TaskPlan) -> None:
        self.item = item
        self.plan = plan

    @classmethod
    def of(cls, items: list[InFlight]) -> list[TaskWork]:
        """Return the work of the events that are about a task, in their order."""
        return [cls(item, item.plan) for item in items if isinstance(item.plan, TaskPlan)]
