"""Definitions: the kinds of tasks there are, and what their forms look like."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from runner.tasks.keys import definition_key
from runner.web.pages.answering import blank, read_definition
from runner.web.pages.controls import pretty
from runner.web.pages.frame import framed
from runner.web.pages.routing import PageRoute
from runner.web.pages.visit import Visiting
from runner.web.parts import from_lists, records_of
from runner.web.problems import Refused
from runner.web.routing import Domain, Spec
from runner.web.showing import newest_of

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)

Number = Annotated[int | None, Query(ge=0, le=1_000_000)]


@router.get("/definitions")
async def list_definitions(visit: Visiting) -> Response:
    """The definitions of all domains that can be reached."""
    found = await from_lists(lambda: visit.parts.lists.definitions(visit.caller.viewer))
    values = {"definitions": found, "shown": None, "domains": {each["domain"] for each in found}}
    return await framed(visit, "definitions.html", values, here="definitions")


@router.get("/definitions/{domain}/{spec}")
async def show_definition(visit: Visiting, domain: Domain, spec: Spec, version: Number = None) -> Response:
    """A definition with its form, as a new task shows it."""
    if domain not in visit.caller.domains:
        raise _no_definition()
    [record] = await records_of(visit.parts, [definition_key(domain, spec)])
    if record is None:
        raise _no_definition()
    newest = newest_of(record)
    definition = await read_definition(visit.parts, domain, spec, newest if version is None else version)
    if definition is None:
        raise _no_definition()
    listed = await from_lists(lambda: visit.parts.lists.definitions(visit.caller.viewer))
    shown = {"domain": domain, "spec": spec, "form": blank(definition), "newest": newest}
    shown["schema"] = pretty(definition.schema)
    values = {"definitions": listed, "shown": shown, "domains": {each["domain"] for each in listed}}
    return await framed(visit, "definitions.html", values, here="definitions")


def _no_definition() -> Refused:
    return Refused(404, "there is no such definition that you may see")
