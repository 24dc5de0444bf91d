"""The limits of one event: how large it may be, and what it may make the runner build.

What a limit refuses was perhaps decided before, while the limit was higher: such a decision stands, and its
messages are made again within ``WIDEST``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MIB: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class EventLimits:
    """The limits in effect; those of the configuration, which takes its defaults from here."""

    event_bytes: int = 1_000_000
    """Bytes of the value of a message; a larger one is a dead letter."""
    headers: int = 100
    """Headers of a message."""
    header_bytes: int = 65_536
    """Bytes of all headers of a message, names and values."""
    id_bytes: int = 8192
    """Bytes of a request id, and of the id of a new task."""
    pattern_characters: int = 4096
    """Characters of a pattern, and of an expression that comes from the data."""
    pattern_values: int = 1_000_000
    """Values visited and built by one search, about a second; 32 characters of text count as one."""
    data_bytes: int = 1_000_000
    """Bytes, as JSON, of what ``inputPattern`` gives, and of the data of a new task."""


USUAL: Final = EventLimits()
"""The defaults."""

WIDEST: Final = EventLimits(
    event_bytes=64 * _MIB,
    headers=10_000,
    header_bytes=_MIB,
    id_bytes=8192,
    pattern_characters=16_384,
    pattern_values=5_000_000,
    data_bytes=64 * _MIB,
)
"""The most that the configuration takes: what was decided under any limits fits into these."""
