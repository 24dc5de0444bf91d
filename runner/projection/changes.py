"""Changes: what was written of late, for event streams, and how far it is known.

Whoever folds writes a row of ``changes`` for each task that a message changed, with who saw it before and who
sees it after, in the transaction that moves the position. ``changes_from`` of a position says from which
offset on *all* of them are there: a batch that is written without its changes (a build that is filled) moves
it to the batch's end, and ``trim`` moves it as it removes what is old. So a reader knows exactly whether it
can go on from where it was, whatever happened meanwhile, and needs no clock for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Row, and_, delete, func, or_, select, update
from sqlalchemy.exc import ProgrammingError

from runner.projection.database import DatabaseUnavailable, reading
from runner.projection.sight import Sight
from runner.projection.tables import BUILDS, LIVE, Tables, tables_of

KEPT_MS: Final = 5 * 60_000
"""How long changes are kept."""
_SIGHTS: Final = 4096
"""Sights that are kept decoded: who sees a task after a change is who saw it before the next."""

_Found = TypeVar("_Found")
_tables_of: Final = lru_cache(maxsize=4)(tables_of)
"""Statements are compiled once a table, so the tables are made once."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a message did to a task, for those who look at it."""

    shard: int
    place: int
    """Offset of the message in the changelog."""
    domain: str
    key: str
    """Path key of the task (``runner/tasks/path_key.py``): plain signs, whatever its id has."""
    version: str | None
    """As the task's ETag; None: the task was removed."""
    before: Sight | None
    """Who saw it; None: nobody."""
    after: Sight | None


@dataclass(frozen=True, slots=True)
class Positions:
    """How far a build has read its changelog, by shard."""

    build: int
    topic: str
    """Id of the topic, which another one of the same name does not have."""
    next: Mapping[int, int]
    """Offsets of what comes next."""
    since: Mapping[int, int]
    """From these offsets on the changes are there."""


class Recent:
    """Reads the changes of the live build. Safe to share between threads; every call blocks.

    Raises DatabaseUnavailable where the database does not answer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def positions(self) -> Positions | None:
        """Return how far the live build is; None: there is none yet."""
        return self._read(_positions)

    def changes(
        self, build: int, since: Mapping[int, int], until: Mapping[int, int], most: int
    ) -> list[Change] | None:
        """Return the changes of a build from some offsets up to, and without, others: by shard and place.

        A shard that ``since`` does not name is read from its beginning, one that ``until`` does not name not
        at all. If there are more than ``most``, the first of them. None: not all of them are there any more.
        """
        spans = {shard: (since.get(shard, 0), end) for shard, end in until.items()}
        moved = {shard: span for shard, span in spans.items() if span[0] < span[1]}
        if not moved:
            return []
        return self._read(lambda connection: _changes(connection, _tables_of(build), moved, most))

    def _read(self, ask: Callable[[Connection], _Found]) -> _Found:
        try:
            with reading(self._engine) as connection:
                return ask(connection)
        except ProgrammingError as error:  # the build was dropped meanwhile; SQLite calls that unavailable
            raise DatabaseUnavailable("the tables of the changes are not there; asked again") from error


def trim(connection: Connection, tables: Tables, now_ms: int) -> None:
    """Remove changes older than KEPT_MS within the caller's transaction; ``changes_from`` says so."""
    changes, positions = tables.changes, tables.positions
    last = func.max(changes.c.place)
    old = select(changes.c.shard, last).where(changes.c.at_ms < now_ms - KEPT_MS).group_by(changes.c.shard)
    for shard, place in sorted(tuple(row) for row in connection.execute(old)):  # as whoever writes locks them
        connection.execute(delete(changes).where(changes.c.shard == shard, changes.c.place <= place))
        connection.execute(update(positions).where(positions.c.shard == shard).values(changes_from=place + 1))


def _positions(connection: Connection) -> Positions | None:
    live = select(BUILDS.c.number).where(BUILDS.c.state == LIVE).order_by(BUILDS.c.number.desc())
    build = connection.scalars(live).first()
    if build is None:
        return None
    table = _tables_of(build).positions
    columns = (table.c.shard, table.c.topic_id, table.c.next_offset, table.c.changes_from)
    rows = connection.execute(select(*columns)).all()
    return Positions(
        build,
        rows[0].topic_id if rows else "",
        {row.shard: row.next_offset for row in rows},
        {row.shard: row.changes_from for row in rows},
    )


def _changes(
    connection: Connection, tables: Tables, spans: Mapping[int, tuple[int, int]], most: int
) -> list[Change] | None:
    table, positions = tables.changes, tables.positions
    within = or_(
        *(
            and_(table.c.shard == shard, table.c.place >= start, table.c.place < end)
            for shard, (start, end) in spans.items()
        )
    )
    asked = select(table).where(within).order_by(table.c.shard, table.c.place).limit(most)
    found = [_change(row) for row in connection.execute(asked)]
    # Read last: whatever was removed before or while the changes were read shows here.
    kept = select(positions.c.shard, positions.c.changes_from)
    if any(spans[shard][0] < start for shard, start in connection.execute(kept) if shard in spans):
        return None
    return found


def _change(row: Row[tuple[object, ...]]) -> Change:
    return Change(
        row.shard, row.place, row.domain, row.key, row.version, _sight(row.before), _sight(row.after)
    )


@lru_cache(maxsize=_SIGHTS)
def _sight(text: str | None) -> Sight | None:
    return None if text is None else msgspec.json.decode(text, type=Sight)
