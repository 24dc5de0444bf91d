"""The database: SQLite in a file of its own process, or PostgreSQL that several processes share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from runner.errors import FatalError, TransientError

Named: TypeAlias = tuple[str, Sequence[str]]
"""A column, and values."""
Row: TypeAlias = tuple[str | int | float | None, ...]

_BUSY_MS: Final = 10_000
"""How long a writer of SQLite waits for another; then it tries again."""
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "cache_size = -65536",
    # A change touches a dozen pages. They go from the log to the file beside the writer (``empty_log``), who
    # would stand still meanwhile; this is for where nobody does so.
    "wal_autocheckpoint = 50000",
)
_COPY_ROWS: Final = 100
"""From so many rows on COPY is quicker than INSERT."""
_COPY_AT_ONCE: Final = 1000
_NULL: Final = "\x01N"
"""No value: no stored text, and no JSON, has this sign before this letter."""
_SPECIAL: Final = re.compile(r"[\\\n\r]")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_CATALOG_LOCK: Final = 0x5AFA_7A5C
"""Advisory lock of PostgreSQL, held by whoever makes, takes over or drops a build."""
_WRITES: Final = "runner_writes"
_POOL: Final = 20
_CONNECT_SECONDS: Final = 5
_REFUSED: Final = ("28", "3D", "42501")
"""SQLSTATE of a wrong password, a database that is not there, a missing permission."""


class DatabaseUnavailable(TransientError):
    """The database of the projection does not answer, or not now."""

    label = "DATABASE_UNAVAILABLE"


def connect(url: str) -> Engine:
    """Return the engine of a URL, which connects at its first use; FatalError for a URL of nothing known.

    ``sqlite:///path`` or ``postgresql://user:password@host/database``.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _not_understood() from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            return _postgresql(parsed)
    raise _not_understood()


def is_shared(database: Engine | Connection) -> bool:
    """Whether several processes share this database, and with it the work: PostgreSQL."""
    return database.dialect.name == "postgresql"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that only reads. Raises DatabaseUnavailable."""
    with _answering(), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that writes; it is committed at the end of the block.

    One writes at a time on SQLite, from the beginning of the block on. Raises DatabaseUnavailable: whether
    the transaction was committed is not known then.
    """
    with _answering(), engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def changing_catalog(engine: Engine) -> Iterator[Connection]:
    """Give the same where builds are made, taken over or dropped: nobody else does so meanwhile."""
    with writing(engine) as connection:
        if is_shared(engine):
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_CATALOG_LOCK})"))
        yield connection


def look_up(
    connection: Connection, table: Table, columns: Sequence[str], same: tuple[str, str], one_of: Named
) -> Sequence[Any]:
    """Return columns of the rows in which one column has a value, and another has one of some.

    Values are in their stored form; both columns begin an index. Each is looked for in it, whatever the
    planner takes the table for: of one that is just being filled PostgreSQL would read all.
    """
    names = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in columns)
    (first, value), (second, values) = same, one_of
    name = _quoted(connection, [table])[0]
    if is_shared(connection):
        found = f"SELECT {names} FROM {name} WHERE {first} = %s AND {second} = wanted.value OFFSET 0"
        asked = f"SELECT found.* FROM unnest(%s::text[]) AS wanted(value), LATERAL ({found}) AS found"
        return connection.exec_driver_sql(asked, (list(values), value)).all()
    holders = ", ".join("?" * len(values))
    asked = f"SELECT {names} FROM {name} WHERE {first} = ? AND {second} IN ({holders})"
    return connection.exec_driver_sql(asked, (value, *values)).all()


def empty_log(engine: Engine) -> None:
    """Bring what SQLite has in its log to the file, as far as nobody reads it, beside those who write.

    Raises DatabaseUnavailable.
    """
    if not is_shared(engine):
        with _answering(), engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")


