"""One event on its way into an action: where it stood in the log, and what its headers say."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from runner.envelope.event import Event
from runner.errors import EventError
from runner.tasks.source import Source, parse_source

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

MAX_HOPS: Final = 3
"""How often an event is forwarded before it is refused: homes do not chase each other."""

HEADER_BYTES: Final = 8
"""What a header takes besides its name and value: the length of each, in at most four bytes."""

ORIGIN: Final = "runner-origin"
HOPS: Final = "runner-hops"
TIME: Final = "runner-time"
TIMER: Final = "runner-timer"
PERIOD: Final = "runner-period"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
TIMEOUT_TASK: Final = "TimeoutTask"

FORWARDING_HEADERS: Final = 4
"""Headers that an event may get where the runner sends it on: origin, time, hops, period."""

FORWARDING_HEADERS_BYTES: Final = 65_536
"""What they have at most, names and values: the period names a task, whose id may be escaped."""

_MAX_HOPS_DIGITS: Final = 9
_MAX_TIME_DIGITS: Final = 15


class Incoming(msgspec.Struct, frozen=True):
    """An event, its source, its key and value as they were read, and its headers."""

    event: Event
    source: Source
    key: bytes | None
    value: bytes
    headers: Headers = ()
    timestamp_ms: int | None = None
    """When the message says it was sent, epoch ms."""

    def header(self, name: str) -> str | None:
        """Return a header as text, or None; bytes that are no text count as absent."""
        return header_text(self.headers, name)

    @property
    def hops(self) -> int:
        """How often this event was forwarded already."""
        text = self.header(HOPS)
        if text is None or not (text.isascii() and text.isdecimal()):
            return 0
        return int(text[:_MAX_HOPS_DIGITS])

    @property
    def first_source(self) -> Source:
        """Where the event was first read: sent on, it keeps what was made of that."""
        origin = self.header(ORIGIN)
        try:
            return self.source if origin is None else parse_source(origin)
        except EventError:
            return self.source

    @property
    def given_ms(self) -> int | None:
        """When the event was given: its timestamp, or that of its first message where it was sent on."""
        text = self.header(TIME)
        if text is None or not (text.isascii() and text.isdecimal()) or len(text) > _MAX_TIME_DIGITS:
            return self.timestamp_ms
        return int(text)

    @property
    def seed(self) -> str:
        """What chance in a pattern is derived from: new for every event, the same when it comes again."""
        return f"{self.first_source} {self.event.request_id}"

    @property
    def forwarding_headers(self) -> Headers:
        """Headers that keep first source and time of this event when it is sent on."""
        origin = (ORIGIN, str(self.first_source).encode())
        given_ms = self.given_ms
        return (origin,) if given_ms is None else (origin, (TIME, str(given_ms).encode()))

    @property
    def is_timer(self) -> bool:
        """Whether the runner sent this itself; its header means nothing on another action."""
        if not self.headers or self.event.sent_meta.get("action") != TIMEOUT_TASK:
            return False
        return any(name == TIMER for name, _ in self.headers)

    @property
    def trace(self) -> Headers:
        """The trace context, to be carried over unchanged."""
        return tuple(header for header in self.headers if header[0] in TRACE_HEADERS) if self.headers else ()


def size_of(headers: Headers) -> int:
    """Return how many bytes headers take in a message, at most."""
    size = HEADER_BYTES * len(headers)
    for name, value in headers:
        size += (len(name) if name.isascii() else len(name.encode())) + len(value)
    return size


def header_text(headers: Headers, name: str) -> str | None:
    """Return the first header of that name as text; None if there is none, or its bytes are no text."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None
