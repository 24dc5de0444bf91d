"""Listing: a list as people see it, with the lists beside it and what it can be filtered by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from runner.projection.filters import ATTRIBUTE, Filters, Order
from runner.web.pages.addresses import (
    CURSOR,
    VIEW,
    InboxPlace,
    Pairs,
    address,
    changed,
    list_path,
    place_of,
)
from runner.web.pages.languages import later
from runner.web.pages.names import humanised
from runner.web.pages.views import STATES, VIEWS, View
from runner.web.pages.visit import Visit
from runner.web.parts import from_lists

PAGE: Final = 50
_MOST_CHOICES: Final = 200
_SHOWN_ATTRIBUTES: Final = 3
_LONGEST_VALUE: Final = 60
_URGENT: Final = 75


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a list."""

    task: Mapping[str, Any]
    """As the API gives it."""
    href: str
    due_ms: int | None
    """When it is to be done, or else when it times out."""
    is_urgent: bool
    is_mine: bool
    is_shown: bool
    """Whether it is the task beside the list."""
    facts: Sequence[tuple[str, str]]
    """Business data: label and value."""

    @property
    def title(self) -> str:
        return title_of(self.task)

    @property
    def ident(self) -> str:
        """Domain and key as one, for checkboxes and the script."""
        return f"{self.task['domain']}/{self.task['key']}"


@dataclass(frozen=True, slots=True)
class Tab:
    """A list that can be gone to, and how many tasks are in it."""

    view: View
    href: str
    count: int
    overdue: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and where it is off."""

    label: str
    value: str
    href: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a list can be filtered by: values and how many tasks have each."""

    specs: Sequence[tuple[str, int]]
    roles: Sequence[tuple[str, int]]
    owners: Sequence[tuple[str, int]]
    attributes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    view: View
    items: Sequence[Item]
    order: str
    place: InboxPlace
    said: Mapping[str, str]
    """What is filtered by, as the form has it."""
    chips: Sequence[Chip]
    choices: Choices
    next_href: str | None
    first_href: str | None
    """Where this is not the first page."""


def title_of(task: Mapping[str, Any]) -> str:
    """Return what a task is called."""
    return str(task["name"] or humanised(task["spec"] or "") or task["id"])


async def tabs_of(visit: Visit, here: str | None) -> list[Tab]:
    """Return the lists of a visitor, with how many tasks are in each."""
    views = [view for view in VIEWS.values() if visit.is_admin or not view.is_of_admins]
    viewer, lists, now_ms = visit.caller.viewer, visit.parts.lists, visit.now_ms

    def counted() -> list[dict[Any, int]]:
        return [dict(lists.counts(viewer, view.filters(Filters()), "overdue", now_ms)) for view in views]

    found = await from_lists(counted)
    return [
        Tab(view, list_path(view.name), sum(counts.values()), counts.get(True, 0), view.name == here)
        for view, counts in zip(views, found, strict=True)
    ]


async def listed(visit: Visit, view: View, asked: Filters, order: Order, shown: str | None) -> Listing:
    """Return a page of a list; ``shown``: the task beside it, as ``Item.ident`` has it."""
    place = place_of([*visit.query, (VIEW, view.name)], VIEWS, view.name)
    filters, query = view.filters(asked), place.query
    said = defaultdict(str, query)
    viewer, lists, now_ms = visit.caller.viewer, visit.parts.lists, visit.now_ms
    cursor = said.get(CURSOR)
    everything = view.filters(Filters())

    def read() -> Any:
        page = lists.page(viewer, filters, order, cursor, PAGE, now_ms)
        counts = [lists.counts(viewer, everything, group, now_ms) for group in ("spec", "role", "owner")]
        return page, [_choices(each) for each in counts]

    page, (specs, roles, owners) = await from_lists(read)
    rows = [msgspec.json.decode(row) for row in page.rows]
    more = None if page.next_cursor is None else changed(query, **{CURSOR: page.next_cursor})
    attributes = list(visit.parts.rows.attributes)
    return Listing(
        view,
        [_item(visit, place, row, shown) for row in rows],
        ("-" if order.descending else "") + order.by,
        place,
        said,
        _chips(visit, view, query),
        Choices(specs, roles, owners, attributes),
        None if more is None else address(list_path(view.name), more),
        address(list_path(view.name), changed(query, **{CURSOR: None})) if cursor else None,
    )


def _item(visit: Visit, place: InboxPlace, row: Mapping[str, Any], shown: str | None) -> Item:
    is_open = row["finishedOn"] is None
    due = row["dueOn"] if row["dueOn"] is not None else row["timeout"]
    domain, key = row["domain"], row["key"]
    return Item(
        row,
        place.task_address(domain, key),
        due if is_open else None,
        row["priority"] >= _URGENT,
        row["owner"] == visit.caller.user,
        f"{domain}/{key}" == shown,
        facts_of(row),
    )


def facts_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the business data of a row that is shown with it."""
    found = [
        (humanised(name), str(value)[:_LONGEST_VALUE])
        for name, value in row["attributes"].items()
        if value is not None and value != ""
    ]
    return found[:_SHOWN_ATTRIBUTES]


def _choices(counts: Iterable[tuple[Any, int]]) -> list[tuple[str, int]]:
    return [(str(value), count) for value, count in counts if value is not None][:_MOST_CHOICES]


def _chips(visit: Visit, view: View, query: Pairs) -> list[Chip]:
    rest = changed(query, **{CURSOR: None})
    return [
        Chip(
            _label(visit, name),
            _said(visit, name, value),
            address(list_path(view.name), [*rest[:at], *rest[at + 1 :]]),
        )
        for at, (name, value) in enumerate(rest)
        if name in _FILTERS or name.startswith(ATTRIBUTE)
    ]


def _said(visit: Visit, name: str, value: str) -> str:
    """Return the value of a filter as people read it."""
    match name:
        case "spec":
            return humanised(value)
        case "status":
            return visit.words(STATES.get(value, value))
        case "overdue" if value in {"true", "false"}:
            return visit.words(later("Yes") if value == "true" else later("No"))
        case _ if name in _MOMENTS and value.isdecimal():
            return visit.dates.moment(int(value))
        case _:
            return value


def _label(visit: Visit, name: str) -> str:
    return visit.words(_FILTERS[name]) if name in _FILTERS else humanised(name.removeprefix(ATTRIBUTE))


_FILTERS: Final[Mapping[str, str]] = {
    "text": later("Search"),
    "spec": later("Kind"),
    "role": later("Role"),
    "owner": later("Owner"),
    "status": later("State"),
    "domain": later("Domain"),
    "action": later("Action"),
    "overdue": later("Overdue"),
    "priorityFrom": later("Priority at least"),
    "priorityTo": later("Priority at most"),
    "createdFrom": later("Created after"),
    "createdTo": later("Created before"),
    "dueFrom": later("Due after"),
    "dueTo": later("Due before"),
    "deadlineFrom": later("Deadline after"),
    "deadlineTo": later("Deadline before"),
    "finishedFrom": later("Ended after"),
    "finishedTo": later("Ended before"),
}
_MOMENTS: Final = frozenset(
    f"{name}{end}" for name in ("created", "due", "deadline", "finished") for end in ("From", "To")
)
"""Filters whose values are moments in epoch ms."""