def insert(connection: Connection, table: Table, rows: Sequence[Row], *, is_repeated: bool = False) -> None:
    """Insert rows, tuples in the order of the columns, whose texts are in their stored form already.

    ``is_repeated``: a row whose key is there already is left alone.
    """
    if not rows:
        return
    names = _quoted(connection, table.columns)
    target = f"{_quoted(connection, [table])[0]} ({', '.join(names)})"
    if is_shared(connection) and len(rows) >= _COPY_ROWS and not is_repeated:
        _copy(connection, target, rows)
        return
    holders = ", ".join([_holder(connection)] * len(names))
    ending = " ON CONFLICT DO NOTHING" if is_repeated else ""
    connection.exec_driver_sql(f"INSERT INTO {target} VALUES ({holders}){ending}", list(rows))


def update(
    connection: Connection, table: Table, rows: Sequence[Row], columns: Collection[str] | None = None
) -> None:
    """Give rows, tuples as for ``insert``, to those that have their primary keys.

    ``columns``: those that differ; None: all that are no keys. SQLite writes every index anew that has a
    column which is set, even to the value that it had.
    """
    if not rows:
        return
    keys = [place for place, column in enumerate(table.columns) if column.primary_key]
    others = [
        place
        for place, column in enumerate(table.columns)
        if not column.primary_key and (columns is None or column.name in columns)
    ]
    names, holder = _quoted(connection, table.columns), _holder(connection)
    values = ", ".join(f"{names[place]} = {holder}" for place in others)
    where = " AND ".join(f"{names[place]} = {holder}" for place in keys)
    connection.exec_driver_sql(
        f"UPDATE {_quoted(connection, [table])[0]} SET {values} WHERE {where}",
        [tuple([row[place] for place in (*others, *keys)]) for row in rows],
    )


def delete(connection: Connection, table: Table, keys: Sequence[Row]) -> None:
    """Delete the rows with these primary keys, tuples in the order of its columns."""
    if not keys:
        return
    holder = _holder(connection)
    names = _quoted(connection, [column for column in table.columns if column.primary_key])
    where = " AND ".join(f"{name} = {holder}" for name in names)
    connection.exec_driver_sql(f"DELETE FROM {_quoted(connection, [table])[0]} WHERE {where}", list(keys))


def _quoted(connection: Connection, named: Iterable[Any]) -> list[str]:
    return [connection.dialect.identifier_preparer.quote(each.name) for each in named]


def _holder(connection: Connection) -> str:
    return "%s" if is_shared(connection) else "?"


def _copy(connection: Connection, target: str, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.dbapi_connection
    statement = f"COPY {target} FROM STDIN WITH (NULL '{_NULL}')"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for first in range(0, len(rows), _COPY_AT_ONCE):
            copy.write("".join(map(_line, rows[first : first + _COPY_AT_ONCE])))


def _line(row: Row) -> str:
    """Return a row as COPY reads it."""
    line = "\t".join([_NULL if value is None else str(value) for value in row])
    if _SPECIAL.search(line) or line.count("\t") >= len(row):
        line = "\t".join([_NULL if value is None else str(value).translate(_ESCAPES) for value in row])
    return line + "\n"


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late, and would not have a SELECT in them.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Who reads first and writes then would be refused where somebody else has written meanwhile.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "saga-task-runner"},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # A list takes less time than code for it, or another process, takes to be there.
        connection.execute("SET jit = off")
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.commit()

    return engine


@contextmanager
def _answering() -> Iterator[None]:
    """Turn errors of a database that does not answer into DatabaseUnavailable, refusals into FatalError."""
    try:
        yield
    except NoSuchModuleError as error:
        raise FatalError(f"projection.url: {error}") from error
    except DBAPIError as error:
        said = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if state.startswith(_REFUSED):
            raise FatalError(f"the database of projection.url refuses: {said}") from error
        if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
            raise DatabaseUnavailable(f"the database of projection.url does not answer: {said}") from error
        raise


def _not_understood() -> FatalError:
    return FatalError(
        "projection.url is not understood; write sqlite:///path, or postgresql://user:password@host/database"
    )
