"""Conditions: filters as conditions on the rows of ``grants``, but for what leads and openness settle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, and_, case, func, literal

from runner.projection.filters import AttributeFilter, Filters, Range, bound, equal_to
from runner.projection.indexing import OPEN_STATUSES, STATUSES, sortable_text
from runner.projection.sight import Viewer
from runner.projection.tables import attribute_column


class UnknownAttribute(ValueError):
    """What is read keeps no such attribute: it is not configured, or the tables are still filled with it."""


_MOST: Final = 2**63 - 1

Rows: TypeAlias = Mapping[str, ColumnElement[Any]]
"""The columns of ``grants`` by name, as conditions are to use them."""


def conditions(
    rows: Rows, attributes: Sequence[str], viewer: Viewer, filters: Filters, now_ms: int
) -> list[ColumnElement[bool]]:
    """Return what the rows must fulfil. UnknownAttribute."""
    found = [*_sets(rows, viewer, filters), *_ranges(rows, filters)]
    for each in filters.attributes:
        found += _of_attribute(rows[column_of(attributes, each.name)], each)
    if filters.overdue is not None:
        found.append(is_overdue(rows, now_ms) == literal(int(filters.overdue)))
    return found


def column_of(attributes: Sequence[str], name: str) -> str:
    """Return the column of an attribute. UnknownAttribute."""
    if name not in attributes:
        known = ", ".join(sorted(attributes)) or "none"
        raise UnknownAttribute(f"lists know no attribute {name[:40]!r} now; they know {known}")
    return attribute_column(attributes.index(name))


def is_overdue(rows: Rows, now_ms: int) -> ColumnElement[int]:
    """Return 1 for a task that is open and late, else 0."""
    late = and_(rows["is_open"] == 1, func.coalesce(rows["due"], rows["deadline"]) < now_ms)
    return case((late, 1), else_=0)


def _sets(rows: Rows, viewer: Viewer, filters: Filters) -> Iterator[ColumnElement[bool]]:
    settled: tuple[frozenset[str], ...] = (frozenset(), STATUSES, OPEN_STATUSES, STATUSES - OPEN_STATUSES)
    if filters.statuses not in settled:
        yield rows["status"].in_(sorted(filters.statuses))
    if filters.mine and viewer.user is not None:
        yield rows["owner"] == viewer.user
    for name, values in (("owner", filters.owners), ("spec", filters.specs), ("action", filters.actions)):
        if values:
            yield rows[name].in_(sorted(values))


def _ranges(rows: Rows, filters: Filters) -> Iterator[ColumnElement[bool]]:
    ranges = {
        "priority": filters.priority,
        "created": filters.created,
        "due": filters.due,
        "deadline": filters.deadline,
        "finished": filters.finished,
    }
    for name, asked in ranges.items():
        yield from _within(rows[name], asked)


def _within(column: ColumnElement[int], asked: Range) -> Iterator[ColumnElement[bool]]:
    if asked.lowest is not None:
        yield column >= _bound(asked.lowest)
    if asked.highest is not None:
        yield column <= _bound(asked.highest)


def _bound(value: int) -> ColumnElement[int]:
    """Return a number as databases take it, whatever the size of the column."""
    return literal(min(max(value, -_MOST), _MOST), BigInteger)


def _of_attribute(column: ColumnElement[str], asked: AttributeFilter) -> Iterator[ColumnElement[bool]]:
    if asked.equals is not None:
        yield column.in_(equal_to(asked.equals))
    if asked.prefix is not None:
        first = sortable_text(asked.prefix)
        yield and_(column >= first, column < successor(first))
    lowest, highest = (None if each is None else bound(each) for each in (asked.lowest, asked.highest))
    if lowest is not None:
        yield and_(column >= lowest, column < successor(lowest[0]))  # of the same kind
    if highest is not None:
        yield and_(column >= max(lowest or "", highest[0]), column <= highest)


def successor(prefix: str) -> str:
    """Return the least text that is above every text with this prefix; there is one for all but U+10FFFF."""
    last = ord(prefix[-1])
    if last == 0x10FFFF:
        return successor(prefix[:-1])
    return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
