"""Overview: what an admin wants to know of all tasks: how many, how old, of which kind, how fast they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import APIRouter, Response

from runner.projection.filters import Filters, Range
from runner.projection.indexing import OPEN_STATUSES, STATUSES
from runner.projection.sight import Viewer
from runner.web.pages.addresses import address, list_path
from runner.web.pages.charts import Bar, Columns, bars, columns
from runner.web.pages.frame import framed
from runner.web.pages.languages import Words, later
from runner.web.pages.names import humanised
from runner.web.pages.routing import PageRoute
from runner.web.pages.visit import Visit, Visiting
from runner.web.parts import from_lists
from runner.web.problems import Refused

DAYS: Final = 14
_MOST_BARS: Final = 12
_HOUR_MS: Final = 3_600_000

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of a page."""

    open: int
    unassigned: int
    overdue: int
    finished: int
    """In the last ``DAYS`` days, as far as they are still listed."""
    specs: Sequence[Bar]
    roles: Sequence[Bar]
    owners: Sequence[Bar]
    ages: Columns
    ends: Columns


@router.get("/overview")
async def show_overview(visit: Visiting) -> Response:
    """Numbers of all tasks, for admins."""
    if not visit.is_admin:
        raise Refused(403, "only admins see the overview")
    admin = replace(visit.caller.viewer, domains=visit.caller.viewer.admin_of)
    found = await from_lists(lambda: _overview(visit, admin))
    return await framed(visit, "overview.html", {"overview": found, "days": DAYS}, here="overview")


def _overview(visit: Visit, viewer: Viewer) -> Overview:
    lists, now_ms, words = visit.parts.lists, visit.now_ms, visit.words
    is_open = Filters(statuses=OPEN_STATUSES)

    def counts(filters: Filters, group_by: str) -> dict[Any, int]:
        return dict(lists.counts(viewer, filters, group_by, now_ms))

    states, overdue = counts(is_open, "status"), counts(is_open, "overdue")
    ends = _ends(visit, lambda filters: sum(counts(filters, "status").values()))
    ages = [
        (label, sum(counts(replace(is_open, created=span), "status").values()))
        for label, span in spans_of_age(words, now_ms)
    ]
    return Overview(
        sum(states.values()),
        states.get("UNASSIGNED", 0),
        overdue.get(True, 0),
        sum(value for _, value in ends),
        _bars(counts(is_open, "spec"), "spec", words("Without a kind"), humanised),
        _bars(counts(is_open, "role"), "role", None),
        _bars(counts(is_open, "owner"), "owner", None),
        columns(ages),
        columns(ends),
    )


def _bars(
    counts: dict[Any, int], group: str, nameless: str | None, called: Callable[[str], str] = str
) -> list[Bar]:
    """Return the most frequent values; those of no value only where there is a word for it."""
    values = [
        (
            nameless or "" if value is None else called(str(value)),
            count,
            "" if value is None else address(list_path("all"), [(group, str(value))]),
        )
        for value, count in counts.items()
        if value is not None or nameless is not None
    ]
    return bars(values[:_MOST_BARS])


def spans_of_age(words: Words, now_ms: int) -> list[tuple[str, Range]]:
    """Return spans of age: a label, and between which moments such a task was created."""
    found: list[tuple[str, Range]] = []
    highest: int | None = None
    for label, hours in _AGES:
        lowest = None if hours is None else now_ms - hours * _HOUR_MS
        found.append((words(label), Range(None if lowest is None else lowest + 1, highest)))
        highest = lowest
    return found


_AGES: Final = (
    (later("< 1 h"), 1),
    (later("1-4 h"), 4),
    (later("4-24 h"), 24),
    (later("1-3 d"), 3 * 24),
    (later("3-7 d"), 7 * 24),
    (later("7-28 d"), 28 * 24),
    (later("> 28 d"), None),
)
"""Spans of age, and how many hours each reaches back."""


def _ends(visit: Visit, count: Callable[[Filters], int]) -> list[tuple[str, int]]:
    """Return how many tasks ended on each of the last days, in the reader's time zone."""
    starts = visit.dates.starts_of_days(visit.now_ms, DAYS)
    closed = Filters(statuses=STATUSES - OPEN_STATUSES)
    ranges = zip(starts, [*(start - 1 for start in starts[1:]), None], strict=True)
    return [
        (visit.dates.short_day(first), count(replace(closed, finished=Range(first, last))))
        for first, last in ranges
    ]
