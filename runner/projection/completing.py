"""Completing a build: once all partitions were read to their ends, its narrow rows are made, and it is read.

Bodies alone are written while a build is filled: a task that changes meanwhile costs one row, and the indexes
are made after the rows. All of this is one transaction, so a process that dies leaves a build that is filled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.schema import CreateIndex

from runner.projection.builds import Build, replace_live
from runner.projection.database import Row, changing_catalog, insert, is_shared, reading
from runner.projection.folding import decode_folded
from runner.projection.rows import RowMaker
from runner.projection.tables import BUILDS, FILLING, Tables

_AT_ONCE: Final = 5000


def is_filled(engine: Engine, build: Build) -> bool:
    """Whether all partitions were read to their ends. Raises DatabaseUnavailable."""
    with reading(engine) as connection:
        return _is_filled(connection, build.tables)


def complete(engine: Engine, build: Build, now_ms: int) -> bool:
    """Make what is missing of a build that is filled, and let it take over; False where it is not filled.

    Nothing is written to this build meanwhile; on SQLite, to none. Raises DatabaseUnavailable.
    """
    tables = build.tables
    with changing_catalog(engine) as connection:
        asked = select(BUILDS.c.state).where(BUILDS.c.number == build.number)
        if connection.execute(asked.with_for_update()).scalar() != FILLING:
            return False
        if not _is_filled(connection, tables):
            return False
        _make_narrow_rows(connection, tables, RowMaker(tables, build.attributes))
        for index in tables.indexes:
            connection.execute(CreateIndex(index))
        _analyze(connection, tables)
        replace_live(connection, build.number, now_ms)
    return True


def _is_filled(connection: Connection, tables: Tables) -> bool:
    unread = select(func.count()).select_from(tables.positions).where(tables.positions.c.reached_ms == 0)
    return connection.execute(unread).scalar_one() == 0


def _make_narrow_rows(connection: Connection, tables: Tables, maker: RowMaker) -> None:
    """Make them a part at a time: the rows of the next while the database takes those of one."""
    with ThreadPoolExecutor(1) as ahead:
        made = None
        for found in _bodies(connection, tables):
            following = ahead.submit(_rows, maker, found)
            if made is not None:
                _insert(connection, maker, made.result())
            made = following
        if made is not None:
            _insert(connection, maker, made.result())


def _bodies(connection: Connection, tables: Tables) -> Iterator[Sequence[Any]]:
    bodies, last = tables.bodies, -1
    asked = select(bodies.c.no, bodies.c.folded).order_by(bodies.c.no).limit(_AT_ONCE)
    while found := connection.execute(asked.where(bodies.c.no > last)).all():
        yield found
        last = found[-1][0]


def _rows(maker: RowMaker, found: Sequence[Any]) -> list[list[Row]]:
    """Return the rows of each narrow table."""
    made = [maker.rows(decode_folded(folded), no) for no, folded in found]
    return [[row for rows in made for row in rows[place].values()] for place in range(len(maker.narrow))]


def _insert(connection: Connection, maker: RowMaker, made: list[list[Row]]) -> None:
    for table, rows in zip(maker.narrow, made, strict=True):
        insert(connection, table, rows)


def _analyze(connection: Connection, tables: Tables) -> None:
    """Tell the planner what is there."""
    quote = connection.dialect.identifier_preparer.quote
    for table in tables.metadata.sorted_tables:
        connection.execute(text(f"ANALYZE {quote(table.name)}"))
    if is_shared(connection):
        return
    # SQLite's statements that are prepared already do not look again.
    connection.execute(text("ANALYZE sqlite_schema"))
