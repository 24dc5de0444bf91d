"""``runner dev``: everything the runner needs, embedded, until Ctrl-C; and how to talk to it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from importlib.util import find_spec
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from runner.cli.embedded_runner import PEOPLE, WHAT, EmbeddedRunner, embedded_runner, left_out
from runner.cli.options import ConfigFile, read_config
from runner.cli.screen import plain, say, stderr, stdout
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.embedded.subprocesses import HOST
from runner.errors import FatalError
from runner.kafka.reader import read_topics
from runner.kafka.topic_message import TopicMessage

PARTITIONS: Final = 12
READY_SECONDS: Final = 60.0

TOLD: Final = ("assigned", "released", "reminded", "escalated")
"""What people hear of where the configuration does not say."""

ADMIN: Final = "admin"
"""Role of admins where the configuration names none."""

LONGEST_LINE: Final = 400
"""Characters of a notification that are shown."""

_ASK_SECONDS: Final = 0.1
_OK: Final = 200


def dev(
    partitions: Annotated[int, typer.Option(min=1, max=100, help="Partitions of each topic.")] = PARTITIONS,
    config: ConfigFile = None,
) -> None:
    """Run a broker, a Redis, a worker, lists and the HTTP API, until Ctrl-C.

    Prints how to talk to them from another terminal. Nothing is kept: all of
    it is gone when this ends. Sections kafka, redis, http, schemaRegistry,
    projection and web and the setting delivery of the configuration do not
    count here, but for projection.attributes and web.port; what they set is
    named. The encoding confluent-avro is refused, for want of a registry. What
    people have to hear of their tasks is shown as it comes. Without the extra
    "web" there are no lists and no HTTP API.

    [bold]Example[/bold]

      runner dev
    """
    base = with_admin(telling(read_config(config)))
    if names := left_out(base):
        say(stderr(), f"note: {', '.join(names)} of {base.source} do not count here", "yellow")
    try:
        with embedded_runner(base, partitions, sys.stderr.fileno(), has_web=has_web()) as running:
            _wait_until_ready(running)
            say(stdout(), explanation(running))
            ended = _show_notifications(running)
    except KeyboardInterrupt:
        say(stderr(), "ended")
        return
    raise FatalError(f"{ended}; its log is above")


def telling(base: Config) -> Config:
    """Return a configuration that tells people of their tasks; the same one where it says who hears what."""
    if base.topics.notifications is not None:
        return base
    topics = base.topics.model_copy(update={"notifications": "notifications"})
    domains = {name: each.model_copy(update={"notify": TOLD}) for name, each in base.domains.items()}
    return base.model_copy(update={"topics": topics, "domains": MappingProxyType(domains)})


def with_admin(base: Config) -> Config:
    """Return a configuration whose domains have an admin role each; those that name one keep it."""
    domains = {
        name: each if each.admin_role is not None else each.model_copy(update={"admin_role": ADMIN})
        for name, each in base.domains.items()
    }
    return base.model_copy(update={"domains": MappingProxyType(domains)})


def has_web() -> bool:
    """Whether the packages of the HTTP API are installed."""
    return find_spec("fastapi") is not None and find_spec("sqlalchemy") is not None


def _show_notifications(running: EmbeddedRunner) -> str:
    """Show notifications until the worker or the HTTP API ends; return which, and how."""
    topics = [running.config.topics.notifications or ""]
    with read_topics(running.config, topics, from_beginning=True) as reader:
        while (ended := running.ended()) is None:
            message = reader.next(_ASK_SECONDS)
            if message is not None:
                say(stdout(), notification_line(message))
    return ended


def notification_line(message: TopicMessage) -> str:
    """Return a notification in words: what happened to which task, by whom, and who has to hear it."""
    notification = json.loads(message.value or b"{}")
    data = notification.get("data", {})
    people = data.get("recipients", {})
    named = ", ".join(filter(None, (people.get("user"), *people.get("roles", ())))) or "anyone"
    count = f" ({data['count']})" if "count" in data else ""
    event = str(notification.get("type", "")).removeprefix("saga.task.")
    by = data.get("actor")
    return plain(
        f"notification: {message.key} {event}{count}{f' by {by}' if by else ''}, for {named}", LONGEST_LINE
    )


def explanation(running: EmbeddedRunner) -> str:
    """Return what to type in another terminal."""
    config = running.config
    domain = next(iter(config.domains), "default")
    return "\n".join(
        [
            f"Ready, until Ctrl-C. {WHAT[0].upper()}{WHAT[1:]}.",
            "",
            "In another terminal, first:",
            f"  export RUNNER_CONFIG={running.file}",
            "or, for programs of your own:",
            f"  export RUNNER_KAFKA__BROKERS={config.kafka.brokers} RUNNER_DELIVERY={config.delivery}",
            f"  export RUNNER_REDIS__URL={config.redis.url.get_secret_value()}",
            "",
            "A task that waits for a manager, for ten minutes:",
            f"  {_echo(_start(domain))}",
            "  runner task show t-1",
            "A manager finishes it:",
            f"  {_echo(_proceed(domain))}",
            "All answers, as they come:",
            "  runner tail --from-beginning",
            "How the worker is:",
            f"  curl http://{HOST}:{config.http.port}/health/ready",
            *_explanation_of_web(running),
            "",
            "What people have to hear of their tasks is shown here, as it comes.",
        ]
    )


def _explanation_of_web(running: EmbeddedRunner) -> list[str]:
    if running.web is None:
        return ["", 'There are no lists and no HTTP API: the extra "web" is not installed.']
    url, person = f"http://{HOST}:{running.config.web.port}", next(iter(PEOPLE))
    return [
        "",
        f"The inbox is at {url}/ (choose who to be: {', '.join(PEOPLE)}).",
        f"The HTTP API is at {url}/api/v1 (docs/api.md), its description at {url}/openapi.json.",
        f"Callers name one of them. What there is to do for {person}:",
        f"  curl -H 'Authorization: Bearer {person}' '{url}/api/v1/tasks?forMe=true'",
    ]


def _start(domain: str) -> dict[str, Any]:
    parameters = {"taskRoles": "manager", "timeout": 600_000}
    return {
        "requestMeta": {"id": "r-1"},
        "sagaMeta": [{"sagaId": "s-1", "stepId": "approve"}],
        "eventMeta": {"action": "StartTask", "domain": domain, "parameters": parameters},
        "payload": {"taskId": "t-1", "amount": 12},
    }


def _proceed(domain: str) -> dict[str, Any]:
    return {
        "requestMeta": {"id": "r-2", "claims": {"sub": "ann", "roles": ["manager"]}},
        "eventMeta": {"action": "ProceedTask", "domain": domain},
        "payload": {"taskId": "t-1"},
    }


def _echo(event: dict[str, Any]) -> str:
    return f"echo '{json.dumps(event, separators=(',', ':'))}' | runner send --wait -"


def _wait_until_ready(running: EmbeddedRunner) -> None:
    """Return once all that runs says that it is ready; FatalError if it ends or takes too long."""
    give_up = monotonic_seconds() + READY_SECONDS
    ports = {running.worker: running.config.http.port}
    if running.web is not None:
        ports[running.web] = running.config.web.port
    for child, port in ports.items():
        _wait_for(child, port, give_up)


def _wait_for(child: subprocess.Popen[bytes], port: int, give_up_seconds: float) -> None:
    while not _is_ready(port):
        try:
            code = child.wait(_ASK_SECONDS)
        except subprocess.TimeoutExpired:
            if monotonic_seconds() > give_up_seconds:
                raise FatalError(f"the runner is not ready after {READY_SECONDS:.0f} s") from None
        else:
            raise FatalError(f"the runner did not start (exit code {code}); its log is above")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == _OK
    except OSError:
        return False
    finally:
        connection.close()
