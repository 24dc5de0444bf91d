"""How many dead letters a partition makes in a minute: beyond a bound it waits for the next minute.

Beside the bound on dead letters in a row, which finds a topic that holds something else altogether. This
one finds a sender of poison among others: what it sends is slowed down, nothing is dropped, and
whoever looks at /health/ready learns of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.clock import Ticker

WINDOW_SECONDS: Final = 60.0


class PoisonRate:
    """Counts by partition, in windows of a minute that begin with the first dead letter."""

    def __init__(self, most: int, ticker: Ticker) -> None:
        """``most`` in a minute; 0: no bound."""
        self._most = most
        self._ticker = ticker
        self._windows: dict[int, tuple[float, int]] = {}

    def count(self, buried: Mapping[int, int]) -> dict[int, float]:
        """Note dead letters by partition; return the seconds that those with too many must wait."""
        now = self._ticker()
        waits = {}
        for partition, number in buried.items() if self._most else ():
            began, counted = self._windows.get(partition, (now, 0))
            if now >= began + WINDOW_SECONDS:
                began, counted = now, 0
            self._windows[partition] = began, counted + number
            if counted + number > self._most:
                waits[partition] = began + WINDOW_SECONDS - now
        return waits

    def forget(self, partitions: Collection[int]) -> None:
        """Begin anew with these."""
        for partition in partitions:
            self._windows.pop(partition, None)
