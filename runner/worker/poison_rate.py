"""The bound on dead letters per minute: a partition beyond it is paused until the next minute.

The bound on dead letters in a row finds a topic that holds something else altogether. This bound finds
a sender of poison among others: its partition is slowed down, nothing is dropped, and /health/ready
shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.clock import Ticker

WINDOW_SECONDS: Final = 60.0


class PoisonRate:
    """Counts dead letters by partition, in windows of a minute that begin with the first one."""

    def __init__(self, most: int, ticker: Ticker) -> None:
        """``most`` in a minute; 0: no bound."""
        self._most = most
        self._ticker = ticker
        self._windows: dict[int, tuple[float, int]] = {}

    def count(self, dead_letters: Mapping[int, int]) -> dict[int, float]:
        """Count dead letters by partition; return the seconds to pause the partitions over the bound."""
        now = self._ticker()
        waits = {}
        for partition, number in dead_letters.items() if self._most else ():
            began, total = self._windows.get(partition, (now, 0))
            if now >= began + WINDOW_SECONDS:
                began, total = now, 0
            self._windows[partition] = began, total + number
            if total + number > self._most:
                waits[partition] = began + WINDOW_SECONDS - now
        return waits

    def forget(self, partitions: Collection[int]) -> None:
        """Drop the counts of these partitions."""
        for partition in partitions:
            self._windows.pop(partition, None)
