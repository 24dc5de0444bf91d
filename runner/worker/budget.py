"""The budget of a batch: time and bytes that its events may use before the rest is deferred.

A pattern may take a second, and a record may be a thousand times as large as the event that names it. A
thousand such events in one batch would end the worker, and then the worker that takes over. Where a batch
is deferred makes no difference to what is decided (``BatchState.defer``), so a clock may be read here.
"""

from __future__ import annotations

from runner.clock import Ticker


class BatchBudget:
    """The time and bytes that a batch has left."""

    def __init__(self, ticker: Ticker, seconds: float, size_bytes: int) -> None:
        self._ticker = ticker
        self._until = ticker() + seconds
        self._bytes_left = size_bytes

    def charge(self, size_bytes: int) -> None:
        """Take so many bytes from the budget."""
        self._bytes_left -= size_bytes

    @property
    def is_exhausted(self) -> bool:
        """Whether the next event has to be deferred."""
        return self._bytes_left < 0 or self._ticker() > self._until
