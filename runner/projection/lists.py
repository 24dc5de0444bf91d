"""Lists: what people and programs read of the projection. Each call sees all of it as of one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, func, select

from runner.errors import EventError
from runner.projection.counting import Count, counts_of
from runner.projection.cursors import cursor_after, place_of
from runner.projection.database import is_shared, reading
from runner.projection.filters import Filters, Order
from runner.projection.folding import Folded, decode_folded
from runner.projection.paging import page_of
from runner.projection.selection import LiveBuild, selection_of
from runner.projection.sight import Sight, Viewer
from runner.projection.stored_text import restored
from runner.projection.tables import BUILDS, LIVE, Tables, tables_of
from runner.tasks.keys import TaskKey
from runner.tasks.source import parse_source

MOST: Final = 200
"""Tasks of a page."""
FEW: Final = 500
_AT_ONCE: Final = 500


class NotFilled(Exception):
    """No build has been filled yet: there is nothing to read."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """Part of a list."""

    rows: list[str]
    """Tasks as JSON."""
    next_cursor: str | None
    """Leads to the next page; None: this is the last."""


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task, whoever may see it."""

    json: str
    sight: Sight
    version: str
    home: int
    is_open: bool


class Lists:
    """Reads the projection, from any thread.

    Every method blocks, and raises DatabaseUnavailable, and NotFilled until a build is live.
    """

    def __init__(self, engine: Engine, few_rows: int = FEW) -> None:
        """``few_rows``: up to how many rows are fetched and put in order here; what is found is the same."""
        self._few_rows = few_rows
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._engine = engine.execution_options(**snapshot) if is_shared(engine) else engine

    def page(
        self, viewer: Viewer, filters: Filters, order: Order, cursor: str | None, limit: int, now_ms: int
    ) -> ListPage:
        """Return a page of what a viewer sees, of 1 to MOST tasks.

        From page to page no task comes twice, and none is left out that was there all the time in the same
        place. Raises InvalidCursor, UnknownAttribute.
        """
        after = None if cursor is None else place_of(cursor, order)
        limit = max(1, min(limit, MOST))
        with self._live() as (connection, build):
            asked = selection_of(connection, build, viewer, filters, now_ms, self._few_rows)
            found = page_of(connection, asked, order, after, limit + 1)
        shown = found[:limit]
        more = cursor_after(order, shown[-1].place) if len(found) > limit else None
        return ListPage([listed.row for listed in shown], more)

    def counts(self, viewer: Viewer, filters: Filters, group_by: str, now_ms: int) -> list[Count]:
        """Return how many of the tasks that a viewer sees have each value, most first.

        Raises UnknownAttribute, and ValueError for a group that is none of ``counting.GROUPS``.
        """
        with self._live() as (connection, build):
            asked = selection_of(connection, build, viewer, filters, now_ms, self._few_rows)
            return counts_of(connection, asked, group_by, now_ms)

    def row(self, key: TaskKey) -> ListedTask | None:
        """Return the newest of the tasks with a key; None: there is none."""
        return self.rows([key]).get(key)

    def rows(self, keys: Collection[TaskKey]) -> dict[TaskKey, ListedTask]:
        """Return the newest of the tasks with each key, of those that are there."""
        found: dict[TaskKey, ListedTask] = {}
        with self._live() as (connection, build):
            for folded, row in _stored(connection, build.tables, keys):
                sight = folded.sight
                if sight is not None and folded.state is not None:
                    is_open = folded.state.closing is None
                    found[folded.key] = ListedTask(row, sight, folded.version, folded.state.home, is_open)
        return found

    def has(self, key: TaskKey, version: str) -> bool:
        """Whether lists have a task at this version, ``revision;source``, or are beyond it.

        ValueError for anything else than a version. A task that is gone by now is not known to have been
        there.
        """
        revision, _, source = version.partition(";")
        try:
            asked, begun = int(revision), parse_source(source)
        except EventError as error:
            raise ValueError(f"not a version: {version[:100]!r}") from error
        with self._live() as (connection, build):
            for folded, _row in _stored(connection, build.tables, [key]):
                if folded.source == source:
                    return folded.revision >= asked
                stored = parse_source(folded.source)
                return (stored.incarnation, stored.offset) > (begun.incarnation, begun.offset)
        return False

    def definitions(self, viewer: Viewer) -> list[dict[str, Any]]:
        """Return the newest version of each definition of the viewer's domains, without its form."""
        with self._live() as (connection, build):
            table = build.tables.definitions
            newest = (
                select(table.c.domain, table.c.spec, func.max(table.c.number).label("number"))
                .where(table.c.domain.in_(sorted(viewer.domains)))
                .group_by(table.c.domain, table.c.spec)
                .subquery()
            )
            same = [table.c[name] == newest.c[name] for name in ("domain", "spec", "number")]
            found = connection.execute(
                select(table).join(newest, same[0] & same[1] & same[2]).order_by(table.c.domain, table.c.spec)
            ).all()
        return [
            {
                "domain": restored(row.domain),
                "taskSpec": restored(row.spec),
                "version": row.number,
                "definedOn": row.at,
                "by": None if row.by is None else restored(row.by),
                "description": msgspec.json.decode(row.definition).get("description"),
            }
            for row in found
        ]

    @contextmanager
    def _live(self) -> Iterator[tuple[Connection, LiveBuild]]:
        """Give the build that is read, in a transaction that sees it as of one moment."""
        with reading(self._engine) as connection:
            live = select(BUILDS.c.number, BUILDS.c.attributes).where(BUILDS.c.state == LIVE)
            found = connection.execute(live).one_or_none()
            if found is None:
                raise NotFilled("the lists are being filled; ask again soon")
            yield connection, _build(*found)


@lru_cache(maxsize=16)
def _build(number: int, attributes: str) -> LiveBuild:
    """Return a build; the same for the same, or its statements were compiled anew each time."""
    names = tuple(msgspec.json.decode(attributes, type=list[str]))
    return LiveBuild(tables_of(number, names), names)


def _stored(
    connection: Connection, tables: Tables, keys: Collection[TaskKey]
) -> Iterator[tuple[Folded, str]]:
    """Give the tasks with these keys that can be shown; of several generations the newest."""
    bodies = tables.bodies
    newest: dict[TaskKey, tuple[bool, int, Folded, str]] = {}
    for domain in {key.domain for key in keys}:
        ids = [key.id for key in keys if key.domain == domain]
        for start in range(0, len(ids), _AT_ONCE):
            wanted = (bodies.c.domain == domain, bodies.c.id.in_(ids[start : start + _AT_ONCE]))
            asked = select(bodies.c.gone_ms, bodies.c.folded, bodies.c.row).where(*wanted)
            for gone_ms, text, row in connection.execute(asked.where(bodies.c.row.is_not(None))):
                folded = decode_folded(text)
                found = (gone_ms is None, gone_ms or 0, folded, row)
                newest[folded.key] = max(newest.get(folded.key, found), found, key=lambda each: each[:2])
    for _is_there, _gone_ms, folded, row in newest.values():
        yield folded, row
