"""Acting: from a request that changes something to its answer.

The record says where the task is at home and whether the caller may; the event goes there; the reply says
what came of it. What Redis does not have, and lists still have as open, is about to be restored: then the
list says where its home is, and the worker alone judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from runner.actions.decision import FAIL
from runner.actions.definitions import first_home
from runner.actions.task_result import task_result
from runner.kafka.topic_message import TopicMessage
from runner.projection.sight import sees
from runner.tasks.keys import TaskKey
from runner.tasks.path_key import id_of, path_key
from runner.tasks.record import Record
from runner.web.callers import Caller
from runner.web.commands import Command, RequestIdentity, home_of_new
from runner.web.parts import WebComponents, records_of, row_of, whole_record
from runner.web.problems import Refused, no_task, refused_reply
from runner.web.rights import (
    has_commented,
    is_repeat,
    require_may,
    require_may_define,
    require_may_start,
    require_may_time_out,
    require_seen,
    sight_of,
)
from runner.web.tokens import after_token

_TIMEOUT: Final = "TimeoutTask"
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done to a task."""

    action: str
    values: Mapping[str, Any]
    payload: Mapping[str, Any]


def task_key_of(caller: Caller, domain: str, key: str) -> TaskKey:
    """Return the key of a task in a path; Refused with 404 where it is none that the caller can reach."""
    if domain not in caller.domains:
        raise no_task(domain, key)
    try:
        return TaskKey(domain, id_of(key))
    except ValueError as error:
        raise no_task(domain, key) from error


async def act(
    parts: WebComponents, caller: Caller, asked: RequestIdentity, key: TaskKey, deed: Deed
) -> dict[str, Any]:
    """Do something to a task and return what its reply says; Refused where it is not done."""
    [record] = await records_of(parts, [key])
    return await act_on(parts, caller, asked, key, deed, record)


async def act_on(
    parts: WebComponents,
    caller: Caller,
    asked: RequestIdentity,
    key: TaskKey,
    deed: Deed,
    record: Record | None,
) -> dict[str, Any]:
    """Do the same to a task whose record was read."""
    command = parts.commands.on_task(caller, asked, deed.action, key, deed.values, deed.payload)
    home = (
        await _home_in_lists(parts, caller, command)
        if record is None
        else await _checked_home(parts, caller, command, record)
    )
    reply = await _replied(parts, command, home)
    return await _answer(parts, key, reply)


async def start(parts: WebComponents, command: Command) -> dict[str, Any]:
    """Start a task and return what its reply says; Refused where it is not started."""
    require_may_start(command, parts.policy)
    reply = await _replied(parts, command, home_of_new(command.key.id, parts.exchange.homes()))
    return await _answer(parts, command.key, reply)


async def define(parts: WebComponents, command: Command) -> dict[str, Any]:
    """Define a version of a form and return which; Refused where it is not."""
    require_may_define(command, parts.policy)
    [record] = await records_of(parts, [command.key])
    home = first_home(command.key, parts.exchange.homes()) if record is None else record.state.home
    reply = await _replied(parts, command, home)
    return dict(reply.section("result").get("definition") or {})


async def _checked_home(parts: WebComponents, caller: Caller, command: Command, record: Record) -> int:
    """Return the home of a task; Refused where the caller does not see it, or may not do this."""
    if not is_repeat(record, command):
        await require_sight(parts, caller, record)
        require_may(record, command, parts.policy)
    return record.state.home


async def require_sight(parts: WebComponents, caller: Caller, record: Record) -> None:
    """Refused with 404 unless the caller sees a task; who commented is read only where it matters."""
    try:
        require_seen(caller.viewer, sight_of(record, parts.rows), record.key)
    except Refused:
        whole = await whole_record(parts, record.key) if has_commented(record) else None
        if whole is None:
            raise
        require_seen(caller.viewer, sight_of(whole, parts.rows), record.key)


async def open_in_lists(parts: WebComponents, caller: Caller, key: TaskKey) -> bool:
    """Whether lists have a task as open, and the caller sees it there."""
    row = await row_of(parts, key)
    return row is not None and row.is_open and sees(caller.viewer, row.sight)


async def _home_in_lists(parts: WebComponents, caller: Caller, command: Command) -> int:
    row = await row_of(parts, command.key)
    if row is None or not row.is_open:
        raise no_task(command.key.domain, path_key(command.key.id))
    require_seen(caller.viewer, row.sight, command.key)
    if command.action == _TIMEOUT:
        require_may_time_out(command, parts.policy)
    return row.home


async def _replied(parts: WebComponents, command: Command, home: int) -> TopicMessage:
    """Return the reply to a command; Refused where it says FAIL."""
    began = monotonic()
    result = "unanswered"
    try:
        reply = await parts.exchange.ask(command.request_id, command.value, home, parts.command_seconds)
        result = reply.status
    finally:
        parts.metrics.count_command(command.action, result, monotonic() - began)
    if reply.status == FAIL:
        raise refused_reply(reply.error())
    return reply


async def _answer(parts: WebComponents, key: TaskKey, reply: TopicMessage) -> dict[str, Any]:
    """Return what a reply says of a task; what the protocol leaves out of it is read from Redis."""
    result = reply.section("result")
    told = result.get("task") or {}
    task = {"id": key.id, "domain": key.domain, "key": path_key(key.id), **told}
    if "version" not in task:
        [record] = await records_of(parts, [key])
        task |= {} if record is None else task_result(record)
    answer: dict[str, Any] = {"task": task}
    if "comment" in result:
        answer["comment"] = result["comment"]
    if "version" in task:
        answer["after"] = after_token(key, task["version"])
    return answer
