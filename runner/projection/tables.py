"""The tables: a set of them for each build, one that says which build is read, and what is kept for good.

There are no migrations. A *build* is a set of tables filled from the changelog; its name carries its number.
Another format, other attributes, or a changelog that has moved on without us: a new build is filled beside
the one that is read, and takes over once it is complete.

Layout: ``grants`` is all that filters, orders and counts look at. It has a row for each principal that sees
a task (``sight.py``), and one for the admins of its domain, each with all that lists filter and order by: the
tasks of a role lie together, in order, and no page or count reads anything else. What is shown is apart
(``bodies``): a body in the narrow rows makes counts ten times slower. ``indexing.py`` says what ``grants``,
``words`` and ``texts`` hold of a task; whoever writes calls it, and takes out what it said before.

While a build is filled only ``bodies`` and ``definitions`` are written; the narrow rows are made of them at
the end, the indexes after the rows, and then ANALYZE. Kept tasks are rows of the build like all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    column,
)

from runner.projection.stored_text import ComparedText

FORMAT: Final = 1
"""Version of the tables below; raise it with any change of what a message becomes."""

FILLING: Final = "filling"
LIVE: Final = "live"
OLD: Final = "old"

_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A primary key by which SQLite lays rows down, as it does for an INTEGER alone."""

CATALOG: Final = MetaData()
BUILDS: Final = Table(
    "builds",
    CATALOG,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("format", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),  # since when it is old
)
"""``format`` is FORMAT and a digest of the settings that rows depend on; ``attributes`` are the names of its
attributes as a JSON array, in the order that ``tables_of`` got; ``state`` is filling, live or old."""

KEPT: Final = Table(
    "kept",
    CATALOG,
    Column("domain", ComparedText, primary_key=True),
    Column("id", ComparedText, primary_key=True),
    Column("source", ComparedText, primary_key=True),
    Column("shard", BigInteger, nullable=False),
    Column("gone_ms", BigInteger, nullable=False),  # when its record was removed, or replaced
    Column("revision", BigInteger, nullable=False),
    Column("folded", Text, nullable=False),
)
"""Finished tasks whose records are gone: a generation a row. They cannot be made again, so no rebuild touches
them; every build has a copy among its rows."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one build."""

    metadata: MetaData
    positions: Table
    """How far each partition was read: written with the rows, by compare-and-set."""
    grants: Table
    """Who sees a task, with all that lists filter and order by."""
    texts: Table
    """The words of each task, for looking at one task."""
    words: Table
    """The same by word, for finding tasks."""
    bodies: Table
    definitions: Table
    changes: Table
    """The changes of the last minutes, for event streams: who saw the task before and sees it now."""

    @property
    def indexes(self) -> list[Index]:
        """Indexes besides the keys: made after the rows when a build is filled."""
        return [index for table in self.metadata.sorted_tables for index in table.indexes]


def attribute_column(place: int) -> str:
    """Return the column of ``grants`` for the attribute at a place of the build's attributes."""
    return f"a{place}"


