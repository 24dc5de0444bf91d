"""``runner task list``: the tasks of all homes, a page at a time, for people and for programs."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import known_domains, open_records
from runner.cli.screen import Column, Rows, hint, print_json, stdout
from runner.cli.task.show_command import state_text
from runner.cli.times import from_now, minute
from runner.store.calls import Page
from runner.store.listing import BadCursor, Row, TaskFilter, TaskPage, list_tasks
from runner.tasks.parts import Status
from runner.tasks.record import Record

MOST: Final = 1000

WIDE: Final = 100
"""Characters of a terminal that has room for the time of a deadline beside how far it is."""


class State(StrEnum):
    """A ``Status`` as it is typed, or an open task with or without an owner."""

    OPEN = "open"
    UNASSIGNED = "unassigned"
    ASSIGNED = "assigned"
    PROCEEDED = "proceeded"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


_STATUSES: Final = {
    State.PROCEEDED: Status.PROCEEDED,
    State.TIMED_OUT: Status.TIMED_OUT,
    State.CANCELLED: Status.CANCELLED,
}
"""All the others are open."""


def list_(
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Only of this domain; may be repeated.", show_default="every configured one"),
    ] = None,
    status: Annotated[
        list[State] | None, typer.Option(help="Only in this state; may be repeated.", show_default="any")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, metavar="N", help="Tasks on a page.")] = 50,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where an earlier page ended.")
    ] = None,
    config: ConfigFile = None,
    *,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only open tasks whose deadline has passed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List tasks: open ones by deadline, those without one by start, then finished ones.

    Reads Redis and nothing else, a bounded page at a time. If there is more,
    the last line says how to go on; the cursor in it stays good while tasks
    come and go. With --json each task is one line: id, domain, status, home,
    startedMs, deadlineMs, endedMs, level, owner, user, roles, name, and the
    cursor that goes on after it.

    [bold]Examples[/bold]

      runner task list --status open --limit 20
      runner task list --overdue --json
    """
    settings = read_config(config)
    statuses = frozenset(_STATUSES.get(each, Status.OPEN) for each in status or State)
    with open_records(settings) as (store, space):
        now_ms = store.load(0, []).now_ms
        domains = known_domains(settings, domain)
        due_ms = now_ms if overdue else None
        tasks = TaskFilter(domains, space.partitions, statuses, due_ms, _owned(status or ()))
        try:
            page = list_tasks(store, tasks, Page(limit, after))
        except BadCursor as error:
            raise typer.BadParameter("--after is no cursor that an earlier page gave") from error
    if as_json:
        for row in page.rows:
            print_json(described(row))
    else:
        _show(page, now_ms)
    if page.cursor is not None:
        hint(f"there are more: repeat the command with --after {page.cursor}")


def _owned(states: Collection[State]) -> frozenset[bool]:
    """Return whether the open tasks of a list have an owner; both where it is not asked."""
    asked = {State.ASSIGNED: True, State.UNASSIGNED: False}
    owned = frozenset(asked[each] for each in states if each in asked)
    return owned if owned and State.OPEN not in states else frozenset({True, False})


def described(row: Row) -> dict[str, Any]:
    """Return a task for programs."""
    record, state = row.record, row.record.state
    ownership = record.ownership
    return {
        "id": record.key.id,
        "domain": record.key.domain,
        "status": state.status.value,
        "home": state.home,
        "startedMs": state.created_ms,
        "deadlineMs": record.deadline_ms,
        "endedMs": None if state.closing is None else state.closing.at_ms,
        "level": _level(record),
        "owner": ownership.owner,
        "user": ownership.user,
        "roles": ownership.roles,
        "name": record.start.name,
        "cursor": row.cursor,
    }


def _level(record: Record) -> int:
    return 0 if record.life is None else record.life.level


def _show(page: TaskPage, now_ms: int) -> None:
    if not page.rows:
        hint("no such task" if page.cursor is None else "none so far")
        return
    console = stdout()
    is_wide = not console.is_terminal or console.width >= WIDE
    columns = (
        Column("task id", 20),
        Column("domain", 8),
        Column("state", 10),
        # The columns of a narrow terminal make up 80 characters.
        Column("deadline", 36 if is_wide else 14),
        Column("for", 12),
        Column("name", 6),
    )
    rows = Rows(console, columns)
    for record in (row.record for row in page.rows):
        ownership, level = record.ownership, _level(record)
        people = filter(None, dict.fromkeys((ownership.owner, ownership.user, *ownership.roles)))
        rows.row(
            record.key.id,
            record.key.domain,
            state_text(record),
            _deadline(record, now_ms, is_wide=is_wide),
            (", ".join(people) or "anyone") + (f" (level {level})" if level else ""),
            record.start.name or "-",
        )


def _deadline(record: Record, now_ms: int, *, is_wide: bool) -> Text:
    """Return how far the deadline is and, with room for it, when; of a finished task when it ended."""
    state = record.state
    if state.closing is not None:
        return Text(f"ended {from_now(state.closing.at_ms, now_ms)}")
    deadline_ms = record.deadline_ms
    if deadline_ms is None:
        return Text("never")
    text = from_now(deadline_ms, now_ms) + (f", {minute(deadline_ms)}" if is_wide else "")
    return Text(text, style="yellow" if deadline_ms < now_ms else "")
