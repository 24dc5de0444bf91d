"""Queries: which tasks the query of a URL asks for, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Query, Request
from pydantic import BeforeValidator

from runner.actions.inputs import MAX_TIME_MS
from runner.projection.filters import ATTRIBUTE, AttributeFilter, Filters, Order, Range
from runner.web.problems import Refused
from runner.web.shapes import Status

LONGEST_TEXT: Final = 500
MOST_ATTRIBUTES: Final = 10

_ATTRIBUTE: Final = re.compile(r"attributes\.(?P<name>[A-Za-z0-9._-]+?)(?:\[(?P<how>prefix|from|to)\])?")
_HOW: Final = {None: "equals", "prefix": "prefix", "from": "lowest", "to": "highest"}


def _digits(value: object) -> object:
    """Return a number of a query; ValueError for what is spelled in any other way than with digits."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value, re.ASCII) is None:
        raise ValueError("must be a whole number")
    return value


Texts = Annotated[list[Annotated[str, Query(max_length=1000)]], Query(max_length=50)]
Moment = Annotated[int | None, Query(ge=0, le=MAX_TIME_MS), BeforeValidator(_digits)]
Priority = Annotated[int | None, Query(ge=0, le=100), BeforeValidator(_digits)]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which tasks are asked for."""

    filters: Filters
    after: tuple[str, ...]


def list_query(  # noqa: PLR0913, PLR0917 - each is a parameter of the query
    request: Request,
    domain: Annotated[Texts, Query(description="Only of these domains.")] = [],  # noqa: B006 - FastAPI copies
    status: Annotated[list[Status], Query(description="Only in these states.", max_length=5)] = [],  # noqa: B006
    owner: Annotated[Texts, Query(description="Only those that one of these has.")] = [],  # noqa: B006
    mine: Annotated[bool, Query(description="Only those that I have.")] = False,  # noqa: FBT002
    for_me: Annotated[  # noqa: FBT002
        bool,
        Query(
            alias="forMe",
            description="Only those that I have, should do, or may take by a role or as anyone.",
        ),
    ] = False,
    role: Annotated[Texts, Query(description="Only those for one of these roles.")] = [],  # noqa: B006
    spec: Annotated[Texts, Query(description="Only with one of these specs.")] = [],  # noqa: B006
    action: Annotated[Texts, Query(description="Only with one of these actions.")] = [],  # noqa: B006
    priority_from: Annotated[Priority, Query(alias="priorityFrom")] = None,
    priority_to: Annotated[Priority, Query(alias="priorityTo")] = None,
    created_from: Annotated[Moment, Query(alias="createdFrom", description="Epoch ms, included.")] = None,
    created_to: Annotated[Moment, Query(alias="createdTo")] = None,
    due_from: Annotated[Moment, Query(alias="dueFrom")] = None,
    due_to: Annotated[Moment, Query(alias="dueTo")] = None,
    deadline_from: Annotated[Moment, Query(alias="deadlineFrom")] = None,
    deadline_to: Annotated[Moment, Query(alias="deadlineTo")] = None,
    finished_from: Annotated[Moment, Query(alias="finishedFrom")] = None,
    finished_to: Annotated[Moment, Query(alias="finishedTo")] = None,
    overdue: Annotated[bool | None, Query(description="Open, and due date or else deadline passed.")] = None,
    text: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="Each word begins a word of the name or id.")
    ] = "",
    after: Annotated[
        list[Annotated[str, Query(max_length=20_000)]],
        Query(
            max_length=10,
            description="`after` of the answer to a command: waits up to two seconds until lists have it.",
        ),
    ] = [],  # noqa: B006
) -> ListQuery:
    """Return which tasks are asked for; Refused with 400 where that is nothing to ask for.

    Attributes are filtered by ``attributes.NAME=value``, ``attributes.NAME[prefix]=``, ``[from]``, ``[to]``.
    """
    try:
        filters = Filters(
            domains=frozenset(domain),
            statuses=frozenset(status),
            owners=frozenset(owner),
            mine=mine,
            for_me=for_me,
            roles=frozenset(role),
            specs=frozenset(spec),
            actions=frozenset(action),
            priority=Range(priority_from, priority_to),
            created=Range(created_from, created_to),
            due=Range(due_from, due_to),
            deadline=Range(deadline_from, deadline_to),
            finished=Range(finished_from, finished_to),
            overdue=overdue,
            text=text,
            attributes=_attributes(request.query_params.multi_items()),
        )
    except ValueError as error:
        raise Refused(400, str(error)) from error
    return ListQuery(filters, tuple(after))


def list_order(
    order: Annotated[
        str,
        Query(
            max_length=300,
            description=(
                "created, due, deadline, priority, finished or attributes.NAME; with - before it, downwards."
            ),
        ),
    ] = "-created",
) -> Order:
    """Return the order that is asked for; Refused with 400 where there is no such order."""
    try:
        return Order(order.removeprefix("-"), order.startswith("-"))
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _attributes(items: Iterable[tuple[str, str]]) -> tuple[AttributeFilter, ...]:
    """Return what attributes must be; each way once for each name."""
    asked: dict[str, dict[str, str]] = {}
    for parameter, value in items:
        if not parameter.startswith(ATTRIBUTE):
            continue
        found = _ATTRIBUTE.fullmatch(parameter)
        if found is None:
            raise ValueError(
                f"{parameter[:100]!r} is no filter; write attributes.NAME=, or NAME[prefix], [from] or [to]"
            )
        how = _HOW[found["how"]]
        if asked.setdefault(found["name"], {}).setdefault(how, value[:LONGEST_TEXT]) != value:
            raise ValueError(f"{parameter[:100]!r} is there twice, or longer than {LONGEST_TEXT} characters")
    if len(asked) > MOST_ATTRIBUTES:
        raise ValueError(f"no more than {MOST_ATTRIBUTES} attributes are filtered by at a time")
    return tuple(_filter(name, values) for name, values in asked.items())


def _filter(name: str, values: Mapping[str, str]) -> AttributeFilter:
    return AttributeFilter(name, **values)


Group = Literal["status", "spec", "role", "owner", "overdue"]
