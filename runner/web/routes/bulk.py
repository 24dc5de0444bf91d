"""Bulk: one verb on many tasks, with a result for each."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import ValidationError

from runner.envelope.plain import encode
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.web.acting import Deed, act_on, task_key_of
from runner.web.bodies import Bulk, Named
from runner.web.callers import Caller
from runner.web.commands import RequestIdentity
from runner.web.documented import CHANGING, PREFIX, problems
from runner.web.parts import CalledBy, Given, WebComponents, records_of
from runner.web.problems import Refused
from runner.web.routing import ExactRoute, as_json, asked_by
from runner.web.shapes import BulkResults
from runner.web.violations import violations_of
from runner.web.ways import WAYS, deed

IN_FLIGHT: Final = 50
"""Commands of one request that are on their way at a time."""

router: Final = APIRouter(prefix=PREFIX, route_class=ExactRoute, tags=["tasks"])


@router.post("/tasks/bulk", status_code=207, response_model=BulkResults, responses=problems(*CHANGING))
async def change_tasks(
    parts: Given, caller: CalledBy, asked: Annotated[RequestIdentity, Depends(asked_by)], body: Bulk
) -> Response:
    """Do the same to many tasks. Each has a result of its own, in their order; some may fail.

    With an Idempotency-Key each of them is carried out once, also where it is sent again among others.
    """
    return as_json({"results": await carry_out(parts, caller, asked, body)}, 207)


async def carry_out(
    parts: WebComponents, caller: Caller, asked: RequestIdentity, body: Bulk
) -> list[dict[str, Any]]:
    """Do the same to many tasks and return a result for each; Refused where values do not fit."""
    deeds = [_deed(body, each) for each in body.tasks]
    keys = [_key_of(caller, each) for each in body.tasks]
    found = await records_of(parts, [key for key in keys if isinstance(key, TaskKey)])
    records = dict(zip((key for key in keys if isinstance(key, TaskKey)), found, strict=True))
    room = asyncio.Semaphore(IN_FLIGHT)

    async def result(named: Named, key: TaskKey | Refused, wanted: Deed) -> dict[str, Any]:
        if isinstance(key, Refused):
            return _result(named, key.status, problem=key.body())
        async with room:
            own = _asked(asked, body, named)
            return await _attempted(parts, caller, own, (named, key), wanted, records[key])

    return await asyncio.gather(*map(result, body.tasks, keys, deeds))


async def _attempted(
    parts: WebComponents,
    caller: Caller,
    asked: RequestIdentity,
    named: tuple[Named, TaskKey],
    wanted: Deed,
    record: Record | None,
) -> dict[str, Any]:
    one, key = named
    try:
        done = await act_on(parts, caller, asked, key, wanted, record)
    except Refused as refused:
        return _result(one, refused.status, problem=refused.body())
    return _result(one, 201 if wanted.action == WAYS["comments"].action else 200, done=done)


def _deed(body: Bulk, named: Named) -> Deed:
    try:
        values = WAYS[body.verb].body.model_validate(body.values)
    except ValidationError as error:
        raise Refused(
            400, f"values do not fit {body.verb}", violations=violations_of(error.errors(), "/values")
        ) from error
    return deed(body.verb, values, named.if_version)


def _key_of(caller: Caller, named: Named) -> TaskKey | Refused:
    try:
        return task_key_of(caller, named.domain, named.key)
    except Refused as refused:
        return refused


def _asked(asked: RequestIdentity, body: Bulk, named: Named) -> RequestIdentity:
    """Return what is asked of one task: the same whatever others are named beside it."""
    own = encode([body.verb, named.domain, named.key, named.if_version, body.values])
    return RequestIdentity(asked.method, asked.path, own, asked.idempotency_key)


def _result(named: Named, status: int, **more: Any) -> dict[str, Any]:
    return {"domain": named.domain, "key": named.key, "status": status, **more}
