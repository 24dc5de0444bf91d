"""The messages of the dead-letter topic: dead letters, and the notes that one was replayed.

``runner dlq replay`` leaves a note beside every letter that it sends back, in the same partition and the
same transaction: so the topic itself tells what was replayed, to everybody and for as long as the letter
is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from runner.cli.options import moment_option
from runner.cli.screen import tracked
from runner.config import Config
from runner.kafka.reader import read_topics
from runner.kafka.topic_message import RawHeaders, TopicMessage
from runner.worker import dead_letters as box

REPLAYED: Final = "dead-letter-replayed"
"""Header of an event that was sent back: ``topic/partition@offset`` of its dead letter."""

REPLAY_OF: Final = "dead-letter-replay-of"
"""Header of a note: ``partition@offset`` of the dead letter that was sent back."""

UNKNOWN: Final = "-"

_OURS: Final = frozenset({*box.HEADERS, REPLAYED})
_PLACE: Final = re.compile(r"(\d{1,10})@(\d{1,19})", re.ASCII)


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
class LetterPlace:
    """Where a message stands in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """``partition@offset``, as it is printed and typed."""
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """What the headers of a dead letter say; a message that somebody else wrote has no reason or source."""

    place: LetterPlace
    time_ms: int | None
    reason: str
    message: str
    topic: str | None
    source: LetterPlace | None
    key: str
    size: int
    again: str
    """The dead letter it was before, if it was sent back and came again."""

    @property
    def came_from(self) -> str:
        """``topic/partition@offset``."""
        return UNKNOWN if self.topic is None else f"{self.topic}/{self.source or UNKNOWN}"

    def described(self) -> dict[str, Any]:
        source = self.source
        return {
            "place": str(self.place),
            "partition": self.place.partition,
            "offset": self.place.offset,
            "timeMs": self.time_ms,
            "reason": self.reason,
            "message": self.message,
            "source": {
                "topic": self.topic,
                "partition": None if source is None else source.partition,
                "offset": None if source is None else source.offset,
            },
            "key": self.key,
            "bytes": self.size,
        }


def read_letter(message: TopicMessage) -> Letter:
    """Return a message of the dead-letter topic that is no note. Never raises, whatever its bytes are."""
    headers = message.headers
    return Letter(
        place=LetterPlace(message.partition, message.offset),
        time_ms=message.time_ms,
        reason=headers.get(box.REASON) or UNKNOWN,
        message=headers.get(box.MESSAGE, ""),
        topic=headers.get(box.TOPIC),
        source=parse_place(f"{headers.get(box.PARTITION)}@{headers.get(box.OFFSET)}"),
        key=message.key,
        size=len(message.value or b""),
        again=headers.get(REPLAYED, ""),
    )


def replayed_place(message: TopicMessage) -> LetterPlace | None:
    """Return the letter that a note says was replayed; None for a message that is no note."""
    if box.REASON in message.headers:
        return None
    place = parse_place(message.headers.get(REPLAY_OF, ""))
    return place if place is not None and place.partition == message.partition else None


def parse_place(text: str) -> LetterPlace | None:
    """Return the place that ``str`` wrote; None for anything else."""
    match = _PLACE.fullmatch(text)
    return None if match is None else LetterPlace(int(match[1]), int(match[2]))


def original_headers(headers: RawHeaders) -> RawHeaders:
    """Return the headers without those that the runner put there when it buried or replayed the message."""
    return tuple((name, value) for name, value in headers if name not in _OURS)


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
    with read_topics(config, topics, from_beginning=True, since_ms=since_ms) as reader:
        yield from tracked(title, reader.rest(), reader.size)


def replayed_places(config: Config, since_ms: int | None) -> set[LetterPlace]:
    """Return which letters were replayed already."""
    places = (replayed_place(message) for message in messages(config, since_ms, "reading what was replayed"))
    return {place for place in places if place is not None}
