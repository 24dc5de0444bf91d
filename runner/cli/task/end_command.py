"""``runner task proceed`` and ``runner task timeout``: an event to the home of a task, and its reply."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.text import Text

from runner.actions.policy import Policy
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.replies import Replies, reply_topics
from runner.cli.responses_table import FAIL
from runner.cli.screen import plain, print_json, say, status_text, stderr, stdout
from runner.cli.sending import Sending, send_all
from runner.cli.task.finding import find_task, open_tasks
from runner.cli.task.show_command import LONGEST_PAYLOAD
from runner.cli.wiring import build_policy, build_rules
from runner.client.event_lines import EventLine, describe_bad, read_lines
from runner.config import Config
from runner.envelope.plain import BYTE_ORDER_MARK, decode, encode
from runner.envelope.values import names_in
from runner.errors import FORBIDDEN, TASK_PROCEEDED, TASK_TIMED_OUT, FatalError
from runner.kafka.clients import connect_producer
from runner.kafka.codecs import build_codecs
from runner.kafka.reader import TopicReader
from runner.kafka.topic_message import TopicMessage, described
from runner.tasks.record import Record

_REQUEST_PATH: Final = re.compile(r"requestMeta(\.\w+)+", re.ASCII)
_USER: Final = "requestMeta.claims.sub"
_ROLES: Final = "requestMeta.claims.roles"
_ID_PATH: Final = "@.eventMeta.parameters.taskId"
_WHOLE: Final = "$"

_REMEDIES: Final[Mapping[int, str]] = {
    FORBIDDEN: 'name a caller who may with --user and --roles; "runner task show" says who that is',
    TASK_PROCEEDED: '"runner task show" says when and by what',
    TASK_TIMED_OUT: '"runner task show" says when and by what',
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
    command = _Command(settings, "ProceedTask", meta, parameters, entered, request_id)
    _end(command, task_id, domain, timeout, as_json=as_json)


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
    command = _Command(read_config(config), "TimeoutTask", {}, {}, {}, request_id)
    _end(command, task_id, domain, timeout, as_json=as_json)


class _Command:
    """What is asked of a task, before it is known which task that is."""

    def __init__(
        self,
        config: Config,
        action: str,
        meta: Mapping[str, Any],
        parameters: Mapping[str, Any],
        payload: Mapping[str, Any],
        request_id: str | None,
    ) -> None:
        self.config = config
        self.action = action
        self._meta = meta
        self._parameters = parameters
        self._payload = payload
        self._request_id = request_id or f"command-line-{uuid4()}"

    def line(self, record: Record) -> EventLine:
        """Return the event; FatalError where the worker would not take it."""
        event: dict[str, Any] = {
            "requestMeta": {"id": self._request_id, "channel": "command-line", **self._meta},
            "eventMeta": {
                "handler": self.config.handler,
                "action": self.action,
                "domain": record.key.domain,
                "outputElement": "task",
                "parameters": {"taskIdPath": _ID_PATH, "taskId": record.key.id, **self._parameters},
            },
            "payload": self._payload,
        }
        if self.config.deployment is not None:
            event["eventMeta"]["deployments"] = [self.config.deployment]
        value = encode(event)
        with closing(build_codecs(self.config)) as codecs:
            codec = codecs.of(self.config.topics.requests)
            lines, bad = read_lines([value], build_rules(self.config), self.config.limits.event_bytes, codec)
        if bad:
            raise FatalError(f"this cannot be sent: {describe_bad(bad)}")
        return lines[0]


def _end(command: _Command, task_id: str, domain: str | None, seconds: float, *, as_json: bool) -> None:
    config = command.config
    with open_tasks(config) as (store, _):
        record = find_task(store, config, task_id, domain)
    seen = _ask(command.line(record), record, config, build_policy(config), seconds)
    if as_json:
        print_json(described(seen))
    else:
        _show(seen)
    if seen.status == FAIL:
        error = seen.error()
        code = error.get("code")
        remedy = _REMEDIES.get(code) if isinstance(code, int) else None
        said = f"{plain(str(error.get('message', '')))} (FAIL {plain(str(code))})"
        raise FatalError(f"{said}; {remedy}" if remedy else said)


def _ask(line: EventLine, record: Record, config: Config, policy: Policy, seconds: float) -> TopicMessage:
    """Send an event to the home of a task and return the reply; FatalError if none comes in time."""
    producer = connect_producer(config)
    homes = producer.partitions_of([config.topics.requests, config.topics.responses])[config.topics.requests]
    if record.state.home >= homes:
        raise FatalError(
            f"the task lives on partition {record.state.home} of {config.topics.requests}, which has {homes}"
        )
    topics = reply_topics([line], policy).intersection(producer.metadata().topics)
    with TopicReader(config, topics, from_beginning=False) as reader:
        [sent] = send_all(producer, config.topics.requests, [Sending(line, record.state.home)])
        if sent.refusal:
            raise FatalError(f"Kafka refused the event: {sent.refusal}")
        return next(Replies([line], policy, reader).each(seconds))


def _show(seen: TopicMessage) -> None:
    console = stdout()
    rows: list[tuple[str, str | Text]] = [
        ("task", seen.task_id),
        ("status", status_text(seen.status)),
        ("request", seen.key),
    ]
    task = seen.section("payload").get("task")
    if task is not None:
        rows.append(("payload", plain(encode(task).decode(), LONGEST_PAYLOAD)))
    for label, value in rows:
        text = value if isinstance(value, Text) else Text(plain(value))
        console.print(Text(f"{label:<12}", style="bold") + text, soft_wrap=True)


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
    for pattern in configured:
        if _REQUEST_PATH.fullmatch(pattern):
            return pattern
    say(
        stderr(),
        f"note: no plain path below requestMeta among {list(configured)}; {default} is used",
        "yellow",
    )
    return default


def _put(meta: dict[str, Any], path: str, value: Any) -> None:
    """Write a value at a path below requestMeta; None is left out."""
    if value is None:
        return
    *above, name = path.split(".")[1:]
    for part in above:
        meta = meta.setdefault(part, {})
    meta[name] = value


def _split(roles: str | None) -> list[str] | None:
    if roles and not names_in(roles):
        raise typer.BadParameter("--roles names nobody; write manager,director, or leave it out")
    return None if roles is None else names_in(roles)
