"""``runner send``: produces events, one a line, and waits for the replies if asked to."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from confluent_kafka import Producer

from runner.actions.policy import Policy
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import note, progress, tracked
from runner.cli.send_report import SendReport, check_sent, say_interrupted
from runner.cli.wiring.events import build_policy, build_rules
from runner.cli.wiring.store import connect_store
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.errors import FatalError
from runner.exchange.event_lines import EventLine, describe_bad, read_events
from runner.exchange.exchange import Sending, awaited_replies, send_events
from runner.exchange.homes import Homes
from runner.kafka.clients import BrokerConnection, connect_producer

_STANDARD_INPUT: Final = Path("-")


def send(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|-", help="Events, one JSON object a line; - for standard input.")
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
        report.events(_located(settings, policy, lines))
        return
    producer = connect_producer(settings)
    producer.partitions_of([settings.topics.requests, settings.topics.responses])
    events = _located(settings, policy, lines)
    with ExitStack() as stack:
        replies = stack.enter_context(awaited_replies(settings, policy, producer, lines)) if wait else None
        sent, seconds = _sent(producer, settings.topics.requests, events)
        report.events(sent)
        try:
            check_sent(sent)
            if replies is not None:
                report.await_replies(replies, timeout)
        finally:
            report.summary(sent, seconds)


def _sent(
    producer: BrokerConnection[Producer], topic: str, events: Sequence[Sending]
) -> tuple[list[Sending], float]:
    """Send all, and return what became of each and how long it took; Ctrl-C reports it and ends."""
    began_seconds = monotonic_seconds()
    with _interruption() as is_interrupted, progress("sending", len(events)) as step:
        sent = send_events(producer, topic, events, step, is_interrupted)
    if is_interrupted():
        say_interrupted(sent)
        raise KeyboardInterrupt
    return sent, monotonic_seconds() - began_seconds


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Give whether Ctrl-C was pressed in the block, where it is no exception in the middle of a step.

    A second Ctrl-C is the usual KeyboardInterrupt.
    """
    pressed = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _read(file: Path, config: Config) -> list[EventLine]:
    name = "standard input" if file == _STANDARD_INPUT else str(file)
    try:
        data = sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from error
    events, bad = read_events(config, build_rules(config), data.split(b"\n"))
    if bad:
        raise FatalError(f"{name} has lines that are no events; nothing was sent\n{describe_bad(bad)}")
    if not events:
        raise FatalError(f"{name} has no events; write one JSON object a line")
    return events


def _located(config: Config, policy: Policy, lines: Sequence[EventLine]) -> list[Sending]:
    """Return the events with the home of their task where Redis knows it; without Redis, none has one."""
    with closing(connect_store(config)) as store:
        homes = Homes(store, policy)
        located = zip(lines, tracked("looking for homes", homes.of(lines), len(lines)), strict=True)
        events = [Sending(line, home) for line, home in located]
    if homes.unavailable is not None:
        note(f"note: {homes.unavailable}; events go by their key, and the runner forwards them")
    return events
