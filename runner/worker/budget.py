"""What the events of a batch may take before the others wait for the next: time, and bytes that they build.

A pattern may take a second, and a record a thousand times as much as the event that names it. A thousand such
events in one batch would end the worker, and then whoever takes over. Where a batch is cut makes
no difference to what is decided (``Progress.cut``), so this may look at a clock.
"""

from __future__ import annotations

from runner.clock import Ticker


class BatchBudget:
    """What is left of the room of a batch."""

    def __init__(self, ticker: Ticker, seconds: float, size_bytes: int) -> None:
        self._ticker = ticker
        self._until = ticker() + seconds
        self._bytes_left = size_bytes

    def charge(self, size_bytes: int) -> None:
        """Note what was built."""
        self._bytes_left -= size_bytes

    @property
    def is_exhausted(self) -> bool:
        """Whether what comes next waits for the next batch."""
        return self._bytes_left < 0 or self._ticker() > self._until
