"""``runner send``: produces events, one a line, and waits for the replies if asked to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Final

import typer

from runner.actions.policy import Policy
from runner.cli.codecs import build_codecs
from runner.cli.event_lines import EventLine, describe_bad, read_lines
from runner.cli.homes import Homes
from runner.cli.kafka_clients import connect_producer
from runner.cli.options import ConfigFile, read_config
from runner.cli.replies import Replies, reply_topics
from runner.cli.responses_table import ResponsesTable
from runner.cli.screen import Column, Rows, say, stderr, stdout
from runner.cli.sending import Sending, send_all
from runner.cli.topic_reader import TopicReader
from runner.cli.wiring import build_policy, build_rules, connect_store
from runner.config import Config
from runner.errors import FatalError

_STANDARD_INPUT: Final = Path("-")
_COLUMNS: Final = (
    Column("line", 5, align_right=True),
    Column("key", 24),
    Column("action", 14),
    Column("partition", 9, align_right=True),
    Column("offset", 8, align_right=True),
    Column("sent to", 20),
)


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
) -> None:
    r"""Send events to the requests topic, and say where each went.

    The key of a message is its requestMeta.id. An event for a task that Redis
    knows goes straight to its home partition, any other by the hash of its
    key. If a line is no event it is named, and nothing at all is sent.
    With --wait, a FAIL or a missing reply is exit code 1.

    [bold]Examples[/bold]

      runner send events.jsonl
      printf %s '{"requestMeta": {"id": "r-1"}, ' \
        '"eventMeta": {"action": "StartTask", "domain": "default"}, ' \
        '"payload": {"taskId": "t-1"}}' | runner send --wait -
    """
    settings = read_config(config)
    policy = build_policy(settings)
    lines = _read(file, settings)
    producer = connect_producer(settings)
    producer.partitions_of([settings.topics.requests, settings.topics.responses])
    events = _with_homes(settings, policy, lines)
    with ExitStack() as stack:
        replies = None
        if wait:
            topics = reply_topics(lines, policy).intersection(producer.metadata().topics)
            reader = stack.enter_context(TopicReader(settings, topics, from_beginning=False))
            replies = Replies(lines, policy, reader)
        _show(send_all(producer, settings.topics.requests, events))
        if replies is not None:
            replies.show(ResponsesTable(stdout()), timeout)


def _read(file: Path, config: Config) -> list[EventLine]:
    name = "standard input" if file == _STANDARD_INPUT else str(file)
    try:
        data = sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from error
    with closing(build_codecs(config)) as codecs:
        codec = codecs.of(config.topics.requests)
        events, bad = read_lines(data.split(b"\n"), build_rules(config), config.worker.max_event_bytes, codec)
    if bad:
        raise FatalError(f"{name} has lines that are no events; nothing was sent\n{describe_bad(bad)}")
    if not events:
        raise FatalError(f"{name} has no events; write one JSON object a line")
    return events


def _with_homes(config: Config, policy: Policy, lines: Sequence[EventLine]) -> list[Sending]:
    """Return the events with the home of their task where Redis knows it; without Redis, none has one."""
    with closing(connect_store(config)) as store:
        homes = Homes(store, policy)
        events = [Sending(line, homes.home(line)) for line in lines]
    if homes.unavailable is not None:
        note = f"note: {homes.unavailable}; events go by their key, and the runner forwards them"
        say(stderr(), note, "yellow")
    return events


def _show(events: Sequence[Sending]) -> None:
    """Print what became of each event; FatalError if Kafka refused any."""
    rows = Rows(stdout(), _COLUMNS)
    rows.head()
    for event in events:
        line, taken = event.line, not event.refusal
        rows.row(
            str(line.number),
            line.event.request_id,
            line.event.action,
            str(event.partition) if taken else "-",
            str(event.offset) if taken else "-",
            event.refusal or ("its key's partition" if event.home is None else "the home of its task"),
        )
    refused = sum(1 for event in events if event.refusal)
    if refused:
        raise FatalError(f"{refused} of {len(events)} events were refused by Kafka, the others were sent")
