"""Paging: one page of a list, read in its order from where the page before ended.

Every index of ``grants`` holds the tasks of a principal in one order. So a page is made of the next few rows
of each lead, merged: a task that several of them lead to comes once. What was found of the first leads bounds
what is read of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    Connection,
    Select,
    SmallInteger,
    Text,
    column,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from runner.projection.cursors import Place
from runner.projection.filters import Order
from runner.projection.segments import Segment, segments
from runner.projection.selection import Selection
from runner.projection.stored_text import restored, stored

FIRST: Final = 4
"""Leads of the first statement in PostgreSQL; the second has the others, within what the first has found."""

_Rows: TypeAlias = Select[Any]
"""Selects value, creation, tie and number of tasks."""
_Places: TypeAlias = dict[int, Place]
"""Tasks by their numbers, in their order."""


@dataclass(frozen=True, slots=True)
class PlacedTask:
    """A task of a page: its place in the order, and its row as JSON."""

    place: Place
    row: str


@dataclass(frozen=True, slots=True)
class _Lead:
    """Where rows lie together: those of a principal that are open, or those that are not."""

    principal: str
    is_open: int


def page_of(
    connection: Connection, selection: Selection, order: Order, after: Place | None, limit: int
) -> list[PlacedTask]:
    """Return the next tasks of a list, ``limit`` at most. UnknownAttribute."""
    found: _Places = {}
    rows, bodies = selection.build.tables.grants, selection.build.tables.bodies
    parts = [] if selection.is_empty else list(segments(rows, selection.build.attributes, order, after))
    few = selection.few(connection, *parts[0].shown) if parts else None
    for segment in parts:
        wanted = limit - len(found)
        if few is not None:
            held = ((no, place) for no, place in _places(few).items() if segment.holds(place))
            found |= _first(held, segment, wanted)
        elif wanted:
            found |= _next_places(connection, selection, segment, wanted)
    shown = connection.execute(select(bodies.c.no, bodies.c.row).where(bodies.c.no.in_(found)))
    row_of: dict[int, str] = {no: row for no, row in shown}  # noqa: C416 - dict() takes no rows
    return [PlacedTask(place, row_of[no]) for no, place in found.items()]


def _next_places(connection: Connection, selection: Selection, segment: Segment, limit: int) -> _Places:
    """Return the next tasks of a segment."""
    found: _Places = {}
    for leads in _together(selection):
        is_full = len(found) == limit
        bounded = replace(segment, before=[*found.values()][-1]) if is_full else segment
        rows = connection.execute(_rows_of(selection, bounded, leads, limit))
        found = _first((found | _places(rows)).items(), segment, limit)
    return found


def _places(rows: Iterable[Sequence[Any]]) -> _Places:
    return {
        no: Place(restored(value) if isinstance(value, str) else value, created, tie)
        for value, created, tie, no in rows
    }


def _first(tasks: Iterable[tuple[int, Place]], segment: Segment, limit: int) -> _Places:
    """Return the first of some tasks."""
    ordered = sorted(tasks, key=lambda task: segment.key(task[1]), reverse=segment.descending)
    return dict(ordered[:limit])


def _together(selection: Selection) -> Iterator[Sequence[_Lead]]:
    """Give the leads in parts, each for one statement."""
    leads = [_Lead(each, is_open) for each in selection.leads.principals for is_open in selection.openness]
    if selection.is_sqlite:  # it knows no LATERAL, nor is there a way over a network to be saved
        yield from ([lead] for lead in leads)
    else:
        yield from filter(None, (leads[:FIRST], leads[FIRST:]))


def _rows_of(selection: Selection, segment: Segment, leads: Sequence[_Lead], limit: int) -> _Rows:
    """Select the next rows of some leads."""
    rows = selection.build.tables.grants
    next_rows = select(*segment.shown).where(*segment.where, *selection.one_by_one())
    next_rows = next_rows.order_by(*segment.order).limit(limit)
    if len(leads) == 1:
        (lead,) = leads
        return next_rows.where(rows.c.principal == lead.principal, rows.c.is_open == lead.is_open)
    lead_rows = func.unnest(
        literal([stored(lead.principal) for lead in leads], ARRAY(Text)),
        literal([lead.is_open for lead in leads], ARRAY(SmallInteger)),
    ).table_valued(column("principal", Text), column("is_open", SmallInteger), name="lead")
    each = lead_rows.render_derived()
    of_lead = next_rows.where(rows.c.principal == each.c.principal, rows.c.is_open == each.c.is_open)
    lateral = of_lead.correlate(each).lateral()
    return select(*lateral.c).select_from(each.join(lateral, true()))
