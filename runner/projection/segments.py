"""Segments: an order as SQL. Tasks without a value come last, and are a segment of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, literal, null, tuple_

from runner.projection.conditions import column_of
from runner.projection.cursors import Place
from runner.projection.filters import Order

_ALWAYS: Final = frozenset({"created", "priority"})
"""Orders by what every task has."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of an order: tasks that have a value, or those that have none; from a place on, and up to one."""

    rows: Table
    descending: bool
    value: str | None
    """Column that is ordered by; None: by creation alone."""
    has_value: bool | None
    """None: every task has one."""
    after: Place | None
    before: Place | None = None

    @property
    def shown(self) -> list[ColumnElement[Any]]:
        """The columns of a place, and the number of the task."""
        value = null() if self.value is None else self.rows.c[self.value]
        return [value.label("value"), self.rows.c.created, self.rows.c.tie, self.rows.c.no]

    @property
    def where(self) -> list[ColumnElement[bool]]:
        """What rows of the segment fulfil."""
        found: list[ColumnElement[bool]] = []
        if self.value is not None and self.has_value is not None:
            value = self.rows.c[self.value]
            found.append(value.is_not(None) if self.has_value else value.is_(None))
        here = tuple_(*self._keys)
        for place, is_after in ((self.after, True), (self.before, False)):
            if place is not None:
                keys = zip(self.key(place), self._keys, strict=True)
                there = tuple_(*(literal(value, column.type) for value, column in keys))
                found.append(here > there if is_after != self.descending else here < there)
        return found

    @property
    def order(self) -> list[ColumnElement[Any]]:
        """What rows are ordered by."""
        return [key.desc() if self.descending else key for key in self._keys]

    @property
    def _keys(self) -> list[ColumnElement[Any]]:
        rows = self.rows.c
        return [*([] if self._by is None else [rows[self._by]]), rows.created, rows.tie]

    @property
    def _by(self) -> str | None:
        return None if self.has_value is False else self.value

    def holds(self, place: Place) -> bool:
        """Whether a place lies in the segment."""
        if self.has_value is not None and self.has_value != (place.value is not None):
            return False
        here, after = self.key(place), None if self.after is None else self.key(self.after)
        return after is None or (here < after if self.descending else here > after)

    def key(self, place: Place) -> tuple[Any, ...]:
        """Return what orders a place among others of the segment."""
        return (*(() if self._by is None else (place.value,)), place.created, place.tie)


def segments(rows: Table, attributes: Sequence[str], order: Order, after: Place | None) -> Iterator[Segment]:
    """Give the segments of an order from a place on. UnknownAttribute."""
    name = order.attribute
    value = order.by if name is None else column_of(attributes, name)
    whole = Segment(rows, order.descending, None if value == "created" else value, None, after)
    if order.by in _ALWAYS:
        yield whole
        return
    if after is None or after.value is not None:
        yield replace(whole, has_value=True)
        after = None
    yield replace(whole, has_value=False, after=after)
