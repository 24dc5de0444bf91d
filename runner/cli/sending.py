"""An event of a person to the home of a record, and its reply: how a command sends any verb."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from rich.text import Text

from runner.cli.responses_table import FAIL, show_violations
from runner.cli.screen import note, plain, print_json, show_fields, status_text, stdout
from runner.cli.wiring.events import build_policy, build_rules
from runner.config import Config
from runner.envelope.plain import encode
from runner.errors import FatalError
from runner.exchange.event_lines import describe_bad, read_events
from runner.exchange.exchange import Sending, ask
from runner.kafka.clients import connect_producer
from runner.kafka.topic_message import TopicMessage, described

_REQUEST_PATH: Final = re.compile(r"requestMeta(\.\w+)+", re.ASCII)
_USER: Final = "requestMeta.claims.sub"
_ROLES: Final = "requestMeta.claims.roles"
_EMPTY: Final[Mapping[str, Any]] = {}


def event_of(
    config: Config,
    action: str,
    request_id: str | None,
    meta: Mapping[str, Any] = _EMPTY,
    parameters: Mapping[str, Any] = _EMPTY,
    payload: Mapping[str, Any] = _EMPTY,
) -> dict[str, Any]:
    """Return the event, which names neither domain nor record yet; ``meta`` is that of ``caller_of``."""
    deployments = {} if config.deployment is None else {"deployments": [config.deployment]}
    return {
        "requestMeta": {"id": request_id or f"command-line-{uuid4()}", "channel": "command-line", **meta},
        "eventMeta": {
            "handler": config.handler,
            "action": action,
            "outputElement": "task",
            "parameters": {**parameters},
            **deployments,
        },
        "payload": payload,
    }


def ask_home(config: Config, event: dict[str, Any], home: int, seconds: float) -> TopicMessage:
    """Send the event to a home and return the reply, which may say FAIL.

    FatalError where it cannot be sent, or no reply comes in time.
    """
    lines, bad = read_events(config, build_rules(config), [encode(event)])
    if bad:
        raise FatalError(f"this cannot be sent: {describe_bad(bad)}")
    requests = config.topics.requests
    producer = connect_producer(config)
    homes = producer.partitions_of([requests, config.topics.responses])[requests]
    if home >= homes:
        raise FatalError(f"the home is partition {home} of {requests}, which has {homes}")
    return ask(config, build_policy(config), producer, Sending(lines[0], home), seconds)


def show_reply(
    reply: TopicMessage,
    fields: Iterable[tuple[str, str | Text]],
    remedies: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    """Show a reply by these fields, or whole as JSON; FatalError where it says FAIL.

    ``remedies`` are the ways out by code, appended to the reason.
    """
    error = reply.error() if reply.status == FAIL else {}
    if as_json:
        print_json(described(reply))
    else:
        show_fields(_with_status(fields, reply))
        show_violations(stdout(), error.get("violations"))
    if reply.status == FAIL:
        code = str(error.get("code"))
        reason = f"{plain(str(error.get('message', '')))} (FAIL {plain(code)})"
        raise FatalError(reason + remedies.get(code, ""))


def caller_of(config: Config, user: str | None, roles: list[str] | None) -> dict[str, Any]:
    """Return what ``requestMeta`` says of a caller, where the worker will look for it."""
    meta: dict[str, Any] = {}
    _put(meta, _path(config.caller.user, _USER), user)
    _put(meta, _path(config.caller.roles, _ROLES), roles)
    return meta


def _with_status(
    fields: Iterable[tuple[str, str | Text]], reply: TopicMessage
) -> Iterator[tuple[str, str | Text]]:
    """Give the first field, which says what the reply is about, then status and request, then the rest."""
    first, *others = fields
    yield first
    yield "status", status_text(reply.status)
    yield "request", reply.key
    yield from others


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
