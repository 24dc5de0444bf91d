"""GetTask: shows all of a task in its reply, and changes nothing."""

from __future__ import annotations

from typing import Any, Final

from runner.actions.answers import draft_of
from runner.actions.decision import Done, Outcome
from runner.actions.plan import Reading, TaskPlan, own_parts
from runner.actions.policy import Policy
from runner.actions.task_result import task_result
from runner.envelope.plain import encode
from runner.tasks.parts import NOTES, Comment, Notes, comment_part
from runner.tasks.record import Record, read_part
from runner.tasks.timeline import timeline

MAX_LIST_BYTES: Final = 300_000
"""Bytes of comments, and of history, that a reply shows at most: the newest; ``comments`` counts all."""


def get_task(record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> tuple[Outcome, Record | None]:
    """Return SUCCESS with ``result.task`` and in it data, draft, notes, commentList and history."""
    del plan, policy
    whole = {
        "data": record.data(record.starting_event()),
        "draft": draft_of(record),
        "notes": notes_of(record),
        "commentList": _newest(comments_of(record)),
        "history": _newest(timeline(record)),
    }
    return Done(now_ms, result={"task": task_result(record)}, whole=encode(whole)), None


def _newest(entries: list[Any]) -> list[Any]:
    """Return the newest entries that fit into ``MAX_LIST_BYTES``, in their order: a reply has an end."""
    left, kept = MAX_LIST_BYTES, 0
    for entry in reversed(entries):
        left -= len(encode(entry))
        if left < 0:
            break
        kept += 1
    return entries[len(entries) - kept :]


def asks_for_all(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return all parts of the record."""
    del plan
    return () if record is None else own_parts(record, *record.part_names)


def notes_of(record: Record) -> str | None:
    """Return the notes on a task that was read with all its parts."""
    if record.life is None or not record.life.has_notes:
        return record.start.notes
    notes = read_part(record, NOTES, Notes)
    return None if notes is None else notes.text


def comments_of(record: Record) -> list[dict[str, Any]]:
    """Return the comments of a task that was read with all its parts; of deleted ones the text is null."""
    count = 0 if record.life is None else record.life.comments
    comments = (read_part(record, comment_part(number), Comment) for number in range(1, 1 + count))
    return [
        {"id": each.id, "by": each.by, "at": each.at, "text": each.text, "editedAt": each.edited_at}
        for each in comments
        if each is not None
    ]
