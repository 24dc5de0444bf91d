"""``runner task list``: the tasks of all homes, a page at a time, from Redis or from the projection."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import typer
from rich.text import Text

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import known_domains, open_records
from runner.cli.screen import Column, Rows, hint, print_json, stdout
from runner.cli.task.listed import Listed, ListedPage
from runner.cli.task.show_command import STYLES
from runner.cli.times import from_now, minute
from runner.config import Config
from runner.errors import FatalError
from runner.store.calls import Page
from runner.store.listing import BadCursor, TaskFilter, list_tasks
from runner.tasks.parts import Status

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

_OPEN: Final = ("UNASSIGNED", "ASSIGNED")
_PROJECTED: Final = {
    State.OPEN: _OPEN,
    State.UNASSIGNED: _OPEN[:1],
    State.ASSIGNED: _OPEN[1:],
    State.PROCEEDED: ("DONE",),
    State.TIMED_OUT: ("TIMED_OUT",),
    State.CANCELLED: ("CANCELLED",),
}
"""How lists of the projection call them."""


def list_(
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Only of this domain; may be repeated.", show_default="every configured one"),
    ] = None,
    status: Annotated[
        list[State] | None, typer.Option(help="Only in this state; may be repeated.", show_default="any")
    ] = None,
    owner: Annotated[
        list[str] | None, typer.Option(help="Only those that this user has; may be repeated.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Only those for this role; may be repeated.")] = None,
    spec: Annotated[list[str] | None, typer.Option(help="Only of this taskSpec; may be repeated.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only those of whose name or id a word begins so; several words.")
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only with this business data; may be repeated."),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="created, due, deadline, priority, finished or attributes.NAME; -NAME: downwards.",
        ),
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

    Reads Redis and nothing else, a bounded page at a time; where the
    configuration names projection.url it reads that, at most 200 on a page and
    newest first, and then there are the options --owner, --role, --spec,
    --text, --attribute and --order, and a task whose due date has passed is
    overdue, too. If there is more, the last line says how to go on; the cursor
    in it stays good while tasks come and go. With --json each task is one line:
    id, domain, status, home, startedMs, deadlineMs, endedMs, level, owner,
    user, roles, name, and the cursor that goes on after it (from Redis alone).

    [bold]Examples[/bold]

      runner task list --status open --limit 20
      runner task list --overdue --json
    """
    settings = read_config(config)
    asked = ListOptions(domain or [], status or [], limit, after, overdue)
    named = ProjectionOptions(owner or [], role or [], spec or [], text, attribute or [], order)
    if settings.projection.url is not None:
        page, now_ms = _projected(settings, asked, named), time.time_ns() // 1_000_000
    elif named != NOTHING_NAMED:
        raise FatalError(
            "--owner, --role, --spec, --text, --attribute and --order need the lists of runner web; set "
            "projection.url to its database"
        )
    else:
        page, now_ms = _stored(settings, asked)
    if as_json:
        for task in page.tasks:
            print_json(task.described())
    else:
        _show(page, now_ms)
    if page.cursor is not None:
        hint(f"there are more: repeat the command with --after {page.cursor}")


class ListOptions(NamedTuple):
    """What every list can be asked for."""

    domains: list[str]
    states: Sequence[State]
    limit: int
    after: str | None
    is_overdue: bool


class ProjectionOptions(NamedTuple):
    """What only lists of the projection can be asked for."""

    owners: list[str]
    roles: list[str]
    specs: list[str]
    text: str | None
    attributes: list[str]
    order: str | None


NOTHING_NAMED: Final = ProjectionOptions([], [], [], None, [], None)


def _stored(settings: Config, asked: ListOptions) -> tuple[ListedPage, int]:
    """Return a page from Redis, and the time there."""
    statuses = frozenset(_STATUSES.get(each, Status.OPEN) for each in asked.states or State)
    with open_records(settings) as (store, space):
        now_ms = store.load(0, []).now_ms
        domains = known_domains(settings, asked.domains)
        due_ms = now_ms if asked.is_overdue else None
        tasks = TaskFilter(domains, space.partitions, statuses, due_ms, _owned(asked.states))
        try:
            page = list_tasks(store, tasks, Page(asked.limit, asked.after))
        except BadCursor as error:
            raise _bad_cursor() from error
    return ListedPage([Listed.of_record(row) for row in page.rows], page.cursor), now_ms


def _projected(settings: Config, asked: ListOptions, named: ProjectionOptions) -> ListedPage:
    """Return a page from the projection."""
    from runner.cli.wiring import lists  # noqa: PLC0415 - of the extra web, which is not needed without

    domains = known_domains(settings, asked.domains)
    statuses = frozenset(name for state in asked.states for name in _PROJECTED[state])
    wanted = named.order or "-created"
    try:
        filters = lists.Filters(
            statuses=statuses,
            owners=frozenset(named.owners),
            roles=frozenset(named.roles),
            specs=frozenset(named.specs),
            overdue=True if asked.is_overdue else None,
            text=named.text or "",
            attributes=lists.attribute_filters(named.attributes),
        )
        order = lists.Order(wanted.removeprefix("-"), wanted.startswith("-"))
        page = lists.list_projected(settings, domains, filters, order, asked.after, asked.limit)
    except lists.InvalidCursor as error:
        raise _bad_cursor() from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return ListedPage([Listed.of_row(row) for row in page.rows], page.next_cursor)


def _bad_cursor() -> typer.BadParameter:
    return typer.BadParameter("--after is no cursor that an earlier page gave")


def _owned(states: Collection[State]) -> frozenset[bool]:
    """Return whether the open tasks of a list have an owner; both where it is not asked."""
    asked = {State.ASSIGNED: True, State.UNASSIGNED: False}
    owned = frozenset(asked[each] for each in states if each in asked)
    return owned if owned and State.OPEN not in states else frozenset({True, False})


def _show(page: ListedPage, now_ms: int) -> None:
    if not page.tasks:
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
    for task in page.tasks:
        people = filter(None, dict.fromkeys((task.owner, task.user, *task.roles)))
        rows.row(
            task.id,
            task.domain,
            Text(task.shown_status, style=STYLES[task.status]),
            _deadline(task, now_ms, is_wide=is_wide),
            (", ".join(people) or "anyone") + (f" (level {task.level})" if task.level else ""),
            task.name or "-",
        )


def _deadline(task: Listed, now_ms: int, *, is_wide: bool) -> Text:
    """Return how far the deadline is and, with room for it, when; of a finished task when it ended."""
    if task.ended_ms is not None:
        return Text(f"ended {from_now(task.ended_ms, now_ms)}")
    if task.deadline_ms is None:
        return Text("never")
    text = from_now(task.deadline_ms, now_ms) + (f", {minute(task.deadline_ms)}" if is_wide else "")
    return Text(text, style="yellow" if task.deadline_ms < now_ms else "")
