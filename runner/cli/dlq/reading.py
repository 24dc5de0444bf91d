"""Reads the dead-letter topic from a time to where it ends now, and says what is asked for."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import typer

from runner.cli.dlq.letter import Letter, Place, read_letter, replayed_place
from runner.cli.options import moment_option
from runner.cli.progress import progress
from runner.cli.screen import stderr
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
class Wanted:
    """Which dead letters are asked for."""

    reasons: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is asked for; one without a time fits every time."""
        if self.reasons and letter.reason not in self.reasons:
            return False
        if letter.time_ms is None:
            return True
        is_late = self.until_ms is not None and letter.time_ms >= self.until_ms
        return not is_late and (self.since_ms is None or letter.time_ms >= self.since_ms)


@dataclass(slots=True)
class Found:
    """The newest letters that fit, how many there are of each reason, and which were replayed."""

    most: int
    counts: Counter[str] = field(default_factory=Counter)
    replayed: set[Place] = field(default_factory=set)
    _newest: list[tuple[int, int, int, Letter]] = field(default_factory=list)

    def add(self, letter: Letter) -> None:
        """Take a letter; of more than ``most`` the oldest is let go."""
        self.counts[letter.reason] += 1
        place = letter.place
        entry = (letter.time_ms or 0, place.partition, place.offset, letter)
        if len(self._newest) < self.most:
            heapq.heappush(self._newest, entry)
        else:
            heapq.heappushpop(self._newest, entry)

    @property
    def letters(self) -> list[Letter]:
        """The letters by the time they were buried."""
        return [entry[-1] for entry in sorted(self._newest, key=lambda entry: entry[:3])]


def wanted(reasons: list[str] | None, since: str | None, until: str | None) -> Wanted:
    """Return what the options ask for; wrong usage where a time is none."""
    return Wanted(
        frozenset(reason.upper() for reason in reasons or ()),
        None if since is None else moment_option("--since", since),
        None if until is None else moment_option("--until", until),
    )


def messages(config: Config, since_ms: int | None, title: str | None) -> Iterator[TopicMessage]:
    """Give every message of the topic from this time on, to where it ends now.

    With a title, how far it is can be seen on a terminal: for those who print nothing meanwhile.
    """
    topics = [config.topics.dead_letters]
    with (
        TopicReader(config, topics, from_beginning=True, since_ms=since_ms) as reader,
        progress(stderr(), title, reader.size) as step,
    ):
        for seen in reader.rest():
            step(1)
            yield seen


def find(config: Config, asked: Wanted, most: int) -> Found:
    """Read the topic once and return what fits."""
    found = Found(most)
    for seen in messages(config, asked.since_ms, "reading dead letters"):
        replayed = replayed_place(seen)
        if replayed is not None:
            found.replayed.add(replayed)
            continue
        letter = read_letter(seen)
        if asked.fits(letter):
            found.add(letter)
    return found


def replayed_places(config: Config, since_ms: int | None) -> set[Place]:
    """Return which letters were replayed already."""
    places = (replayed_place(seen) for seen in messages(config, since_ms, "reading what was replayed"))
    return {place for place in places if place is not None}
