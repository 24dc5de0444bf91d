"""Lists: pages of tasks, and how many there are."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from runner.envelope.plain import encode
from runner.projection.filters import Order
from runner.web.documented import LISTING, PREFIX, problems
from runner.web.own_writes import are_listed
from runner.web.parts import CalledBy, Given, from_lists
from runner.web.queries import Group, ListQuery, list_order, list_query
from runner.web.routing import JSON, ListRoute, as_json
from runner.web.shapes import Counts, TaskPage

MOST: Final = 200
USUAL: Final = 50

router: Final = APIRouter(prefix=PREFIX, route_class=ListRoute, tags=["tasks"])


@router.get("/tasks", response_model=TaskPage, responses=problems(*LISTING))
async def list_tasks(
    parts: Given,
    caller: CalledBy,
    query: Annotated[ListQuery, Depends(list_query)],
    order: Annotated[Order, Depends(list_order)],
    cursor: Annotated[str | None, Query(max_length=10_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Tasks of a page at most.")] = USUAL,
) -> Response:
    """A page of the tasks that I may see. Attributes are filtered by `attributes.NAME=…` (docs/api.md)."""
    complete = await are_listed(parts, caller, query.after)
    page = await from_lists(
        lambda: parts.lists.page(caller.viewer, query.filters, order, cursor, limit, parts.now_ms())
    )
    # The rows stand in the database as they are answered.
    tasks = b",".join(row.encode() if isinstance(row, str) else row for row in page.rows)
    rest = encode({"next": page.next_cursor, "complete": complete})
    return Response(b'{"tasks":[' + tasks + b"]," + rest[1:], media_type=JSON)


@router.get("/tasks/count", response_model=Counts, responses=problems(*LISTING))
async def count_tasks(
    parts: Given,
    caller: CalledBy,
    query: Annotated[ListQuery, Depends(list_query)],
    group_by: Annotated[Group, Query(description="What they are counted by.")] = "status",
) -> Response:
    """How many tasks I may see, by what they have in common; exact."""
    complete = await are_listed(parts, caller, query.after)
    found = await from_lists(
        lambda: parts.lists.counts(caller.viewer, query.filters, group_by, parts.now_ms())
    )
    counts = [{"value": value, "count": count} for value, count in found]
    return as_json({"counts": counts, "complete": complete})