def tables_of(build: int, attributes: Sequence[str] = ()) -> Tables:
    """Return the tables of a build that keeps these attributes; nothing is made in the database."""
    metadata, name = MetaData(), f"b{build}_".__add__
    return Tables(
        metadata,
        positions=Table(
            name("positions"),
            metadata,
            Column("shard", BigInteger, primary_key=True, autoincrement=False),
            Column("topic_id", Text, nullable=False),
            Column("next_offset", BigInteger, nullable=False),
            Column("reached_ms", BigInteger, nullable=False),  # when its end was last reached; 0: never
            Column("next_no", BigInteger, nullable=False),  # number of the next task that is first seen here
            Column(
                "changes_from", BigInteger, nullable=False
            ),  # from here on all are in changes (changes.py)
        ),
        grants=_grants(name("grants"), metadata, len(attributes)),
        texts=Table(
            name("texts"),
            metadata,
            Column("no", _NUMBER, primary_key=True, autoincrement=False),
            Column("text", Text, nullable=False),  # a space before each word
        ),
        words=Table(
            name("words"),
            metadata,
            Column("domain", ComparedText, nullable=False),
            Column("word", ComparedText, nullable=False),  # of ``words_of``
            Column("no", BigInteger, nullable=False),
            PrimaryKeyConstraint("domain", "word", "no"),
            sqlite_with_rowid=False,
        ),
        bodies=Table(
            name("bodies"),
            metadata,
            Column("no", _NUMBER, primary_key=True, autoincrement=False),
            Column("domain", ComparedText, nullable=False),
            Column("id", ComparedText, nullable=False),
            Column("source", ComparedText, nullable=False),  # StartTask of the generation
            Column("shard", BigInteger, nullable=False),
            Column("revision", BigInteger, nullable=False),  # the highest of its parts
            Column("gone_ms", BigInteger),  # since when its record is gone, and it is kept; NULL: it is there
            Column("folded", Text, nullable=False),  # what the fold needs to go on
            Column("row", Text),  # what lists show; NULL: its start was not read yet
            UniqueConstraint("domain", "id", "source"),
            Index(
                name("bodies_gone"),
                "gone_ms",
                sqlite_where=column("gone_ms").is_not(None),
                postgresql_where=column("gone_ms").is_not(None),
            ),
        ),
        definitions=Table(
            name("definitions"),
            metadata,
            Column("domain", ComparedText, primary_key=True),
            Column("spec", ComparedText, primary_key=True),
            Column("number", BigInteger, primary_key=True, autoincrement=False),
            Column("shard", BigInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            Column("by", ComparedText),
            Column("definition", Text, nullable=False),
        ),
        changes=Table(
            name("changes"),
            metadata,
            Column("shard", BigInteger, primary_key=True, autoincrement=False),
            Column("place", BigInteger, primary_key=True, autoincrement=False),  # offset of the message
            Column("at_ms", BigInteger, nullable=False, index=True),
            Column("domain", ComparedText, nullable=False),
            Column("key", Text, nullable=False),  # path key of the id
            Column("version", Text),  # NULL: the task is gone
            Column("before", Text),  # Sight as JSON; NULL: it was not there
            Column("after", Text),
        ),
    )


def _grants(name: str, metadata: MetaData, attributes: int) -> Table:
    columns = [attribute_column(place) for place in range(attributes)]
    return Table(
        name,
        metadata,
        Column("principal", ComparedText, nullable=False),  # behind the domain and a space
        Column("is_open", SmallInteger, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("tie", BigInteger, nullable=False),  # orders what is equal, alike in every build and replica
        Column("no", BigInteger, nullable=False),
        Column("domain", ComparedText, nullable=False),
        Column("status", String(10), nullable=False),  # UNASSIGNED, ASSIGNED, DONE, TIMED_OUT, CANCELLED
        Column("owner", ComparedText),
        Column("spec", ComparedText),
        Column("action", ComparedText),
        Column("priority", SmallInteger, nullable=False),
        Column("due", BigInteger),
        Column("deadline", BigInteger),
        Column("finished", BigInteger),
        Column("roles", Text, nullable=False),  # a JSON array
        *(Column(column, ComparedText) for column in columns),  # ``sortable``
        PrimaryKeyConstraint("principal", "is_open", "created", "tie", "no"),
        *(
            Index(f"{name}_{column}", "principal", "is_open", column, "created", "tie", "no")
            for column in ("priority", "due", "deadline", "finished", *columns)
        ),
        Index(f"{name}_no", "no"),
        # The rows of a principal lie together, in the order of the primary key.
        sqlite_with_rowid=False,
        # Room in the page for the next state of a row: a claim then touches no index.
        postgresql_with={"fillfactor": 90},
    )
