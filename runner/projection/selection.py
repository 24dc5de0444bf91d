"""Selection: what pages and counts of one list read: the rows of its leads that fit its filters.

There are two ways to them. *Few*: whatever index serves the filters best gives all that fit, as long as they
are few. *Many*: otherwise what fits is not rare, and is soon met by going through the rows of the leads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, UnaryExpression, select
from sqlalchemy.sql.operators import custom_op

from runner.projection.conditions import conditions
from runner.projection.filters import Filters
from runner.projection.indexing import ADMINS, grant
from runner.projection.leads import Leads, leads_of
from runner.projection.searching import Search, by_word, first_of_few, has_words
from runner.projection.sight import ROLE, Viewer
from runner.projection.tables import Tables

_As: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[Any]]
"""How a column is asked for."""


@dataclass(frozen=True, slots=True)
class LiveBuild:
    """The build that is read."""

    tables: Tables
    attributes: tuple[str, ...]


def _as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column for which SQLite, which knows little of how rare values are, uses no index."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of a build for one list."""

    build: LiveBuild
    viewer: Viewer
    filters: Filters
    now_ms: int
    leads: Leads
    search: Search
    few_rows: int
    """So many rows are few."""
    is_sqlite: bool

    @property
    def openness(self) -> tuple[int, ...]:
        """What ``is_open`` can be."""
        return self.filters.openness

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be in the list, whatever the tables hold."""
        return not self.leads.principals or not self.openness

    @property
    def is_of_admins(self) -> bool:
        """Whether all of the domains' tasks are led to."""
        return set(self.leads.principals) == {grant(domain, ADMINS) for domain in self.leads.domains}

    def one_by_one(self) -> list[ColumnElement[bool]]:
        """Return what rows must fulfil that are gone through in an order, until there are enough of them."""
        wanted = self._conditions(_unindexed if self.is_sqlite else _as_it_is)
        return wanted if self.search.one_by_one is None else [*wanted, self.search.one_by_one]

    def fitting(self) -> list[ColumnElement[bool]]:
        """Return what rows must fulfil that are looked at all together."""
        return self.one_by_one() if self.is_sqlite else self._wanted()

    def few(self, connection: Connection, *shown: ColumnElement[Any]) -> Sequence[Sequence[Any]] | None:
        """Return the columns that are shown of all rows that fit, if they are few; else None.

        A task comes once for each of its leads.
        """
        few, wanted = self.search.few, self._wanted()
        if not wanted:
            return None
        if few is not None:
            among = [*self.of_leads(_unindexed if self.is_sqlite else _as_it_is), self._no.in_(few)]
            return connection.execute(select(*shown).where(*among, *wanted)).all()
        fitting = connection.execute(
            select(*shown).where(*self.of_leads(), *wanted).limit(self.few_rows + 1)
        ).all()
        return fitting if len(fitting) <= self.few_rows else None

    @property
    def _no(self) -> ColumnElement[int]:
        return self.build.tables.grants.c.no

    def of_leads(self, column: _As = _as_it_is) -> list[ColumnElement[bool]]:
        """Return what rows of the leads fulfil."""
        rows = self.build.tables.grants
        return [column(rows.c.principal).in_(self.leads.principals), rows.c.is_open.in_(self.openness)]

    def _wanted(self) -> list[ColumnElement[bool]]:
        """Return what rows must fulfil, by whatever index."""
        wanted, search = self._conditions(_as_it_is), self.search
        if search.one_by_one is None:
            return wanted
        # SQLite would look at all tasks with a word before the first row; PostgreSQL does so quickly.
        texts = [search.one_by_one] if self.is_sqlite else [self._no.in_(each) for each in search.by_word]
        return [*wanted, *texts]

    def _conditions(self, column: _As) -> list[ColumnElement[bool]]:
        rows = {name: column(each) for name, each in self.build.tables.grants.c.items()}
        wanted = conditions(rows, self.build.attributes, self.viewer, self.filters, self.now_ms)
        return [*wanted, self._has_role()] if self.filters.roles and not self.leads.roles_hold else wanted

    def _has_role(self) -> ColumnElement[bool]:
        """Return whether a task has one of the roles, whatever led to it."""
        rows = self.build.tables.grants
        other = rows.alias()
        named = [
            grant(domain, ROLE + role)
            for domain in sorted(self.leads.domains)
            for role in sorted(self.filters.roles)
        ]
        return select(1).where(other.c.no == rows.c.no, other.c.principal.in_(named)).exists()


def selection_of(
    connection: Connection, build: LiveBuild, viewer: Viewer, filters: Filters, now_ms: int, few_rows: int
) -> Selection:
    """Return what is read for a list; ``few_rows`` rows are few."""
    leads, no = leads_of(viewer, filters), build.tables.grants.c.no
    text = by_word(build.tables, leads.domains, filters.text)
    search = Search(has_words(build.tables, no, filters.text), text, first_of_few(connection, text, few_rows))
    is_sqlite = connection.dialect.name == "sqlite"
    return Selection(build, viewer, filters, now_ms, leads, search, few_rows, is_sqlite)
