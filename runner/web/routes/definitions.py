"""Definitions: the forms of tasks, by taskSpec."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response

from runner.actions.definitions import is_spec
from runner.tasks.keys import definition_key
from runner.tasks.parts import version_part
from runner.tasks.record import Record
from runner.web.acting import define
from runner.web.bodies import Definition
from runner.web.callers import Caller
from runner.web.commands import RequestIdentity
from runner.web.documented import CHANGING, LISTING, PREFIX, READING, problems
from runner.web.etags import etag, expected_version, is_known
from runner.web.parts import CalledBy, Given, WebComponents, from_lists, record_with, records_of
from runner.web.problems import Refused
from runner.web.routing import Domain, ExactRoute, IfMatch, IfNoneMatch, Spec, as_json, asked_by
from runner.web.shapes import Defined, Definitions, DefinitionView
from runner.web.showing import definition, newest_of

_DEFINITION: Final = "/definitions/{domain}/{spec}"
_SHOWS: Final[dict[str, Any]] = {
    "response_model": DefinitionView,
    "response_model_exclude_none": True,
    "responses": {**problems(*READING), 304: {"description": "It is the version of If-None-Match."}},
}
Version = Annotated[int, Path(ge=0, le=1_000_000, description="Number of the version, from 0 on.")]

router: Final = APIRouter(prefix=PREFIX, route_class=ExactRoute, tags=["definitions"])


@router.get("/definitions", response_model=Definitions, responses=problems(*LISTING))
async def list_definitions(parts: Given, caller: CalledBy) -> Response:
    """The definitions of the domains that can be reached, each with its newest version."""
    return as_json({"definitions": await from_lists(lambda: parts.lists.definitions(caller.viewer))})


@router.get(_DEFINITION, **_SHOWS)
async def show_definition(
    parts: Given, caller: CalledBy, domain: Domain, spec: Spec, if_none_match: IfNoneMatch = None
) -> Response:
    """The newest version of a definition. Its ETag is its number."""
    return await _shown(parts, caller, (domain, spec), None, if_none_match)


@router.get(_DEFINITION + "/{version}", **_SHOWS)
async def show_version(
    parts: Given,
    caller: CalledBy,
    domain: Domain,
    spec: Spec,
    version: Version,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One version of a definition, as tasks are pinned to it."""
    return await _shown(parts, caller, (domain, spec), version, if_none_match)


@router.put(_DEFINITION, response_model=Defined, responses=problems(*CHANGING))
async def define_task(  # noqa: PLR0913, PLR0917 - what a request consists of
    parts: Given,
    caller: CalledBy,
    asked: Annotated[RequestIdentity, Depends(asked_by)],
    domain: Domain,
    spec: Spec,
    body: Definition,
    if_match: IfMatch = None,
) -> Response:
    """Define what answers the tasks of a taskSpec take, as an admin: the next version, or the same again."""
    _require_reached(caller, domain, spec)
    expected = expected_version(if_match)
    values = body.parameters() | ({} if expected is None else {"ifVersion": expected})
    command = parts.commands.define(caller, asked, domain, spec, values)
    defined = await define(parts, command)
    return as_json({"definition": defined}, headers={"ETag": etag(str(defined["version"]))})


async def _shown(
    parts: WebComponents,
    caller: Caller,
    named: tuple[str, str],
    number: int | None,
    if_none_match: str | None,
) -> Response:
    _require_reached(caller, *named)
    record = await _read(parts, named, number)
    shown = None if record is None else definition(record, number)
    if shown is None:
        raise _no_definition(*named)
    version = str(shown["version"])
    headers = {"ETag": etag(version)}
    if is_known(version, if_none_match):
        return Response(status_code=304, headers=headers)
    return as_json(shown, headers=headers)


async def _read(parts: WebComponents, named: tuple[str, str], number: int | None) -> Record | None:
    """Return a definition with the version that is meant: its number is known only from the record."""
    key = definition_key(*named)
    if number is None:
        [record] = await records_of(parts, [key])
        if record is None:
            return None
        number = newest_of(record)
    return await record_with(parts, key, [version_part(number)])


def _require_reached(caller: Caller, domain: str, spec: str) -> None:
    if domain not in caller.domains or not is_spec(spec):
        raise _no_definition(domain, spec)


def _no_definition(domain: str, spec: str) -> Refused:
    return Refused(404, f"there is no such definition {spec[:200]!r} in domain {domain[:100]!r}")
