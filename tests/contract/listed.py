"""Tasks put into the tables of lists without a changelog, and what lists must say of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.schema import CreateTable

from runner.projection.database import insert, writing
from runner.projection.filters import AttributeFilter, Filters, Order, Range
from runner.projection.indexing import tie
from runner.projection.rows import RowMaker
from runner.projection.sight import Sight, Viewer, acts_on, sees, works_as
from runner.projection.stored_text import stored
from runner.projection.tables import BUILDS, CATALOG, LIVE, Tables, tables_of
from runner.projection.words import words_of

OPEN: Final = ("UNASSIGNED", "ASSIGNED")


@dataclass(frozen=True)
class Task:
    """A task as lists show it, and who sees it."""

    row: dict[str, Any]
    sight: Sight

    @property
    def name(self) -> tuple[str, str]:
        return self.row["domain"], self.row["id"]


def make_live_build(engine: Engine, attributes: Sequence[str], number: int = 1) -> Tables:
    """Make an empty build that is read."""
    tables = tables_of(number, tuple(attributes))
    with writing(engine) as connection:
        CATALOG.create_all(connection)
        for table in tables.metadata.sorted_tables:
            connection.execute(CreateTable(table))
        names = json.dumps(list(attributes))
        build = {"number": number, "format": "1:", "attributes": names, "state": LIVE, "begun_ms": 0}
        connection.execute(BUILDS.insert().values(build))
    return tables


def make_indexes(connection: Connection, tables: Tables) -> None:
    for index in tables.indexes:
        index.create(connection)


def put(
    connection: Connection, tables: Tables, attributes: Sequence[str], tasks: Iterable[tuple[int, Task]]
) -> None:
    """Insert tasks by their numbers."""
    maker, numbered = RowMaker(tables, attributes), list(tasks)
    made = [maker.rows_of(task.row, task.sight, no) for no, task in numbered]
    for place, table in enumerate(maker.narrow):
        insert(connection, table, [row for rows in made for row in rows[place].values()])
    insert(connection, tables.bodies, [_body(no, task) for no, task in numbered])


def clear(connection: Connection, tables: Tables) -> None:
    for table in (tables.grants, tables.texts, tables.words, tables.bodies):
        connection.execute(table.delete())


def take_out(connection: Connection, tables: Tables, no: int) -> None:
    for table in (tables.grants, tables.texts, tables.words, tables.bodies):
        connection.execute(table.delete().where(table.c.no == no))


def _body(no: int, task: Task) -> tuple[Any, ...]:
    domain, task_id = task.name
    shown = json.dumps(task.row)
    return (no, stored(domain), stored(task_id), f"1/0@{no}", 0, 1, None, "{}", shown)


def listed(
    tasks: Iterable[Task], viewer: Viewer, filters: Filters, order: Order, now_ms: int
) -> list[tuple[str, str]]:
    """Return what all pages of a list must show, in their order."""
    fitting = [task for task in tasks if _fits(task, viewer, filters, now_ms)]
    value = _value_of(order)
    valued = [task for task in fitting if value(task) is not None]
    others = [task for task in fitting if value(task) is None]

    def by_value(task: Task) -> Any:
        return (value(task), *_by_creation(task))

    valued.sort(key=by_value, reverse=order.descending)
    others.sort(key=_by_creation, reverse=order.descending)
    return [task.name for task in (*valued, *others)]


def counted(
    tasks: Iterable[Task], viewer: Viewer, filters: Filters, group_by: str, now_ms: int
) -> dict[Any, int]:
    """Return what counts must say."""
    found = Counter[Any]()
    for task in tasks:
        if _fits(task, viewer, filters, now_ms):
            match group_by:
                case "role":
                    found.update(task.row["roles"])
                case "overdue":
                    found[_is_overdue(task.row, now_ms)] += 1
                case _:
                    found[task.row[group_by]] += 1
    return dict(found)


def _fits(task: Task, viewer: Viewer, filters: Filters, now_ms: int) -> bool:
    row = task.row
    among: list[tuple[Any, frozenset[str]]] = [
        (row["domain"], filters.domains),
        (row["status"], filters.statuses),
        (row["owner"], filters.owners),
        (row["spec"], filters.specs),
        (row["action"], filters.actions),
    ]
    within = [
        (row["priority"], filters.priority),
        (row["createdOn"], filters.created),
        (row["dueOn"], filters.due),
        (row["timeout"], filters.deadline),
        (row["finishedOn"], filters.finished),
    ]
    own = works_as(viewer)
    return (
        sees(viewer, task.sight)
        and all(not wanted or value in wanted for value, wanted in among)
        and all(_is_within(value, asked) for value, asked in within)
        and (not filters.mine or (viewer.user is not None and row["owner"] == viewer.user))
        and (not filters.for_me or bool(own & acts_on(task.sight)))
        and (not filters.roles or bool(filters.roles & {*row["roles"]}))
        and filters.overdue in {None, _is_overdue(row, now_ms)}
        and _has_words(row, filters.text)
        and all(_has_attribute(row["attributes"].get(asked.name), asked) for asked in filters.attributes)
    )


def _is_within(value: int | None, asked: Range) -> bool:
    if asked == Range():
        return True
    return (
        value is not None
        and (asked.lowest is None or value >= asked.lowest)
        and (asked.highest is None or value <= asked.highest)
    )


def _is_overdue(row: dict[str, Any], now_ms: int) -> bool:
    moment = row["timeout"] if row["dueOn"] is None else row["dueOn"]
    return row["status"] in OPEN and moment is not None and moment < now_ms


def _has_words(row: dict[str, Any], text: str) -> bool:
    words = words_of(f"{row['name'] or ''} {row['id']}")
    return all(any(word.startswith(wanted) for word in words) for wanted in words_of(text))


def _has_attribute(value: Any, asked: AttributeFilter) -> bool:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, str):
        equals = asked.equals in {None, value}
        has_prefix = asked.prefix is None or value.startswith(asked.prefix)
        bounds: list[Any] = [each if _is_text(each) else None for each in (asked.lowest, asked.highest)]
    elif isinstance(value, int | float):
        equals = asked.equals is None or _number(asked.equals) == value
        has_prefix = asked.prefix is None
        bounds = [None if each is None else _number(each) for each in (asked.lowest, asked.highest)]
    else:
        return asked == AttributeFilter(asked.name)
    given = [asked.lowest, asked.highest]
    of_kind = all(bound is not None for bound, text in zip(bounds, given, strict=True) if text is not None)
    return (
        equals
        and has_prefix
        and of_kind
        and (bounds[0] is None or value >= bounds[0])
        and (bounds[1] is None or value <= bounds[1])
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _is_text(asked: str | None) -> bool:
    return asked is not None and _number(asked) is None


def _by_creation(task: Task) -> tuple[int, int]:
    return task.row["createdOn"], tie(*task.name)


def _value_of(order: Order) -> Callable[[Task], Any]:
    columns = {"due": "dueOn", "deadline": "timeout", "priority": "priority", "finished": "finishedOn"}
    if order.attribute is not None:
        name = order.attribute
        return lambda task: _ordered(task.row["attributes"].get(name))
    if order.by == "created":
        return lambda _task: 0
    return lambda task: task.row[columns[order.by]]


def _ordered(value: Any) -> tuple[int, Any] | None:
    """Numbers come before texts."""
    if isinstance(value, bool):
        return (1, "true" if value else "false")
    if isinstance(value, int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else None
