"""``runner dev``: everything the runner needs, embedded, until Ctrl-C; and how to talk to it."""

from __future__ import annotations

import http.client
import subprocess
import sys
import webbrowser
from importlib.util import find_spec
from threading import Thread
from types import MappingProxyType
from typing import Annotated, Final

import typer

from runner.cli.dev.examples import start_examples
from runner.cli.dev.explanation import domain_of, explanation, web_url
from runner.cli.dev.happenings import LONGEST_LINE, happening_line
from runner.cli.embedded_runner import EmbeddedRunner, embedded_runner, left_out
from runner.cli.options import ConfigFile, read_config
from runner.cli.screen import plain, say, stderr, stdout
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.embedded.subprocesses import HOST
from runner.errors import FatalError
from runner.kafka.reader import read_topics

PARTITIONS: Final = 12
READY_SECONDS: Final = 60.0

TOLD: Final = ("assigned", "released", "reminded", "escalated")
"""What people hear of where the configuration does not say."""

ADMIN: Final = "admin"
"""Role of admins where the configuration names none."""

_ASK_SECONDS: Final = 0.1
_OK: Final = 200


def dev(
    partitions: Annotated[int, typer.Option(min=1, max=100, help="Partitions of each topic.")] = PARTITIONS,
    config: ConfigFile = None,
    *,
    opens: Annotated[bool, typer.Option("--open", help="Open the inbox in a browser.")] = False,
    has_examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Start a few tasks of each kind.")
    ] = True,
) -> None:
    """Run a broker, a Redis, a worker, lists, the HTTP API and the inbox, until Ctrl-C.

    Prints how to talk to them from another terminal, and the address of the
    inbox, where a few example tasks wait. What people have to hear of their
    tasks, and what sagas hear, is shown as it comes. Nothing is kept: all of
    it is gone when this ends. Sections kafka, redis, http, schemaRegistry,
    projection and web and the setting delivery of the configuration do not
    count here, but for projection.attributes and web.port; what they set is
    named. The encoding confluent-avro is refused, for want of a registry.
    Without the extra "web" there are no lists, no HTTP API and no inbox.

    [bold]Examples[/bold]

      runner dev --open
      runner dev --no-examples
    """
    base = with_admin(telling(read_config(config)))
    if names := left_out(base):
        say(stderr(), f"note: {', '.join(names)} of {base.source} do not count here", "yellow")
    try:
        with embedded_runner(base, partitions, sys.stderr.fileno(), has_web=has_web()) as running:
            _wait_until_ready(running)
            ended = _play(running, has_examples=has_examples, opens=opens)
    except KeyboardInterrupt:
        say(stderr(), "ended")
        return
    raise FatalError(f"{ended}; its log is above")


def _play(running: EmbeddedRunner, *, has_examples: bool, opens: bool) -> str:
    """Start the examples, say how to talk to what runs, and show what happens until a part of it ends.

    Returns which part, and how.
    """
    examples = _examples(running.config) if has_examples and running.config.domains else 0
    notifications = running.config.topics.notifications or ""
    topics = [notifications, running.config.topics.responses]
    with read_topics(running.config, topics, from_beginning=False) as reader:
        say(stdout(), explanation(running, examples))
        if opens and running.web is not None:
            _open(f"{web_url(running.config)}/")
        while (ended := running.ended()) is None:
            message = reader.next(_ASK_SECONDS)
            line = None if message is None else happening_line(message, notifications)
            if line is not None:
                say(stdout(), line)
    return ended


def _examples(config: Config) -> int:
    """Start the examples and return how many wait; what the configuration refuses of them is named."""
    started, refused = start_examples(config, domain_of(config))
    for each in refused:
        say(stderr(), f"note: an example is left out: {plain(each, LONGEST_LINE)}", "yellow")
    return started


def _open(url: str) -> None:
    """Have a browser show the inbox. Some browsers return when they are closed, so nobody waits for it."""
    Thread(target=webbrowser.open, args=(url,), daemon=True).start()


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
