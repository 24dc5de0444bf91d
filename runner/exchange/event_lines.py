"""Events from lines of text: one JSON object a line, checked as the worker will check it.

What the worker would put among the dead letters is refused here, by the number of its line. What it
would answer with FAIL is sent: its sender may want to see the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from runner.config import Config
from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.event import Event, MetaRules, read_event, require_answerable
from runner.envelope.plain import BYTE_ORDER_MARK
from runner.errors import PoisonError
from runner.kafka.codecs import build_codecs

LONGEST_LIST: Final = 20
"""Bad lines that are named; of more the number is given."""

_JSON: Final = JsonCodec()


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event to send: where its line stood, and its value in the encoding of its topic."""

    number: int
    value: bytes
    event: Event


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event: its number, counted from 1, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


def read_lines(
    lines: Iterable[bytes], rules: MetaRules, max_event_bytes: int, codec: Codec = _JSON
) -> tuple[list[EventLine], list[BadLine]]:
    """Return the events and the lines that are none, both in their order.

    Empty lines are skipped, and a byte order mark before an event.

    ``codec`` is that of the requests topic; JSON is sent as it stands. ``rules`` are the topic's
    metadata rules: an event may rely on them for its action.
    """
    events, bad = [], []
    for number, line in enumerate(lines, start=1):
        value = line.strip().removeprefix(BYTE_ORDER_MARK)
        if not value:
            continue
        try:
            events.append(_event_line(number, value, rules, max_event_bytes, codec))
        except PoisonError as error:
            bad.append(BadLine(number, str(error)))
    return events, bad


def read_events(
    config: Config, rules: MetaRules, lines: Iterable[bytes]
) -> tuple[list[EventLine], list[BadLine]]:
    """Return the same in the encoding of the requests topic, within the limit of the configuration."""
    with closing(build_codecs(config)) as codecs:
        codec = codecs.of(config.topics.requests)
        return read_lines(lines, rules, config.limits.event_bytes, codec)


def describe_bad(bad: list[BadLine]) -> str:
    """Return what is wrong, a line each, at most LONGEST_LIST of them."""
    named = [str(line) for line in bad[:LONGEST_LIST]]
    more = len(bad) - LONGEST_LIST
    return "\n".join([*named, f"and {more} more"] if more > 0 else named)


def _event_line(number: int, line: bytes, rules: MetaRules, max_event_bytes: int, codec: Codec) -> EventLine:
    sections = _JSON.decode(line)
    event = read_event(sections, None, rules)
    require_answerable(event)
    value = line if isinstance(codec, JsonCodec) else codec.encode(sections)
    if len(value) > max_event_bytes:
        raise PoisonError("TOO_LARGE", f"it has {len(value)} bytes; limits.eventBytes is {max_event_bytes}")
    return EventLine(number, value, event)
