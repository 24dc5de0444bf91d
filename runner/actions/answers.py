"""Answers: what a person gives to a task, from what was saved before and what is sent with its end.

A task with a definition is answered by its rules (docs/protocol.md, "Definitions"); any other takes anything.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runner.actions.definitions import DefinedForm, pinned_form
from runner.actions.inputs import enrichment_of
from runner.actions.plan import Reading, TaskPlan, own_parts
from runner.actions.values import parameter_of
from runner.envelope.event import as_text
from runner.envelope.paths import MISSING
from runner.envelope.plain import decode, encode
from runner.envelope.values import deep_merge
from runner.errors import ANSWERS_REFUSED, EventError
from runner.forms.form import Form
from runner.forms.words import Violation
from runner.tasks.keys import definition_key
from runner.tasks.parts import DRAFT, SavedDraft, version_part
from runner.tasks.record import Record, read_part


class TaskAnswers(msgspec.Struct, frozen=True):
    """The answers to a task, checked."""

    outcome: str | None = None
    """Which of the named answers of its definition; None: it names none, or there is no definition."""
    merged: bytes | None = None
    """Draft and answers as one, as JSON; None: there was no draft."""


def answers_of(record: Record, plan: TaskPlan) -> TaskAnswers:
    """Return what a ProceedTask answers; EventError 10134 where the definition of the task refuses it."""
    draft, form = draft_of(record), pinned_form(record, plan)
    if draft is None and form is None:
        return TaskAnswers()
    answers = enrichment_of(plan.incoming, plan.task_input.data)
    outcome = None
    if form is None:
        answers = deep_merge(draft, answers)
    else:
        answers = completed(draft, answers, form.form)
        outcome = _checked(form, answers, plan)
    return TaskAnswers(outcome, None if draft is None else encode(answers))


def completed(draft: Any, answers: Any, form: Form) -> Any:
    """Return draft and answers as one, which the form is asked about; ``draft`` None: nothing was saved."""
    if draft is None:
        return {} if answers is None else answers
    merged = deep_merge(draft, answers)
    # What was saved can be taken back: null clears a field that may not be null.
    return _without_nulls(merged) if form.violations(merged) else merged


def _without_nulls(value: Any) -> Any:
    """Return answers without the fields that are null; entries of lists stay."""
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(entry) for name, entry in value.items() if entry is not None}


def asks_for_answers(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return what the answers to a task are made from and checked by: its draft, and its definition."""
    del plan
    if record is None or record.is_plain or not record.is_open:
        return ()
    has_draft = record.life is not None and record.life.has_draft
    own = own_parts(record, DRAFT) if has_draft else ()
    spec, version = record.start.spec, record.start.spec_version
    if spec is None or version is None:
        return own
    return (*own, Reading(definition_key(record.key.domain, spec), (version_part(version),)))


def draft_of(record: Record) -> Any:
    """Return the draft that was read with a record; None where it has none."""
    if record.life is None or not record.life.has_draft:
        return None
    draft = read_part(record, DRAFT, SavedDraft)
    return None if draft is None else decode(draft.data)


def refuse_violations(violations: tuple[Violation, ...]) -> None:
    """EventError 10134 where there are any; the reply has all of them for the form to show."""
    if violations:
        told = [{"pointer": each.pointer, "rule": each.rule, "message": each.message} for each in violations]
        first = violations[0]
        more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
        what = f"{first.pointer} " if first.pointer else ""
        text = f"the answers do not fit the form: {what}{first.message}{more}"
        raise EventError(ANSWERS_REFUSED, text, violations=told)


def _checked(form: DefinedForm, answers: Any, plan: TaskPlan) -> str | None:
    """Return the outcome; EventError 10134."""
    violations = form.form.violations(answers)
    outcome, complaint = _outcome(form.outcomes, plan)
    refuse_violations((*violations, *complaint))
    return outcome


def _outcome(outcomes: tuple[str, ...], plan: TaskPlan) -> tuple[str | None, tuple[Violation, ...]]:
    sent = parameter_of("outcome", plan.task_input, plan.incoming)
    outcome = as_text(None if sent is MISSING else sent, "outcome")
    if not outcomes:
        text = "this task is given no outcome"
        return None, () if outcome is None else (Violation("", "outcome", text),)
    if outcome in outcomes:
        return outcome, ()
    return None, (Violation("", "outcome", f"needs an outcome, one of {', '.join(outcomes)[:200]}"),)
