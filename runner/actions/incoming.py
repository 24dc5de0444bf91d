"""One event on its way into an action: where it stood in the log, and what its headers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from runner.envelope.event import Event
from runner.errors import EventError
from runner.tasks.source import Source, parse_source

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

MAX_HOPS: Final = 3
"""How often an event is forwarded before it is refused: homes do not chase each other."""

ORIGIN: Final = "runner-origin"
HOPS: Final = "runner-hops"
TIMER: Final = "runner-timer"
PERIOD: Final = "runner-period"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
TIMEOUT_TASK: Final = "TimeoutTask"

_MAX_HOPS_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event, its source, its key and value as they were read, and its headers."""

    event: Event
    source: Source
    key: bytes | None
    value: bytes
    headers: Headers = field(default=())

    def header(self, name: str) -> str | None:
        """Return a header as text, or None; bytes that are no text count as absent."""
        for key, value in self.headers:
            if key == name:
                try:
                    return value.decode()
                except UnicodeDecodeError:
                    return None
        return None

    @property
    def hops(self) -> int:
        """How often this event was forwarded already."""
        text = self.header(HOPS)
        if text is None or not (text.isascii() and text.isdecimal()):
            return 0
        return int(text[:_MAX_HOPS_DIGITS])

    @property
    def first_partition(self) -> int:
        """Partition on which the event was first read: when forwarded, it keeps the id made there."""
        origin = self.header(ORIGIN)
        try:
            return self.source.partition if origin is None else parse_source(origin).partition
        except EventError:
            return self.source.partition

    @property
    def is_timer(self) -> bool:
        """Whether the runner sent this itself; its header means nothing on another action."""
        marked = any(name == TIMER for name, _ in self.headers)
        return marked and self.event.sent_meta.get("action") == TIMEOUT_TASK

    @property
    def trace(self) -> Headers:
        """The trace context, to be carried over unchanged."""
        return tuple(header for header in self.headers if header[0] in TRACE_HEADERS)
