"""Filters and orders of lists, as values: what a caller asks for, before anybody looks into the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final

from runner.projection.indexing import OPEN_STATUSES, STATUSES, sortable_number, sortable_text

ATTRIBUTE: Final = "attributes."
"""Before the name of an attribute, where an order is named."""
ORDERS: Final = ("created", "due", "deadline", "priority", "finished")
"""Orders besides those by an attribute."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Range:
    """Values from the lowest to the highest, both included; None: no bound. No value is in no range."""

    lowest: int | None = None
    highest: int | None = None


@dataclass(frozen=True, slots=True)
class AttributeFilter:
    """What an attribute must be, each as text; all that is given holds.

    ``equals`` meets a text and, where it is a number, that number. Bounds are included; a bound that is a
    number bounds numbers, any other bounds texts. ``prefix`` is the beginning of a text.
    """

    name: str
    equals: str | None = None
    prefix: str | None = None
    lowest: str | None = None
    highest: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks; all that is given holds, an empty set and None ask for nothing.

    ValueError for a status that there is not, and for text that is not UTF-8 (half of a character pair).
    """

    domains: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    mine: bool = False
    """Tasks that the viewer has."""
    for_me: bool = False
    """Tasks that the viewer has, is preferred for or has a role of, and those that are open to anybody."""
    roles: frozenset[str] = frozenset()
    """Tasks for one of these roles."""
    specs: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    priority: Range = field(default=Range())
    created: Range = field(default=Range())
    """Moments are epoch ms."""
    due: Range = field(default=Range())
    deadline: Range = field(default=Range())
    finished: Range = field(default=Range())
    overdue: bool | None = None
    """Whether the task is open and its due date, or else its deadline, lies in the past."""
    text: str = ""
    """Each of its words begins a word of the task's name or id; no words ask for nothing."""
    attributes: tuple[AttributeFilter, ...] = ()

    def __post_init__(self) -> None:
        unknown = self.statuses - STATUSES
        if unknown:
            known = ", ".join(sorted(STATUSES))
            raise ValueError(f"no task has the status {min(unknown)[:40]!r}; there are {known}")
        for text in _texts(self):
            text.encode()

    @property
    def openness(self) -> tuple[int, ...]:
        """What ``is_open`` can be: 1, 0, both, or nothing where the filters contradict each other."""
        states = self.statuses or STATUSES
        is_open = bool(states & OPEN_STATUSES) and self.finished == Range()
        is_closed = bool(states - OPEN_STATUSES) and self.overdue is not True
        return (1,) * is_open + (0,) * is_closed


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: one of ORDERS, or ``attributes.`` and a name; what has no value comes last.

    What is equal is ordered by when it was created, in the same direction. ValueError for any other name.
    """

    by: str = "created"
    descending: bool = False

    def __post_init__(self) -> None:
        if self.by not in ORDERS and self.attribute is None:
            known = ", ".join(ORDERS)
            raise ValueError(f"no list is ordered by {self.by[:40]!r}; there are {known} and {ATTRIBUTE}NAME")

    @property
    def attribute(self) -> str | None:
        """The name of the attribute that is ordered by."""
        return self.by.removeprefix(ATTRIBUTE) if self.by.startswith(ATTRIBUTE) else None


def equal_to(asked: str) -> tuple[str, ...]:
    """Return the attributes that a text asks for, in the form in which they are stored."""
    number = number_of(asked)
    texts = (sortable_text(asked),)
    return texts if number is None else (*texts, sortable_number(number))


def bound(asked: str) -> str:
    """Return a bound of attributes in the form in which they are stored."""
    number = number_of(asked)
    return sortable_text(asked) if number is None else sortable_number(number)


def number_of(text: str) -> float | None:
    """Return the number that a text is, None if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _texts(filters: Filters) -> Iterator[str]:
    """Give every text of the filters."""
    waiting: list[Any] = [filters]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case frozenset() | tuple() as several:
                waiting += several
            case Filters() | AttributeFilter() as parts:
                waiting += (getattr(parts, each.name) for each in fields(parts))
