"""Rows: what the tables of a build hold of a folded task, as tuples in the order of their columns.

Which rows a task has follows from it alone, so what is to be changed follows from the task before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table

from runner.projection.database import Row, delete, insert, update
from runner.projection.folding import Folded, encode_folded
from runner.projection.indexing import grant_rows, narrow_rows
from runner.projection.sight import Sight
from runner.projection.stored_text import ComparedText, stored
from runner.projection.tables import Tables

_encode: Final = msgspec.json.Encoder().encode


class RowMaker:
    """Makes rows of the narrow tables of one build."""

    def __init__(self, tables: Tables, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self.narrow: tuple[Table, ...] = (tables.grants, tables.texts, tables.words)
        columns = tables.grants.columns
        self._shared = [(each.name, isinstance(each.type, ComparedText)) for each in columns][1:]
        self._grant_key = len(tables.grants.primary_key.columns)

    def rows(self, folded: Folded | None, no: int) -> tuple[dict[Row, Row], ...]:
        """Return the rows of a task in each narrow table, by their primary keys; none while it is hidden."""
        if folded is None or folded.sight is None or folded.row is None:
            return {}, {}, {}
        return self.rows_of(folded.row, folded.sight, no)

    def changes(
        self, before: Folded | None, after: Folded | None, no: int
    ) -> Iterator[tuple[Mapping[Row, Row], Mapping[Row, Row]]]:
        """Give the rows of a task before and after, of each narrow table; none where they are the same."""
        if _has_same_words(before, after):
            yield self._grants(before, no), self._grants(after, no)
            yield from repeat(({}, {}), len(self.narrow) - 1)
        else:
            yield from zip(self.rows(before, no), self.rows(after, no), strict=True)

    def _grants(self, folded: Folded | None, no: int) -> dict[Row, Row]:
        if folded is None or folded.sight is None or folded.row is None:
            return {}
        return self._stored_grants(grant_rows(no, folded.row, folded.sight, self._attributes))

    def rows_of(self, row: Mapping[str, Any], sight: Sight, no: int) -> tuple[dict[Row, Row], ...]:
        """Return the same of a task as lists show it."""
        found = narrow_rows(no, row, sight, self._attributes)
        # Words are letters and digits, and no more of them than can be stored.
        words = [(each["domain"], each["word"], no) for each in found.words]
        return (
            self._stored_grants(found.grants),
            {(no,): (no, found.text["text"])},
            {word: word for word in words},
        )

    def _stored_grants(self, grants: Sequence[Mapping[str, Any]]) -> dict[Row, Row]:
        # The rows of a task in ``grants`` differ in their first column alone, the principal.
        first = grants[0]
        shared = [
            stored(value) if is_compared and (value := first[name]) is not None else first[name]
            for name, is_compared in self._shared
        ]
        rows = [(stored(each["principal"]), *shared) for each in grants]
        return {row[: self._grant_key]: row for row in rows}


def _has_same_words(before: Folded | None, after: Folded | None) -> bool:
    """Whether two states of a generation are found by the same words: those of its name and its id."""
    if before is None or after is None or before.row is None or after.row is None:
        return False
    return bool(before.row["name"] == after.row["name"])


class TableChanges:
    """What is to be written to one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._names = [column.name for column in table.columns]
        self.added: list[Row] = []
        self.changed: dict[tuple[str, ...], list[Row]] = {}
        """Rows by the columns that differ."""
        self.removed: list[Row] = []
        """Primary keys."""

    def compare(self, before: Mapping[Row, Row], after: Mapping[Row, Row]) -> None:
        """Add what leads from some rows to others, by their primary keys."""
        for key, row in after.items():
            earlier = before.get(key)
            if earlier is None:
                self.added.append(row)
            elif earlier != row:
                self.change(earlier, row)
        self.removed += [key for key in before if key not in after]

    def change(self, before: Row, after: Row) -> None:
        """Add a row that has other values."""
        pairs = zip(self._names, before, after, strict=True)
        self.set(tuple([name for name, one, other in pairs if one != other]), after)

    def set(self, names: tuple[str, ...], row: Row) -> None:
        """Add a row whose columns of these names are to be written."""
        self.changed.setdefault(names, []).append(row)

    def write(self, connection: Connection) -> None:
        """Write all of it."""
        delete(connection, self.table, self.removed)
        for names, rows in self.changed.items():
            update(connection, self.table, rows, names)
        insert(connection, self.table, self.added)


def body_row(folded: Folded, no: int, shard: int, gone_ms: int | None) -> Row:
    """Return the row of ``bodies``."""
    key, row = folded.key, folded.row
    return (
        no,
        stored(key.domain),
        stored(key.id),
        folded.source,
        shard,
        folded.revision,
        gone_ms,
        encode_folded(folded).decode(),
        None if row is None else _encode(row).decode(),
    )


def kept_row(folded: Folded, shard: int, gone_ms: int) -> Row:
    """Return the row of ``kept``."""
    key = folded.key
    text = encode_folded(folded).decode()
    return (stored(key.domain), stored(key.id), folded.source, shard, gone_ms, folded.revision, text)


def sight_json(folded: Folded | None) -> str | None:
    """Return who sees a task, as ``changes`` has it; None: there is nothing to show."""
    sight = None if folded is None else folded.sight
    return None if sight is None else _encode(sight).decode()
