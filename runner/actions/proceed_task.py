"""ProceedTask: a person finishes a task, and its saga is resumed."""

from __future__ import annotations

from runner.actions.answers import answers_of
from runner.actions.decision import Outcome
from runner.actions.ending import close
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.tasks.parts import Status
from runner.tasks.record import Record


def proceed_task(
    record: Record, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return the outcome with the record closed as proceeded.

    A task past its deadline that is not yet timed out may still proceed: the order of the log decides. Raises
    EventError 10134 where the definition of the task refuses the answers.
    """
    answers = None if record.is_plain else answers_of(record, plan)
    return close(record, plan, Status.PROCEEDED, now_ms, policy, answers)
