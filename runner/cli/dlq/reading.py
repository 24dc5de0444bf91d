"""Reads the dead-letter topic from a time to where it ends now, and chooses by reason and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from runner.cli.dlq.letter import Letter, Place, replayed_place
from runner.cli.options import moment_option
from runner.cli.screen import progress
from runner.config import Config
from runner.kafka.reader import TopicReader
from runner.kafka.topic_message import TopicMessage

Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", help="Only with this reason (NOT_JSON, ...); may be repeated.", show_default="any"
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Buried so long ago (15min, 2h, 3d) or then (2026-11-22T08:30), or later."
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Buried before this time.")]


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are chosen."""

    reasons: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is chosen; one without a time fits every time."""
        if self.reasons and letter.reason not in self.reasons:
            return False
        if letter.time_ms is None:
            return True
        is_late = self.until_ms is not None and letter.time_ms >= self.until_ms
        return not is_late and (self.since_ms is None or letter.time_ms >= self.since_ms)


def letter_filter(reasons: list[str] | None, since: str | None, until: str | None) -> LetterFilter:
    """Return what the options choose; wrong usage where a time is none."""
    return LetterFilter(
        frozenset(reason.upper() for reason in reasons or ()),
        None if since is None else moment_option("--since", since),
        None if until is None else moment_option("--until", until),
    )


def messages(config: Config, since_ms: int | None, title: str | None) -> Iterator[TopicMessage]:
    """Give every message of the topic from this time on, to where it ends now.

    With a title a terminal shows how far it is: for those who print nothing meanwhile.
    """
    topics = [config.topics.dead_letters]
    with (
        TopicReader(config, topics, from_beginning=True, since_ms=since_ms) as reader,
        progress(title, reader.size) as step,
    ):
        for message in reader.rest():
            step(1)
            yield message


def replayed_places(config: Config, since_ms: int | None) -> set[Place]:
    """Return which letters were replayed already."""
    places = (replayed_place(message) for message in messages(config, since_ms, "reading what was replayed"))
    return {place for place in places if place is not None}
