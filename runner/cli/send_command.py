"""``runner send``: produces events, one a line, and waits for the replies if asked to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Final

import typer
from confluent_kafka import Producer

from runner.actions.policy import Policy
from runner.cli.interruption import interruption
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.progress import progress
from runner.cli.replies import Replies, reply_topics
from runner.cli.screen import say, stderr
from runner.cli.send_report import SendReport, check_sent, say_interrupted
from runner.cli.sending import Sending, send_all
from runner.cli.wiring import build_policy, build_rules, connect_store
from runner.client.event_lines import EventLine, describe_bad, read_lines
from runner.client.homes import Homes
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import Connection, connect_producer
from runner.kafka.codecs import build_codecs
from runner.kafka.reader import TopicReader

_STANDARD_INPUT: Final = Path("-")


def send(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|-",
            help="Events, one JSON object a line; - for standard input.",
        ),
    ],
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long --wait waits for all replies.")
    ] = 30.0,
    config: ConfigFile = None,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the reply to each event, and show it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the events and say where they would go, no more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Send events to the requests topic, and say where each went.

    The key of a message is its requestMeta.id. An event for a task that Redis
    knows goes straight to its home partition, any other by the hash of its
    key. If a line is no event it is named, and nothing at all is sent.
    With --wait, a FAIL or a missing reply is exit code 1. Of more than 100
    events a terminal shows how far it is and what went wrong; Ctrl-C stops
    the sending and says what was sent. With --json there is a line for every
    event (type event: line, key, action, partition, offset, home, error), for
    every reply (type reply, as "runner tail --json" has it), and at the end
    one of type summary: events, sent, refused, seconds, replies by status.

    [bold]Examples[/bold]

      runner send events.jsonl
      runner send events.jsonl --dry-run --json
      printf %s '{"requestMeta": {"id": "r-1"}, ' \
        '"eventMeta": {"action": "StartTask", "domain": "default"}, ' \
        '"payload": {"taskId": "t-7"}}' | runner send --wait -
    """
    settings = read_config(config)
    policy = build_policy(settings)
    lines = _read(file, settings)
    report = SendReport(len(lines), as_json=as_json)
    if dry_run:
        report.events(_with_homes(settings, policy, lines))
        return
    producer = connect_producer(settings)
    producer.partitions_of([settings.topics.requests, settings.topics.responses])
    events = _with_homes(settings, policy, lines)
    with ExitStack() as stack:
        replies = None
        if wait:
            topics = reply_topics(lines, policy).intersection(producer.metadata().topics)
            reader = stack.enter_context(TopicReader(settings, topics, from_beginning=False))
            replies = Replies(lines, policy, reader)
        sent, seconds = _sent(producer, settings.topics.requests, events)
        report.events(sent)
        try:
            check_sent(sent)
            if replies is not None:
                report.await_replies(replies, timeout)
        finally:
            report.summary(sent, seconds)


def _sent(
    producer: Connection[Producer], topic: str, events: Sequence[Sending]
) -> tuple[list[Sending], float]:
    """Send all, and return what became of each and how long it took; Ctrl-C says so and ends."""
    began_seconds = monotonic_seconds()
    with interruption() as is_interrupted, progress(stderr(), "sending", len(events)) as step:
        sent = send_all(producer, topic, events, step, is_interrupted)
    if is_interrupted():
        say_interrupted(sent)
        raise KeyboardInterrupt
    return sent, monotonic_seconds() - began_seconds


def _read(file: Path, config: Config) -> list[EventLine]:
    name = "standard input" if file == _STANDARD_INPUT else str(file)
    try:
        data = sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from error
    with closing(build_codecs(config)) as codecs:
        codec = codecs.of(config.topics.requests)
        events, bad = read_lines(data.split(b"\n"), build_rules(config), config.limits.event_bytes, codec)
    if bad:
        raise FatalError(f"{name} has lines that are no events; nothing was sent\n{describe_bad(bad)}")
    if not events:
        raise FatalError(f"{name} has no events; write one JSON object a line")
    return events


def _with_homes(config: Config, policy: Policy, lines: Sequence[EventLine]) -> list[Sending]:
    """Return the events with the home of their task where Redis knows it; without Redis, none has one."""
    with closing(connect_store(config)) as store:
        homes = Homes(store, policy)
        with progress(stderr(), "looking for homes", len(lines)) as step:
            events = []
            for line, home in zip(lines, homes.of(lines), strict=True):
                events.append(Sending(line, home))
                step(1)
    if homes.unavailable is not None:
        note = f"note: {homes.unavailable}; events go by their key, and the runner forwards them"
        say(stderr(), note, "yellow")
    return events
