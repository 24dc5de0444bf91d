"""Counting: how many tasks a list has, by what they have in common; exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from runner.projection.conditions import is_overdue, successor
from runner.projection.indexing import grant
from runner.projection.selection import Selection
from runner.projection.sight import ROLE
from runner.projection.stored_text import is_cut, restored

GROUPS: Final = ("status", "spec", "role", "owner", "overdue")
"""What counts are grouped by; a task counts for each of its roles."""

Count: TypeAlias = tuple[str | bool | None, int]
"""A value and how many tasks have it; None: those that have none."""

_encode: Final = msgspec.json.Encoder().encode


def counts_of(connection: Connection, selection: Selection, group_by: str, now_ms: int) -> list[Count]:
    """Return how many tasks each value has, most first. ValueError for a group that there is not."""
    if group_by not in GROUPS:
        raise ValueError(f"tasks are not counted by {group_by[:40]!r}; they are by {', '.join(GROUPS)}")
    if selection.is_empty:
        return []
    found = Counter[Any]()
    for value, number in _grouped(connection, selection, group_by, now_ms):
        for each in _values(group_by, value):
            found[each] += number
    return sorted(found.items(), key=lambda count: (-count[1], count[0] is None, str(count[0])))


def _grouped(
    connection: Connection, selection: Selection, group_by: str, now_ms: int
) -> Iterable[tuple[Any, int]]:
    """Give values as the database has them, and how many tasks have each."""
    rows = selection.build.tables.grants
    value = _value(dict(rows.c.items()), group_by, now_ms).label("value")
    few = selection.few(connection, rows.c.no, value)
    if few is not None:
        by_task: dict[int, Any] = {row[0]: row[1] for row in few}
        return Counter(by_task.values()).items()
    if group_by == "role" and selection.is_of_admins:
        principals = _by_role(connection, selection)
        if not any(is_cut(principal) for principal, _ in principals):
            return [(_encode([_role(principal)]).decode(), number) for principal, number in principals]
    tasks = select(rows.c.no, value).where(*selection.of_leads(), *selection.fitting())
    each = (tasks if len(selection.leads.principals) == 1 else tasks.distinct()).subquery()
    counted = connection.execute(select(each.c.value, func.count()).group_by(each.c.value))
    return [(value, number) for value, number in counted]


def _by_role(connection: Connection, selection: Selection) -> list[tuple[str, int]]:
    """Count the rows that each task has for each of its roles, which is quicker than to take roles apart."""
    principal = selection.build.tables.grants.c.principal
    is_open = selection.build.tables.grants.c.is_open.in_(selection.openness)
    counted = select(principal, func.count()).where(_of_roles(selection), is_open, *selection.fitting())
    return [(row[0], row[1]) for row in connection.execute(counted.group_by(principal))]


def _value(rows: Mapping[str, ColumnElement[Any]], group_by: str, now_ms: int) -> ColumnElement[Any]:
    match group_by:
        case "overdue":
            return is_overdue(rows, now_ms)
        case "role":
            return rows["roles"]
        case _:
            return rows[group_by]


def _of_roles(selection: Selection) -> ColumnElement[bool]:
    """Return whether a row is that of a role: each task has one for each of its roles."""
    principal = selection.build.tables.grants.c.principal
    prefixes = [grant(domain, ROLE) for domain in sorted(selection.leads.domains)]
    return or_(*(and_(principal >= prefix, principal < successor(prefix)) for prefix in prefixes))


def _role(principal: str) -> str:
    """Return the role of a stored principal."""
    return restored(principal).partition(" ")[2].removeprefix(ROLE)


def _values(group_by: str, value: Any) -> list[Any]:
    """Return the values for which a group of the database counts."""
    match value:
        case str() if group_by == "role":
            return msgspec.json.decode(value, type=list[str])
        case str():
            return [restored(value)]
        case int():
            return [bool(value)]
        case _:
            return [value]
