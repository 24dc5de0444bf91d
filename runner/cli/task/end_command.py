"""``runner task proceed`` and ``runner task timeout``: an event to the home of a task, and its reply."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.text import Text

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.responses_table import FAIL
from runner.cli.screen import note, plain, print_json, show_fields, status_text
from runner.cli.task.finding import find_task, open_tasks
from runner.cli.task.show_command import LONGEST_PAYLOAD
from runner.cli.wiring.events import build_policy, build_rules
from runner.client.event_lines import describe_bad, read_events
from runner.client.exchange import Sending, ask
from runner.config import Config
from runner.envelope.plain import BYTE_ORDER_MARK, decode, encode
from runner.envelope.values import names_in
from runner.errors import FORBIDDEN, TASK_CANCELLED, TASK_PROCEEDED, TASK_TIMED_OUT, FatalError
from runner.kafka.clients import connect_producer
from runner.kafka.topic_message import TopicMessage, described

_REQUEST_PATH: Final = re.compile(r"requestMeta(\.\w+)+", re.ASCII)
_USER: Final = "requestMeta.claims.sub"
_ROLES: Final = "requestMeta.claims.roles"
_ID_PATH: Final = "@.eventMeta.parameters.taskId"
_WHOLE: Final = "$"
_EMPTY: Final[Mapping[str, Any]] = {}

_ENDED: Final = '; "runner task show" says when and by what'
_REMEDIES: Final[Mapping[str, str]] = {
    str(FORBIDDEN): '; name a caller who may with --user and --roles; "runner task show" says who that is',
    str(TASK_PROCEEDED): _ENDED,
    str(TASK_TIMED_OUT): _ENDED,
    str(TASK_CANCELLED): _ENDED,
}

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Id of the task, as replies give it.")]
DomainName = Annotated[
    str | None, typer.Option("--domain", help="Domain of the task.", show_default="the one that has it")
]
RequestId = Annotated[
    str | None,
    typer.Option(
        help="requestMeta.id of the event; sent again as it was, it is answered again.", show_default="new"
    ),
]
Patience = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the reply.")
]


def proceed(
    task_id: TaskId,
    domain: DomainName = None,
    payload: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE|-",
            help="What the person entered, a JSON object; it goes into the saga's event.",
        ),
    ] = None,
    enrich: Annotated[
        str, typer.Option(metavar="PATH", help="Which part of the payload goes into the saga's event.")
    ] = _WHOLE,
    user: Annotated[str | None, typer.Option(help="Who finishes the task.")] = None,
    roles: Annotated[str | None, typer.Option(metavar="ROLE,ROLE", help="The roles of the user.")] = None,
    request_id: RequestId = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    r"""Finish a task: its saga goes on.

    Sends ProceedTask to the home of the task and waits for the reply.
    SUCCESS is exit code 0; FAIL, or no reply in time, is 1. A task that waits
    for a user or roles needs one that fits. With --json the reply is one
    line, as "runner tail --json" gives it.

    [bold]Example[/bold]

      runner task proceed t-1 --user ann --roles manager \
        --payload '{"decision": "approved"}'
    """
    settings = read_config(config)
    entered = _payload(payload)
    meta: dict[str, Any] = {}
    _put(meta, _path(settings.caller.user, _USER), user)
    _put(meta, _path(settings.caller.roles, _ROLES), _split(roles))
    parameters = {} if payload is None else {"enrichPath": enrich}
    event = _event(settings, "ProceedTask", request_id, meta, parameters, entered)
    _end(settings, event, task_id, domain, timeout, as_json=as_json)


def time_out(
    task_id: TaskId,
    domain: DomainName = None,
    request_id: RequestId = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Time a task out before its deadline: its saga goes on with TIMEOUT.

    Sends TimeoutTask to the home of the task and waits for the reply.
    SUCCESS is exit code 0; FAIL, or no reply in time, is 1. With --json the
    reply is one line, as "runner tail --json" gives it.

    [bold]Example[/bold]

      runner task timeout t-2
    """
    settings = read_config(config)
    event = _event(settings, "TimeoutTask", request_id)
    _end(settings, event, task_id, domain, timeout, as_json=as_json)


def _event(
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


def _end(
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


def _payload(text: str | None) -> dict[str, Any]:
    """Return the object that ``--payload`` gives or names."""
    if text is None:
        return {}
    try:
        if text == "-":
            data = sys.stdin.buffer.read()
        elif text.startswith("@"):
            data = Path(text[1:]).read_bytes()
        else:
            data = text.encode()
        value = decode(data.removeprefix(BYTE_ORDER_MARK))
    except OSError as error:
        raise typer.BadParameter(f"--payload {text} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--payload is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("--payload must be a JSON object")
    return value


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


def _split(roles: str | None) -> list[str] | None:
    names = None if roles is None else names_in(roles)
    if roles and not names:
        raise typer.BadParameter("--roles names nobody; write manager,director, or leave it out")
    return names
