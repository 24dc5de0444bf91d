"""Task page: one task as people see it, with what they may do to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runner.tasks.keys import TaskKey
from runner.tasks.path_key import path_key
from runner.tasks.record import Record
from runner.web import showing
from runner.web.acting import open_in_lists, require_sight
from runner.web.pages.answering import FilledForm, basis_of, definition_of, filled, translate
from runner.web.pages.context import Shown, readable
from runner.web.pages.listing import title_of
from runner.web.pages.permissions import permitted
from runner.web.pages.timeline import Moment, moments
from runner.web.pages.visit import Visit
from runner.web.parts import whole_record
from runner.web.problems import no_task, unavailable

_SELDOM: Final = frozenset({"assign", "update", "cancel", "timeout"})
_KEY_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Notice:
    """A word on top of a page."""

    kind: str
    """``good`` or ``bad``."""
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task on a page."""

    task: Mapping[str, Any]
    """As the API gives it."""
    may: frozenset[str]
    form: FilledForm
    data: Shown
    draft: Shown | None
    """What was saved, where the form is not shown."""
    comments: Sequence[Mapping[str, Any]]
    history: Sequence[Moment]
    left_out: int
    basis: str
    is_mine: bool
    is_open: bool

    @property
    def title(self) -> str:
        return title_of(self.task)

    @property
    def ident(self) -> str:
        return f"{self.task['domain']}/{self.task['key']}"

    @property
    def has_more(self) -> bool:
        """Whether there is anything to be done that is done seldom."""
        return not self.may.isdisjoint(_SELDOM)

    @property
    def has_form(self) -> bool:
        """Whether it has fields to be filled in, and not JSON alone."""
        return self.form.definition.number is not None

    @property
    def shows_form(self) -> bool:
        return "proceed" in self.may


async def read_task(visit: Visit, key: TaskKey) -> Record:
    """Return a task that a visitor sees; Refused with 404 or, while it is being restored, 503."""
    record = await whole_record(visit.parts, key)
    if record is None:
        if await open_in_lists(visit.parts, visit.caller, key):
            raise unavailable("the task is not in Redis at the moment; it is being restored, ask again")
        raise no_task(key.domain, path_key(key.id))
    await require_sight(visit.parts, visit.caller, record)
    return record


async def view_of(visit: Visit, record: Record, form: FilledForm | None = None) -> TaskView:
    """Return a task as a page shows it; ``form``: as it was posted, else as it was saved."""
    task = showing.task_detail(record, visit.parts.rows)
    may = permitted(visit.parts, visit.caller, record)
    if form is None:
        form = filled(await definition_of(visit.parts, record), record)
    translate(form, visit.words)
    told = showing.history(record)
    # What it was finished with has gone to its saga; what was saved before may be something else.
    is_done = task["status"] == "DONE"
    return TaskView(
        task,
        may,
        form,
        readable(task["data"]),
        readable(task["draft"]) if task["draft"] and "proceed" not in may and not is_done else None,
        showing.comments(record)["comments"],
        moments(told["history"], visit.words, visit.dates),
        told["leftOut"],
        basis_of(record),
        task["owner"] == visit.caller.user,
        record.is_open,
    )


def new_key() -> str:
    """Return what makes one rendering of a form one request, however often it is sent."""
    return secrets.token_urlsafe(_KEY_BYTES)
