"""``runner tail``: the responses as they come, read_committed, as rows or as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from runner.cli.options import AsJson, ConfigFile, moment_option, read_config
from runner.cli.responses_table import ResponsesTable
from runner.cli.screen import print_json, stdout
from runner.clock import Ticker, monotonic_seconds
from runner.kafka.reader import read_topics
from runner.kafka.topic_message import Messages, TopicMessage, described

POLL_SECONDS: Final = 0.5


def tail(
    limit: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="End after so many responses.")
    ] = None,
    until_idle: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="End once none has come for so long.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin so long ago (15min, 2h, 3d) or then (2026-11-22T08:30)."),
    ] = None,
    config: ConfigFile = None,
    *,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest response that is kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show responses as they come, until Ctrl-C.

    Only what is committed (isolation.level read_committed, which every reader
    of this topic must set). With --json each response is one line: where it
    stood, what its headers say, and the event.

    [bold]Examples[/bold]

      runner tail
      runner tail --since 15min --until-idle 2
      runner tail --from-beginning --until-idle 2 --json
    """
    settings = read_config(config)
    table = ResponsesTable(stdout())
    since_ms = None if since is None else moment_option("--since", since)
    topics = [settings.topics.responses]
    with read_topics(settings, topics, from_beginning=from_beginning, since_ms=since_ms) as reader:
        if not as_json:
            table.head()
        for response in follow(reader, limit, until_idle, monotonic_seconds):
            if as_json:
                print_json(described(response))
            else:
                table.row(response)


def follow(
    reader: Messages, limit: int | None, until_idle_seconds: float | None, ticker: Ticker
) -> Iterator[TopicMessage]:
    """Give what comes, until ``limit`` of them have, or none for so long; None: for ever."""
    count, last_seconds = 0, ticker()
    while limit is None or count < limit:
        left_seconds = POLL_SECONDS
        if until_idle_seconds is not None:
            left_seconds = last_seconds + until_idle_seconds - ticker()
            if left_seconds <= 0:
                return
        response = reader.next(min(POLL_SECONDS, left_seconds))
        if response is not None:
            count, last_seconds = count + 1, ticker()
            yield response
