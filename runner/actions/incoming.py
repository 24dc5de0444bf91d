"""Incoming events: an event with its source in the log and the headers of its message."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from runner.envelope.event import Event
from runner.errors import EventError
from runner.tasks.source import Source, parse_source

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

MAX_HOPS: Final = 3
"""Forwards of an event at most; one more is refused, so that no event is forwarded for ever."""

HEADER_BYTES: Final = 8
"""Bytes of a header besides name and value: two lengths of at most four bytes."""

# Names of the headers that the runner itself adds.
ORIGIN: Final = "runner-origin"
HOPS: Final = "runner-hops"
TIME: Final = "runner-time"
TIMER: Final = "runner-timer"
PERIOD: Final = "runner-period"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
TIMEOUT_TASK: Final = "TimeoutTask"
HOOK_TASK: Final = "HookTask"
"""The runner's own event for hooks that are due; nobody else may send it."""

FORWARDING_HEADERS: Final = 4
"""Number of headers that the runner may add when it sends an event on: origin, time, hops, period."""

FORWARDING_HEADERS_BYTES: Final = 65_536
"""Bytes of those headers at most, names and values: the period has a task id, which may be escaped."""

_OF_TIMERS: Final = (TIMEOUT_TASK, HOOK_TASK)
_MAX_HOPS_DIGITS: Final = 9
_MAX_TIME_DIGITS: Final = 15


class Incoming(msgspec.Struct, frozen=True):
    """Event with its source, and with key, value and headers of its message as read."""

    event: Event
    source: Source
    key: bytes | None
    value: bytes
    headers: Headers = ()
    timestamp_ms: int | None = None

    def header(self, name: str) -> str | None:
        """Return a header as text; None where it is absent or no UTF-8."""
        return header_text(self.headers, name)

    @property
    def hops(self) -> int:
        """Number of times this event was forwarded."""
        text = self.header(HOPS)
        if text is None or not (text.isascii() and text.isdecimal()):
            return 0
        return int(text[:_MAX_HOPS_DIGITS])

    @property
    def first_source(self) -> Source:
        """Source of the first message of this event; the same after it is sent on."""
        origin = self.header(ORIGIN)
        try:
            return self.source if origin is None else parse_source(origin)
        except EventError:
            return self.source

    @property
    def given_ms(self) -> int | None:
        """Timestamp of the first message of this event, epoch ms; the same after it is sent on."""
        text = self.header(TIME)
        if text is None or not (text.isascii() and text.isdecimal()) or len(text) > _MAX_TIME_DIGITS:
            return self.timestamp_ms
        return int(text)

    @property
    def seed(self) -> str:
        """Seed of random values in patterns: differs between events, is the same when one is redelivered."""
        return f"{self.first_source} {self.event.request_id}"

    @property
    def forwarding_headers(self) -> Headers:
        """Headers with first source and time of this event, to be added when it is sent on."""
        origin = (ORIGIN, str(self.first_source).encode())
        given_ms = self.given_ms
        return (origin,) if given_ms is None else (origin, (TIME, str(given_ms).encode()))

    @property
    def is_timer(self) -> bool:
        """Whether this is an event of the runner's own timers; the header counts on no other action."""
        if not self.headers or self.event.sent_meta.get("action") not in _OF_TIMERS:
            return False
        return any(name == TIMER for name, _ in self.headers)

    @property
    def trace(self) -> Headers:
        """Headers of the trace context, passed on unchanged."""
        return tuple(header for header in self.headers if header[0] in TRACE_HEADERS) if self.headers else ()


def size_of(headers: Headers) -> int:
    """Return the bytes that headers take in a message at most."""
    size = HEADER_BYTES * len(headers)
    for name, value in headers:
        size += (len(name) if name.isascii() else len(name.encode())) + len(value)
    return size


def header_text(headers: Headers, name: str) -> str | None:
    """Return the first header of a name as text; None where it is absent or no UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None
