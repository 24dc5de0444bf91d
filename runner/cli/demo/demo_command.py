"""``runner demo``: plays its acts, on embedded servers or on yours, and says whether all was right."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO, Annotated, Final
from uuid import uuid4

import typer
from rich.text import Text

from runner.cli.demo import story
from runner.cli.demo.checks import Check, check_worker
from runner.cli.demo.play import TOLD, Mark, Play
from runner.cli.embedded_runner import WHAT, embedded_runner
from runner.cli.options import ConfigFile, read_config
from runner.cli.screen import plain, say, stderr, stdout
from runner.config import Config
from runner.embedded.subprocesses import stop
from runner.errors import FatalError
from runner.kafka.reader import TopicReader, read_topics

PARTITIONS: Final = 12
ADMIN_ROLE: Final = "admin"
"""The role of the embedded domain that may define forms."""

LAST_LOG_LINES: Final = 20
LONGEST_REASON: Final = 300

Live = Annotated[
    bool, typer.Option("--live", help="On the configured brokers, with the workers that run there.")
]


def demo(
    live: Live = False,  # noqa: FBT002 - typer's way to declare a flag
    config: ConfigFile = None,
) -> None:
    """Play three sagas that wait for people from start to end, and check it.

    Starts a broker, a Redis and a worker of its own, needs nothing else, and
    leaves nothing behind. What you see is every message on the topics: a
    manager's task that times out, a director's that is finished; then a form
    that is claimed, saved, answered wrongly, and answered well; then a task
    that nobody looks at, until it goes up to a lead, and is cancelled. Exit
    code 0 only if all of it was right.

    With --live it starts nothing: its requests go to the topics of your
    configuration, in the domain "default", and workers of yours answer them.
    Other readers of those topics see them too. The form takes an adminRole of
    that domain; its definition, demo-kyc, stays. The third saga takes
    topics.notifications, and reminded and escalated among the domain's notify.

    [bold]Examples[/bold]

      runner demo

      runner demo --live --config runner.yaml
    """
    checks = _on_a_real_site(read_config(config)) if live else _on_embedded_servers()
    if not all(check.holds for check in checks):
        raise FatalError("the demo went wrong: see the checks above")


def _on_embedded_servers() -> list[Check]:
    say(stdout(), f"{WHAT}\n", "dim")
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        running = stack.enter_context(embedded_runner(_embedded_config(), PARTITIONS, log))
        worker = running.worker
        reader = stack.enter_context(_reader(running.config, from_beginning=True))
        play = Play(running.config, reader, Mark())
        play.run(lambda: worker.poll() is None)
        stop(worker)
        play.drain()
        checks = [*play.checks(), check_worker(worker.returncode)]
        _show_checks(checks)
        if not all(check.holds for check in checks):
            _show_log(log)
    return checks


def _embedded_config() -> Config:
    domain = {"adminRole": ADMIN_ROLE, "notify": sorted(TOLD)}
    return Config.model_validate(
        {"domains": {story.DOMAIN: domain}, "topics": {"notifications": "notifications"}}
    )


def _on_a_real_site(config: Config) -> list[Check]:
    say(stdout(), f"on {config.kafka.brokers}, with the workers that run there\n", "dim")
    with _reader(config, from_beginning=False) as reader:
        play = Play(config, reader, Mark(f".{uuid4().hex[:6]}"))
        play.run(lambda: True)
        play.drain()
    checks = play.checks()
    _show_checks(checks)
    return checks


def _reader(config: Config, *, from_beginning: bool) -> AbstractContextManager[TopicReader]:
    names = config.topics
    topics = (names.requests, names.responses, names.dead_letters, names.notifications)
    return read_topics(config, list(filter(None, topics)), from_beginning=from_beginning)


def _show_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        mark = Text("✓ ", style="green") if check.holds else Text("✗ ", style="bold red")
        reason = "" if check.holds else f" ({plain(check.seen, LONGEST_REASON)})"
        stdout().print(mark + Text(check.name + reason), soft_wrap=True)


def _show_log(log: IO[bytes]) -> None:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()[-LAST_LOG_LINES:]
    say(stderr(), "\n".join(["the end of the worker's log:", *map(plain, lines)]))
