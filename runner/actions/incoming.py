"""One event on its way into an action: where it stood in the log, and what its headers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from runner.envelope.event import Event
from runner.tasks.source import Source

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

MAX_HOPS: Final = 3
"""How often an event is forwarded before it is refused: homes do not chase each other."""

ORIGIN: Final = "runner-origin"
HOPS: Final = "runner-hops"
TIMER: Final = "runner-timer"
PERIOD: Final = "runner-period"
TRACE_HEADERS: Final = ("traceparent", "tracestate")


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
        text = self.header(HOPS) if self.headers else None
        return int(text) if text is not None and text.isdecimal() else 0

    @property
    def trace(self) -> Headers:
        """The trace context, to be carried over unchanged."""
        return tuple(header for header in self.headers if header[0] in TRACE_HEADERS)
