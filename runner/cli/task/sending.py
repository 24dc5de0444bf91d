"""An event of a person to the home of a task, and its reply: what ``runner task`` sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from rich.text import Text

from runner.cli.responses_table import FAIL
from runner.cli.screen import note, plain, print_json, show_fields, status_text
from runner.cli.task.finding import find_task, open_tasks
from runner.cli.task.show_command import LONGEST_PAYLOAD
from runner.cli.wiring.events import build_policy, build_rules
from runner.client.event_lines import describe_bad, read_events
from runner.client.exchange import Sending, ask
from runner.config import Config
from runner.envelope.plain import encode
from runner.errors import (
    FORBIDDEN,
    OWNED_BY_ANOTHER,
    TASK_CANCELLED,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
    FatalError,
)
from runner.kafka.clients import connect_producer
from runner.kafka.topic_message import TopicMessage, described

_REQUEST_PATH: Final = re.compile(r"requestMeta(\.\w+)+", re.ASCII)
_USER: Final = "requestMeta.claims.sub"
_ROLES: Final = "requestMeta.claims.roles"
_ID_PATH: Final = "@.eventMeta.parameters.taskId"
_EMPTY: Final[Mapping[str, Any]] = {}

_ENDED: Final = '; "runner task show" says when and by what'
_REMEDIES: Final[Mapping[str, str]] = {
    str(FORBIDDEN): '; name a caller who may with --as and --roles; "runner task show" says who that is',
    str(OWNED_BY_ANOTHER): '; an admin may take it away: "runner task assign ID --to USER --override"',
    str(TASK_PROCEEDED): _ENDED,
    str(TASK_TIMED_OUT): _ENDED,
    str(TASK_CANCELLED): _ENDED,
}


def event_of(
    config: Config,
    action: str,
    request_id: str | None,
    meta: Mapping[str, Any] = _EMPTY,
    parameters: Mapping[str, Any] = _EMPTY,
    payload: Mapping[str, Any] = _EMPTY,
) -> dict[str, Any]:
    """Return the event, which names no task yet."""
    deployments = {} if config.deployment is None else {"deployments": [config.deployment]}
    return {
        "requestMeta": {"id": request_id or f"command-line-{uuid4()}", "channel": "command-line", **meta},
        "eventMeta": {
            "handler": config.handler,
            "action": action,
            "outputElement": "task",
            "parameters": {"taskIdPath": _ID_PATH, **parameters},
            **deployments,
        },
        "payload": payload,
    }


def send_event(
    config: Config, event: dict[str, Any], task_id: str, domain: str | None, seconds: float, *, as_json: bool
) -> None:
    """Find the task, send the event to its home, and show the reply; FatalError where it says FAIL."""
    with open_tasks(config) as (store, _):
        record = find_task(store, config, task_id, domain)
    event["eventMeta"]["domain"] = record.key.domain
    event["eventMeta"]["parameters"]["taskId"] = record.key.id
    lines, bad = read_events(config, build_rules(config), [encode(event)])
    if bad:
        raise FatalError(f"this cannot be sent: {describe_bad(bad)}")
    requests, home = config.topics.requests, record.state.home
    producer = connect_producer(config)
    homes = producer.partitions_of([requests, config.topics.responses])[requests]
    if home >= homes:
        raise FatalError(f"the task lives on partition {home} of {requests}, which has {homes}")
    reply = ask(config, build_policy(config), producer, Sending(lines[0], home), seconds)
    if as_json:
        print_json(described(reply))
    else:
        show_fields(_fields(reply))
    if reply.status == FAIL:
        error = reply.error()
        remedy = _REMEDIES.get(str(error.get("code")), "")
        reason = f"{plain(str(error.get('message', '')))} (FAIL {plain(str(error.get('code')))})"
        raise FatalError(reason + remedy)


def _fields(reply: TopicMessage) -> Iterator[tuple[str, str | Text]]:
    yield "task", reply.task_id
    yield "status", status_text(reply.status)
    yield "request", reply.key
    task = reply.section("payload").get("task")
    if task is not None:
        yield "payload", plain(encode(task).decode(), LONGEST_PAYLOAD)


def caller_of(config: Config, user: str | None, roles: list[str] | None) -> dict[str, Any]:
    """Return what ``requestMeta`` says of a caller, where the worker will look for it."""
    meta: dict[str, Any] = {}
    _put(meta, _path(config.caller.user, _USER), user)
    _put(meta, _path(config.caller.roles, _ROLES), roles)
    return meta


def _path(configured: tuple[str, ...] | list[str], default: str) -> str:
    """Return where the worker will look: the first plain path that is configured, else the default."""
    path = next(filter(_REQUEST_PATH.fullmatch, configured), None)
    if path is None:
        note(f"note: no plain path below requestMeta among {list(configured)}; {default} is used")
    return path or default


def _put(meta: dict[str, Any], path: str, value: Any) -> None:
    """Write a value at a path below requestMeta; None is left out."""
    if value is None:
        return
    *above, name = path.split(".")[1:]
    for part in above:
        meta = meta.setdefault(part, {})
    meta[name] = value
