"""Clocks: who may ask for the time, and which time.

Deadlines are compared with the time of Redis, which comes with every load and every look at an index
(``store``), so that workers with skewed clocks agree. A worker's own clock only measures how long
something took; that is the ``Ticker`` here, replaced by a manual one in tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

Ticker: TypeAlias = Callable[[], float]
"""Seconds of a monotonic clock: only differences mean anything."""


def monotonic_seconds() -> float:
    """Seconds since some fixed moment; never goes back."""
    return time.monotonic()


class ManualTicker:
    """A ticker that moves only when told: what waits in tests waits for an event, not for time."""

    def __init__(self, start_seconds: float = 0.0) -> None:
        self._now = start_seconds

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward; a negative step would break the promise of a monotonic clock."""
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now += seconds
