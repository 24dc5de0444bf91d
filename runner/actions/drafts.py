"""SaveTask: keeps the answers that somebody has begun to give, merged into what was saved before."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.actions.answers import draft_of, refuse_violations
from runner.actions.callers import check_eligible, read_caller
from runner.actions.change import VerbChange, changed
from runner.actions.decision import Outcome
from runner.actions.definitions import pinned_form
from runner.actions.ownership import owned_by_another
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.values import flag_of, value_of
from runner.envelope.paths import MISSING
from runner.envelope.plain import encode, is_well_formed
from runner.envelope.values import deep_merge
from runner.errors import NOT_CONVERTIBLE, PARAMETER_MISSING, EventError
from runner.tasks.parts import DRAFT, SavedDraft
from runner.tasks.record import Record

SHOWN_BYTES: Final = 1000
"""Bytes, as JSON, of saved answers that the history repeats; of larger ones it has the size."""


def save_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return SUCCESS with the task, and the record with the draft.

    Raises EventError 10009 (no data), 10011 (data that is no object) or 10134 (a field that the definition of
    the task does not know, or of another type; what is missing yet is no matter).
    """
    incoming = plan.incoming
    data = _data(plan)
    # It counts only against a firm owner, and is refused in any case where it is neither.
    flag_of("ignoreClaim", plan.task_input, incoming)
    draft = deep_merge(draft_of(record), data)
    form = pinned_form(record, plan)
    if form is not None:
        refuse_violations(form.form.draft_violations(draft))
    encoded = encode(draft)
    part = SavedDraft(record.revision + 1, str(incoming.source), msgspec.Raw(encoded))
    actor = read_caller(incoming.event, policy, policy.domains[plan.key.domain]).user
    change = VerbChange(
        "saved", actor, _shown(data), {"has_draft": True}, {DRAFT: part}, saved_by=actor or ""
    )
    return changed(record, change, incoming, now_ms)


def guard_draft(record: Record, plan: TaskPlan, policy: Policy) -> None:
    """EventError 10131 where another has the task firmly, unless that is to be ignored.

    EventError 14 for an admin who is not eligible, where nobody has it firmly.
    """
    event, ownership, domain = plan.incoming.event, record.ownership, policy.domains[plan.key.domain]
    if not ownership.is_firm:
        check_eligible(plan.verb.doing, event, ownership, policy, domain)
        return
    is_other = read_caller(event, policy, domain).user != ownership.owner
    if is_other and not flag_of("ignoreClaim", plan.task_input, plan.incoming):
        raise owned_by_another(ownership, "; send ignoreClaim to save beside them")


def _data(plan: TaskPlan) -> dict[str, Any]:
    data = value_of("data", plan.task_input, plan.incoming)
    if data is MISSING or data is None:
        raise EventError(PARAMETER_MISSING, "what is to be saved? name it in parameters.data")
    if not isinstance(data, dict):
        raise EventError(NOT_CONVERTIBLE, "data must be an object, a field for each answer")
    if not is_well_formed(data):
        raise EventError(NOT_CONVERTIBLE, "a text in data holds half of a character pair")
    return data


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    size = len(encode(data))
    return {"data": data} if size <= SHOWN_BYTES else {"bytes": size}
