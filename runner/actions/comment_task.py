"""CommentTask: writes, edits or deletes a comment on a task, in any state of it.

``text`` writes a new comment, ``commentId`` with ``text`` edits one, ``commentId`` with ``delete`` deletes
one: its text is gone then, its id is not given again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.actions.callers import read_caller
from runner.actions.change import VerbChange, changed
from runner.actions.decision import Outcome
from runner.actions.incoming import Incoming
from runner.actions.inputs import TaskInput
from runner.actions.plan import Reading, TaskPlan, own_parts
from runner.actions.policy import Policy
from runner.actions.values import flag_of, given
from runner.envelope.event import as_text
from runner.errors import COMMENT_UNKNOWN, FORBIDDEN, NOT_CONVERTIBLE, PARAMETER_MISSING, EventError
from runner.tasks.parts import Comment, comment_part
from runner.tasks.record import Record, read_part

MAX_COMMENTS: Final = 200
"""Comments of a generation at most, deleted ones included."""

MAX_CHARACTERS: Final = 4000
"""Characters of a comment at most."""


def comment_task(
    record: Record, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return SUCCESS with ``result.comment.id`` and the task, and the record with the comment.

    Raises EventError 14 (nobody is named, or another is the author), 10009 (no text), 10011 (too long, too
    many, no id, ``delete`` neither true nor false) or 10135 (there is no such comment).
    """
    incoming, task_input = plan.incoming, plan.task_input
    user = read_caller(incoming.event, policy, policy.domains[plan.key.domain]).user
    if user is None:
        raise EventError(FORBIDDEN, "a comment needs an author: the event names no user")
    stamp: dict[str, Any] = {"revision": record.revision + 1, "source": str(incoming.source)}
    number, deletes = _comment_id(task_input, incoming), flag_of("delete", task_input, incoming)
    if number is None and deletes:
        raise EventError(PARAMETER_MISSING, "which comment is to be deleted? name it in parameters.commentId")
    if number is None:
        change = _new(
            record, user, Comment(**stamp, id=0, by=user, at=now_ms, text=_text(task_input, incoming))
        )
    elif deletes:
        deleted = msgspec.structs.replace(_own(record, number, user), **stamp, text=None)
        count = 1 + (0 if record.life is None else record.life.deleted_comments)
        change = _change("comment_deleted", deleted, user, {"deleted_comments": count})
    else:
        text = _text(task_input, incoming)
        edited = msgspec.structs.replace(_own(record, number, user), **stamp, text=text, edited_at=now_ms)
        change = _change("comment_edited", edited, user, {})
    return changed(record, change, incoming, now_ms)


def asks_for_comment(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return the comment that is edited or deleted. EventError 10011."""
    if record is None or record.life is None:
        return ()
    number = _comment_id(plan.task_input, plan.incoming)
    if number is None or not 1 <= number <= record.life.comments:
        return ()
    return own_parts(record, comment_part(number))


def _new(record: Record, user: str, comment: Comment) -> VerbChange:
    number = 1 + (0 if record.life is None else record.life.comments)
    if number > MAX_COMMENTS:
        raise EventError(NOT_CONVERTIBLE, f"the task has {MAX_COMMENTS} comments, which is all it may have")
    return _change("commented", msgspec.structs.replace(comment, id=number), user, {"comments": number})


def _change(event: str, comment: Comment, user: str, counters: dict[str, int]) -> VerbChange:
    named = {"id": comment.id}
    return VerbChange(event, user, named, counters, {comment_part(comment.id): comment}, {"comment": named})


def _own(record: Record, number: int, user: str) -> Comment:
    """Return the comment that this user may change; EventError 10135 or 14."""
    comment = read_part(record, comment_part(number), Comment)
    if comment is None or comment.text is None:
        raise EventError(COMMENT_UNKNOWN, f"there is no comment {number} on this task, or it was deleted")
    if comment.by != user:
        raise EventError(FORBIDDEN, f"comment {number} is not yours: only its author may change it")
    return comment


def _text(task_input: TaskInput, incoming: Incoming) -> str:
    text = as_text(given("text", task_input, incoming), "text")
    if text is None:
        raise EventError(PARAMETER_MISSING, "the comment has no text; name it in parameters.text")
    if len(text) > MAX_CHARACTERS:
        raise EventError(
            NOT_CONVERTIBLE, f"the comment has {len(text)} characters, more than {MAX_CHARACTERS}"
        )
    return text


def _comment_id(task_input: TaskInput, incoming: Incoming) -> int | None:
    text = as_text(given("commentId", task_input, incoming), "commentId")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_COMMENTS))):
        raise EventError(NOT_CONVERTIBLE, f"commentId {text[:40]!r} is no id of a comment")
    return int(text)
