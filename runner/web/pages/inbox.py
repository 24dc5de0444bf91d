"""Inbox: lists, and a task beside each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from markupsafe import Markup
from starlette.responses import RedirectResponse

from runner.projection.filters import Filters, Order
from runner.web.acting import task_key_of
from runner.web.own_writes import are_listed
from runner.web.pages.addresses import DID, PART, VIEW, InboxPlace, Pairs, list_path, place_of
from runner.web.pages.answering import FilledForm
from runner.web.pages.frame import Values, framed
from runner.web.pages.listing import listed
from runner.web.pages.notices import done_notice
from runner.web.pages.rendering import HEADERS, page
from runner.web.pages.routing import PageRoute
from runner.web.pages.task_page import Notice, TaskView, new_key, read_task, view_of
from runner.web.pages.views import VIEWS, View
from runner.web.pages.visit import Visit, Visiting
from runner.web.problems import Refused
from runner.web.queries import ListQuery, list_order, list_query
from runner.web.routing import Domain, Key

HOME: Final = "mine"
_TASK_ALONE: Final = "part_task.html"
_TEMPLATES: Final = {"list": "part_list.html", "task": _TASK_ALONE}
Listed = Annotated[ListQuery, Depends(list_query)]

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def show_home() -> Response:
    """The first page."""
    return RedirectResponse(list_path(HOME), 303, dict(HEADERS))


@dataclass(frozen=True, slots=True)
class InboxLook:
    """Which list somebody looks at, and how."""

    view: View
    filters: Filters
    order: Order
    after: tuple[str, ...] = ()
    """What they have done just now, which it should have."""


@router.get("/inbox/{view}")
async def show_list(visit: Visiting, view: str, query: Listed) -> Response:
    """A list."""
    return await inbox_page(visit, look_of(visit, view, query, visit.query))


@router.get("/inbox/{view}/{in_domain}/{key}")
async def show_task_beside(
    visit: Visiting, view: str, in_domain: Domain, key: Key, query: Listed
) -> Response:
    """A list, and a task beside it."""
    look = look_of(visit, view, query, visit.query)
    task = await view_of(visit, await read_task(visit, task_key_of(visit.caller, in_domain, key)))
    return await inbox_page(visit, look, task)


@router.get("/tasks/{domain}/{key}")
async def show_task(visit: Visiting, domain: Domain, key: Key) -> Response:
    """A task, beside the list that it is in."""
    task = await view_of(visit, await read_task(visit, task_key_of(visit.caller, domain, key)))
    return RedirectResponse(
        InboxPlace(view_with(visit, task), ()).task_address(domain, key), 303, dict(HEADERS)
    )


def view_named(visit: Visit, name: str) -> View:
    """Return a list of a visitor; Refused with 404 where there is none of that name for them."""
    view = VIEWS.get(name)
    if view is None or (view.is_of_admins and not visit.is_admin):
        raise Refused(404, "there is no such list")
    return view


def view_with(visit: Visit, task: TaskView) -> str:
    """Return the name of the list that a task is in."""
    if not task.is_open:
        return "finished"
    if task.is_mine:
        return "mine"
    return "available" if "claim" in task.may or not visit.is_admin else "all"


async def inbox_page(
    visit: Visit,
    look: InboxLook,
    task: TaskView | None = None,
    *,
    notice: Notice | None = None,
    status: int = 200,
) -> Response:
    """Return a list, with a task beside it or without; or the part of it that the script asks for."""
    said = dict(visit.query)
    is_complete = await are_listed(visit.parts, visit.caller, look.after)
    values: Values = {
        "view": look.view,
        "task": task,
        "place": place_of([*visit.query, (VIEW, look.view.name)], VIEWS, HOME),
        "own_form": None if task is None else own_form(visit, task),
    }
    template = _TEMPLATES.get(said.get(PART, ""), "inbox.html")
    if template != _TASK_ALONE:
        shown = None if task is None else task.ident
        values["list"] = await listed(visit, look.view, look.filters, look.order, shown)
        values["is_complete"] = is_complete
    if notice is None and DID in said:
        notice = done_notice(visit.words, said[DID], said.get("n"))
    return await framed(visit, template, values, here=look.view.name, notice=notice, status=status)


def own_form(visit: Visit, task: TaskView) -> Markup | None:
    """Return the form of a task by a template of whoever runs this; None where there is none."""
    spec = task.task["spec"]
    if spec is None or not task.shows_form:
        return None
    form: FilledForm = task.form
    values = {
        "task": task.task,
        "data": task.task["data"],
        "answers": {} if form.value is None else form.value,
        "form": form,
    }
    return visit.parts.own_pages.rendered((task.task["domain"], spec), visit.manner, values)


def form_part(visit: Visit, task: TaskView, place: InboxPlace, status: int) -> Response:
    """Return the form of a task alone, for the script."""
    values: dict[str, Any] = {"task": task, "own_form": own_form(visit, task), "csrf": visit.seal}
    values |= {"new_key": new_key, "place": place, "visit": visit}
    return page("part_form.html", visit.manner, values, status)


def look_of(visit: Visit, name: str, query: ListQuery, pairs: Pairs) -> InboxLook:
    """Return which list is looked at; Refused with 404 for one that a visitor has not, 400 for its order."""
    view = view_named(visit, name)
    order = list_order(dict(pairs).get("order", view.order))
    return InboxLook(view, query.filters, order, query.after)
